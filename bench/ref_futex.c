/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least that a round trip between two sleepers can cost: a word each way; wake the other, then
 * sleep until it answers. Each side always sleeps (payload_think), so no wake is ever saved.
 */
#include "payload.h"
#include "programs.h"

#include <errno.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct words {
	struct {
		_Alignas(BENCH_APART) _Atomic uint32_t word;
	} way[2];
};

static size_t futex_memory_bytes(const struct bench_setup *setup)
{
	(void)setup;
	return sizeof(struct words);
}

static void futex_open(struct bench_side *me)
{
	(void)me;
}

static void wake(_Atomic uint32_t *word, uint32_t value)
{
	atomic_store(word, value);
	if (syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0) < 0)
		bench_die("FUTEX_WAKE: %s", strerror(errno));
}

static void await(_Atomic uint32_t *word, uint32_t value)
{
	while (atomic_load(word) != value) {
		if (syscall(SYS_futex, word, FUTEX_WAIT, value - 1, NULL, NULL, 0) < 0 &&
		    errno != EAGAIN && errno != EINTR)
			bench_die("FUTEX_WAIT: %s", strerror(errno));
	}
}

static double futex_run(struct bench_side *me, uint64_t count)
{
	struct words *words = me->memory;
	_Atomic uint32_t *out = &words->way[me->side].word;
	_Atomic uint32_t *in = &words->way[1 - me->side].word;
	uint64_t first_sleep = payload_sleeps();
	uint32_t sequence = atomic_load(out);
	int64_t took_ns = 0;

	for (uint64_t i = 0; i < count; i++) {
		int64_t start_ns;

		sequence++;
		if (me->side == 1)
			await(in, sequence);
		payload_think();
		start_ns = bench_now_ns();
		wake(out, sequence);
		if (me->side == 0) {
			await(in, sequence);
			took_ns += bench_now_ns() - start_ns - THINK_NS;
		}
	}
	me->spoiled = payload_sleeps() - first_sleep < count * 9 / 10;
	return me->side == 0 ? (double)took_ns / (double)count : 0.0;
}

const struct bench_program ref_futex = {"futex", futex_memory_bytes, futex_open, futex_run, NULL};
