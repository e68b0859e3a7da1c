/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lane: the part of a topic that one publisher writes and nobody else.
 *
 * CONTROL, 256 bytes, in the topic's fixed part. Its first line is read by many and written rarely;
 * the one at 128 is the publisher's own and is written with every message. They lie in different
 * pairs of lines, since processors fetch a line's neighbour with it.
 *   owner     state and tag. FREE -> TAKEN(tag) by CAS, by a publisher that joins; TAKEN(tag) ->
 *             CLOSED by that publisher, or -> DIED by whoever repairs it. CLOSED and DIED count
 *             as free. Only the owner (or its repairer) writes anything else of the lane.
 *   oldest    messages before it may be overwritten at any time. Stored, and a seq_cst fence
 *             passed, before anything is overwritten. May lie a little too high after a death.
 *   gate_at   a hint for subscribers: do not wake the gated publisher before this position
 *   departed  the topic's count of departures when the last owner went: tells who went last
 *   gate      futex word (wait/wait.h) on which the publisher sleeps while subscribers hold it up
 *   ready     1: slots and payload have memory. Never goes back.
 *   position  messages committed, ever. Trails the slots' words by at most the messages that
 *             were being committed when its owner died.
 *   begun     what position will be after the commits that are under way, else the same as
 *             position (wait/wait.h: unsettled)
 *
 * SLOT p % slots holds message p: a word {sequence: 48 bits, length: 16 bits}, then data.
 *   sequence = (p + 1) mod 2^48, so a slot never written (0) is no message
 *   length <= inline bytes: that many bytes of message follow
 *   length == LANE_OUTSIDE: {start, bytes} follows: the message is in the payload area
 *   The word is stored last, with release: it is what makes the message exist.
 *
 * PAYLOAD AREA: a ring of bytes with positions of its own, which only grow; byte b lies at
 * b % area. A message is contiguous: what does not fit before the end of the area starts over at
 * its beginning. Space comes free in the order of the messages.
 */
#ifndef SHOAL_LANE_LANE_LAYOUT_H
#define SHOAL_LANE_LANE_LAYOUT_H

#include "base/bits.h"

enum lane_state { LANE_FREE = 0, LANE_TAKEN = 1, LANE_CLOSED = 2, LANE_DIED = 3 };

struct lane_control {
	_Atomic uint64_t owner;
	_Atomic uint64_t oldest;
	_Atomic uint64_t gate_at;
	_Atomic uint64_t departed;
	_Atomic uint32_t gate;
	_Atomic uint32_t ready;
	uint64_t reserved[11];
	_Atomic uint64_t position;
	_Atomic uint64_t begun;
	uint64_t reserved_position[14];
};
static_assert(sizeof(struct lane_control) == 256, "layout");
static_assert(offsetof(struct lane_control, gate) == 32, "layout");
static_assert(offsetof(struct lane_control, position) == 128, "layout");

#define LANE_OUTSIDE       0xffffu
#define LANE_INLINE_MIN    16u /* room for {start, bytes} */
#define LANE_INLINE_MAX    1024u
#define LANE_SEQUENCE_MASK (((uint64_t)1 << 48) - 1)
#define LANE_PAYLOAD_ALIGN 64u

struct lane_slot {
	_Atomic uint64_t word;
	_Atomic uint64_t data[]; /* or data[0] = start, data[1] = bytes */
};
static_assert(sizeof(struct lane_slot) == 8, "layout");

static inline uint64_t lane_word(uint64_t position, uint64_t length)
{
	return ((position + 1) & LANE_SEQUENCE_MASK) << 16 | length;
}

static inline bool lane_word_is(uint64_t word, uint64_t position)
{
	return word >> 16 == ((position + 1) & LANE_SEQUENCE_MASK);
}

/* The length in the word of that message; of the word of any other, more than 0xffff. */
static inline uint64_t lane_word_length(uint64_t word, uint64_t position)
{
	return word ^ lane_word(position, 0);
}

#endif
