/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least that a round trip between two cores can cost: one line each way, written by one side
 * and spun on by the other, with 48 bytes of payload beside the flag. No pause while spinning:
 * it was a little slower wherever it was tried.
 */
#include "payload.h"
#include "programs.h"

#define LINE_BYTES 48

struct line {
	_Alignas(BENCH_APART) _Atomic uint64_t flag;
	uint64_t payload[LINE_BYTES / 8];
};

struct lines {
	struct line way[2];
};

_Static_assert(offsetof(struct line, payload) + LINE_BYTES <= 64, "one cache line");

static size_t line_memory_bytes(const struct bench_setup *setup)
{
	(void)setup;
	return sizeof(struct lines);
}

static void line_open(struct bench_side *me)
{
	(void)me;
}

BENCH_INLINE void line_send(struct line *line, uint64_t sequence)
{
	payload_fill(line->payload, LINE_BYTES, sequence);
	atomic_store_explicit(&line->flag, sequence, memory_order_release);
}

BENCH_INLINE uint64_t line_take(struct line *line, uint64_t sequence)
{
	while (atomic_load_explicit(&line->flag, memory_order_acquire) != sequence)
		;
	return payload_sum(line->payload, LINE_BYTES);
}

static double line_run(struct bench_side *me, uint64_t count)
{
	struct lines *lines = me->memory;
	struct line *out = &lines->way[me->side];
	struct line *in = &lines->way[1 - me->side];
	uint64_t first = atomic_load_explicit(&out->flag, memory_order_relaxed) + 1;
	uint64_t end = first + count + count / 8;
	int64_t start_ns = 0;
	uint64_t sum = 0;

	for (uint64_t sequence = first; sequence < end; sequence++) {
		if (sequence == end - count)
			start_ns = bench_now_ns();
		if (me->side == 0)
			line_send(out, sequence);
		sum += line_take(in, sequence);
		if (me->side == 1)
			line_send(out, sequence);
	}
	start_ns = bench_now_ns() - start_ns;
	if (sum != payload_expected(LINE_BYTES, first, end - first))
		bench_die("line: the sum is wrong");
	return me->side == 0 ? (double)start_ns / (double)count : 0.0;
}

const struct bench_program ref_line = {"line", line_memory_bytes, line_open, line_run, NULL};
