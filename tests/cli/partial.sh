#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A message of which only a part came, because the input ended or a signal did: it is never sent
# unless it is the last piece or line of the input, and how much of it is lost is said.
. "$SHOAL_SRC/tests/cli/lib.sh" || exit 1
mkfifo pipe

# fresh ARGUMENT...: pub, as a terminal starts it; with SIGINT, which a shell's job would ignore.
fresh() {
	exec env --default-signal=INT,TERM "$SHOAL_BIN" pub t "$@"
}

x() {
	head -c "$1" /dev/zero | tr '\0' x
}

# cut SIGNAL OPTIONS TEXT BYTES: ./in comes through a pipe that stays open. More than a pipe holds,
# so that who is asleep after it was written is so because it has read it all. So many bytes arrive:
# with a subscriber that is there from the beginning.
cut() {
	local pub sub
	"$SHOAL_BIN" sub t --follow --frame u32 >arrived 2>sub.err 3>&- &
	sub=$!
	# shellcheck disable=SC2086 # a list of words
	fresh -w 1 $2 <pipe 2>pub.err 3>&- &
	pub=$!
	exec 3>pipe
	cat in >&3
	wait_for is_asleep $pub
	kill "-$1" $pub
	ends 3 $pub
	exec 3>&-
	has pub.err "$3"
	equal "$(grep -c "stopped after" pub.err)" 1 "one line about it"
	wait_for size_is arrived "$4" || bad "arrived: $(stat -c %s arrived)"
	wait_for has_seats t publisher alive 0
	kill -TERM $sub
	ends 0 $sub
}

for signal in INT TERM; do
	section "SIG$signal within a piece, and no whole one before it"
	x 200000 >in
	cut $signal "--frame none --size 1M" \
		"stopped after 0 messages: there was more to send; read and not published: a part of a message, 200000 of its 1048576 bytes" 0

	section "SIG$signal within the second piece"
	x 300000 >in
	cut $signal "--frame none --size 200000" "a part of a message, 100000 of its 200000 bytes" \
		200004

	section "SIG$signal within a piece small enough to be collected"
	x 100500 >in
	cut $signal "--frame none --size 1000" "a part of a message, 500 of its 1000 bytes" 100400

	section "SIG$signal within a frame, large and small, and within a length"
	{
		u32 3
		printf abc
		u32 1000000
		x 200000
	} >in
	cut $signal "--frame u32" "stopped after 1 message: " 7
	has pub.err "a part of a message, 200000 of its 1000000 bytes"
	{
		u32 100000
		x 70000
	} >in
	cut $signal "--frame u32" "a part of a message, 70000 of its 100000 bytes" 0
	{
		u32 100000
		x 100000
		printf ab
	} >in
	cut $signal "--frame u32" "a part of a message, 2 of the 4 bytes of its length" 100004

	section "SIG$signal within a line"
	{
		x 100000
		printf '\nhalf'
	} >in
	cut $signal "" "a part of a message, 4 bytes so far" 100004
done

section "a signal while messages that were read wait for room"
"$SHOAL_BIN" sub t >arrived 2>sub.err 3>&- &
sub=$!
fresh --slots 16 <pipe 2>pub.err 3>&- &
pub=$!
exec 3>pipe
echo 0 >&3
wait_for size_is arrived 2
kill -STOP $sub
wait_for is_stopped $sub
# cat writes it at once, so that the half line is read with the lines before it; printf would not.
printf '%s\nhalf' "$(seq 100)" >in
cat in >&3
wait_for grep -q "waiting for subscriber" pub.err
kill -INT $pub
ends 3 $pub
exec 3>&-
sent=$(sed -n 's/.*stopped after \([0-9]*\) messages.*/\1/p' pub.err)
unsent=$(sed -n 's/.*not published: \([0-9]*\) messages and a part of a message, 4 b.*/\1/p' pub.err)
equal $((${sent:-0} + ${unsent:-0})) 101 "$(cat pub.err)"
kill -CONT $sub
kill -TERM $sub
ends 0 $sub

section "the messages of --count are sent: what lies behind them is not ours to send"
seq 100 >in
fresh --count 5 <in 2>pub.err 3>&- &
pub=$!
wait_for grep -q "waiting for the first subscriber" pub.err
kill -INT $pub
ends 3 $pub
has pub.err "nobody has read the 5 messages"
has_not pub.err "more to send"

section "a file that was sent to its last piece, when there is no room for more"
x 524288 >in
fresh --frame none --size 256K --slots 2 <in 2>pub.err 3>&- &
pub=$!
wait_for grep -q "waiting for the first subscriber" pub.err
kill -INT $pub
ends 3 $pub
has pub.err "nobody has read the 2 messages"
has_not pub.err "more to send"

# ends_early TEXT: ./in ends within a frame. What was whole arrives, and the exit code says so.
ends_early() {
	local sub
	"$SHOAL_BIN" sub t --frame u32 >arrived 2>sub.err 3>&- &
	sub=$!
	wait_for grep -q "waiting for the topic" sub.err
	exits 3 "$SHOAL_BIN" pub t -w 1 --frame u32 <in
	has err "standard input ends within a message: $1 came, and it was not published"
	ends 0 $sub
}

section "the input ends within a frame"
{
	u32 3
	printf abc
	u32 10
	printf short
} >in
ends_early "5 of its 10 bytes"
size_is arrived 7 || bad "the frame before: $(stat -c %s arrived)"

section "within a large frame"
{
	u32 200000
	printf short
} >in
ends_early "5 of its 200000 bytes"
{
	u32 1000000
	x 600000
} >in
ends_early "600000 of its 1000000 bytes"
size_is arrived 0 || bad "a part was sent"
u32 200000 >in
ends_early "0 of its 200000 bytes"

section "within the length of a frame"
printf 'ab' >in
ends_early "2 of the 4 bytes of its length"

section "the last piece is shorter: at the end of input that is no part"
x 1500000 >in
"$SHOAL_BIN" sub t --frame u32 >arrived 2>sub.err 3>&- &
sub=$!
exits 0 "$SHOAL_BIN" pub t -w 1 --frame none --size 1000000 <in
has_not err "not published"
ends 0 $sub
size_is arrived 1500008 || bad "two messages: $(stat -c %s arrived)"

section "a topic that takes less than --size takes what is short enough"
exits 0 "$SHOAL_BIN" create t --payload 1M --slots 16
printf hi >in
exits 0 "$SHOAL_BIN" pub t --frame none --size 4M <in
x 1048576 >in
exits 0 "$SHOAL_BIN" pub t --frame none --size 4M <in
x 1048577 >in
exits 3 "$SHOAL_BIN" pub t --frame none --size 4M <in
has err "a message of 1048577 bytes does not fit"
exits 3 "$SHOAL_BIN" pub t --frame none --size 4M --no-wait </dev/zero
has err "does not fit"
"$SHOAL_BIN" sub t --frame u32 --count 2 >arrived
size_is arrived $((4 + 2 + 4 + 1048576)) || bad "two messages: $(stat -c %s arrived)"
exits 0 "$SHOAL_BIN" rm t --yes

finish
