#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# survival.sh PROGRAM: the rows that the program finds out are those of docs/moving-from.md, up to the
# column that a test can't try (a logout, a reboot, a power loss).
set -eu
page=$SHOAL_SRC/docs/moving-from.md
failures=0
status=0
"$1" >out || status=$?
cat out
[ $status -eq 0 ] || exit $status
sed -n 's/^row: //p' out >rows
[ "$(wc -l <rows)" -ge 3 ] || { echo "too few rows: this test is broken"; exit 1; }
while read -r row; do
	grep -qF -- "$row" "$page" && continue
	echo "docs/moving-from.md does not say: $row"
	failures=1
done <rows
# And the page has no backend that was not tried.
sed -n '/^| backend | last close /,/^$/p' "$page" | tail -n +3 | grep . | wc -l >said
[ "$(cat said)" -eq "$(wc -l <rows)" ] || { echo "the page has $(cat said) backends"; failures=1; }
exit $failures
