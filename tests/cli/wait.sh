#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A wait names whom it is for: once, not every second. The dead are not waited for.
. "$SHOAL_SRC/tests/cli/lib.sh" || exit 1
mkfifo pipe

holds_up() {
	shoal stat t -n -o pid,holds_up | grep -q "^ *$1 yes"
}

section "a stopped subscriber holds up its publisher, by name; killed, it doesn't"
"$SHOAL_BIN" pub t --slots 16 <pipe 2>pub.err 3>&- &
pub=$!
exec 3>pipe
"$SHOAL_BIN" sub t >arrived 2>sub.err 3>&- &
sub=$!
echo 0 >&3
wait_for size_is arrived 2
kill -STOP $sub
wait_for is_stopped $sub
seq 100 >&3
wait_for grep -q "waiting for subscriber pid $sub (shoal), stopped" pub.err
# It has been said; two more seconds of the same are not worth a line.
deadline=$((SECONDS + 3))
while [ $SECONDS -lt $deadline ]; do
	has_seats t subscriber stopped 1 || bad "stat doesn't say stopped"
	sleep 0.2
done
equal "$(grep -c "waiting for subscriber" pub.err)" 1 "said once"
exits 0 "$SHOAL_BIN" stat t -n -o pid,health,holds_up,role
grep -q "^ *$sub stopped *yes *subscriber" out || bad "stat names it: $(cat out)"

echo "- running again, it lets it go on"
kill -CONT $sub
wait_for size_is arrived $((2 + 292))
kill -STOP $sub
wait_for is_stopped $sub
seq 100 >&3
wait_for holds_up $sub
exec 3>&-
dies $sub
ends 0 $pub
nothing_left "a killed subscriber"

section "at the end of input, the subscriber that has not read everything"
"$SHOAL_BIN" pub t <pipe 2>pub.err 3>&- &
pub=$!
exec 3>pipe
"$SHOAL_BIN" sub t >arrived 2>sub.err 3>&- &
sub=$!
echo 0 >&3
wait_for size_is arrived 2
kill -STOP $sub
wait_for is_stopped $sub
seq 100 >&3
exec 3>&-
wait_for grep -q "waiting for subscriber pid $sub (shoal), stopped" pub.err
kill -CONT $sub
ends 0 $pub
ends 0 $sub
seq 0 100 | cmp - arrived || bad "all arrived"

section "a subscriber says that its publisher is stopped"
"$SHOAL_BIN" pub t <pipe 2>pub.err 3>&- &
pub=$!
exec 3>pipe
"$SHOAL_BIN" sub t >arrived 2>sub.err 3>&- &
sub=$!
echo 0 >&3
wait_for size_is arrived 2
kill -STOP $pub
wait_for grep -q "waiting for publisher pid $pub (shoal), stopped" sub.err
kill -CONT $pub
exec 3>&-
ends 0 $pub
ends 0 $sub

finish
