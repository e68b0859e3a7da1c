#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The manual has the options that --help has, and no others; so has the table of verbs.
. "$SHOAL_SRC/tests/cli/lib.sh" || exit 1
man=$SHOAL_SRC/man

for verb in $(shoal help | sed -n 's/^  \([a-z]*\) .*[A-Z].*/\1/p' | grep -v '^shoal$'); do
	[ "$verb" = help ] && continue
	# The sanitizers' builds have no figures, and nothing that measures them.
	[ "$verb" = bench ] && [ ! -x "$SHOAL_BUILD/libexec/shoal/shoal-bench" ] && continue
	page=$man/shoal-$verb.1.scd
	if [ ! -f "$page" ]; then
		bad "no manual page shoal-$verb(1)"
		continue
	fi
	grep -q "shoal-$verb\*(1)" "$man/shoal.1.scd" || bad "shoal(1) doesn't mention shoal-$verb(1)"
	shoal $verb --help | grep -oE '^  (-[A-Za-z], |    )--[a-z0-9-]+' | sed 's/.*--//' |
		sort >in-help
	# An option's paragraph begins with it: *-f*, *--frame* _TEXT_
	sed -n '/^# OPTIONS/,$p' "$page" | grep -oE '^(\*-[A-Za-z]\*, )?\*--[a-z0-9-]+' |
		sed 's/.*--//' | sort >in-manual
	diff in-help in-manual >difference || bad "shoal-$verb(1): $(cat difference)"
	shoal $verb --help | sed -n 's/^  -\([a-zA-Z]\), --\([a-z0-9-]*\).*/*-\1*, *--\2*/p' >letters
	while read -r both; do
		grep -qF -- "$both" "$page" || bad "shoal-$verb(1) lacks $both"
	done <letters
	if command -v scdoc >/dev/null; then
		scdoc <"$page" >page || bad "scdoc: $page"
	fi
done
exits 0 "$SHOAL_BIN" help
[ "$(grep -c '^  [a-z]* .*\.$' out)" -ge 8 ] || bad "the list of verbs: $(cat out)"

finish
