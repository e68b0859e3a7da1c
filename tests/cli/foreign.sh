#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Another user's topics: refused without --foreign, whatever the verb, and used with it.
. "$SHOAL_SRC/tests/cli/lib.sh" || exit 1

[ "$(id -u)" = 0 ] || { echo "skipped: only root can be another user"; exit 77; }
# The folder of this test is root's alone.
as_stranger=(env -C / setpriv --reuid=65534 --regid=65534 --clear-groups "$SHOAL_BIN")
stranger() {
	"${as_stranger[@]}" "$@"
}
stranger --version >out 2>&1 || { echo "skipped: no other user can run the command: $(cat out)"; exit 77; }

mkfifo pipe

has_seats_foreign() {
	[ "$("$SHOAL_BIN" stat --foreign -n -o role,health "$1" | grep -c "^subscriber  *alive")" -eq "$2" ]
}

section "a stranger's topic is refused, and nothing becomes of it"
stranger create t 2>err || bad "create: $(cat err)"
before=$(stat -c '%i %s %a %u' "$SHOAL_DIR"/shoal:t)
echo x >in
exits 3 "$SHOAL_BIN" pub t --no-wait <in
has err "belongs to user 65534"
has err "--foreign"
exits 3 "$SHOAL_BIN" sub t
has err "--foreign"
exits 3 "$SHOAL_BIN" stat t
has err "--foreign"
exits 3 "$SHOAL_BIN" create t
has err "--foreign"
exits 3 "$SHOAL_BIN" rm t --yes
has err "--foreign"
equal "$(stat -c '%i %s %a %u' "$SHOAL_DIR"/shoal:t)" "$before" "the object"

section "it is listed, and whose it is"
exits 0 "$SHOAL_BIN" ls
has out "t "

section "with --foreign it is a topic like any other"
exits 0 "$SHOAL_BIN" stat t --foreign
"$SHOAL_BIN" sub t --foreign >arrived 2>sub.err &
sub=$!
wait_for has_seats_foreign t 1
exits 0 "$SHOAL_BIN" pub t --foreign <in
ends 0 $sub
equal "$(cat arrived)" x
exits 0 "$SHOAL_BIN" rm t --foreign --yes
nothing_left

section "what a stranger left behind: gc counts it, and removes it with --foreign"
echo x >in
(cd / && exec setpriv --reuid=65534 --regid=65534 --clear-groups "$SHOAL_BIN" pub left/t) \
	<pipe 2>pub.err 3>&- &
pub=$!
exec 3>pipe
wait_for grep -q "made the topic left/t" pub.err
dies $pub
exec 3>&-
stranger create left/kept 2>err || bad "create: $(cat err)"
exits 0 "$SHOAL_BIN" gc left --yes
equal "$(cat out)" "" "nothing of ours"
has err "1 object of other users left alone; --foreign includes it"
has_not err kept
has_not err "nothing was left behind"
exits 0 "$SHOAL_BIN" gc left --yes --kept
has err "2 objects of other users left alone; --foreign includes them"
exits 1 "$SHOAL_BIN" gc left --foreign </dev/null
has out "would be removed"
has err "1 kept object nobody is in left alone"
exits 0 "$SHOAL_BIN" gc left --foreign --yes
has out removed
has_not out kept
exits 0 "$SHOAL_BIN" gc left --foreign --kept --yes
has out left/kept
nothing_left "gc --foreign"

section "a stranger can't open ours: its mode says so"
exits 0 "$SHOAL_BIN" create mine
stranger sub mine --foreign --timeout 5 >out 2>err
equal $? 3 "exit code"
has err "mine"
has err "ermission"
stranger rm mine --foreign --yes >out 2>err
equal $? 3 "exit code"
exits 0 "$SHOAL_BIN" rm mine --yes

section "sticky directory: a stranger can't remove what it was the last to leave, and is told whom to ask"
mkfifo pipe
shoal pub sh --mode 0666 --no-wait <pipe 2>pub.err &
pub=$!
exec 3>pipe
wait_for grep -q "made the topic" pub.err
"${as_stranger[@]}" sub sh --foreign --follow >arrived 2>sub.err 3>&- &
sub=$!
wait_for has_seats_foreign sh 1
exec 3>&-
ends 0 $pub
kill -TERM $sub
ends 0 $sub
equal "$(echo $(shoal ls -n -o name,health))" "sh leftover"
echo x | stranger pub sh --foreign --no-wait >out 2>err
equal $? 3 "exit code"
has err "only the owner, user 0"
exits 0 "$SHOAL_BIN" gc --yes
nothing_left
finish
