/* SPDX-License-Identifier: Apache-2.0 */
#include "wait/wait.h"

#include "os/os.h"

#include <errno.h>

/* Looks between two readings of the clock while spinning. */
#define SPIN_LOOKS 64
/* A spinner gives way to others this often: it may sit on the core of the one it waits for. */
#define SPIN_YIELD_NS 20000

static void add_and_wake(_Atomic uint32_t *word, unsigned shift)
{
	if (os->futex_add_and_wake((const void *)word, (void *)word, shift) == 0)
		return;
	/* FUTEX_WAKE_OP is forbidden here: a kill may come between */
	atomic_fetch_add(word, 1u << shift);
	if (os->futex_wake((const void *)word, INT32_MAX) < 0)
		atomic_fetch_or(word, WAIT_SLEEPER); /* that too: the next waker may be able to */
}

void wait_wake(_Atomic uint32_t *word)
{
	add_and_wake(word, 0);
}

void wait_stir(_Atomic uint32_t *word)
{
	static_assert(WAIT_COUNT == 1 << 1, "it counts, and leaves the bit alone");
	add_and_wake(word, 1);
}

/* The bit first: who dies in between has woken nobody, and the next waker still looks. */
void wait_alert(_Atomic uint32_t *word)
{
	atomic_fetch_or(word, WAIT_SLEEPER);
	wait_stir(word);
}

/* 1: there; 0: not while spinning; < 0: as look. */
static int spin(const struct wait *wait, int64_t now, int64_t deadline)
{
	int64_t end = wait->spin_ns < 0 || wait->spin_ns > INT64_MAX - now ? INT64_MAX
									   : now + wait->spin_ns;
	if (deadline >= 0 && deadline < end)
		end = deadline;
	int64_t yield_at = now + SPIN_YIELD_NS;
	do {
		for (int i = 0; i < SPIN_LOOKS; i++) {
			int r = wait->look(wait->context);
			if (r != 0)
				return r;
			cpu_pause();
		}
		now = os->now_ns();
		if (now >= yield_at) {
			os->yield();
			yield_at = os->now_ns() + SPIN_YIELD_NS;
			if (wait->unsettled && wait->unsettled(wait->context))
				wait->ask_kernel(wait->context);
		}
	} while (now < end);
	return wait->look(wait->context);
}

/*
 * Steps 1 to 4 of the sleeper. 1: there; 0: woken or slept out; < 0: as look. The first sleep of a
 * wait is one slice without the barrier: who answers each other asleep hardly ever waits longer,
 * and the barrier interrupts the very process that was just woken, for about as long as a wake-up
 * takes. A wake-up that is missed for want of it costs that slice.
 */
static int sleep_once(const struct wait *wait, int64_t left, bool first)
{
	uint32_t word = atomic_fetch_or(wait->word, WAIT_SLEEPER) | WAIT_SLEEPER;
	bool sliced = first || os->barrier() < 0; /* then a waker may not see the bit in time */
	if (wait->unsettled && wait->unsettled(wait->context)) {
		sliced = true;
		wait->ask_kernel(wait->context);
	}
	int r = wait->look(wait->context);
	if (r != 0)
		return r;
	if (sliced && (left < 0 || left > WAIT_SLICE_NS))
		left = WAIT_SLICE_NS;
	os->futex_wait((const void *)wait->word, word, left);
	return wait->look(wait->context);
}

/* Who only tries must not be refused for ever for the sake of somebody dead. */
static int try_again(const struct wait *wait)
{
	if (!wait->unsettled || !wait->unsettled(wait->context))
		return -EAGAIN;
	wait->ask_kernel(wait->context);
	int r = wait->look(wait->context);
	return r < 0 ? r : r == 0 ? -EAGAIN : 0;
}

int wait_until(const struct wait *wait)
{
	int r = wait->look(wait->context);
	if (r != 0)
		return r < 0 ? r : 0;
	if (wait->timeout_ns == 0)
		return try_again(wait);
	int64_t now = os->now_ns();
	/* A timeout beyond the clock's end is for ever. */
	int64_t deadline = wait->timeout_ns < 0 || wait->timeout_ns > INT64_MAX - now
			       ? -1
			       : now + wait->timeout_ns;
	r = wait->spin_ns == 0 ? 0 : spin(wait, now, deadline);
	bool first = true;
	while (r == 0) {
		int64_t left = -1;
		if (deadline >= 0) {
			left = deadline - os->now_ns();
			if (left <= 0) {
				r = try_again(wait);
				return r == -EAGAIN ? -ETIMEDOUT : r;
			}
		}
		r = sleep_once(wait, left, first);
		first = false;
	}
	return r < 0 ? r : 0;
}
