#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shoal torture: runs the programs beside it, merges what they exit with, and leaves nothing of
# them behind, however they end. Most of it with programs of our own in their place.
. "$SHOAL_SRC/tests/cli/lib.sh" || exit 1
check=$1

refused() {
	local text=$1
	shift
	exits 2 "$SHOAL_BIN" torture "$@"
	has err "$text"
	equal "$(cat out)" "" "stdout of torture $*"
}

section "wrong calls"
refused "takes no arguments" all
refused "--list runs nothing" --list --schedules
refused "--json goes with --list" --json
refused "--depth goes with --exhaustive" --depth 2
refused "1 to 4" --exhaustive all --depth 5
refused "at least a second" --soak 10ms
refused "seconds" --soak soon

if [ -x "$SHOAL_BUILD/libexec/shoal/torture-step" ]; then
	section "the real thing"
	exits 0 "$SHOAL_BIN" torture --list
	has out "publish a small message"
	has_not out "a repair frees the seat before the entry"
	exits 0 "$SHOAL_BIN" torture --list --json
	"$check" '.:array' '0.operation:string' '0.group="publish"' '0.functions:array' \
		'0.functions.0="shoal_pub_publish"' <out || bad "JSON"
	exits 2 "$SHOAL_BIN" torture --exhaustive 'no such operation'
	has err "no operation has"
	"$SHOAL_BIN" torture --exhaustive 'publish a small message' --depth 1 >out 2>err
	code=$?
	if grep -q "can't do it" err; then
		equal $code 3 "where it can't be run"
	else
		equal $code 0
		has out " 0 violations"
		has err "nothing wrong"
	fi
	nothing_left "a real run"
fi

# ---- programs in their place ---------------------------------------------------------------

mkdir -p fake/bin fake/libexec/shoal
cp "$SHOAL_BIN" fake/bin/shoal
library=$(ldd "$SHOAL_BIN" | sed -n 's/.*libshoal\.so[^ ]* => \([^ ]*\)\/libshoal.*/\1/p')
export LD_LIBRARY_PATH=$library${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
fake=$PWD/fake/bin/shoal
export PLACE=$PWD

# program NAME: its text is on stdin.
program() {
	{
		echo '#!/bin/sh'
		cat
	} >fake/libexec/shoal/"$1"
	chmod +x fake/libexec/shoal/"$1"
}

# Each notes its call; CODE_<first word> is its exit code.
for name in torture-step torture-sim torture-soak; do
	program $name <<-'END'
		echo "$(basename "$0") $*" >>"$PLACE/calls"
		echo "out of $1"
		echo something >"$SHOAL_DIR/shoal:left"
		[ "$SHOAL_DIR" != "$OUTER" ] || exit 99
		eval "exit \${CODE_$(echo "$1" | tr -dc a-z):-0}"
	END
done
export OUTER=$SHOAL_DIR

section "each layer with its words"
: >calls
exits 0 "$fake" torture --exhaustive close --schedules --hostile --failing --soak 2 --seed 7
cat >wanted <<'END'
torture-step all --depth 2 close --seed 7
torture-sim schedules --seed 7
torture-sim hostile --seed 7
torture-step failing --whole --seed 7
torture-soak --seconds 2 --seed 7
END
same wanted calls
has out "out of schedules"
has err "seed 7"
nothing_left "programs that left objects"
: >calls
exits 0 "$fake" torture -x all -d 3 --seed 1
has calls "torture-step all --depth 3 --seed 1"

section "a slice of each, with a fresh seed"
: >calls
exits 0 "$fake" torture
equal "$(wc -l <calls)" 5 "layers"
first=$(sed -n 's/.*seed \([0-9]*\)$/\1/p' err)
exits 0 "$fake" torture
second=$(sed -n 's/.*seed \([0-9]*\)$/\1/p' err)
[ "$first" != "$second" ] || bad "the same seed twice: $first"

section "exit codes"
CODE_hostile=1 exits 1 "$fake" torture
has err "hostile: violations"
CODE_hostile=1 CODE_schedules=2 CODE_failing=55 exits 1 "$fake" torture
has err "failing: torture-step ended with exit code 55"
CODE_failing=55 exits 3 "$fake" torture
CODE_all=2 exits 2 "$fake" torture -x nonsense
CODE_schedules=77 exits 0 "$fake" torture
has err "schedules: this machine or sandbox can't do it"
has err "nothing wrong in what could be run"
CODE_schedules=77 exits 3 "$fake" torture --schedules
rm fake/libexec/shoal/torture-sim
exits 0 "$fake" torture
has err "torture-sim is not installed beside this command"
exits 3 "$fake" torture --hostile
rm fake/libexec/shoal/*
exits 3 "$fake" torture
exits 3 "$fake" torture --list

# ---- ending --------------------------------------------------------------------------------

# It and two more that want to stay: one in a session of its own, and that one's child.
program torture-soak <<'END'
trap '' INT TERM HUP
mkdir "$SHOAL_DIR/folder"
echo x >"$SHOAL_DIR/folder/object"
setsid sh -c 'trap "" INT TERM HUP; sleep 1000 & echo $! >>"$PLACE/pids"; sleep 1000' &
echo $! >>"$PLACE/pids"
sleep 1000 &
echo $! >>"$PLACE/pids"
while [ "$(wc -l <"$PLACE/pids")" -lt 3 ]; do :; done
echo $$ >>"$PLACE/pids"
[ "$1" = --seconds ] && [ "$2" = 1 ] && exit 0
wait
END

# Nobody of them runs any more. They were waited for: no second look is needed.
all_ended() {
	local pid
	for pid in $(cat pids); do
		has_ended "$pid" || bad "$pid was left running"
		has_ended "$pid" || kill -KILL "$pid"
	done
}

four_run() {
	[ "$(wc -l <pids)" -eq 4 ]
}

section "what a program leaves running"
: >pids
exits 0 "$fake" torture --soak 1
four_run || bad "not all of them ran"
all_ended
nothing_left "a program that left processes"

for signal in INT TERM HUP; do
	section "SIG$signal"
	: >pids
	env --default-signal=INT,HUP,TERM "$fake" torture --soak 100 >out 2>err &
	torture=$!
	wait_for four_run
	kill -$signal $torture
	ends 3 $torture
	has err "stopped before it was through"
	all_ended
	nothing_left "SIG$signal"
done

section "SIGKILL ends what it runs"
: >pids
"$fake" torture --soak 100 >out 2>err &
torture=$!
wait_for four_run
dies $torture
wait_for has_ended "$(tail -n 1 pids)"
# The rest is the business of who kills so.
for pid in $(cat pids); do
	kill -KILL "$pid" 2>/dev/null
done
rm -rf "${SHOAL_DIR:?}"/shoal-torture.*

finish
