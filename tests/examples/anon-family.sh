#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Parent and children over memory without a name: each child is heard once, and nothing is left.
set -eu
bin=$SHOAL_BUILD/examples

timeout 60 "$bin/anon-family" >three
sort three >sorted
printf 'child %d speaks\n' 0 1 2 | cmp - sorted
timeout 60 "$bin/anon-family-bare" | sort | cmp - sorted

timeout 60 "$bin/anon-family" 40 >many
test "$(sort -u many | grep -c '^child [0-9]* speaks$')" -eq 40
test "$(wc -l <many)" -eq 40

# No file was made: it works where there can be none.
SHOAL_DIR=/nonexistent timeout 60 "$bin/anon-family" 1 | grep -qx 'child 0 speaks'
