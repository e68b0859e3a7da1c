#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# table.sh TORTURE-STEP: every exported function that takes a handle or an object's name has a row
# in the tables of torture/step (the field `covers`), and no row names anything else. What is killed
# at every instruction is what users call, all of it.
set -eu
step=$1

# As tests/lint/symbols.sh finds them: from SHOAL_API to the semicolon.
cat "$SHOAL_SRC"/include/shoal/*.h | grep -v '^#' | tr '\n\t' '  ' | grep -oE 'SHOAL_API [^;]*;' >all
sed -n 's/^SHOAL_API [^(]*[ *]\([a-z0-9_]*\)(.*/\1/p' all | sort >exported
grep -E 'shoal_(pub|sub|block) \*|const char \*(name|prefix)\b' all |
	sed -n 's/^SHOAL_API [^(]*[ *]\([a-z0-9_]*\)(.*/\1/p' | sort >wanted
"$step" all --list | cut -f 3 | tr ' ' '\n' | grep . | sort -u >covered
"$step" all --list | awk -F '\t' '$1 != "repair" && $3 == "" { print $2 }' >bare

failures=0
fail() {
	echo "$1"
	failures=1
}
[ "$(wc -l <wanted)" -gt 20 ] || fail "too few functions found in the headers: this test is broken"
comm -23 wanted covered >missing
[ ! -s missing ] || fail "no row in torture/step/ops_*.c (CONTRIBUTING.md says how to add one) covers:
$(sed 's/^/    /' missing)"
comm -13 exported covered >unknown
[ ! -s unknown ] || fail "rows cover what no header declares:
$(sed 's/^/    /' unknown)"
[ ! -s bare ] || fail "rows that cover nothing:
$(sed 's/^/    /' bare)"
echo "$(wc -l <wanted) functions, $("$step" all --list | wc -l) operations"
exit $failures
