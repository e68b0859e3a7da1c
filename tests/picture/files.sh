#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# files.sh PROGRAM: from files to standard output, with exit codes that a script can use.
set -u
program=$1
run=$SHOAL_SRC/tests/picture/run.json
failures=0

# exits CODE ARGS...: stdout in ./out, stderr in ./err
exits() {
	wanted=$1
	shift
	timeout 60 "$program" "$@" >out 2>err
	code=$?
	[ $code -eq "$wanted" ] && return
	echo "exit code $code instead of $wanted: $*"
	cat err
	failures=$((failures + 1))
}

# has FILE TEXT
has() {
	grep -qF -- "$2" "$1" && return
	echo "'$2' is not in $1:"
	cat "$1"
	failures=$((failures + 1))
}

exits 0 html "$run"
has out "<h1>shoal bench"
exits 0 svg "$run"
has out "<svg xmlns"
exits 0 compare "$run" "$run"
has out "0 slower, 0 faster"
sed 's/"ratio_to_limit": 2.5089, "spread": \[2.4336, 2.6092\]/"ratio_to_limit": 5, "spread": [4.9, 5.1]/' \
	"$run" >slow.json
exits 1 compare "$run" slow.json
has out "SLOWER"
has out "1 slower"
exits 0 compare slow.json "$run"
has out "1 faster"

exits 2
exits 2 html
exits 2 compare "$run"
exits 2 paint "$run"
has err "usage"
exits 3 html nowhere.json
has err "nowhere.json"
echo '{"format":1' >torn.json
exits 3 svg torn.json
has err "torn.json, line"
echo '[]' >list.json
exits 3 compare "$run" list.json
has err "the new run"
head -c 4096 /dev/urandom >noise.json
exits 3 html noise.json
[ $failures -eq 0 ]
