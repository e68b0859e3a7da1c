#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# symbols.sh LIBRARY: what the headers declare, what the version script lists and what the shared
# library exports are the same functions, each in a node; and the library needs libc only.
set -eu
library=$1
failures=0

fail() {
	echo "$*"
	failures=$((failures + 1))
}

# same WHAT FILE OTHER: lists of names.
same() {
	diff "$2" "$3" >diff || {
		fail "$1 (< $2, > $3):"
		grep '^[<>]' diff
	}
}

# A declaration goes from SHOAL_API to its bracket, over line ends; comments have no SHOAL_API.
cat "$SHOAL_SRC"/include/shoal/*.h | grep -v '^#' | tr '\n' ' ' |
	grep -oE 'SHOAL_API [^;(]*\(' | grep -oE '[a-z0-9_]+\($' | tr -d '(' | sort >headers
sed -n 's/^\t\([a-z0-9_]*\);$/\1/p' "$SHOAL_SRC/src/libshoal.map" | sort >map
nm -D --defined-only "$library" | awk '$2 == "T" { print $3 }' >versioned
sed 's/@.*//' versioned | sort >exported
nm -D --defined-only "$library" | awk '$2 !~ /[TA]/ { print }' >others

[ "$(wc -l <headers)" -gt 20 ] || fail "too few functions found in the headers: this test is broken"
same "headers and version script" headers map
same "version script and library" map exported
! grep -v '@@SHOAL_[0-9.]*$' versioned || fail "exported without a version"
[ ! -s others ] || fail "exported, but no function: $(cat others)"

readelf -dW "$library" >dynamic
sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' dynamic | grep -vE '^(libc\.so\.6|ld-linux.*)$' >needed || true
[ ! -s needed ] || fail "needs more than libc: $(cat needed)"
grep -q '(SONAME).*\[libshoal\.so\.0\]' dynamic || fail "SONAME is not libshoal.so.0"
grep -qE 'BIND_NOW|\(FLAGS_1\).*NOW' dynamic || fail "not linked with -z now"
readelf -lW "$library" | grep -q GNU_RELRO || fail "not linked with -z relro"
readelf -lW "$library" | grep 'GNU_STACK.*RWE' && fail "has an executable stack"
! grep -q TEXTREL dynamic || fail "has text relocations"
[ $failures -eq 0 ]
