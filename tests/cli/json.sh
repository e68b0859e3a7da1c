#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# --json: valid, numbers are numbers, an empty list is [].
. "$SHOAL_SRC/tests/cli/lib.sh" || exit 1
check=$1
mkfifo pipe

# json CHECK...: ./out is JSON for which they hold.
json() {
	"$check" "$@" <out || bad "JSON: $*"
}

section "empty lists"
for verb in "ls" "ls nobody" "gc"; do
	# shellcheck disable=SC2086
	shoal $verb --json >out 2>err
	equal "$(cat out)" "[]" "$verb"
done

section "messages"
{
	printf 'plain\n\n'
	printf 'quote " backslash \\ tab \t\n'
	printf 'gr\303\274n\n'
	printf '\377\376x\n'
	printf 'nul\000byte\n'
	printf '\300\200\n'
} >in
"$SHOAL_BIN" pub t <in 2>pub.err 3>&- &
pub=$!
exits 0 "$SHOAL_BIN" sub t --json
ends 0 $pub
equal "$(wc -l <out)" 7
json -l '.#7' '0.lane=0' '0.sequence=0' '0.lost=0' '0.time_ns:integer' '0.payload="plain"' \
	'0#5' '1.payload=""' '2.payload="quote \" backslash \\ tab \t"' '3.payload="grün"' \
	'4.payload_base64="//54"' '4.payload:missing' '4.sequence=4' '5.payload:string' \
	'6.payload_base64="wIA="'
for text in f fo foo foob $'\377' $'\377\377' $'\377\377\377' $'\377\377\377\377'; do
	printf '%s' "$text" | "$SHOAL_BIN" pub t 2>pub.err 3>&- &
	pub=$!
	exits 0 "$SHOAL_BIN" sub t --json
	ends 0 $pub
	encoded=$(sed -n 's/.*payload_base64":"\([^"]*\)".*/\1/p' out)
	[ -z "$encoded" ] || equal "$encoded" "$(printf '%s' "$text" | base64)"
done
json -l '0.payload_base64="/////w=="'

section "stat: a topic with two in it"
"$SHOAL_BIN" pub g/t <pipe 2>pub.err 3>&- &
pub=$!
exec 3>pipe
"$SHOAL_BIN" sub g/t >arrived 2>sub.err 3>&- &
sub=$!
echo x >&3
wait_for size_is arrived 2
exits 0 "$SHOAL_BIN" stat g/t --json
json '.#1' '0.name="g/t"' '0.kind="topic"' '0.health="alive"' '0.mode="0600"' '0.lanes:array' \
	'0.slots=16384' '0.lanes#8' '0.lanes.0.position=1' '0.lanes.0.allocated=true' \
	'0.lanes.1.seat=null' '0.seats#2' '0.seats_taken=2' '0.ended=false' '0.created_ns:integer' \
	'0.publishers=1' '0.subscribers=1' '0.subscribed_ever=1' '0.payload_bytes=2097152'
exits 0 "$SHOAL_BIN" stat g --json -o pid,role,health,lag,lost,holds_up,lane
json '.#2' '0#7' '0.pid:integer'
publisher=0
subscriber=1
grep -n '"role"' out | head -n 1 | grep -q publisher || {
	publisher=1
	subscriber=0
}
json "$publisher.pid=$pub" "$publisher.lane=0" "$publisher.lag=null" "$subscriber.pid=$sub" \
	"$subscriber.lag=0" "$subscriber.lane=null" "$subscriber.holds_up=false" \
	"$subscriber.lost=null"

section "ls, rm, gc"
exits 0 "$SHOAL_BIN" ls --json
json '.#1' '0.name="g/t"' '0.seats_taken=2' '0.seats_alive=2' '0.size:integer' '0.used:integer' \
	'0.uid:integer' '0.owner:string' '0.kept=false' '0.problem=""'
exits 0 "$SHOAL_BIN" create kept
exits 0 "$SHOAL_BIN" ls kept --json
json '0.kept=true' '0.health="idle"'
exits 0 "$SHOAL_BIN" stat kept --json
json '0.kept=true'
dd if=/dev/urandom of="$SHOAL_DIR/shoal:kept" bs=4096 count=1 conv=notrunc 2>dd.err
exits 0 "$SHOAL_BIN" ls kept --json
json '0.kept=null' '0.health="damaged"'
exits 0 "$SHOAL_BIN" rm kept --force --yes
exits 0 "$SHOAL_BIN" ls --json -o name,used
json '0#2' '0.used:integer'
exits 1 "$SHOAL_BIN" rm --json g/t </dev/null
json '0.result="needs --force"'
exits 3 "$SHOAL_BIN" rm --json --yes g/t
json '0.result="in use"'
dies $pub
dies $sub
exec 3>&-
exits 1 "$SHOAL_BIN" gc --json </dev/null
json '.#1' '0.health="leftover"' '0.result="would be removed"'
exits 0 "$SHOAL_BIN" gc --json --yes
json '0.result="removed"'

finish
