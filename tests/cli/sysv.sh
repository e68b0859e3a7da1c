#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Topics in System V segments, and segments that are none of Shoal's. In an IPC namespace of its own.
if [ -z "${IN_OWN_IPC_NAMESPACE:-}" ]; then
	for how in "--ipc" "--ipc --user --map-root-user"; do
		# shellcheck disable=SC2086 # two words
		unshare $how true 2>/dev/null && IN_OWN_IPC_NAMESPACE=1 exec unshare $how "$0" "$@"
	done
	echo "skipped: no IPC namespace of our own"
	exit 77
fi
. "$SHOAL_SRC/tests/cli/lib.sh" || exit 1
mkfifo pipe

segments() {
	awk 'NR > 1' /proc/sysvipc/shm
}

# The last one to be made: its id, and its key as a hexadecimal number.
id_of_last() {
	segments | awk 'END { print $2 }'
}

no_segment() {
	equal "$(segments)" "" "$1"
	nothing_left "$1"
}

section "a topic by name: made, listed, used, removed by the last one"
"$SHOAL_BIN" sub sysv:g/t >arrived 2>sub.err 3>&- &
sub=$!
wait_for grep -q "waiting for the topic sysv:g/t" sub.err
echo hello | exits 0 "$SHOAL_BIN" pub sysv:g/t
has err "made the topic sysv:g/t"
ends 0 $sub
equal "$(cat arrived)" hello
no_segment "the last one left"

section "one that stays: ls, stat, by id, rm"
exits 0 "$SHOAL_BIN" create sysv:g/t
id=$(id_of_last)
exits 0 "$SHOAL_BIN" ls -o name,health --no-headings
equal "$(cat out)" "sysv:g/t idle"
exits 0 "$SHOAL_BIN" ls sysv:g/ -o name --no-headings
equal "$(cat out)" "sysv:g/t"
exits 1 "$SHOAL_BIN" ls g
exits 1 "$SHOAL_BIN" ls posix:
has_not out sysv
exits 0 "$SHOAL_BIN" stat "sysv:id=$id"
has out "sysv:g/t: topic, idle"
has out "id $id, key 0x"
has out "0 attached, made by pid"
exits 1 "$SHOAL_BIN" create sysv:g/t
has err "already"
exits 0 "$SHOAL_BIN" rm --yes sysv:g
no_segment "rm"

section "a private one: create prints its name"
exits 0 "$SHOAL_BIN" create sysv:private
name=$(cat out)
equal "$name" "sysv:id=$(id_of_last)"
echo hello | exits 0 "$SHOAL_BIN" pub --no-wait "$name"
exits 0 "$SHOAL_BIN" sub --count 1 "$name"
equal "$(cat out)" hello
exits 0 "$SHOAL_BIN" rm --yes "$name"
no_segment "rm of a private one"

section "marked for deletion: its users go on, stat says so, the next one gets another"
exits 0 "$SHOAL_BIN" create sysv:t
"$SHOAL_BIN" pub sysv:t <pipe 2>pub.err 3>&- &
pub=$!
exec 3>pipe
echo one >&3
wait_for sh -c "'$SHOAL_BIN' stat --json sysv:t | grep -q '\"position\": *1'"
ipcrm -m "$(id_of_last)"
exits 0 "$SHOAL_BIN" stat sysv:t
has out "marked for deletion, 1 attached"
exits 0 "$SHOAL_BIN" stat --json sysv:t
grep -q '"marked_for_deletion": *true' out || bad "not in the JSON"
exits 0 "$SHOAL_BIN" gc
has err "nothing was left behind"
exits 0 "$SHOAL_BIN" create sysv:t
has err "made the topic sysv:t"
echo two >&3
exec 3>&-
wait_for has_ended $pub
wait $pub && bad "it published into what nobody will find"
has pub.err "was removed"
exits 0 "$SHOAL_BIN" rm --yes sysv:t
no_segment "marked"

section "without its segment: a leftover, for gc"
exits 0 "$SHOAL_BIN" create sysv:g/t
ipcrm -m "$(id_of_last)"
exits 0 "$SHOAL_BIN" ls -o name,health --no-headings
equal "$(cat out)" "sysv:g/t leftover"
exits 0 "$SHOAL_BIN" gc --yes
has out removed
no_segment "gc"

section "a segment that is none of Shoal's: shown, and removed only by force"
ipcmk -M 5000 -p 0600 >/dev/null
id=$(id_of_last)
exits 0 "$SHOAL_BIN" stat "sysv:id=$id"
has out "not Shoal's"
exits 3 "$SHOAL_BIN" rm --yes "sysv:id=$id"
has err "not Shoal's"
exits 0 "$SHOAL_BIN" rm --yes --force "sysv:id=$id"
no_segment "rm --force"

section "names that are none"
for name in sysv: sysv:key=0 sysv:key=0xffffffff sysv:id=x sysv:path=/none,proj=1; do
	shoal create "$name" >out 2>err && bad "made $name"
	[ -s err ] || bad "$name: no word"
done
exits 1 "$SHOAL_BIN" stat sysv:none
exits 1 "$SHOAL_BIN" rm --yes sysv:id=77
no_segment "bad names"

finish
