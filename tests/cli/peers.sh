#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# peers.sh PROGRAM PEER...: every peer that is built delivers what was sent (the lab checks each sum,
# and fails when one is wrong), and nothing of theirs is left when the driver is killed.
. "$SHOAL_SRC/tests/cli/lib.sh" || exit 1
program=$1
shift
if [ "$(nproc)" -lt 2 ]; then
	echo "one processor"
	exit 77
fi

names=
for peer in "$@"; do
	case $peer in
	nats) command -v nats-server >/dev/null || continue ;;
	iceoryx) command -v iox-roudi >/dev/null || continue ;;
	spsc_queue) names="$names message-queue" ;;
	esac
	names="$names ${peer//_/-}"
done

is_built() {
	case " $names " in *" $1 "*) ;; *) false ;; esac
}

# delivers SIZES NAME...: at least one figure of each.
delivers() {
	local sizes=$1 list
	shift
	[ $# -gt 0 ] || return
	list=$(echo "$*" | tr ' ' ,)
	# shellcheck disable=SC2086
	exits 0 "$program" --duration 100ms --starts 1 --sizes "$sizes" ${jobs:-} -t "$list" -n \
		-o transport,size,msgs_per_s
	for name in "$@"; do
		awk -v name="$name" '$1 == name && $NF != "-" { found = 1 } END { exit !found }' out ||
			bad "no figure of $name"
	done
}

# child_of PID NAME: the process of that name.
child_of() {
	local status
	for status in /proc/[0-9]*/status; do
		awk -v parent="$1" -v name="$2" '/^Name:/ { mine = $2 == name } /^Pid:/ { pid = $2 }
			/^PPid:/ && mine && $2 == parent { print pid }' "$status" 2>/dev/null
	done
}

# has_files FOLDER PID, has_no_files: of a driver with that number, beside the folder of objects.
has_files() {
	compgen -G "$1/shoal-bench-$2-*"
}
has_no_files() {
	! has_files "$@"
}

# killed NAME FOLDER [DAEMON]: files named for the driver, beside the folder of objects, go when it
# does; and so does the daemon, though it can't do anything for it.
killed() {
	local name=$1 folder=$2 driver daemon=
	"$program" --duration 20s --starts 1 --sizes 64 --jobs round-trip -t "$name" \
		>killed.out 2>&1 &
	driver=$!
	wait_for has_files "$folder" $driver
	if [ $# -gt 2 ]; then
		daemon=$(child_of $driver "$3")
		kill -STOP $daemon || bad "no daemon $3"
	fi
	kill -KILL $driver
	wait $driver 2>/dev/null
	wait_for has_no_files "$folder" $driver
	[ -z "$daemon" ] || has_ended $daemon || bad "$3 outlived its driver"
}

section "every peer"
quick=
slow=
for name in $names; do
	case $name in
	iceoryx | nats) slow="$slow $name" ;; # a daemon for each start
	*) quick="$quick $name" ;;
	esac
done
delivers 64,64K $quick
delivers 64 $slow

section "batches, of those that take many messages a call"
for name in rte-ring spsc-queue; do
	! is_built "$name" || jobs="--jobs batch" delivers 64 "$name"
done

section "killed"
! is_built message-queue || killed message-queue /dev/shm
! is_built iceoryx || killed iceoryx /tmp
section "killed, and its daemon hangs"
! is_built iceoryx || killed iceoryx /tmp iox-roudi
! is_built iceoryx || [ ! -e /tmp/roudi.lock ] || bad "iox-roudi's files are left"

section "the document's tables"
if command -v jq >/dev/null; then
	"$program" --duration 50ms --starts 1 --sizes 64 -t line,ring,topic --json >run.json
	exits 0 jq -r -f "$SHOAL_SRC/scripts/peers.jq" run.json
	has out "### Round trips, both sides spin"
	has out "| topic | "
fi
finish
