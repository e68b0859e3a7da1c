#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# scripts/between replaces what stands between two lines of a page and nothing else, and leaves a
# page alone that has not one such pair.
set -u
between=$SHOAL_SRC/scripts/between
bad=0

# expect CODE TEXT PAGE: between x with "new" on PAGE ends with CODE, and PAGE is TEXT then
expect() {
	printf '%b' "$3" >page
	printf 'new\n\\1 & new\n' | "$between" x page 2>said
	local code=$?
	[ $code -eq "$1" ] || { echo "exit code $code, not $1, for: $3"; bad=1; }
	[ "$(cat page)" = "$(printf '%b' "$2")" ] || { echo "wrong: $(cat page)"; bad=1; }
	[ $code -eq 0 ] || grep -q "'page'" said || { echo "says not which page: $(cat said)"; bad=1; }
}

expect 0 'a\n<!-- x -->\nnew\n\\1 & new\n<!-- /x -->\nb\n' 'a\n<!-- x -->\nold\nold\n<!-- /x -->\nb\n'
expect 0 '<!-- x -->\nnew\n\\1 & new\n<!-- /x -->\n' '<!-- x -->\n<!-- /x -->\n'
for page in 'nothing\n' '<!-- x -->\nold\n' 'old\n<!-- /x -->\n' '<!-- /x -->\n<!-- x -->\n' \
	'<!-- x -->\n<!-- /x -->\n<!-- x -->\n<!-- /x -->\n' '<!-- xx -->\n<!-- /xx -->\n'; do
	expect 2 "$page" "$page"
done
"$between" x nowhere </dev/null 2>/dev/null && { echo "a page that is not there"; bad=1; }
exit $bad
