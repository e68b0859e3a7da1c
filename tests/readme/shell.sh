#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The three lines of shell in README do what they say, the first in a terminal of its own.
set -eu
awk -v name=shell -f "$SHOAL_SRC/tests/readme/block.awk" "$SHOAL_SRC/README.md" >lines
[ "$(wc -l <lines)" -eq 3 ]
PATH=${SHOAL_BIN%/*}:$PATH
sub=$(sed -n 1p lines)
pub=$(sed -n 2p lines)
stat=$(sed -n 3p lines)

sh -c "exec $sub" >got 2>sub.err &
subscriber=$!
timeout 30 sh -c "$pub" 2>pub.err # ends when the subscriber has read everything
sh -c "$stat" >picture
kill -TERM $subscriber # a shell's background job ignores Ctrl-C
wait $subscriber || true
seq 3 | diff - got
grep -q 'subscriber' picture
grep -qw "$subscriber" picture
