#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What goes in comes out: every framing, every size, byte by byte.
. "$SHOAL_SRC/tests/cli/lib.sh" || exit 1

# carry PUB-OPTIONS SUB-OPTIONS: ./in through a topic to ./arrived.
carry() {
	local sub
	# shellcheck disable=SC2086 # they are lists of words
	"$SHOAL_BIN" sub t $2 >arrived 2>sub.err 3>&- &
	sub=$!
	# shellcheck disable=SC2086
	exits 0 "$SHOAL_BIN" pub t $1 <in
	ends 0 $sub
}

# Lossless publishers don't wait for a lossy subscriber: what it has is whole pieces, at most all.
sub_lost_or_same() {
	if grep -q lost sub.err; then
		[ "$(stat -c %s arrived)" -lt "$(stat -c %s in)" ] || bad "lost, and yet as large"
	else
		same in arrived
	fi
}

section "lines, empty ones too"
printf 'one\n\n\ntwo words\n\n' >in
carry "" ""
same in arrived

section "the last line needs no newline"
printf 'one\nlast' >in
carry "" ""
printf 'one\nlast\n' | cmp - arrived || bad "last line"

section "no input, no message"
: >in
exits 0 "$SHOAL_BIN" pub t <in
nothing_left "empty input"

section "binary as lines"
{
	head -c 3000000 /dev/urandom
	echo
} >in
carry "" ""
same in arrived

section "pieces"
head -c 5000001 /dev/urandom >in
carry "--frame none --size 1000" "--frame none"
same in arrived
carry "--frame none --size 1" "--frame none --count 5000001"
same in arrived
carry "--frame none" "--frame none"
same in arrived
carry "--frame none --size 1M" "--frame none"
same in arrived
carry "--frame none --size 1M" "--frame none --lossy"
sub_lost_or_same

section "a piece is a message: five millions and one byte are five of a million and a small one"
carry "--frame none --size 1000000" "--frame u32"
size_is arrived $((5000001 + 6 * 4)) || bad "six messages: $(stat -c %s arrived)"
{
	tail -c 5 arrived | cmp - <(u32 1; tail -c 1 in)
} || bad "the last piece"

section "length-prefixed, of every kind of size"
for bytes in 0 1 55 56 57 0 1000 4096 70000 127 131068 131072 131073 1500000 0 3; do
	u32 $bytes
	head -c $bytes /dev/urandom
done >in
carry "--frame u32" "--frame u32"
same in arrived
carry "--frame u32 --rate 1000" "--frame u32"
same in arrived

section "a line of 3 MB, between others"
{
	echo before
	head -c 3000000 /dev/zero | tr '\0' x
	echo
	echo after
} >in
carry "--payload 4M" ""
same in arrived
carry "--payload 4M" "--lossy"
sub_lost_or_same

section "a line larger than the payload area: an error that says what to do"
"$SHOAL_BIN" sub t >arrived 2>sub.err 3>&- &
sub=$!
exits 3 "$SHOAL_BIN" pub t <in
has err payload
ends 0 $sub
equal "$(cat arrived)" before

section "nor is it read to its end, which may never come"
head -c 1000000000 /dev/zero | (
	# A sanitizer reserves terabytes.
	[ -n "${SHOAL_SANITIZE:-}" ] || ulimit -v 1000000
	exits 3 "$SHOAL_BIN" pub t
)
has err payload

section "a length that is nonsense is no reason to take memory"
printf '\377\377\377\377xxx' >in
exits 3 "$SHOAL_BIN" pub t --frame u32 <in
has err payload

section "a line that has arrived is sent though more may come"
mkfifo pipe
"$SHOAL_BIN" sub t >arrived 2>sub.err 3>&- &
sub=$!
"$SHOAL_BIN" pub t <pipe 2>pub.err 3>&- &
pub=$!
exec 3>pipe
printf 'first\nsec' >&3
wait_for size_is arrived 6
printf 'ond\n' >&3
wait_for size_is arrived 13
exec 3>&-
ends 0 $pub
ends 0 $sub
same arrived <(printf 'first\nsecond\n')

finish
