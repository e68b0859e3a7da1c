#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A peer truncates the topic while pub and sub are in it: they live, and say so.
. "$SHOAL_SRC/tests/cli/lib.sh" || exit 1
mkfifo pipe blocked
file=$SHOAL_DIR/shoal:t

# says FILE: one line about it, after what is usual.
says() {
	grep -v 'made the topic\|waiting for the topic' "$1" >said
	has said "shoal: 't' was truncated while in use: it has "
	has said "remove it (shoal rm --force) and open it again"
	equal "$(wc -l <said)" 1 "lines in $1"
}

# The wreck is nobody's: it stays until it is removed by hand.
wreck_goes() {
	exits 3 "$SHOAL_BIN" sub t --timeout 1
	exits 0 "$SHOAL_BIN" rm --force --yes t
	nothing_left "$1"
}

for size in 0 8192 30000; do
	section "cut to $size bytes: sub asleep, pub about to send"
	"$SHOAL_BIN" pub t <pipe 2>pub.err 3>&- &
	pub=$!
	exec 3>pipe
	"$SHOAL_BIN" sub t >arrived 2>sub.err 3>&- &
	sub=$!
	echo first >&3
	wait_for size_is arrived 6
	wait_for is_asleep $pub
	truncate -s $size "$file"
	ends 3 $sub
	says sub.err
	equal "$(cat arrived)" first
	echo second >&3
	ends 3 $pub
	says pub.err
	exec 3>&-
	wreck_goes "pub and sub"
done

section "pub reads a large message into the topic's own memory"
"$SHOAL_BIN" pub t --frame none --size 1M --no-wait <pipe 2>pub.err 3>&- &
pub=$!
exec 3>pipe
head -c 65536 /dev/zero | tr '\0' x >&3
wait_for test -s "$file"
wait_for is_asleep $pub
truncate -s 0 "$file"
head -c 1000000 /dev/zero | tr '\0' x >&3
exec 3>&-
ends 3 $pub
says pub.err
wreck_goes "a large message in"

section "sub writes a large message from where it lies"
exec 4<>blocked
head -c 4000000 /dev/zero | tr '\0' x |
	"$SHOAL_BIN" pub t --frame none --size 4M --keep 2>pub.err 4<&- &
pub=$!
"$SHOAL_BIN" sub t --frame none --count 1 >blocked 2>sub.err 4<&- &
sub=$!
wait_for has_seats t subscriber alive 1
wait_for is_asleep $sub
exec 5<blocked
dd bs=1 count=1 status=none <&5 >arrived
truncate -s 0 "$file"
exec 4<&-
cat <&5 >>arrived
exec 5<&-
ends 3 $sub
says sub.err
equal "$(tr -d x <arrived | wc -c)" 0 "bytes that nobody sent"
ends 3 $pub
wreck_goes "a large message out"

finish
