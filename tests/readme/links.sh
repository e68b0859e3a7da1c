#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every relative link in README.md, CONTRIBUTING.md and docs/ leads to a file.
set -eu
cd "$SHOAL_SRC"
failures=0
pages=$(find README.md CONTRIBUTING.md CHANGELOG.md docs examples -name '*.md')
for page in $pages; do
	for link in $(grep -oE '\]\([^)# ]+' "$page" | sed 's/^](//'); do
		case $link in http*:* | mailto:*) continue ;; esac
		[ -e "$(dirname "$page")/$link" ] || {
			echo "$page: there is no $link"
			failures=$((failures + 1))
		}
	done
done
[ $failures -eq 0 ]
