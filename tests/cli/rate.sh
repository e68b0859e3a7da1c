#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# --rate keeps an absolute schedule: no faster, and no drift.
. "$SHOAL_SRC/tests/cli/lib.sh" || exit 1

seq 51 | "$SHOAL_BIN" pub t --rate 100 2>pub.err 3>&- &
pub=$!
begin=$(date +%s%N)
exits 0 "$SHOAL_BIN" sub t --json
took=$((($(date +%s%N) - begin) / 1000000))
ends 0 $pub
equal "$(wc -l <out)" 51
# 50 intervals of 10 ms, of which a few may have passed before the subscriber came.
first=$(sed -n '1s/.*"time_ns":\([0-9]*\).*/\1/p' out)
last=$(sed -n '$s/.*"time_ns":\([0-9]*\).*/\1/p' out)
took=$(((last - first) / 1000000))
[ $took -ge 300 ] || bad "50 intervals of 10 ms took $took ms"

section "many a second go out without a sleep each"
seq 20000 | "$SHOAL_BIN" pub t --rate 1000000 2>pub.err 3>&- &
pub=$!
exits 0 "$SHOAL_BIN" sub t
ends 0 $pub
seq 20000 | cmp - out || bad "all of them"

finish
