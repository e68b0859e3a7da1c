#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# rows.sh FAMILY...: each row of docs/pitfalls.md names a trap of tests/traps, each trap has one row,
# and each family is a test.
set -eu
page=$SHOAL_SRC/docs/pitfalls.md
failures=0

fail() {
	echo "$*"
	failures=$((failures + 1))
}

# A row: | trap | bare | Shoal | `family.case` |
grep '^| ' "$page" | grep -v '^| trap |' | grep -v '^| ---' >rows
sed -n 's/.*| `\([a-z_]*\.[a-z0-9_]*\)` |$/\1/p' rows | sort >named
awk -F ' [|] ' 'NF != 4 || $1 == "| " || $2 ~ /^ *$/ || $3 ~ /^ *$/ { print "not four columns: " $0 }' \
	rows >broken
[ ! -s broken ] || fail "$(cat broken)"
[ "$(wc -l <rows)" -eq "$(wc -l <named)" ] || fail "a row that names no test:
$(grep -v '| `[a-z_]*\.[a-z0-9_]*` |$' rows)"

: >shown
for file in "$SHOAL_SRC"/tests/traps/*.c; do
	family=$(basename "$file" .c)
	[ "$family" = trap ] && continue
	case " $* " in *" $family "*) ;; *) fail "$family.c is no test" ;; esac
	grep -oE 'TRAP\([a-z0-9_]+\)' "$file" | sed "s/TRAP(\(.*\))/$family.\1/" >>shown
done
sort -o shown shown

[ "$(wc -l <shown)" -gt 5 ] || fail "too few traps found: this test is broken"
diff named shown >diff || fail "rows (<) and traps (>) differ:
$(grep '^[<>]' diff)"
[ $failures -eq 0 ]
