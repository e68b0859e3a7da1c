/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate: what a publisher must know of subscribers before it overwrites anything.
 *
 * A subscriber's ENTRY is one word, state and tag:
 *   FREE -> JOINING(tag) -> LOSSLESS(tag) or LOSSY(tag) -> FREE, by its owner (the first and the
 *   last by CAS), or by whoever repairs the dead owner (any -> FREE, by CAS).
 * Its CURSOR in this lane is one word: all messages before it are read. It is written by that
 * subscriber only, with release, and never goes back. Only LOSSLESS entries gate.
 */
#ifndef SHOAL_LANE_GATE_H
#define SHOAL_LANE_GATE_H

#include "base/bits.h"

enum entry_state { ENTRY_FREE = 0, ENTRY_JOINING = 1, ENTRY_LOSSLESS = 2, ENTRY_LOSSY = 3 };

struct gate {
	const _Atomic uint64_t *entries;
	const _Atomic uint32_t *used;   /* no entry from here on was ever taken */
	const _Atomic uint64_t *joined; /* how many subscribers ever were active */
	const uint8_t *cursors;         /* the first entry's, in this lane */
	uint64_t stride;                /* from one entry's cursor to the next one's */
	uint32_t count;
	bool hold; /* overwrite nothing until somebody has subscribed */
};

static inline uint64_t gate_cursor(const struct gate *gate, uint32_t entry)
{
	const void *cursor = gate->cursors + entry * gate->stride;
	/* Acquire, with the subscriber's release: its reads are over when we overwrite. */
	return atomic_load_explicit((const _Atomic uint64_t *)cursor, memory_order_acquire);
}

static inline uint32_t gate_used(const struct gate *gate)
{
	uint32_t used = atomic_load_explicit(gate->used, memory_order_relaxed);
	return used < gate->count ? used : gate->count;
}

static inline bool gate_pins(const struct gate *gate, uint32_t entry)
{
	uint64_t word = atomic_load_explicit(&gate->entries[entry], memory_order_acquire);
	return word_state(word) == ENTRY_LOSSLESS;
}

/*
 * The earliest position, at most `position`, that a lossless subscriber still needs, seen from a
 * lane of `slots` slots. A cursor outside the lane is no honest one and gates nothing: a newcomer's
 * and an old one's always lie within. `held`: the position that a holding publisher keeps.
 */
static inline uint64_t gate_minimum(const struct gate *gate, uint64_t position, uint64_t slots,
				    uint64_t held)
{
	/* Before the entries: who is counted here is seen there. */
	if (gate->hold && atomic_load_explicit(gate->joined, memory_order_acquire) == 0)
		return held;
	uint64_t minimum = position;
	uint32_t used = gate_used(gate);
	for (uint32_t i = 0; i < used; i++) {
		if (!gate_pins(gate, i))
			continue;
		uint64_t cursor = gate_cursor(gate, i);
		if (position - cursor <= slots && position_distance(cursor, minimum) < 0)
			minimum = cursor;
	}
	return minimum;
}

#endif
