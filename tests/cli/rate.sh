#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# --rate keeps an absolute schedule: no faster, and no drift. --stats says how fast it was.
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

section "one is not many"
echo x | exits 0 "$SHOAL_BIN" pub t --no-wait --stats
grep -q "sent 1 message, 1 byte$" err || bad "$(cat err)"

section "the rate of few messages has a decimal"
"$SHOAL_BIN" sub t >arrived 2>sub.err 3>&- &
sub=$!
seq 3 | exits 0 "$SHOAL_BIN" pub t --rate 2 --stats -w 1
grep -Eq 'sent 3 messages, 3 bytes in [0-9.]+ s: [0-9]\.[0-9] messages/s' err || bad "$(cat err)"
ends 0 $sub

# on_terminal TYPESCRIPT COMMAND: runs it on a terminal of its own.
on_terminal() {
	timeout 60 script -qefc "$2" "$1" </dev/null >script.out 2>&1
}

section "--stats shows progress on a terminal, but not among the messages"
if command -v script >/dev/null; then
	clear=$(printf '\033[K')
	on_terminal both "'$SHOAL_BIN' sub t --stats" 3>&- &
	both=$!
	on_terminal talk "'$SHOAL_BIN' sub t --stats >arrived" 3>&- &
	talk=$!
	seq 30 | exits 0 "$SHOAL_BIN" pub t --rate 10 -w 2
	ends 0 $both
	ends 0 $talk
	has both "received 30 messages"
	has_not both "$clear"
	has talk "received 30 messages"
	has talk "$clear"
	seq 30 | cmp - arrived || bad "all of them"
fi

finish
