#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# create, ls, stat, rm and gc: what is there, and getting rid of it with a yes.
. "$SHOAL_SRC/tests/cli/lib.sh" || exit 1
mkfifo pipe

names() {
	shoal ls -n -o name "$@" 2>/dev/null | tr -d ' ' | tr '\n' ' '
}

section "create"
exits 0 "$SHOAL_BIN" create market/ticks --lanes 2 --slots 1K --mode 0640 --payload 1M
has err "made the topic market/ticks: 2 lanes of 1,024 slots"
exits 1 "$SHOAL_BIN" create market/ticks
has err "there already"
exits 0 "$SHOAL_BIN" create market/news --lanes 1 --subscribers 1
grep -Eq ' 1 lane of .* each, 1 subscriber$' err || bad "not one of each: $(cat err)"
exits 0 "$SHOAL_BIN" create market
exits 0 "$SHOAL_BIN" create other
exits 0 "$SHOAL_BIN" pub market --slots 2K --no-wait </dev/null
has err "its own geometry holds"

section "ls, with and without a prefix"
equal "$(names)" "market market/news market/ticks other "
equal "$(names other)" "other "
equal "$(names market/)" "market/news market/ticks "
exits 0 "$SHOAL_BIN" ls
has out NAME
has out "0640"
has out KEPT
exits 0 "$SHOAL_BIN" stat market/news
has out "market/news: topic, idle, kept"
exits 0 "$SHOAL_BIN" ls -n -o name,mode,seats,size --bytes market/ticks
grep -Eq '^market/ticks 0640 +0 +[0-9]{6,}$' out || bad "columns: $(cat out)"
exits 1 "$SHOAL_BIN" ls nobody
has err "no object and no group nobody"
exits 0 "$SHOAL_BIN" ls -o HEALTH,Name
equal "$(head -n 1 out | tr -s ' ')" "HEALTH NAME"

section "no colour without a terminal, whatever TERM says"
TERM=xterm-256color shoal ls | grep -q "$(printf '\033')" && bad "colour in a pipe"

section "stat of one and of a group"
exits 0 "$SHOAL_BIN" stat market/ticks
has out "2 lanes of 1,024 slots"
exits 0 "$SHOAL_BIN" stat market/
has out "market/ticks: topic"
has out "market/news: topic"
exits 1 "$SHOAL_BIN" stat nobody
has err "no object and no group nobody"
exits 1 "$SHOAL_BIN" stat nobody other
has out "other: topic"

section "rm shows what it would do, and does it with --yes"
exits 1 "$SHOAL_BIN" rm other </dev/null
has out "would be removed"
has err "--yes"
equal "$(names other)" "other "
exits 0 "$SHOAL_BIN" rm other --yes
has out removed
exits 1 "$SHOAL_BIN" rm other --yes
exits 1 "$SHOAL_BIN" rm market nobody --yes
equal "$(names)" "market market/news market/ticks " "all or nothing"

section "rm of a name leaves the group of that name alone"
exits 0 "$SHOAL_BIN" rm --yes market
equal "$(names)" "market/news market/ticks "
exits 0 "$SHOAL_BIN" rm --yes market/
equal "$(names)" ""

section "what is in use is refused, with who uses it; --force takes it away from them"
"$SHOAL_BIN" pub t <pipe 2>pub.err 3>&- &
pub=$!
exec 3>pipe
"$SHOAL_BIN" sub t >arrived 2>sub.err 3>&- &
sub=$!
wait_for has_seats t subscriber alive 1
exits 1 "$SHOAL_BIN" rm t </dev/null
has out "needs --force"
exits 3 "$SHOAL_BIN" rm t --yes
has err "pid $pub (shoal, publisher)"
has err "pid $sub (shoal, subscriber)"
has err "--force"
exits 0 "$SHOAL_BIN" ls -n -o name,kept
equal "$(tr -s ' ' <out)" "t -" "kept"
exits 0 "$SHOAL_BIN" stat t -o pid,role,health
has out "$pub publisher  alive"
exits 0 "$SHOAL_BIN" rm t --yes --force
echo x >&3
ends 3 $pub
has pub.err t
ends 3 $sub
has sub.err t
exec 3>&-

section "gc: after kill -9 of all, what they left is listed, and removed with --yes"
"$SHOAL_BIN" pub g/t <pipe 2>pub.err 3>&- &
pub=$!
exec 3>pipe
"$SHOAL_BIN" sub g/t >arrived 2>sub.err 3>&- &
sub=$!
wait_for has_seats g/t subscriber alive 1
exits 0 "$SHOAL_BIN" gc
equal "$(cat out)" "" "gc of what is in use"
has err "nothing was left behind"
exits 0 "$SHOAL_BIN" create kept
dies $pub
dies $sub
exec 3>&-
exits 0 "$SHOAL_BIN" ls -n -o name,health
equal "$(tr -s ' ' <out)" "$(printf 'g/t leftover\nkept idle')"
exits 1 "$SHOAL_BIN" gc </dev/null
has out "g/t"
has out "would be removed"
has_not out kept
has err "--yes"
has err "1 kept object"
exits 0 "$SHOAL_BIN" gc other
exits 0 "$SHOAL_BIN" gc g --yes
has out removed
equal "$(names)" "kept "
exits 1 "$SHOAL_BIN" gc --kept </dev/null
has out kept
exits 0 "$SHOAL_BIN" gc --kept --yes
nothing_left gc

section "what was left is no hindrance to the next who uses the name"
"$SHOAL_BIN" pub t <pipe 2>pub.err 3>&- &
pub=$!
exec 3>pipe
echo old >&3
wait_for has_seats t publisher alive 1
dies $pub
exec 3>&-
"$SHOAL_BIN" sub t >arrived 2>sub.err 3>&- &
sub=$!
echo new | exits 0 "$SHOAL_BIN" pub t
has err "made the topic t"
ends 0 $sub
equal "$(cat arrived)" new

section "a damaged one is shown, left alone by gc, and removed only by force"
exits 0 "$SHOAL_BIN" create t
dd if=/dev/urandom of="$SHOAL_DIR/shoal:t" bs=4096 count=1 conv=notrunc 2>dd.err
exits 0 "$SHOAL_BIN" ls
has out damaged
has err "t is damaged"
exits 0 "$SHOAL_BIN" gc --yes
has err "1 damaged object"
exits 3 "$SHOAL_BIN" stat t
exits 3 "$SHOAL_BIN" rm t --yes
exits 0 "$SHOAL_BIN" rm t --yes --force

finish
