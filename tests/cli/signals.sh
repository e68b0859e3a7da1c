#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Ctrl-C, SIGTERM, SIGHUP and a reader that goes away: quiet ends that leave nothing behind.
. "$SHOAL_SRC/tests/cli/lib.sh" || exit 1
mkfifo pipe

# A shell starts its background jobs with SIGINT ignored; a terminal doesn't.
fresh() {
	exec env --default-signal=INT,HUP,TERM "$SHOAL_BIN" "$@"
}

quiet() {
	grep -v "^shoal: \(made\|waiting\|no publisher\)" "$1" && bad "not quiet"
}

# The only subscriber of the topic is well into what the first lane has.
has_received() {
	[ "$(shoal stat -n -o role,position "$1" | sed -n 's/^subscriber  *\([0-9]*\).*/\1/p')" -gt 10000 ]
}

for signal in INT TERM HUP; do
	section "SIG$signal: sub without a topic"
	fresh sub t >arrived 2>sub.err 3>&- &
	sub=$!
	wait_for grep -q "waiting for the topic" sub.err
	kill -$signal $sub
	ends 0 $sub
	quiet sub.err

	section "SIG$signal: sub and pub with nothing to do"
	fresh pub t <pipe 2>pub.err 3>&- &
	pub=$!
	exec 3>pipe
	fresh sub t >arrived 2>sub.err 3>&- &
	sub=$!
	echo x >&3
	wait_for size_is arrived 2
	kill -$signal $sub
	ends 0 $sub
	kill -$signal $pub
	ends 0 $pub
	exec 3>&-
	quiet sub.err
	quiet pub.err
	nothing_left "SIG$signal"

	section "SIG$signal: pub whose messages nobody reads"
	fresh pub t <pipe 2>pub.err 3>&- &
	pub=$!
	exec 3>pipe
	echo x >&3
	exec 3>&-
	wait_for grep -q "waiting for the first subscriber" pub.err
	kill -$signal $pub
	ends 3 $pub
	has pub.err "nobody has subscribed"
	nothing_left "SIG$signal"

	section "SIG$signal: pub that is held up, with more to send"
	seq 100000 >in
	fresh pub t --slots 16 <in 2>pub.err 3>&- &
	pub=$!
	wait_for grep -q "waiting for the first subscriber" pub.err
	kill -$signal $pub
	ends 3 $pub
	has pub.err "there was more to send"
	nothing_left "SIG$signal"

	section "SIG$signal: sub in a stream that never stops, of messages too large for full batches"
	fresh pub t --frame none --size 1000 </dev/zero 2>pub.err &
	pub=$!
	fresh sub t --json >/dev/null 2>sub.err &
	sub=$!
	wait_for has_received t
	kill -$signal $sub
	ends 0 $sub
	kill -$signal $pub
	ends 3 $pub
	has pub.err "there was more to send"
	nothing_left "SIG$signal"

	section "SIG$signal: sub whose reader doesn't read"
	seq 100000 | "$SHOAL_BIN" pub t --keep --slots 128K 2>pub.err
	fresh sub t --follow >pipe 2>sub.err 3>&- &
	sub=$!
	exec 3<pipe
	wait_for has_seats t subscriber alive 1
	kill -$signal $sub
	ends 0 $sub
	exec 3<&-
	exits 0 "$SHOAL_BIN" rm t --yes
done

section "what was ignored stays ignored (nohup)"
env --ignore-signal=HUP "$SHOAL_BIN" sub t >arrived 2>sub.err 3>&- &
sub=$!
wait_for grep -q "waiting for the topic" sub.err
kill -HUP $sub
echo x | exits 0 "$SHOAL_BIN" pub t
ends 0 $sub
equal "$(cat arrived)" x

section "SIGPIPE: a reader that has had enough"
seq 100000 | "$SHOAL_BIN" pub t 2>pub.err 3>&- &
pub=$!
shoal sub t 2>sub.err | head -n 1 >arrived
equal "${PIPESTATUS[0]}" 0 "sub before head"
equal "$(cat arrived)" 1
ends 0 $pub
quiet sub.err
nothing_left SIGPIPE

section "SIGPIPE: noticed though nothing comes"
fresh pub t <pipe 2>pub.err 3>&- &
pub=$!
exec 3>pipe
echo 1 >&3
shoal sub t 2>sub.err | head -n 1 >arrived
equal "$(cat arrived)" 1
exec 3>&-
ends 0 $pub

section "listings into a closed pipe"
exits 0 "$SHOAL_BIN" create t
shoal ls 2>err | true
[ -s err ] && bad "ls | true: $(cat err)"
shoal stat t 2>err | true
[ -s err ] && bad "stat | true: $(cat err)"
exits 0 "$SHOAL_BIN" rm t --yes

finish
