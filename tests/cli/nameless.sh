#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Objects without a name: by a descriptor of the command's own, or of another process.
. "$SHOAL_SRC/tests/cli/lib.sh" || exit 1

section "a publisher makes one and says how it is reached; others find it there"
mkfifo pipe
"$SHOAL_BIN" pub memfd:letters <pipe 2>said 3>&- &
pub=$!
exec 3>pipe
echo alpha >&3
wait_for grep -q "made the topic memfd:pid=$pub,fd=" said
name=$(grep -o "memfd:pid=$pub,fd=[0-9]*" said | head -n 1)
fd=/proc/$pub/fd/${name##*=}
case $(readlink "$fd") in
"/memfd:shoal:letters"*) ;;
*) bad "$name is $(readlink "$fd")" ;;
esac
exits 0 "$SHOAL_BIN" stat "$name"
has out "$name"
has out publisher
exits 0 "$SHOAL_BIN" stat --json "$name"
has out '"kind": "topic"'
nothing_left "no name is anywhere"

section "or by a descriptor that they inherit"
"$SHOAL_BIN" sub memfd:fd=5 5<"$fd" >arrived 2>sub.err 3>&- &
sub=$!
wait_for grep -q alpha arrived
echo beta >&3
wait_for grep -q beta arrived
exits 0 "$SHOAL_BIN" stat memfd:fd=7 7<"$fd"
has out subscriber
echo gamma | exits 0 "$SHOAL_BIN" pub memfd:fd=4 4<"$fd"
wait_for grep -q gamma arrived
exits 3 "$SHOAL_BIN" rm --yes "$name"
has err "in use"
exec 3>&-
ends 0 $pub
ends 0 $sub
equal "$(cat arrived)" "$(printf 'alpha\nbeta\ngamma')"

section "removed by force: those who are in it are told"
"$SHOAL_BIN" pub anon: <pipe 2>said 3>&- &
pub=$!
exec 3>pipe
echo alpha >&3
wait_for grep -q "made the topic" said
name=$(grep -o "memfd:pid=$pub,fd=[0-9]*" said | head -n 1)
exits 0 "$SHOAL_BIN" rm --yes --force "$name"
echo beta >&3
exec 3>&-
ends 3 $pub
has said "removed"

section "what leads nowhere is said, each in its way"
exits 3 "$SHOAL_BIN" stat memfd:fd=99
has err "no descriptor 99"
exits 2 "$SHOAL_BIN" sub memfd:fd=5 5</dev/null
has err "no memfd"
exits 3 "$SHOAL_BIN" stat "$name"
has err "no process $pub"
exits 3 "$SHOAL_BIN" stat memfd:fd=x
has err "number of an open descriptor"
exits 3 "$SHOAL_BIN" sub memfd:letters
has err "memfd:fd=N"
exits 3 "$SHOAL_BIN" sub anon:
exits 2 "$SHOAL_BIN" create memfd:x
has err "descriptor"

finish
