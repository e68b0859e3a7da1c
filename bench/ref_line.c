/* SPDX-License-Identifier: Apache-2.0 */
/* The round trip of a bare line each way, with 48 bytes of payload beside the number: see line.h.
 */
#include "line.h"
#include "paced.h"
#include "programs.h"

#define LINE_BYTES 56

struct lines {
	struct line way[2];
};

static size_t line_memory_bytes(const struct bench_setup *setup)
{
	(void)setup;
	return sizeof(struct lines);
}

static void line_open(struct bench_side *me)
{
	(void)me;
}

/* How long `count` of them took. Paced where there is a pace, which then has the latencies. */
BENCH_INLINE int64_t line_loop(struct bench_side *me, uint64_t count, struct pace *pace)
{
	struct lines *lines = me->memory;
	struct line *out = &lines->way[me->side];
	struct line *in = &lines->way[1 - me->side];
	uint64_t first = atomic_load_explicit(&out->number, memory_order_relaxed) + 1;
	uint64_t end = first + count + count / 8;
	int64_t start_ns = 0;
	uint64_t sum = 0;

	for (uint64_t sequence = first; sequence < end; sequence++) {
		if (sequence == end - count)
			start_ns = bench_now_ns();
		if (me->side == 0) {
			if (pace != NULL)
				pace_wait(pace);
			line_send(out, LINE_BYTES, sequence);
		}
		sum += line_take(in, LINE_BYTES, sequence);
		if (me->side == 1)
			line_send(out, LINE_BYTES, sequence);
		else if (pace != NULL)
			pace_answered(pace);
	}
	start_ns = bench_now_ns() - start_ns;
	if (sum != payload_expected(LINE_BYTES, first, end - first))
		bench_die("line: the sum is wrong");
	return start_ns;
}

static double line_run(struct bench_side *me, uint64_t count)
{
	int64_t took_ns = line_loop(me, count, NULL);

	return me->side == 0 ? (double)took_ns / (double)count : 0.0;
}

static double paced_run(struct bench_side *me, uint64_t count)
{
	static struct pace pace;

	pace_begin(&pace, count / 8);
	line_loop(me, count, &pace);
	return me->side == 0 ? pace_p99(&pace) : 0.0;
}

const struct bench_program ref_line_paced = {"line", line_memory_bytes, line_open, paced_run, NULL};
const struct bench_program ref_line = {"line", line_memory_bytes, line_open, line_run, NULL};
