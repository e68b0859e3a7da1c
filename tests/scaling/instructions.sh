#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# bench/count-instructions counts: a small table, with a plausible number for two operations. How
# many there are is no test: other compilers count differently. But a guard adds none.
. "$SHOAL_SRC/tests/cli/lib.sh" || exit 1
command -v valgrind >/dev/null || {
	echo "no valgrind"
	exit 77
}
exits 0 timeout 100 "$SHOAL_SRC/bench/count-instructions" "$SHOAL_BUILD" publish borrow+release
number='[0-9]+\.[0-9] \|'
grep -qE "^\| publish \| $number $number $number\$" out || bad "no row: $(cat out)"
awk -F'|' '/publish/ && ($3 < 20 || $3 > 500 || $4 < $3) { exit 1 }' out || bad "$(cat out)"
# What comes once in a run, or the loader's binding, may show in the last digit.
awk -F'|' 'NR > 2 && $5 - $3 > 0.3 { exit 1 }' out || bad "a guard adds instructions: $(cat out)"
exits 2 "$SHOAL_SRC/bench/count-instructions" --frob
exits 3 "$SHOAL_SRC/bench/count-instructions" "$PWD"
has err "build the release preset first"
[ -z "$(ls -A "$SHOAL_DIR")" ] || bad "left behind: $(ls -A "$SHOAL_DIR")"
finish
