/* SPDX-License-Identifier: Apache-2.0 */
#include "figures.h"

#include "programs.h"

#include <shoal/object.h>
#include <shoal/topic.h>

#define KIB64 ((size_t)64 << 10)
#define MIB   ((size_t)1 << 20)

#define SPIN .pub_spin_ns = SHOAL_FOREVER, .sub_spin_ns = SHOAL_FOREVER
#define NAP  .pub_spin_ns = SHOAL_SPIN_NEVER, .sub_spin_ns = SHOAL_SPIN_NEVER

/* Beside a stream: how far apart the two cores are just now. */
#define LINE                                                                                       \
	{                                                                                          \
		&ref_line,                                                                         \
		{                                                                                  \
			.count = 4000                                                              \
		}                                                                                  \
	}

/* Small streams: the same contenders for both sizes. */
#define STREAMS(size)                                                                              \
	.count = 6,                                                                                \
	.contender = {                                                                             \
	    {&ref_ring, {.bytes = (size), .count = 800000}},                                       \
	    {&topic_stream, {.bytes = (size), .count = 400000, SPIN}},                             \
	    {&topic_stream_batch, {.bytes = (size), .count = 400000, .batch = 64, SPIN}},          \
	    {&topic_stream, {.bytes = (size), .count = 400000}},                                   \
	    {&topic_stream_copy, {.bytes = (size), .count = 400000, SPIN}},                        \
	    LINE,                                                                                  \
	}
#define LARGE(size, messages)                                                                      \
	.count = 3,                                                                                \
	.contender = {                                                                             \
	    {&ref_ring_large, {.bytes = (size), .count = (messages), .buffers = 32}},              \
	    {&topic_large, {.bytes = (size), .count = (messages), .buffers = 32, SPIN}},           \
	    LINE,                                                                                  \
	}
#define CALLS(program, messages)                                                                   \
	.count = 2, .contender = {                                                                 \
			{&(program), {.bytes = 64, .count = (messages), SPIN}},                    \
			{&(program), {.bytes = MIB, .count = (messages), .buffers = 32, SPIN}},    \
	}

const struct bench_group bench_groups[] = {
    {"ring",
     3,
     {{&ref_memset, {.bytes = 64, .count = 1}}, {&ref_ring, {.bytes = 64, .count = 800000}}, LINE}},
    {"trip-48",
     2,
     {{&ref_line, {.count = 40000}}, {&topic_trip, {.bytes = 48, .count = 40000, SPIN}}}},
    {"trip-64",
     2,
     {{&ref_line, {.count = 40000}}, {&topic_trip, {.bytes = 64, .count = 40000, SPIN}}}},
    {"paced",
     3,
     {{&ref_line_paced, {.count = 5000}},
      {&topic_paced, {.bytes = 48, .count = 5000, SPIN}},
      LINE}},
    {"stream-48", STREAMS(48)},
    {"stream-64", STREAMS(64)},
    {"pair-64",
     3,
     {{&topic_stream, {.bytes = 64, .count = 400000, SPIN}},
      {&topic_stream_pair, {.bytes = 64, .count = 400000, SPIN}},
      LINE}},
    {"large-1k",
     3,
     {{&ref_ring_large, {.bytes = 1024, .count = 100000, .buffers = 1024}},
      {&topic_large, {.bytes = 1024, .count = 100000, .slots = 1024, SPIN}},
      LINE}},
    {"large-64k", LARGE(KIB64, 4000)},
    {"large-1m", LARGE(MIB, 300)},
    {"calls", CALLS(topic_calls, 100000)},
    {"calls-trip", CALLS(topic_calls_trip, 40000)},
    {"blocking",
     2,
     {{&ref_futex, {.count = 100}}, {&topic_blocking, {.bytes = 48, .count = 100, NAP}}}},
    {"fanout",
     2,
     {{&topic_fanout, {.bytes = 48, .count = 16384, .subscribers = 1, SPIN}},
      {&topic_fanout, {.bytes = 48, .count = 16384, .subscribers = 64, SPIN}}}},
};
const uint32_t bench_group_count = sizeof bench_groups / sizeof *bench_groups;

#define MOST  GOAL_MOST
#define LEAST GOAL_LEAST

/* clang-format off */
const struct bench_figure bench_figures[] = {
    {"ring", "the ring itself, 64 bytes", "ring", 1, 0, "memset", UNIT_BYTES, LEAST, 0.15},
    {"trip-48", "round trip, 48 bytes", "trip-48", 1, 0, "line", UNIT_NS, MOST, 1.15},
    {"trip-64", "round trip, 64 bytes", "trip-64", 1, 0, "line", UNIT_NS, MOST, 1.6},
    {"paced", "round trip at 100,000/s, p99", "paced", 1, 0, "line", UNIT_NS, MOST, 1.2},
    {"one-48", "one by one, 48 bytes", "stream-48", 1, 0, "ring", UNIT_MESSAGES, LEAST, 0.75},
    {"batch-48", "batches of 64, 48 bytes", "stream-48", 2, 0, "ring", UNIT_MESSAGES, LEAST, 0.70},
    {"sleepy-48", "one by one, 48 bytes, may sleep", "stream-48", 3, 1, "spinning only",
     UNIT_MESSAGES, LEAST, 0.93},
    {"copy-48", "one by one, 48 bytes, receive", "stream-48", 4, 0, "ring", UNIT_MESSAGES,
     GOAL_NONE, 0},
    {"one-64", "one by one, 64 bytes", "stream-64", 1, 0, "ring", UNIT_MESSAGES, LEAST, 0.48},
    {"batch-64", "batches of 64, 64 bytes", "stream-64", 2, 0, "ring", UNIT_MESSAGES, LEAST, 0.56},
    {"sleepy-64", "one by one, 64 bytes, may sleep", "stream-64", 3, 1, "spinning only",
     UNIT_MESSAGES, LEAST, 0.93},
    {"copy-64", "one by one, 64 bytes, receive", "stream-64", 4, 0, "ring", UNIT_MESSAGES,
     GOAL_NONE, 0},
    {"pair-64", "two publishers in turn, 64 bytes", "pair-64", 1, 0, "one publisher",
     UNIT_MESSAGES, LEAST, 0.9},
    {"large-1k", "1 KiB", "large-1k", 1, 0, "ring of 1,024", UNIT_BYTES, LEAST, 0.85},
    {"large-64k", "64 KiB in place", "large-64k", 1, 0, "ring of 32", UNIT_BYTES, LEAST, 0.95},
    {"large-1m", "1 MiB in place", "large-1m", 1, 0, "ring of 32", UNIT_BYTES, LEAST, 0.95},
    {"calls", "1 MiB untouched, the four calls", "calls", 1, 0, "64 bytes", UNIT_NS, MOST, 2.5},
    {"calls-trip", "1 MiB untouched, round trip", "calls-trip", 1, 0, "64 bytes", UNIT_NS, MOST,
     2.5},
    {"blocking", "round trip, both asleep", "blocking", 1, 0, "futex", UNIT_US, MOST, 1.08},
    {"fanout", "publish to 64 subscribers", "fanout", 1, 0, "1 subscriber", UNIT_NS, MOST, 1.5},
};
/* clang-format on */
const uint32_t bench_figure_count = sizeof bench_figures / sizeof *bench_figures;
