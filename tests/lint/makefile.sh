#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the Makefile builds and runs is there: `make bench` named a target that was none.
set -eu
command -v ninja >/dev/null || { echo "no ninja here"; exit 77; }
[ -f "$SHOAL_BUILD/build.ninja" ] || { echo "not built by ninja"; exit 77; }
ninja -C "$SHOAL_BUILD" -t targets all | sed 's/: .*//' | sort -u >targets
{
	grep -o -- '--target [a-z-]*' "$SHOAL_SRC/Makefile" | sed 's/--target //'
	grep -o 'build/release/[a-z/-]*' "$SHOAL_SRC/Makefile" | sed 's#build/release/##' | grep .
} | sort -u >named
grep -q / named || { echo "no program is named: this test is broken"; exit 1; }
failures=0
while read -r name; do
	grep -qxF "$name" targets && continue
	echo "the Makefile names '$name', which is not built"
	failures=1
done <named
for script in $(grep -o 'scripts/[a-z-]*' "$SHOAL_SRC/Makefile" | sort -u); do
	[ -x "$SHOAL_SRC/$script" ] && continue
	echo "the Makefile runs $script, which is not there"
	failures=1
done
exit $failures
