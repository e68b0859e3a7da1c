/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting on a shared word, at no cost to those who have nobody to wake.
 *
 * THE WORD, 32 bits: bit 0: somebody sleeps; the rest counts. Anybody may change it, always by
 * read-modify-write. Adding 1 to it while bit 0 is set clears the bit and counts.
 *
 *   SLEEPER                                        WAKER
 *   1 f = fetch_or(F, 1) | 1    (seq_cst)          1 publish                      (release)
 *   2 membarrier: a fence in every waker           2 compiler fence
 *   3 look again                (acquire)          3 load F                       (relaxed)
 *   4 FUTEX_WAIT(F, f)                             4 bit 0 set: FUTEX_WAKE_OP: F + 1, wake all
 *
 * WHY NO WAKE-UP IS LOST. The membarrier orders the waker's 1 and 3 as a fence between them would:
 * if the waker's 3 did not see the bit, its 1 comes before the barrier, and the sleeper's 3 sees
 * what was published. If it saw the bit, F changes before the sleeper sleeps (FUTEX_WAIT answers at
 * once) or the wake finds it sleeping. Pairs: waker's 1 with sleeper's 3; step 4 with fetch_or.
 * Two wakers at once may leave the bit set with nobody asleep: one wake-up too many, once.
 *
 * THE FIRST SLEEP of a wait is a slice, without step 2 (sleep_once tells why).
 *
 * WITHOUT MEMBARRIER (seccomp, old kernels): a waker that can't register fences between its 1 and
 * 3; a sleeper that can't call it sleeps in slices, so a missed wake-up costs one slice.
 *
 * DEATHS. A sleeper that dies leaves the bit set: one wake-up too many. Step 4 is one system call,
 * in which F changes and sleepers are woken before a signal, even SIGKILL, takes effect: no death
 * leaves the bit clear and somebody asleep. A waker that dies between its 1 and 4 would leave
 * sleepers asleep with something to read. So a waker that others wait for without slices says
 * beforehand that it has begun, and looks at F before it publishes: with the bit set, it bumps F
 * (who is about to sleep goes round again, and sees it begun) and lets the kernel publish and wake
 * in one call. A sleeper that sees it begun and not done after step 2 (`unsettled`) sleeps in
 * slices until that is over. lane/lane.h: lane_commit.
 */
#ifndef SHOAL_WAIT_WAIT_H
#define SHOAL_WAIT_WAIT_H

#include "base/bits.h"

enum { WAIT_SLEEPER = 1, WAIT_COUNT = 2 };

/* How long a wait for particular seats sleeps before it asks the kernel whether they live. */
#define WAIT_SLICE_NS 1000000

struct wait {
	_Atomic uint32_t *word;
	/* 1: what was waited for is there; 0: not yet; < 0: give up with that error. */
	int (*look)(void *context);
	/* Asked after step 2: must this sleep be sliced, because it waits for particular seats or
	 * because a waker is in the middle? NULL: never. */
	bool (*unsettled)(void *context);
	/* Asked before a sliced sleep: repairs those who are waited for and dead. */
	void (*ask_kernel)(void *context);
	void *context;
	int64_t timeout_ns;
	int64_t spin_ns; /* 0: sleep at once; negative: never sleep */
};

/* 0, -EAGAIN (timeout 0), -ETIMEDOUT, or what `look` gave up with. */
int wait_until(const struct wait *wait);

/* Wakes everybody who sleeps on the word, asked for or not. Async-signal-safe. */
SLOW_PATH void wait_wake(_Atomic uint32_t *word);
/* The same, and leaves the sleepers' bit as it is: if it was set, there is one wake-up too many
 * later, and at no moment is it clear. */
void wait_stir(_Atomic uint32_t *word);
/* The same, and sets the sleepers' bit: the next waker takes its slow path, where it looks at the
 * lifetime. */
void wait_alert(_Atomic uint32_t *word);

/* The waker's steps 2 to 4. `fences_itself`: this process is not registered for membarrier.
 * True when somebody slept, or was to be alerted. */
static inline bool wait_notify(_Atomic uint32_t *word, bool fences_itself)
{
	if (unlikely(fences_itself))
		atomic_thread_fence(memory_order_seq_cst);
	else
		atomic_signal_fence(memory_order_seq_cst);
	if (likely(!(atomic_load_explicit(word, memory_order_relaxed) & WAIT_SLEEPER)))
		return false;
	wait_wake(word);
	return true;
}

#endif
