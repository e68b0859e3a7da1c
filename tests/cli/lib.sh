# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the tests of the command share. Each runs in a folder of its own with an empty SHOAL_DIR
# of its own (scripts/in-scratch), and must leave that empty and no process behind.
#
# Nothing here sleeps to give somebody time: wait_for polls a condition, and fails after 20 s.
set -u

: "${SHOAL_BIN:?the command to test}" "${SHOAL_DIR:?a folder for the objects}"
: >failures

# Begins a part of the test. A background process makes its files when it gets to it, so those of
# the part before must not be there to be taken for them.
section() {
	echo "- $*"
	rm -f arrived pub.err sub.err
}

# For use in the foreground; in the background $! would be a shell's.
shoal() {
	"$SHOAL_BIN" "$@"
}

# Says what went wrong, and goes on: one run shows all. A file counts them, so that subshells do.
bad() {
	echo "FAILED: $*" | tee -a failures
}

# exits CODE COMMAND...: runs it with stdout in ./out and stderr in ./err, and wants that code.
exits() {
	local wanted=$1 code
	shift
	timeout 60 "$@" >out 2>err
	code=$?
	[ $code -eq "$wanted" ] && return
	bad "exit code $code instead of $wanted: $*"
	sed 's/^/    err: /' err
}

# has FILE TEXT: the file contains it.
has() {
	grep -qF -- "$2" "$1" && return
	bad "'$2' is not in $1:"
	sed 's/^/    /' "$1"
}

has_not() {
	grep -qF -- "$2" "$1" || return 0
	bad "'$2' is in $1"
}

same() {
	cmp "$1" "$2" || bad "$1 and $2 differ"
}

equal() {
	[ "$1" = "$2" ] || bad "'$1' instead of '$2'${3:+ ($3)}"
}

# wait_for COMMAND...: until it succeeds.
wait_for() {
	local deadline=$((SECONDS + 20))
	until "$@" >/dev/null 2>&1; do
		if [ $SECONDS -ge $deadline ]; then
			bad "not within 20 s: $*"
			return 1
		fi
		sleep 0.02
	done
}

# ends CODE PID: waits for a child of ours and wants that exit code.
ends() {
	local code
	wait_for has_ended "$2" || kill -KILL "$2"
	wait "$2"
	code=$?
	[ $code -eq "$1" ] || bad "process $2 ended with $code instead of $1"
}

has_ended() {
	local state
	state=$(sed 's/.*) \(.\).*/\1/' "/proc/$1/stat" 2>/dev/null) || return 0
	[ "$state" = Z ] || [ -z "$state" ]
}

is_stopped() {
	[ "$(sed 's/.*) \(.\).*/\1/' "/proc/$1/stat")" = T ]
}

# It waits for something, in the kernel.
is_asleep() {
	[ "$(sed 's/.*) \(.\).*/\1/' "/proc/$1/stat")" = S ]
}

# dies PID: kill -9, and until it is gone.
dies() {
	kill -KILL "$1"
	wait "$1" 2>/dev/null
}

# seats TOPIC ROLE HEALTH: how many there are.
seats() {
	shoal stat -n -o role,health "$1" 2>/dev/null | grep -c "^$2  *$3"
}

# has_seats TOPIC ROLE HEALTH NUMBER
has_seats() {
	[ "$(seats "$1" "$2" "$3")" -eq "$4" ]
}

size_is() {
	[ "$(stat -c %s "$1")" -eq "$2" ]
}

# The four bytes, little-endian, in front of a message.
u32() {
	printf "$(printf '\\x%02x\\x%02x\\x%02x\\x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) \
		$(($1 >> 16 & 255)) $(($1 >> 24 & 255)))"
}

# nothing_left [AFTER-WHAT]
# shellcheck disable=SC2120
nothing_left() {
	equal "$(ls -A "$SHOAL_DIR")" "" "left in SHOAL_DIR${1:+ after $1}"
	rm -rf "${SHOAL_DIR:?}"/*
}

finish() {
	nothing_left
	[ -s failures ] || exit 0
	echo "Failures:"
	cat failures
	exit 1
}
