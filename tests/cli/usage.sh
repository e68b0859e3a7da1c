#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Wrong calls: exit code 2, a sentence on stderr that helps, nothing on stdout, nothing made.
. "$SHOAL_SRC/tests/cli/lib.sh" || exit 1

# refused TEXT ARGUMENT...: that call is refused with that text.
refused() {
	local text=$1
	shift
	exits 2 "$SHOAL_BIN" "$@" </dev/null
	has err "$text"
	equal "$(cat out)" "" "stdout of $*"
}

exits 2 "$SHOAL_BIN"
has err "Usage: shoal VERB"
refused "did you mean 'pub'" pbu x
refused "did you mean 'sub'" subscribe x
refused "did you mean 'stat'" stats x
refused "no verb 'frobnicate'" frobnicate
refused "no option '--frob'" --frob
refused "pub needs NAME" pub
refused "sub takes NAME" sub a b
refused "unknown option" pub x --frob
refused "missing argument" pub x --rate
refused "line|none|u32" pub x --frame xml
refused "greater than 0" pub x --rate 0
refused "whole number" pub x --count 1.5
refused "at least 1" pub x --count 0
refused "at least 1" sub x --count 0
refused "at least 1" pub x --frame none --size 0
for geometry in lanes slots subscribers payload message; do
	refused "--$geometry takes a" create x --$geometry 0
	has err "at least 1"
	refused "at least 1" pub x --$geometry 0
done
refused "at least 1" torture --exhaustive all --depth 0
refused "--frame none" pub x --size 100
refused "K, M, G or T" pub x --frame none --size 12Q
refused "octal" create x --mode 0888
refused "octal" create x --mode 01777
refused "seconds" sub x --timeout soon
refused "oldest|now" sub x --from tomorrow
refused "exclude each other" sub x --json --frame u32
refused "the columns are name,kind" ls -o nam
refused "the columns are topic,seat" stat x -o nam
refused "slots" create x --slots 1000

long=$(head -c 64 /dev/zero | tr '\0' a)
for name in ../x /x x/ a/b/c .x a/.x '' "$long" 'a b' $'a\nb' 'a:b' 'http:x'; do
	exits 2 "$SHOAL_BIN" create "$name" </dev/null
	[ -s err ] || bad "no word about the name '$name'"
	[ "$(wc -l <err)" -eq 1 ] || bad "more than a line about the name '$name'"
done
exits 2 "$SHOAL_BIN" pub ../x </dev/null
exits 2 "$SHOAL_BIN" sub ../x
exits 2 "$SHOAL_BIN" rm ../x
exits 2 "$SHOAL_BIN" stat ../x
exits 2 "$SHOAL_BIN" ls ../x

exits 0 "$SHOAL_BIN" --version
has out "shoal "
has out "layout"
exits 0 "$SHOAL_BIN" --help
has out "Usage: shoal VERB"
exits 0 "$SHOAL_BIN" help
exits 2 "$SHOAL_BIN" help frob
for verb in pub sub ls stat create rm gc; do
	exits 0 "$SHOAL_BIN" $verb --help
	has out "Usage: shoal $verb"
	cp out help
	exits 0 "$SHOAL_BIN" help $verb
	same out help
done

section "a folder for the objects that isn't there"
for call in ls gc "create x" "rm x" "stat x" "pub x" "sub x"; do
	# shellcheck disable=SC2086
	SHOAL_DIR=$SHOAL_DIR/none exits 3 "$SHOAL_BIN" $call </dev/null
	has err "$SHOAL_DIR/none"
done

section "an output that is closed is a failure, and nothing else is taken for it"
echo message | timeout 20 "$SHOAL_BIN" pub k --keep 2>err
for call in --version "ls --json" "stat k" "sub k"; do
	# shellcheck disable=SC2086
	timeout 20 "$SHOAL_BIN" $call >&- 2>err
	equal $? 3 "$call without standard output"
	has err "Bad file descriptor"
done
timeout 20 "$SHOAL_BIN" pub k <&- >out 2>err
equal $? 3 "pub without standard input"
timeout 20 "$SHOAL_BIN" rm k --yes <&- >&- 2>&-
[ ! -e "$SHOAL_DIR/shoal:k" ] || bad "rm without any of them did nothing"

section "an output that is full is a failure"
if [ -w /dev/full ]; then
	timeout 20 "$SHOAL_BIN" ls --json >/dev/full 2>err
	equal $? 3 "ls to /dev/full"
	has err "No space left"
	echo x | timeout 20 "$SHOAL_BIN" pub k --keep 2>err
	timeout 20 "$SHOAL_BIN" sub k >/dev/full 2>err
	equal $? 3 "sub to /dev/full"
	equal "$(cat err)" "shoal: standard output: No space left on device" "not the topic's room"
	exits 0 "$SHOAL_BIN" rm k --yes

	echo "- nor is it the topic that wasn't there when we came"
	"$SHOAL_BIN" sub late >/dev/full 2>sub.err &
	sub=$!
	wait_for grep -q "waiting for the topic" sub.err
	echo x | timeout 20 "$SHOAL_BIN" pub late 2>err
	ends 3 $sub
	has sub.err "standard output: No space left on device"
	has_not sub.err "there is no object"
fi

section "a reader that went away is no failure, however much there was to print"
for name in $(seq 100); do
	shoal create "many/topic-with-a-long-name-$name" --lanes 64 --slots 16 --payload 4K 2>err ||
		bad "create: $(cat err)"
done
mkfifo nobody
exec 4<>nobody 5>nobody 4>&-
for call in "ls --json" "ls --json -o name,size" "ls" "stat many --json" "stat many" \
	"stat many -o pid --json" "rm many --json" "gc --kept --json"; do
	wanted=0
	[ "${call%% *}" = rm ] || [ "${call%% *}" = gc ] && wanted=1
	# shellcheck disable=SC2086
	timeout 20 "$SHOAL_BIN" $call >&5 2>err </dev/null
	equal $? $wanted "$call: $(cat err)"
	has_not err "tandard output"
done
exec 5>&-
exits 0 "$SHOAL_BIN" stat many --json
[ "$(wc -c <out)" -gt 70000 ] || bad "less than a pipe holds"
exits 0 "$SHOAL_BIN" rm many --yes

section "an input that can't be read"
exits 3 "$SHOAL_BIN" pub late --no-wait </
has err "standard input: Is a directory"
has_not err "there is no object"
exits 3 "$SHOAL_BIN" pub late --no-wait --frame none --size 1M </
has err "standard input: Is a directory"

finish
