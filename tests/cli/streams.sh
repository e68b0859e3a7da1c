#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Standard streams that are closed: what is said or written must not go into the object instead.
. "$SHOAL_SRC/tests/cli/lib.sh" || exit 1

section "pub without stderr: what it says does not land in the topic"
seq 3 | shoal pub a --keep --no-wait 2>&-
equal "$(echo $(shoal ls -n -o name,health))" "a idle"
shoal sub a --count 3 >out 2>&1
equal "$(echo $(cat out))" "1 2 3"

section "sub without stdout: an error, and the messages stay"
"$SHOAL_BIN" sub a --count 3 >&- 2>err
equal $? 3
has err "Bad file descriptor"
equal "$(echo $(shoal ls -n -o name,health))" "a idle"

section "pub without stdin: an error, and nothing is sent"
"$SHOAL_BIN" pub a --no-wait <&- 2>err
equal $? 3
has err "Bad file descriptor"
shoal sub a --timeout 0 >out 2>&1
equal "$(echo $(cat out))" "1 2 3"

section "the others say so, too"
for verb in ls "stat a" "rm a" "bench --json -t pipe -s 64 -d 0.1 --starts 1"; do
	# shellcheck disable=SC2086 # words
	"$SHOAL_BIN" $verb >&- 2>err
	equal $? 3 "$verb"
done
shoal rm --yes a >/dev/null
nothing_left "closed streams"
finish
