#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A System V server and its client, by key and by inherited id, with the bare calls and through
# Shoal; what they share is gone afterwards.
set -eu
bin=$SHOAL_BUILD/examples
key=$(printf '0x5a%06x' $$)
alphabet=abcdefghijklmnopqrstuvwxyz

trap 'ipcrm -M "$key" 2>/dev/null || true' EXIT

segments() {
	awk -v key=$((key)) '$1 == key' /proc/sysvipc/shm | wc -l
}

# await_segment PID: until its segment is there; a process that ends, or 10,000 looks, are too many.
await_segment() {
	looks=0
	until [ "$(segments)" -eq 1 ]; do
		looks=$((looks + 1))
		[ $looks -lt 10000 ] && kill -0 "$1"
	done
}

# The client of the bare server must not be early.
timeout 60 "$bin/sysv-server-bare" "$key" &
await_segment $!
[ "$(timeout 60 "$bin/sysv-client-bare" "$key")" = $alphabet ]
wait $!
[ "$(segments)" -eq 0 ]
[ "$(timeout 60 "$bin/sysv-server-bare" -- "$bin/sysv-client-bare")" = $alphabet ]

# That of the other comes when it likes.
timeout 60 "$bin/sysv-server" "$key" &
[ "$(timeout 60 "$bin/sysv-client" "$key")" = $alphabet ]
wait $!
timeout 60 "$bin/sysv-client" "$key" >early &
timeout 60 "$bin/sysv-server" "$key"
wait $!
[ "$(cat early)" = $alphabet ]
[ "$(segments)" -eq 0 ]
[ "$(timeout 60 "$bin/sysv-server" -- "$bin/sysv-client")" = $alphabet ]

# Killed: the next one begins anew.
"$bin/sysv-server" "$key" &
await_segment $!
kill -KILL $!
wait $! || true
timeout 60 "$bin/sysv-client" "$key" >late &
timeout 60 "$bin/sysv-server" "$key"
wait $!
[ "$(cat late)" = $alphabet ]
[ "$(segments)" -eq 0 ]

! BOARD_ID=2147483647 timeout 60 "$bin/sysv-client" 2>why
grep -q 'no board' why
