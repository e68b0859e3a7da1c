/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one core can write: memset over 64 MiB of private memory, far more than the caches hold.
 * The ring must reach a good part of it, or it is too slow to be a reference.
 */
#include "programs.h"

#include <stdlib.h>
#include <string.h>

#define AREA_BYTES ((size_t)64 << 20)

static void memset_open(struct bench_side *me)
{
	if (me->side != 0)
		return;
	me->state = malloc(AREA_BYTES);
	if (me->state == NULL)
		bench_die("out of memory");
	memset(me->state, 1, AREA_BYTES);
}

static double memset_run(struct bench_side *me, uint64_t count)
{
	int64_t start_ns;

	if (me->side != 0)
		return 0.0;
	start_ns = bench_now_ns();
	for (uint64_t i = 0; i < count; i++) {
		memset(me->state, (int)i, AREA_BYTES);
		__asm__ volatile("" ::"r"(me->state) : "memory");
	}
	return (double)count * (double)AREA_BYTES / (double)me->setup->bytes * 1e9 /
	       (double)(bench_now_ns() - start_ns);
}

static void memset_close(struct bench_side *me)
{
	free(me->state);
}

const struct bench_program ref_memset = {"memset", NULL, memset_open, memset_run, memset_close};
