/* SPDX-License-Identifier: Apache-2.0 */
/* Every program that can be a contender, references first. */
#ifndef BENCH_PROGRAMS_H
#define BENCH_PROGRAMS_H

#include "duo.h"

/* ns a round trip: one shared line each way, flag and payload in it. */
extern const struct bench_program ref_line;
/* The same at 100,000 a second: ns that 99 in 100 take at most, from when each was due. */
extern const struct bench_program ref_line_paced;
/* Messages/s through a plain single-producer ring of 64-byte slots. */
extern const struct bench_program ref_ring;
/* The same with slots of `bytes`, filled and read in place. */
extern const struct bench_program ref_ring_large;
/* ns a round trip of two processes that sleep in futex(2). */
extern const struct bench_program ref_futex;
/* Units of `bytes` that one core's memset writes in a second, over 64 MiB. */
extern const struct bench_program ref_memset;

/* ns a round trip through two topics. */
extern const struct bench_program topic_trip;
/* The same at 100,000 a second: ns that 99 in 100 take at most. */
extern const struct bench_program topic_paced;
/* ns a round trip through two topics when both sides sleep. */
extern const struct bench_program topic_blocking;
/* Messages/s: publish, then borrow, release. */
extern const struct bench_program topic_stream;
/* The same from two publishers of one process, in turn. */
extern const struct bench_program topic_stream_pair;
/* Messages/s: publish, then receive. */
extern const struct bench_program topic_stream_copy;
/* Messages/s: publishv, receivev. */
extern const struct bench_program topic_stream_batch;
/* Messages/s: claim, fill, commit, then borrow, read, release. */
extern const struct bench_program topic_large;
/* ns for claim, commit, borrow, release of memory that nobody touches, in one thread. */
extern const struct bench_program topic_calls;
/* ns a round trip of the same between two processes. */
extern const struct bench_program topic_calls_trip;
/* ns that publish takes, for messages paced so that every subscriber keeps up. */
extern const struct bench_program topic_fanout;

#endif
