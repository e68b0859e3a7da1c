#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# scripts/peers goes on with the peers that are there when the others' packages can't be installed.
# It runs in a tree of its own, in which nothing is built, installed or measured.
set -u
command -v jq >/dev/null || {
	echo "no jq"
	exit 77
}
fail() {
	echo "FAILED: $*"
	cat log
	exit 1
}

mkdir -p tree/scripts tree/docs tree/build/release/bench/peers tree/bin
cp "$SHOAL_SRC"/scripts/{peers,peers.jq,between} tree/scripts
cp "$SHOAL_SRC/docs/benchmarks.md" tree/docs
cat >tree/scripts/install-packages <<-'END'
	#!/bin/sh
	[ "$1" = build ] && exit
	echo "Neither root nor sudo here." >&2
	exit 1
END
cat >tree/build/release/bench/peers/shoal-bench-peers <<-'END'
	#!/bin/sh
	case "$*" in
	*--svg*) : >docs/benchmarks.svg ;;
	*) cat "$SHOAL_SRC/tests/picture/run.json" ;;
	esac
END
printf '#!/bin/sh\nexit 0\n' >tree/bin/cmake
chmod +x tree/scripts/install-packages tree/build/release/bench/peers/shoal-bench-peers tree/bin/cmake

PATH=$PWD/tree/bin:$PATH tree/scripts/peers >log 2>&1 || fail "exit code $?"
grep -q "Going on with the peers that are there" log || fail "not a word of what is missing"
grep -q "A made-up processor" tree/docs/benchmarks.md || fail "the page was not written"
grep -q "| topic | 311 ns (2.51) |" tree/docs/benchmarks.md || fail "no figures in the page"
