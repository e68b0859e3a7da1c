#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The examples work together, started in either order, and doubt what comes.
set -eu
bin=$SHOAL_BUILD/examples

# Each publisher holds its ticks until the first subscriber is there.
"$bin/tick-subscriber" >first &
one=$!
timeout 60 "$bin/tick-publisher" 1000
wait $one
grep -qx '1000 ticks, mean price 102.45' first

timeout 60 "$bin/tick-publisher" 5000 &
two=$!
timeout 60 "$bin/tick-subscriber" >second
wait $two
grep -qx '5000 ticks, mean price 102.45' second

# A topic of another shape under that name: said, not believed.
printf 'no tick\n' >line
if [ -x "$SHOAL_BIN" ]; then
	timeout 60 "$SHOAL_BIN" pub example/ticks <line 2>/dev/null &
	three=$!
	timeout 60 "$bin/tick-subscriber" >third 2>said
	wait $three
	grep -qx '0 ticks, mean price 0.00' third
	grep -q 'no tick' said
fi
