#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The program in README compiles without a warning and does what README says, in either order.
set -eu
awk -v name=program -f "$SHOAL_SRC/tests/readme/block.awk" "$SHOAL_SRC/README.md" >greet.c
lines=$(sed -n '/^{/,/^}/p' greet.c | grep -c '[a-z]')
[ "$lines" -le 18 ] || { echo "the body has $lines lines: no short program any more"; exit 1; }
$CC -std=c11 -Wall -Wextra -Wpedantic -Werror -I"$SHOAL_SRC/include" greet.c \
	-L"$SHOAL_BUILD/src" -lshoal -Wl,-rpath,"$SHOAL_BUILD/src" -o greet
printf 'hello\nworld\n' >expected

./greet >subscriber-first &
timeout 30 ./greet hello world
wait $!
diff expected subscriber-first

# The publisher holds its messages until somebody subscribes.
timeout 30 ./greet hello world &
timeout 30 ./greet >publisher-first
wait $!
diff expected publisher-first

# A failure says why.
! SHOAL_DIR=/nowhere ./greet hello 2>why
grep -q nowhere why
