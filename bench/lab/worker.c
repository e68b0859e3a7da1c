/* SPDX-License-Identifier: Apache-2.0 */
/* One side of a measurement: opens what it needs, meets the other side, and does the job. */
#include "worker.h"

#include <shoal/shoal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define ROUNDS_MAX    30      /* of finding out how much is enough */
#define START_NS      1000000 /* both sides are in an open loop by then */
#define LIMIT_DIVISOR 4       /* the limits take this part of the subject's time, each */

void *lab_alloc(size_t bytes)
{
	size_t whole = (bytes + 63) / 64 * 64;
	void *memory = aligned_alloc(64, whole);

	if (memory == NULL)
		bench_die("out of memory");
	memset(memory, 0, whole);
	return memory;
}

void lab_latency_make(struct shoal_histogram *ret_histogram)
{
	int r = shoal_histogram_init(ret_histogram, lab_alloc(LAB_LATENCY_BYTES), LAB_LATENCY_BYTES,
				     LAB_LATENCY_DIGITS, LAB_LATENCY_HIGHEST);

	if (r < 0)
		bench_die("a histogram: %s", shoal_strerror(r));
}

void lab_free_state(struct lab_side *me)
{
	free(me->state);
}

uint64_t lab_slots(uint64_t bytes)
{
	uint64_t slots = 16384;

	while ((slots > 32 && slots * bytes > (uint64_t)2 << 20) ||
	       (slots > 4 && slots * bytes > (uint64_t)32 << 20))
		slots /= 2;
	return slots;
}

void lab_missing(struct lab_side *me, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(me->control->missing, sizeof me->control->missing, format, arguments);
	va_end(arguments);
	_exit(LAB_EXIT_MISSING);
}

/* ---- measuring --------------------------------------------------------------------------- */

/* A trip is timed where it begins, everything else where it arrives. */
static bool has_clock(int side, enum lab_job job)
{
	return side == (job == LAB_ROUND_TRIP ? 0 : 1);
}

void lab_say_end(struct lab_control *control, uint64_t end)
{
	/* Pairs with the acquire in lab_end, by way of the message that is sent after this. */
	atomic_store_explicit(&control->end, end, memory_order_release);
}

uint64_t lab_end(const struct lab_control *control)
{
	return atomic_load_explicit(&control->end, memory_order_acquire);
}

static void meet(struct lab_side *me)
{
	bench_steps_meet(&me->control->steps, me->side);
}

/* What a job cost this side. */
struct cost {
	double cpu_s;
	uint64_t switches;
	uint64_t preempted;
};

static double cpu_s(const struct rusage *usage)
{
	return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
	       (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
}

/* Both sides learn what it took. */
static int64_t run_once(struct lab_side *me, uint64_t count, struct cost *ret_cost)
{
	struct lab_control *control = me->control;
	struct rusage before, after;
	int64_t took_ns;

	if (me->side == 0) {
		control->start_ns = bench_now_ns() + START_NS;
		lab_say_end(control, count);
	}
	meet(me);
	getrusage(RUSAGE_SELF, &before);
	took_ns = me->transport->run[me->what->job](me, count);
	getrusage(RUSAGE_SELF, &after);
	ret_cost->cpu_s = cpu_s(&after) - cpu_s(&before);
	ret_cost->preempted = (uint64_t)(after.ru_nivcsw - before.ru_nivcsw);
	ret_cost->switches = (uint64_t)(after.ru_nvcsw - before.ru_nvcsw) + ret_cost->preempted;
	if (took_ns > 0)
		control->took_ns = took_ns;
	meet(me);
	took_ns = control->took_ns;
	meet(me); /* both have read it */
	return took_ns;
}

/* How many messages take `wanted_ns`: by tries that grow until the clock can tell. An open loop's
 * number follows from its rate. */
static uint64_t enough(struct lab_side *me, int64_t wanted_ns)
{
	uint64_t count = 1;
	struct cost unused;
	int64_t took_ns = 0;

	if (me->what->job == LAB_OPEN_LOOP) {
		double messages = me->what->rate * (double)wanted_ns / 1e9;

		count = messages < 1.0 ? 1 : (uint64_t)messages;
		run_once(me, count < 1000 ? 1 : count / 100, &unused);
		return count;
	}
	for (int i = 0; i < ROUNDS_MAX; i++) {
		took_ns = run_once(me, count, &unused);
		if (took_ns >= wanted_ns / 8) {
			/* Where somebody else had the core meanwhile, few would seem enough. */
			int64_t again_ns = run_once(me, count, &unused);

			took_ns = again_ns < took_ns ? again_ns : took_ns;
			if (took_ns >= wanted_ns / 8)
				break;
		}
		count *= 4;
	}
	if (took_ns < 1)
		took_ns = 1;
	count = (uint64_t)((double)count * (double)wanted_ns / (double)took_ns);
	return count < 1 ? 1 : count;
}

static void measure(struct lab_side *me, struct lab_measured *measured, int64_t wanted_ns)
{
	uint64_t count = enough(me, wanted_ns);
	uint64_t first = me->first;
	struct cost cost;
	int64_t took_ns;

	shoal_histogram_clear(me->latency);
	took_ns = run_once(me, count, &cost);
	measured->cpu_s[me->side] = cost.cpu_s;
	measured->switches[me->side] = cost.switches;
	measured->preempted[me->side] = cost.preempted;
	if (!has_clock(me->side, me->what->job))
		return;
	measured->messages = me->first - first;
	measured->count = me->what->job == LAB_OPEN_LOOP ? measured->messages : count;
	measured->took_ns = took_ns;
	measured->p50 = (double)shoal_histogram_percentile(me->latency, 50.0);
}

/* ---- the life of a side ------------------------------------------------------------------ */

static void run_part(struct lab_control *control, int side, enum lab_part part,
		     struct shoal_histogram *latency, int64_t wanted_ns)
{
	const struct lab_case *what = &control->what[part];
	struct lab_link *link = &control->link[part];
	struct lab_side me = {
	    .side = side,
	    .transport = lab_transports[what->transport],
	    .what = what,
	    .control = control,
	    .link = link,
	    .first = 1,
	    .copies = 1,
	    .latency = latency,
	};

	if (link->memory_bytes > 0)
		me.memory = bench_memory_map(link->memory_fd, link->memory_bytes);
	if (me.transport->open != NULL)
		me.transport->open(&me);
	meet(&me);
	measure(&me, &control->measured[part], wanted_ns);
	if (me.transport->close != NULL)
		me.transport->close(&me);
}

void lab_worker(int control_fd, int side)
{
	struct lab_control *control = bench_memory_map(control_fd, sizeof *control);
	struct shoal_histogram latency;
	int64_t limit_ns = control->measure_ns / LIMIT_DIVISOR;

	bench_die_text = control->error;
	lab_latency_make(&latency);
	bench_pin(control->cores[side]);
	run_part(control, side, LAB_LINE, &latency, limit_ns / 2);
	if (control->what[LAB_LIMIT].transport != control->what[LAB_LINE].transport)
		run_part(control, side, LAB_LIMIT, &latency, limit_ns);
	run_part(control, side, LAB_SUBJECT, &latency, control->measure_ns);
	if (has_clock(side, control->what[LAB_SUBJECT].job))
		memcpy(control->latency, latency.memory, latency.bytes);
}
