/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate: what a publisher must know of subscribers before it overwrites anything.
 *
 * A subscriber's ENTRY is one word, state and tag:
 *   FREE -> JOINING(tag) -> ARRIVING(tag) -> LOSSLESS(tag), or JOINING(tag) -> LOSSY(tag), and from
 *   any of them -> FREE, by its owner (the first and the last by CAS), or by whoever repairs the
 *   dead owner (any -> FREE, by CAS).
 * Its CURSOR in this lane is one word: all messages before it are read. It is written by that
 * subscriber only, with release, and never goes back. Only ARRIVING and LOSSLESS entries gate.
 *
 * ARRIVING: the cursor may be outdated by any number of messages, since nobody was held up while it
 * was chosen. It then holds up everything, until its owner has looked again (lane.h, step 4) or is
 * dead. A LOSSLESS one's cursor lies within the lane; one that does not is a stranger's, and gates
 * nothing.
 */
#ifndef SHOAL_LANE_GATE_H
#define SHOAL_LANE_GATE_H

#include "base/bits.h"

enum entry_state {
	ENTRY_FREE = 0,
	ENTRY_JOINING = 1,
	ENTRY_LOSSLESS = 2,
	ENTRY_LOSSY = 3,
	ENTRY_ARRIVING = 4
};

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

/*
 * What that entry still needs of a lane of `slots` slots that has come to `position`: a position,
 * `position` itself when nothing. `held` is the earliest that can be needed at all.
 */
static inline uint64_t gate_need(const struct gate *gate, uint32_t entry, uint64_t position,
				 uint64_t slots, uint64_t held)
{
	uint64_t word = atomic_load_explicit(&gate->entries[entry], memory_order_acquire);
	unsigned state = word_state(word);
	if (state != ENTRY_LOSSLESS && state != ENTRY_ARRIVING)
		return position;
	uint64_t cursor = gate_cursor(gate, entry);
	if (position - cursor <= slots)
		return cursor;
	return state == ENTRY_ARRIVING ? held : position;
}

struct gate_view {
	uint64_t minimum; /* the earliest position that a subscriber needs; at most `position` */
	uint32_t slowest; /* whose it is; UINT32_MAX: nobody's */
};

static inline struct gate_view gate_look(const struct gate *gate, uint64_t position, uint64_t slots,
					 uint64_t held)
{
	struct gate_view view = {position, UINT32_MAX};
	uint32_t used = gate_used(gate);
	for (uint32_t i = 0; i < used; i++) {
		uint64_t need = gate_need(gate, i, position, slots, held);
		if (position_distance(need, view.minimum) < 0)
			view = (struct gate_view){need, i};
	}
	return view;
}

/* What the publisher must not overwrite: from here on. A holding one keeps `held`. */
static inline uint64_t gate_minimum(const struct gate *gate, uint64_t position, uint64_t slots,
				    uint64_t held)
{
	/* Before the entries: who is counted here is seen there. */
	if (gate->hold && atomic_load_explicit(gate->joined, memory_order_acquire) == 0)
		return held;
	return gate_look(gate, position, slots, held).minimum;
}

#endif
