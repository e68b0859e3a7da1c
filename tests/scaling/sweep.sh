#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# scripts/scaling delivers a figure for each axis, its picture and its page are well-formed, and a
# document that is none is refused. One point an axis: nothing here depends on how fast anything is.
. "$SHOAL_SRC/tests/cli/lib.sh" || exit 1
check=$1
svg_check=$2
draw=$SHOAL_BUILD/bench/scaling/shoal-bench-scaling

if [ "$(nproc)" -lt 2 ]; then
	echo "one processor"
	exit 77
fi

holds() {
	"$check" "$@" <made/scaling.json 2>check.err || bad "$(head -1 check.err)"
}

section "a quick run"
mkdir made
page=made/page.md
printf 'before\n<!-- scaling -->\nold\n<!-- /scaling -->\nafter\n' >$page
exits 0 timeout 200 "$SHOAL_SRC/scripts/scaling" --quick --page $page made
holds format=1 'sweeps#4' 'memory#4' \
	'sweeps.0.axis="publishers"' 'sweeps.0.runs.0.results.0.msgs_per_s:real' \
	'sweeps.1.axis="subscribers"' 'sweeps.1.runs.0.results.0.msgs_per_s:real' \
	'sweeps.2.axis="size"' 'sweeps.2.runs.0.results.0.size=8' \
	'sweeps.3.axis="slots"' 'sweeps.3.runs.0.results.0.slots=2' \
	'memory.2.axis="lanes-in-use"' 'memory.2.value=0' 'memory.3.value=1' \
	'memory.3.bytes:integer'
[ ! -e made/scaling.json.part ] && [ ! -e made/scaling.svg.part ] || bad "half a file"

section "the picture"
exits 0 "$svg_check" made/scaling.svg
for title in "Publishers of one topic" "Subscribers of one topic" "Bytes of a message" \
	"Slots of a lane" "Memory: lanes in use" "Memory: room for lanes" \
	"Memory: room for subscribers"; do
	has made/scaling.svg "$title"
	has $page "### $title"
done

section "the page: what stands around the tables stays, and each row has its columns"
equal "$(head -1 $page) $(tail -1 $page)" "before after"
! grep -qx old $page || bad "the old tables are still there"
awk -F'|' '!/^\|/ { columns = 0; next }
	columns && NF != columns { print "row of another width: " $0; wrong = 1 }
	{ columns = NF }
	END { exit wrong }' $page || bad "a table"
{
	"$draw" tables made/scaling.json
	printf '\n![How cost grows](scaling.svg)\n'
} >tables
sed '1,/^<!-- scaling -->$/d; /^<!-- \/scaling -->$/,$d' $page >between
same tables between

section "what is no such document"
echo '{"format": 2, "sweeps": [], "memory": []}' >other.json
exits 3 "$draw" svg other.json
has err "format 1"
echo '{"format": 1, "sweeps": [{"axis": "luck", "runs": []}], "memory": []}' >other.json
exits 3 "$draw" tables other.json
has err "no axis"
echo '{"format": 1, "sweeps": [], "memory": [{"axis": "size", "value": 1, "bytes": 1}]}' >other.json
exits 3 "$draw" tables other.json
has err "a row of memory"
echo '{' >other.json
exits 3 "$draw" svg other.json
exits 2 "$draw" paint made/scaling.json
exits 2 "$SHOAL_SRC/scripts/scaling" --page nowhere.md made
exits 2 "$SHOAL_SRC/scripts/scaling"

[ -z "$(ls -A "$SHOAL_DIR")" ] || bad "left behind: $(ls -A "$SHOAL_DIR")"
finish
