/* SPDX-License-Identifier: Apache-2.0 */
/* For the histogram's tests: memory that ends where it ends, numbers by chance, and a sorted array
 * to compare with. */
#ifndef SHOAL_HISTOGRAM_HISTOGRAM_RIG_H
#define SHOAL_HISTOGRAM_HISTOGRAM_RIG_H

#include "histogram/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#define RIG_PAGE 4096u

/* Between two pages that can't be touched; what lies between the first and the memory is looked at
 * in the end. */
struct room {
	uint8_t *map;
	size_t pages_bytes; /* without the two */
	void *memory;
	size_t bytes;
};

static inline struct room room_new(size_t bytes)
{
	struct room room = {.bytes = bytes, .pages_bytes = align_up(bytes, RIG_PAGE)};
	size_t all = room.pages_bytes + (size_t)2 * RIG_PAGE;
	room.map = mmap(NULL, all, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(room.map, MAP_FAILED);
	assert_int_equal(mprotect(room.map + RIG_PAGE, room.pages_bytes, PROT_READ | PROT_WRITE),
			 0);
	room.memory = room.map + RIG_PAGE + (room.pages_bytes - bytes);
	memset(room.map + RIG_PAGE, 0xa5, room.pages_bytes);
	return room;
}

static inline void room_free(struct room *room)
{
	for (uint8_t *p = room->map + RIG_PAGE; p < (uint8_t *)room->memory; p++)
		if (*p != 0xa5)
			fail_msg("written %zu bytes before the histogram",
				 (size_t)((uint8_t *)room->memory - p));
	munmap(room->map, room->pages_bytes + (size_t)2 * RIG_PAGE);
}

static inline struct shoal_histogram histogram_new(struct room *room, unsigned digits,
						   uint64_t highest)
{
	struct shoal_histogram histogram;
	int64_t bytes = shoal_histogram_bytes(digits, highest);
	assert_true(bytes > 0);
	*room = room_new((size_t)bytes);
	assert_int_equal(
	    shoal_histogram_init(&histogram, room->memory, room->bytes, digits, highest), 0);
	return histogram;
}

/* The same numbers in every run, so that a failure can be repeated. */
static inline uint64_t random_next(uint64_t *state)
{
	uint64_t x = (*state += 0x9e3779b97f4a7c15u);
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static inline uint64_t random_below(uint64_t *state, uint64_t limit)
{
	return random_next(state) % limit;
}

/* Values of all sizes, near powers of two above all. */
static inline uint64_t random_value(uint64_t *state)
{
	uint64_t power = (uint64_t)1 << random_below(state, 64);
	switch (random_below(state, 4)) {
	case 0:
		return power - random_below(state, 3);
	case 1:
		return random_below(state, 10);
	default:
		return random_next(state) & (power - 1);
	}
}

static inline void audit_is(const struct shoal_histogram *histogram, int result)
{
	int r = shoal_histogram_audit(histogram->memory, histogram->bytes);
	if (r != result)
		fail_msg("audit gives %d and not %d: %s", r, result, shoal_error_detail());
}

#endif
