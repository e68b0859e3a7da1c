/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guarded mappings: one whose file is truncated, or a page of which fails, gives way to private
 * memory of zeroes, instead of killing the process (SIGBUS). From then on it is lost: nothing that
 * is written to it reaches anybody. What its owner wants to find in it then it says beforehand, by
 * marks. The argument is in guard.c.
 */
#ifndef SHOAL_GUARD_GUARD_H
#define SHOAL_GUARD_GUARD_H

#include <stdbool.h>
#include <stdint.h>

struct guard;

/* In lost memory `count` words of 8 bytes hold `value`, the first of them `offset` bytes from the
 * beginning, each `stride` bytes from the one before. */
struct guard_mark {
	uint64_t offset;
	uint64_t stride;
	uint64_t count;
	uint64_t value;
};
#define GUARD_MARKS 8

/* Guards what is mapped there, from here on. 0, -ENOMEM, or what the kernel says. */
int guard_add(void *base, uint64_t bytes, struct guard **ret);
/* Another mark: in place before the memory is lost, or not at all. Ignored when it lies outside, or
 * is one too many. One thread at a time for each guard. */
void guard_mark(struct guard *guard, struct guard_mark mark);
/* Before the memory is unmapped. Waits for a handler that is at work on it in another thread. */
void guard_remove(struct guard *guard);

/* Async-signal-safe; any thread that may use the guard. */
bool guard_is_lost(const struct guard *guard);
/* Gives it up as a fault would. 0, or -errno: it is as it was. */
int guard_lose(struct guard *guard);

#endif
