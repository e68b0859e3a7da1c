#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shoal bench: every transport delivers what was sent (the lab checks each sum, and fails when one is
# wrong), JSON is as the manual says, wrong calls are refused, and nothing is left behind, however it
# ends. Nothing here depends on how fast anything is.
. "$SHOAL_SRC/tests/cli/lib.sh" || exit 1
check=$1

# At least two processors, or there is nothing to run.
if [ "$(nproc)" -lt 2 ]; then
	echo "one processor"
	exit 77
fi

# bench ARGUMENT...: a short run; stdout in ./out, stderr in ./err, the exit code in $code.
bench() {
	timeout 200 "$SHOAL_BIN" bench --duration 100ms --starts 1 "$@" >out 2>err
	code=$?
}

refused() {
	local text=$1
	shift
	exits 2 "$SHOAL_BIN" bench "$@"
	has err "$text"
	equal "$(cat out)" "" "stdout of bench $*"
}

holds() {
	"$check" "$@" <out 2>check.err || bad "$(head -1 check.err)"
}

# How many objects "results" has in ./out.
results() {
	grep -c '"transport":' out
}

# Every figure of ./out is its ratio times the limit, which is one for all that share it; and a
# percentile is there when ten messages lie beyond it, and only then.
consistent() {
	awk -F'[:,] *' '
	function check() {
		figure = job == "\"stream\"" ? at["msgs_per_s"] : at["p50_ns"]
		limit = job == "\"stream\"" ? at["limit_msgs_per_s"] : at["limit_p50_ns"]
		off = figure / (limit * at["ratio_to_limit"]) - 1
		if (off > 1e-4 || off < -1e-4)
			print name, job, "figure", figure, "ratio", at["ratio_to_limit"], "limit", limit
		key = job (job == "\"stream\"" ? at["size"] : "")
		if (key in limits && limits[key] != limit)
			print name, job, "limit", limit, "and", limits[key]
		limits[key] = limit
		if (job == "\"stream\"")
			return
		if ((at["p99_ns"] == "null") != (at["messages"] < 1000))
			print name, job, "p99", at["p99_ns"], "of", at["messages"]
		if ((at["p999_ns"] == "null") != (at["messages"] < 10000))
			print name, job, "p99.9", at["p999_ns"], "of", at["messages"]
	}
	{ gsub(/^ +/, ""); field = substr($1, 2, length($1) - 2) }
	field == "transport" { name = $2; delete at }
	field == "job" { job = $2 == "\"batch\"" ? "\"stream\"" : $2 }
	{ at[field] = $2 }
	/^}/ && "ratio_to_limit" in at { check(); delete at }
	' out >wrong
	[ ! -s wrong ] || bad "$(head -3 wrong)"
	grep -q '"ratio_to_limit"' out || bad "nothing to check"
}

section "wrong calls"
refused "unknown option" --frob
refused "no arguments" pipe
refused "there is no transport 'pip'; there are line, ring, topic, pipe," --transports pip
refused "there is no job 'ping'" --jobs ping
refused "there is no mode 'fast'" --modes fast
refused "--sizes takes 8 to 16M" --sizes 7
refused "--sizes takes 8 to 16M" --sizes 64,100K,17M
refused "--rate takes" --rate 0
refused "open-loop needs a rate" --jobs open-loop
refused "--rate is for the job open-loop" --rate 1000 --jobs stream
refused "two different processors" --cores 0,0
refused "no processor '4000'" --cores 0,4000
refused "--starts can be 1 to" --starts 65
refused "at least 1" --starts 0
refused "at least 1" --publishers 0
refused "at least 1" --subscribers 0
refused "at least 1" --slots 0
refused "--transports: the list is empty" -t ""
refused "--sizes: the list is empty" -s ""
refused "--rate: the list is empty" -r ""
refused "--sizes takes at most 32" -s "$(seq -s , 8 8 264)"
refused "topic: it can't have 9 publishers and 1 subscriber" -t topic --publishers 9
refused "--from measures nothing" --from run.json -t pipe -w stream
refused "--compare gives no verdict with fewer than 5" --compare run.json --starts 3
refused "--slots can be a power of two" --slots 3
refused "seconds" --duration soon
refused "none of these transports" --transports line --sizes 1K
refused "the columns are transport,job" -o transprt

section "help"
exits 0 "$SHOAL_BIN" bench --help
has out "Usage: shoal bench"
has out "An open loop sends when a message is due"
cp out help
exits 0 "$SHOAL_BIN" help bench
same out help

section "every transport, both jobs"
transports=$("$SHOAL_BIN" bench --help | sed -n '/^Transports: /,/\.$/p' | tr -d '\n.' |
	sed 's/Transports://; s/ //g')
bench --all --sizes 64,64K --json
equal $code 0 "exit code ($(cat err))"
equal "$(cat err)" "" "stderr"
holds 'format=1' 'shoal:string' 'when:string' 'duration_s:real' 'machine.cpu:string' \
	'machine.processors:integer' 'machine.kernel:string' 'machine.pinned#2' \
	'machine.governor:string' 'machine.hypervisor:boolean' 'machine.steal_percent:real' \
	'machine.busy_percent_before:real' 'machine.timer_jitter_ns#3' 'results:array'
for name in ${transports//,/ }; do
	has out "\"transport\": \"$name\""
done
count=$(results)
[ "$count" -ge 20 ] || bad "only $count results"
for i in $(seq 0 $((count - 1))); do
	holds "results.$i.job:string" "results.$i.mode:string" "results.$i.size:integer" \
		"results.$i.rate=0.0" "results.$i.publishers=1" "results.$i.subscribers=1"
	"$check" "results.$i.unavailable:string" <out 2>/dev/null && continue
	holds "results.$i.msgs_per_s:real" "results.$i.bytes_per_s:real" \
		"results.$i.ratio_to_limit:real" "results.$i.spread#2" "results.$i.cpu_s:real" \
		"results.$i.switches:integer" "results.$i.starts=1" "results.$i.near:integer" \
		"results.$i.messages:integer" "results.$i.cpu_ns_per_message:real" \
		"results.$i.preempted:integer"
	if "$check" "results.$i.job=\"stream\"" <out 2>/dev/null ||
		"$check" "results.$i.job=\"batch\"" <out 2>/dev/null; then
		holds "results.$i.p50_ns=null" "results.$i.percentiles=null" \
			"results.$i.limit=\"ring\"" "results.$i.limit_msgs_per_s:real"
	else
		holds "results.$i.p50_ns:real" "results.$i.max_ns:real" \
			"results.$i.limit=\"line\"" "results.$i.limit_p50_ns:real"
	fi
done
consistent
nothing_left "a whole run"

section "other sizes"
bench --transports ring,topic,pipe,posix-mq,textbook --sizes 8,1K,1M --json
equal $code 0 "exit code ($(cat err))"
equal "$(results)" 36 "results"
holds 'results.0.size=8' 'results.0.msgs_per_s:real' 'results.4.size=1048576'
nothing_left "other sizes"

section "at a fixed rate; several publishers and subscribers"
bench --transports topic,pipe --sizes 64,64K --rate 100,1000 --json
equal $code 0
equal "$(results)" 12 "results at two rates"
holds 'results.0.job="open-loop"' 'results.0.rate=100.0' 'results.2.rate=1000.0'
bench --transports pipe --modes sleeping --sizes 64 --rate 50M --json
equal $code 2 "exit code of a rate with a letter"
bench --transports pipe,topic --sizes 64 --rate 50000000,1
equal $code 0 "exit code of a rate that none can reach ($(cat err))"
equal "$(awk '$3 == 50000000 && /rate not reached: .*\/s$/' out | wc -l)" 3 "rows behind the rate"
equal "$(awk '$1 ~ /^(topic|pipe)$/ && $3 == 1 && !/not reached/' out | wc -l)" 3 "rows at the rate"
bench --transports topic,pipe --sizes 64,64K --publishers 3 --subscribers 2 --json
equal $code 0
holds 'results.0.publishers=3' 'results.0.subscribers=2' 'results.0.p50_ns:real'
has out "it can't have 3 publishers and 2 subscribers"

bench --transports topic,pipe --sizes 64 --jobs stream --slots 2 --json
equal $code 0
holds 'results.0.slots=2' 'results.0.msgs_per_s:real'
has out "it has no slots to choose the number of"

section "batches"
bench --transports ring,topic,pipe --jobs batch --sizes 8,64,1K --json
equal $code 0 "exit code of batches ($(cat err))"
equal "$(results)" 6 "results: of two that have such calls, in two sizes that gain by them"
holds 'results.0.job="batch"' 'results.0.limit="ring"' 'results.5.msgs_per_s:real'
bench --transports topic --jobs batch --sizes 24 --publishers 3 --subscribers 2 --slots 16 --json
equal $code 0 "exit code of batches of several ($(cat err))"
holds 'results.1.msgs_per_s:real'
refused "none of these transports" --transports pipe --jobs batch

section "the table"
bench --transports topic,pipe
equal $code 0
has out "Round trips, both sides spin"
has out "Streams, who waits sleeps"
has out "NEAR: the starts"
has out "CPU/MSG"
has out "were involuntary"
bench --transports pipe --jobs stream --sizes 64K -n -b -o transport,job,mode,size
equal "$(tr -s ' ' <out)" "pipe stream sleeping 65536"

section "standard output is closed: what was measured goes nowhere, and that is said"
timeout 60 "$SHOAL_BIN" bench --duration 50ms --starts 1 -t line -s 64 --json >&- 2>err
equal $? 3 "exit code of bench without standard output"
has err "standard output: Bad file descriptor"

section "what is not to be had here is a row"
(ulimit -q 0 && bench --transports posix-mq,pipe --sizes 64 --jobs stream --json &&
	equal $code 0 && holds 'results.0.unavailable:string' 'results.1.msgs_per_s:real')
(ulimit -q 0 && bench --transports posix-mq --sizes 64 && equal $code 0 && has out "not here: ")

section "little room for the objects"
# A file system of our own, of so many bytes; where that is not allowed there is nothing to test.
in_small() {
	# shellcheck disable=SC2016
	mkdir -p small && timeout 60 unshare -rm bash -c 'mount -t tmpfs -o size="$0" none small 2>/dev/null ||
		exit 77; SHOAL_DIR=$PWD/small "$@"' "$@" >out 2>err
	code=$?
}
in_small 64m "$SHOAL_BIN" bench -d 50ms --starts 1 -t topic -s 1M -w round-trip -m spinning --json
if [ $code -ne 77 ] && ! grep -q unshare err; then
	equal $code 0 "exit code with 64 MiB ($(cat err))"
	holds 'results.0.p50_ns:real' 'results.0.buffers:integer'
	in_small 9m "$SHOAL_BIN" bench -d 50ms --starts 1 -t topic -s 1M -w round-trip -m spinning
	equal $code 0 "exit code with 9 MiB ($(cat err))"
	has out "MiB left; SHOAL_DIR names another place"
fi

section "files made of a run"
run=$SHOAL_SRC/tests/picture/run.json
exits 0 "$SHOAL_BIN" bench --from "$run" --html page.html --svg picture.svg --compare "$run"
has out "Round trips, both sides spin"
has out "0 slower, 0 faster"
has page.html "<h1>shoal bench"
has picture.svg "<svg xmlns"
[ ! -e page.html.part ] && [ ! -e picture.svg.part ] || bad "half a file"
sed 's/"ratio_to_limit": 2.5089, "spread": \[2.4336, 2.6092\]/"ratio_to_limit": 5, "spread": [4.9, 5.1]/' \
	"$run" >slow.json
exits 1 "$SHOAL_BIN" bench --from slow.json --compare "$run"
has out "1 slower"
exits 1 "$SHOAL_BIN" bench --from slow.json --compare "$run" --json
has err "1 slower"
"$check" format=1 <out || bad "JSON with --compare"
bench --transports pipe --sizes 64 --jobs stream --starts 1 -d 100
has err "a start measures for at most 2 s, which makes 2 s"
sed 's/"starts": 5/"starts": 4/g' "$run" >few.json
exits 3 "$SHOAL_BIN" bench --from few.json --compare "$run"
has err "nothing could be compared"
sed '/"pipe"/ s/"starts": 5/"starts": 4/' slow.json >some.json
exits 1 "$SHOAL_BIN" bench --from some.json --compare "$run"
has err "results have no verdict"
bench --transports line,topic --sizes 64 --jobs round-trip --html measured.html
equal $code 0
has measured.html "<h1>shoal bench"

section "files that can't be read or made: said before anything is measured"
refused "can't read 'nowhere.json': No such file" --compare nowhere.json
echo '{"format":' >half.json
refused "'half.json' is not JSON: line" --from half.json
echo '{"format": 1}' >empty.json
refused "'empty.json' is no run of this command" --from empty.json
refused "can't make 'nowhere/page.html': No such file" --html nowhere/page.html
[ ! -e nowhere ] || bad "made a folder"
refused "can't make '': that is no name" --html ""
mkdir folder
refused "can't make 'folder': it is a folder" --svg folder
rmdir folder
ln -s nowhere.html leads
refused "can't make 'leads': it is a link that leads nowhere" --html leads

section "what has the name already is written to, and not replaced"
from() {
	exits 0 "$SHOAL_BIN" bench --from "$run" "$@"
}
echo old >behind.html
ln -sf behind.html leads
from --html leads
[ -L leads ] || bad "the link was replaced"
has behind.html "<h1>shoal bench"
mkfifo fifo
timeout 60 cat fifo >through.svg &
from --svg fifo
wait $!
[ -p fifo ] || bad "the FIFO was replaced"
has through.svg "<svg xmlns"
# As root only. Not the one in /dev: if this fails, that would be gone.
if mknod device c 1 3 2>/dev/null; then
	from --html device
	[ -c device ] || bad "the device was replaced"
fi
timeout 60 "$SHOAL_BIN" bench --from "$run" --html /dev/stdout >out 2>err
equal $? 2 "exit code of --html into the file behind standard output"
has err "it is standard output"
[ ! -e fifo.part ] && [ ! -e device.part ] && [ ! -e behind.html.part ] || bad "half a file"
rm -f leads fifo device behind.html through.svg
rm -f ./*.json ./*.html ./*.svg
nothing_left "files"

# ---- ending --------------------------------------------------------------------------------

queues() {
	awk 'NR > 1 { print $2 }' /proc/sysvipc/msg 2>/dev/null | sort
}

# The sides that run, one pid a line: the children of $bench that were started as such.
sides() {
	local pid
	for pid in $(cat "/proc/$bench/task/$bench/children" 2>/dev/null); do
		tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q -- ' --worker ' && echo "$pid"
	done
}

both_run() {
	[ "$(sides | wc -l)" -eq 2 ] || return 1
	comm -13 queues.before <(queues) >queues.new
	[ -s queues.new ] || [ ! -e /proc/sysvipc/msg ]
}

# begin ARGUMENT...: a long run in the background, until its sides and its queue are there.
begin() {
	queues >queues.before
	env --default-signal=INT,HUP,TERM "$SHOAL_BIN" bench --duration 1000 --starts 64 "$@" \
		>out 2>err &
	bench=$!
	wait_for both_run
	sides >pids
	ls -d "$SHOAL_DIR"/shoal-bench.* >/dev/null || bad "no folder of its own"
}

ended() {
	local pid
	for pid in $(cat pids); do
		has_ended "$pid" || return 1
	done
	[ -z "$(ls -A "$SHOAL_DIR")" ] && [ -z "$(comm -12 queues.new <(queues))" ]
}

for signal in INT TERM HUP; do
	section "SIG$signal"
	begin --transports sysv-msg --sizes 64 --jobs stream
	kill -$signal $bench
	ends 3 $bench
	has err "stopped before it was through"
	ended || bad "left behind: $(ls -A "$SHOAL_DIR"), queues $(comm -12 queues.new <(queues))"
done

section "SIGKILL"
begin --transports sysv-msg --sizes 64K
dies $bench
wait_for ended

section "a side that dies is said, and the others go on"
begin --transports sysv-msg,pipe --sizes 64 --jobs stream --json --duration 3 --starts 1
kill -KILL "$(head -1 pids)"
ends 3 $bench
has err "sysv-msg failed: a process died"
holds 'results#2' 'results.0.transport="sysv-msg"' 'results.0.unavailable:string' \
	'results.1.msgs_per_s:real'
ended || bad "left behind: $(ls -A "$SHOAL_DIR")"

finish
