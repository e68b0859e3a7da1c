#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# clang-tidy over every C file that the build compiles, but for those that it makes itself. A file
# that was clean stays so until it, a header or the configuration changes, so a second run is quick.
# A file that is compiled for several programs is looked at as the first of them sees it.
set -eu
command -v clang-tidy >/dev/null || { echo "no clang-tidy here"; exit 77; }

stamps=$SHOAL_BUILD/tidy
mkdir -p "$stamps"
# The newest of what every file depends on.
newest=$(cd "$SHOAL_SRC" &&
	ls -t .clang-tidy tests/lint/tidy.sh $(find include src cli bench examples torture tests -name '*.h') |
	head -1)

# One entry a file, and a comma between entries but not behind the last.
awk '/^{/ { entry = ""; next }
	/^}/ { if (!seen[file]++) all = all (all == "" ? "" : ",\n") "{\n" entry "}"; next }
	/^ *"file":/ { file = $2 }
	/^ / { entry = entry $0 "\n" }
	END { print "[\n" all "\n]" }' "$SHOAL_BUILD/compile_commands.json" >"$stamps/compile_commands.json"

todo=
for file in $(sed -n 's/^ *"file": "\(.*\)",*$/\1/p' "$SHOAL_BUILD/compile_commands.json" | sort -u); do
	[ -f "$file" ] || continue
	case $file in "$SHOAL_BUILD"/*) continue ;; esac
	stamp=$stamps/$(echo "${file#"$SHOAL_SRC"/}" | tr / +)
	[ -n "$(find "$stamp" -newer "$file" -newer "$SHOAL_SRC/$newest" 2>/dev/null)" ] && continue
	todo="$todo $file $stamp"
done
[ -n "$todo" ] || exit 0

# Two at a time. The flags are gcc's: clang need not know each of them. The analyzer gets a third of
# the nodes it would take a function: 29 s become 12 s where the copy of a message is laid out in
# full again and again.
export stamps
echo $todo | xargs -n 2 -P 2 sh -c '
	clang-tidy -p "$stamps" --quiet \
		--extra-arg=-Xclang --extra-arg=-analyzer-config \
		--extra-arg=-Xclang --extra-arg=max-nodes=75000 \
		--extra-arg=-Wno-unknown-warning-option \
		--extra-arg=-Wno-ignored-optimization-argument "$1" >"$2.out" 2>"$2.err" &&
		touch "$2" || { cat "$2.out"; grep "error:" "$2.err"; false; }
	' sh || { echo "clang-tidy is not content"; exit 1; }
