#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The code of docs/moving-from.md compiles without a warning and works; and what the page names of
# Shoal's is in the headers.
set -eu
page=$SHOAL_SRC/docs/moving-from.md
here=$SHOAL_SRC/tests/moving

blocks=$(sed -n 's/^<!-- test: \([a-z_]*\) -->$/\1/p' "$page")
[ "$(grep -c '^```c$' "$page")" -eq "$(echo "$blocks" | wc -l)" ] || { echo "a block has no name"; exit 1; }
for block in $blocks; do
	awk -v name="$block" -f "$SHOAL_SRC/tests/readme/block.awk" "$page"
done >page.h
$CC -std=c17 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Werror -I. -I"$SHOAL_SRC/include" \
	"$here/drive.c" -L"$SHOAL_BUILD/src" -lshoal -Wl,-rpath,"$SHOAL_BUILD/src" -o drive
timeout 60 ./drive

failures=0
cat "$SHOAL_SRC"/include/shoal/*.h >headers
for name in $(grep -oE '\b(shoal|SHOAL)_[A-Za-z_]+' "$page" | sort -u); do
	grep -qwF "$name" headers || { echo "no header has $name"; failures=1; }
done
# System calls of the name of a verb: `shoal gc`.
for verb in $(grep -oE '`shoal [a-z]+' "$page" | sed 's/.* //' | sort -u); do
	[ ! -x "$SHOAL_BIN" ] || "$SHOAL_BIN" help "$verb" >/dev/null 2>&1 ||
		"$SHOAL_BIN" "$verb" --help >/dev/null 2>&1 || { echo "no verb $verb"; failures=1; }
done
exit $failures
