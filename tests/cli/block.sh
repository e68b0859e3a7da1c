#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# create --kind block, put, get, sync, stat, ls and rm: bytes in and out.
. "$SHOAL_SRC/tests/cli/lib.sh" || exit 1

section "a block is made, and its bytes come out as they went in"
exits 2 "$SHOAL_BIN" create --kind block store
exits 2 "$SHOAL_BIN" create --size 4K store
exits 2 "$SHOAL_BIN" create --kind block --size 4K --lanes 3 store
exits 2 "$SHOAL_BIN" create --kind heap store
exits 0 "$SHOAL_BIN" create --kind block --size 10000 --max 64K --mode 0640 store
has err "made the block store: 9.8K, may grow to 64K"
exits 1 "$SHOAL_BIN" create --kind block --size 1 store
has err "there already"
head -c 10000 /dev/urandom >bytes
exits 0 "$SHOAL_BIN" put store <bytes
exits 0 "$SHOAL_BIN" get store
same bytes out
printf 'in the middle' >middle
exits 0 "$SHOAL_BIN" put store --offset 4090 <middle
exits 0 "$SHOAL_BIN" get store --offset 4090 --size 13
same middle out
exits 0 "$SHOAL_BIN" get store --offset 4103
tail -c +4104 bytes >rest
same rest out

section "what does not fit is said, and nothing is written outside"
exits 3 "$SHOAL_BIN" put store --offset 9999 <middle
has err "full"
exits 3 "$SHOAL_BIN" put store --offset 10000 <middle
has err "10000 bytes"
exits 3 "$SHOAL_BIN" get store --offset 10000
exits 3 "$SHOAL_BIN" get store --offset 9999 --size 2
exits 0 "$SHOAL_BIN" get store --offset 9999
equal "$(cat out)" i
exits 0 "$SHOAL_BIN" put store --offset 100 </dev/null
exits 1 "$SHOAL_BIN" get nobody
exits 1 "$SHOAL_BIN" put nobody </dev/null

section "it grows when it is asked to, and as far as it may"
head -c 60000 /dev/urandom >more
exits 0 "$SHOAL_BIN" put store --grow <more
exits 0 "$SHOAL_BIN" get store
same more out
exits 3 "$SHOAL_BIN" put store --grow --offset 60000 <more
has err "up to byte 65536"

section "stat, ls and sync"
exits 0 "$SHOAL_BIN" sync store
exits 0 "$SHOAL_BIN" sync store --offset 1 --size 7 --start
exits 3 "$SHOAL_BIN" sync store --offset 65536
exits 0 "$SHOAL_BIN" stat store
has out "store: block, idle"
has out "64K"
has out "mode 0640"
exits 0 "$SHOAL_BIN" stat --json store
has out '"block_bytes": 65536'
has out '"huge_asked": false'
exits 0 "$SHOAL_BIN" stat -o pid,role,health store
exits 0 "$SHOAL_BIN" ls -n -o name,kind
equal "$(tr -s ' ' <out)" "store block"
exits 3 "$SHOAL_BIN" sub store
exits 0 "$SHOAL_BIN" create topic
exits 3 "$SHOAL_BIN" get topic
exits 0 "$SHOAL_BIN" stat topic store
has out "topic: topic"
exits 0 "$SHOAL_BIN" rm --yes topic store

section "huge pages that were asked for are there, or it is said that they are not"
exits 0 "$SHOAL_BIN" create --kind block --size 8M --huge large
has err "asked for huge pages, got"
exits 0 "$SHOAL_BIN" stat large
has out "asked for huge pages, got"
exits 0 "$SHOAL_BIN" rm --yes large

section "in a file"
exits 0 "$SHOAL_BIN" create --kind block --size 100 file:./kept
printf hello | exits 0 "$SHOAL_BIN" put file:./kept
exits 0 "$SHOAL_BIN" sync file:./kept
exits 0 "$SHOAL_BIN" get file:./kept --size 5
equal "$(cat out)" hello
exits 0 "$SHOAL_BIN" stat file:./kept
has out "block, idle"
exits 0 "$SHOAL_BIN" rm --yes file:./kept
[ -e kept ] && bad "it is still there"

finish
