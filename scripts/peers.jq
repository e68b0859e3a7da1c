# SPDX-License-Identifier: Apache-2.0
# From a run of shoal-bench-peers to the figures of docs/benchmarks.md.

def three:
	if . >= 99.5 then round
	elif . >= 9.995 then (. * 10 | round) / 10
	elif . >= 0.1 then (. * 100 | round) / 100
	else (. * 10000 | round) / 10000 end;

def time:
	if . < 999.5 then "\(three) ns"
	elif . < 999500 then "\(. / 1e3 | three) us"
	else "\(. / 1e6 | three) ms" end;

def amount:
	if . < 999.5 then "\(three)"
	elif . < 999500 then "\(. / 1e3 | three) k"
	else "\(. / 1e6 | three) M" end;

def bytes:
	if . >= 1048576 then "\(. / 1048576) MiB"
	elif . >= 1024 then "\(. / 1024) KiB"
	else "\(.) B" end;

# As they come first.
def distinct: reduce .[] as $x ([]; if index([$x]) then . else . + [$x] end);

def cell:
	if . == null or .unavailable then "-"
	elif .job == "stream" or .job == "batch" then "\(.msgs_per_s | amount) (\(.ratio_to_limit | three))"
	else "\(.p50_ns | time) (\(.ratio_to_limit | three))" end;

def table($rows):
	($rows | map(.size) | distinct) as $sizes
	| ($rows | map(.transport) | distinct) as $names
	| "| | " + ($sizes | map(bytes) | join(" | ")) + " |",
	  "| --- |" + ($sizes | map(" ---: |") | join("")),
	  ($names[] as $name
	   | "| \($name) | "
	     + ([$sizes[] as $size
	         | [$rows[] | select(.transport == $name and .size == $size)][0] | cell]
	        | join(" | "))
	     + " |");

def section($title; $job; $mode):
	[.results[] | select(.job == $job and .mode == $mode)] as $rows
	| if ($rows | length) > 0 then "### \($title)", "", table($rows), "" else empty end;

"",
"Measured \(.when) with Shoal \(.shoal) on \(.machine.cpu), \(.machine.processors) processors "
+ "(\(.machine.pinned | map(tostring) | join(" and ")) are used), Linux \(.machine.kernel)"
+ (if .machine.hypervisor then ", a virtual machine" else "" end)
+ ", governor \(.machine.governor); \([.results[].starts // 0] | max) starts of each.",
"",
"Noise: the processors were \(.machine.busy_percent_before | three) % busy just before, the hypervisor "
+ "kept \(.machine.steal_percent | three) % of the time"
+ ([.results[].preempted // empty] as $times
   | if $times == [] then "" else ", \($times | add) of \([.results[].switches // 0] | add) context "
     + "switches were involuntary" end) + ".",
(if .machine.busy_percent_before > 10 or .machine.steal_percent > 1
 then "", "**The machine was not quiet: these figures are worth little.**" else empty end),
"",
"![Latencies and rates](benchmarks.svg)",
"",
section("Round trips, both sides spin: median (ratio to a bare line)"; "round-trip"; "spinning"),
section("Round trips, who waits sleeps: median (ratio to a bare line)"; "round-trip"; "sleeping"),
section("Streams, both sides spin: messages/s (ratio to a plain ring)"; "stream"; "spinning"),
section("Streams, who waits sleeps: messages/s (ratio to a plain ring)"; "stream"; "sleeping"),
section("Streams in batches, both sides spin: messages/s (ratio to a plain ring)"; "batch"; "spinning"),
section("Streams in batches, who waits sleeps: messages/s (ratio to a plain ring)"; "batch"; "sleeping"),
([.results[] | select(.unavailable)
  | "- \(.transport), \(.job), \(.mode): \(.unavailable)"] | distinct
 | if length > 0 then "### What is not there", "", .[], "" else empty end),
([.results[] | select(.setup) | "- **\(.transport)**: \(.setup)."] | distinct
 | if length > 0 then "### How each is set up", "", .[], "" else empty end)
