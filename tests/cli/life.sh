#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# When things begin and end: topics that are not there yet, publishers that close or are killed.
. "$SHOAL_SRC/tests/cli/lib.sh" || exit 1
mkfifo pipe

section "sub waits for the topic, says so, and ends when the publisher has closed"
"$SHOAL_BIN" sub t >arrived 2>sub.err 3>&- &
sub=$!
wait_for grep -q "waiting for the topic t" sub.err
echo hello | exits 0 "$SHOAL_BIN" pub t
has err "made the topic t"
ends 0 $sub
equal "$(cat arrived)" hello
nothing_left "the last one left"

section "pub waits for the first subscriber at the end of its input, and says so"
seq 3 | "$SHOAL_BIN" pub t 2>pub.err 3>&- &
pub=$!
wait_for grep -q "waiting for the first subscriber" pub.err
exits 0 "$SHOAL_BIN" sub t
equal "$(cat out)" "$(seq 3)"
ends 0 $pub

section "and rather than overwrite, it waits with a full lane"
seq 100000 | "$SHOAL_BIN" pub t --slots 16 2>pub.err 3>&- &
pub=$!
wait_for grep -q "waiting for the first subscriber" pub.err
exits 0 "$SHOAL_BIN" sub t
seq 100000 | cmp - out || bad "all from the first on"
ends 0 $pub

section "--no-wait does neither"
seq 100000 | exits 0 "$SHOAL_BIN" pub t --slots 16 --no-wait
nothing_left "--no-wait"

section "a publisher that was killed has not closed; the next one that closes in order has"
"$SHOAL_BIN" sub t >arrived 2>sub.err 3>&- &
sub=$!
"$SHOAL_BIN" pub t <pipe 2>pub.err 3>&- &
pub=$!
exec 3>pipe
seq 10 >&3
wait_for size_is arrived 21
dies $pub
exec 3>&-
wait_for grep -q "no publisher is there" sub.err
has_ended $sub && bad "sub ended though the publisher was killed"
echo eleven | exits 0 "$SHOAL_BIN" pub t
ends 0 $sub
equal "$(cat arrived)" "$(seq 10; echo eleven)"

section "two publishers: the first that closes doesn't end it"
"$SHOAL_BIN" sub t >arrived 2>sub.err 3>&- &
sub=$!
"$SHOAL_BIN" pub t <pipe 2>pub.err 3>&- &
pub=$!
exec 3>pipe
echo a >&3
wait_for size_is arrived 2
echo b | exits 0 "$SHOAL_BIN" pub t
has_not err "made the topic"
wait_for size_is arrived 4
has_ended $sub && bad "sub ended though a publisher is there"
echo c >&3
exec 3>&-
ends 0 $pub
ends 0 $sub
equal "$(cat arrived)" "$(printf 'a\nb\nc')"

section "--follow stays"
"$SHOAL_BIN" sub t --follow >arrived 2>sub.err 3>&- &
sub=$!
echo a | exits 0 "$SHOAL_BIN" pub t
wait_for has_seats t publisher alive 0
echo b | exits 0 "$SHOAL_BIN" pub t
wait_for size_is arrived 4
has_ended $sub && bad "sub --follow ended"
kill -TERM $sub
ends 0 $sub
nothing_left "--follow"

section "--count, of sub and of pub"
seq 10 | "$SHOAL_BIN" pub t --count 5 2>pub.err 3>&- &
pub=$!
exits 0 "$SHOAL_BIN" sub t
equal "$(cat out)" "$(seq 5)"
ends 0 $pub
seq 10 | "$SHOAL_BIN" pub t 2>pub.err 3>&- &
pub=$!
exits 0 "$SHOAL_BIN" sub t --count 3
equal "$(cat out)" "$(seq 3)"
ends 0 $pub

section "--timeout: no topic, and no message"
exits 4 "$SHOAL_BIN" sub t --timeout 0.05
has err "no such topic"
exits 0 "$SHOAL_BIN" create t
echo x | exits 0 "$SHOAL_BIN" pub t
"$SHOAL_BIN" pub t <pipe 2>pub.err 3>&- &
pub=$!
exec 3>pipe
wait_for has_seats t publisher alive 1
exits 4 "$SHOAL_BIN" sub t --timeout 50ms
equal "$(cat out)" x
has err "no message for 0.05 s"
exec 3>&-
ends 0 $pub
exits 0 "$SHOAL_BIN" rm t --yes

section "in a kept topic nobody waits for a first subscriber, whoever else is in it"
exits 0 "$SHOAL_BIN" create t
"$SHOAL_BIN" pub t <pipe 2>pub.err 3>&- &
pub=$!
exec 3>pipe
wait_for has_seats t publisher alive 1
echo one | exits 0 "$SHOAL_BIN" pub t
equal "$(cat err)" "" "it waits"
exec 3>&-
ends 0 $pub
exits 0 "$SHOAL_BIN" rm t --yes

section "a kept topic holds its messages: from the oldest, or only what comes now"
seq 5 | exits 0 "$SHOAL_BIN" pub t --keep
exits 0 "$SHOAL_BIN" sub t
equal "$(cat out)" "$(seq 5)"
exits 0 "$SHOAL_BIN" sub t
equal "$(cat out)" "$(seq 5)" "a second time"
exits 0 "$SHOAL_BIN" sub t --from now
equal "$(cat out)" ""
"$SHOAL_BIN" sub t --from now --follow --count 1 >arrived 2>sub.err 3>&- &
sub=$!
wait_for has_seats t subscriber alive 1
echo six | exits 0 "$SHOAL_BIN" pub t
ends 0 $sub
equal "$(cat arrived)" six
exits 0 "$SHOAL_BIN" rm t --yes

section "a topic in a file stays"
seq 5 | exits 0 "$SHOAL_BIN" pub "file:$PWD/topic"
exits 0 "$SHOAL_BIN" sub "file:$PWD/topic"
equal "$(cat out)" "$(seq 5)"
exits 0 "$SHOAL_BIN" stat "file:$PWD/topic"
has out "5 messages"
exits 0 "$SHOAL_BIN" rm --yes "file:$PWD/topic"
[ -e topic ] && bad "rm left the file"

section "--wait-subscribers"
seq 3 | "$SHOAL_BIN" pub t --wait-subscribers 2 2>pub.err 3>&- &
pub=$!
wait_for grep -q "0 of 2 are there" pub.err
"$SHOAL_BIN" sub t --from now >arrived 2>sub.err 3>&- &
sub=$!
wait_for grep -q "1 of 2 are there" pub.err
exits 0 "$SHOAL_BIN" sub t --from now
equal "$(cat out)" "$(seq 3)"
ends 0 $sub
ends 0 $pub
equal "$(cat arrived)" "$(seq 3)"

section "a lossy subscriber loses what is overwritten, and says how much"
"$SHOAL_BIN" sub t --lossy --stats >arrived 2>sub.err 3>&- &
sub=$!
seq 200000 | exits 0 "$SHOAL_BIN" pub t --wait-subscribers 1 --slots 64
ends 0 $sub
lost=$(sed -n 's/.*bytes, \([0-9,]*\) lost.*/\1/p' sub.err | tr -d ,)
got=$(wc -l <arrived)
# What came after its last message can't be counted by anybody but the publisher.
[ $((got + ${lost:-0})) -le 200000 ] || bad "lossy: $got + ${lost:-0}"
sort -n -c arrived || bad "lossy: order"

section "--stats"
seq 1000 | "$SHOAL_BIN" pub t --stats 2>pub.err 3>&- &
pub=$!
exits 0 "$SHOAL_BIN" sub t --stats
has err "received 1,000 messages, 2,893 bytes, 0 lost"
ends 0 $pub
has pub.err "sent 1,000 messages, 2,893 bytes"

finish
