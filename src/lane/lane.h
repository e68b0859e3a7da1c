/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing and reading a lane. The layout, and who writes what, is in lane_layout.h.
 *
 * OVERWRITING. Before it reuses a slot or payload bytes of message q, the publisher must know that
 * no lossless subscriber needs q, and must have told lossy ones and newcomers that q may go:
 *
 *   PUBLISHER (raise to t)                        NEWCOMER (lossless)
 *   1 look at the cursors; t = the earliest       1 cursors = oldest (or position, to start now)
 *   2 oldest = t               (relaxed)          2 entry JOINING -> ARRIVING    (seq_cst)
 *   3 fence                    (seq_cst)          3 fence                        (seq_cst)
 *   4 look at the cursors again; t = the          4 cursors = the later of what they are and
 *     earliest; lower again: store it               oldest (or position) now
 *   5 overwrite what lies before t                5 entry ARRIVING -> LOSSLESS   (seq_cst)
 *
 * If the publisher's 4 does not see the newcomer's entry, then the newcomer's 4 sees t (the two
 * fences), so it never relies on anything before t. If it sees ARRIVING, either the cursor lies
 * within the lane and is no later than the final one, or it is outdated and the publisher takes it
 * for the earliest possible; in both cases nothing is overwritten that the newcomer's 4 may choose.
 * If it sees LOSSLESS, it sees the final cursor. So from its first message on a lossless subscriber
 * misses nothing, and what it reads in place stays until it moves its cursor.
 * The publisher raises by an eighth of the lane at a time: no fence on the other seven eighths, and
 * a newcomer finds at least seven eighths of the lane's messages; of those in the payload area,
 * which are fewer and larger, three quarters.
 *
 *   LOSSY READER: copy message q (relaxed), fence (acquire), look at oldest: beyond q: the copy is
 *   worthless. Pairs with 2 and 3: who has read a byte written in 5 sees 2. No busy mark in the
 *   slot is needed, which saves a store and a fence a message.
 *
 * COMMIT makes a message exist by one store of the slot's word, with release; readers look at it
 * with acquire. DEATH before it: nothing was visible, the bytes lie where no word points. After
 * it: the message is there once; `position` and `begun` may trail, and repair moves them up.
 * A death in 2 to 4 leaves `oldest` too high by up to what was wanted: newcomers find less,
 * nobody loses what it relies on, since the next publisher raises for itself before it overwrites.
 * That one attains from further back, but never announces less than it found: bytes before that
 * may be gone.
 */
#ifndef SHOAL_LANE_LANE_H
#define SHOAL_LANE_LANE_H

#include "lane/gate.h"
#include "lane/lane_layout.h"
#include "os/os.h"
#include "wait/wait.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

/* Checked facts about a lane, and where its parts lie in this process. */
struct lane_map {
	struct lane_control *control;
	uint8_t *slots;
	uint8_t *payload;
	uint64_t slot_count; /* a power of two */
	uint64_t stride;
	uint64_t inline_bytes;
	uint64_t area; /* bytes of payload */
};

static inline struct lane_slot *lane_slot(const struct lane_map *map, uint64_t position)
{
	return (struct lane_slot *)(void *)(map->slots +
					    (position & (map->slot_count - 1)) * map->stride);
}

/* Where in the payload area that place is. Most areas are a power of two, and a division takes
 * longer than all else that is done there. */
static inline uint64_t lane_area_offset(const struct lane_map *map, uint64_t place)
{
	const uint64_t mask = map->area - 1;
	return likely((map->area & mask) == 0) ? place & mask : place % map->area;
}

/* The position after the last message that exists. Bounded; for owners, repairers and audits. */
uint64_t lane_end(const struct lane_map *map);
/* Makes position and begun true after the owner's death. */
void lane_settle(const struct lane_map *map);
/* Checks all that holds for a lane whose publisher is between two steps, or dead. Sets the detail
 * and returns -EBADMSG, with `number` in the sentence. */
int lane_audit(const struct lane_map *map, uint32_t number, bool owned);

/* ---- writing ----------------------------------------------------------------------------- */

/* A message in the payload area, that may still be needed. */
struct lane_extent {
	uint64_t position;
	uint64_t start;
};

struct lane_writer {
	struct lane_map map;
	struct gate gate;
	uint64_t position;      /* of the next message */
	uint64_t oldest;        /* what was attained: everything before it may be overwritten */
	uint64_t limit;         /* oldest + slots: may write before it without looking */
	uint64_t floor;         /* what the last owner had announced */
	_Atomic uint32_t *wake; /* the topic's futex word */
	/* What is looked at in its place: the same, or, when this process must fence for itself, a
	 * word whose sleepers' bit is always set, so that the quick path is never taken. */
	const _Atomic uint32_t *look;
	bool fences_itself;
	bool woke; /* a commit woke somebody: look at the lifetime */
	/* the payload area; the rest is used for messages outside the slot only */
	uint64_t head;               /* where the next one may start */
	struct lane_extent *extents; /* a ring, oldest first; room for slot_count */
	uint64_t extents_size;       /* of the part in use: few messages lie in few lines */
	uint64_t extents_first;
	uint64_t extents_count;
	uint64_t claimed_start;
};

/* Takes over a lane whose owner word is ours: recovers what the last owner left. */
int lane_writer_open(struct lane_writer *writer, const struct lane_map *map,
		     const struct gate *gate, _Atomic uint32_t *wake, bool fences_itself);
void lane_writer_close(struct lane_writer *writer);

/* Looks at the cursors and makes room for at least one message in the slots. False: gated. */
SLOW_PATH bool lane_make_room(struct lane_writer *writer);
/* Room in the payload area for `bytes`; 0, -EAGAIN (gated) or -EMSGSIZE. */
int lane_claim_outside(struct lane_writer *writer, uint64_t bytes, void **ret_data);
bool lane_commit_outside(struct lane_writer *writer, uint64_t bytes);
/* The subscriber that is furthest behind, and what it needs. */
struct gate_view lane_gate(const struct lane_writer *writer);
/* The index of its entry, or UINT32_MAX. */
uint32_t lane_blocker(const struct lane_writer *writer);
/* The slow sides of lane_commit: all that follows `begun`, and what follows `position`. */
SLOW_PATH void lane_commit_looking(struct lane_writer *writer, struct lane_slot *slot,
				   uint64_t word);
SLOW_PATH void lane_wake_looking(struct lane_writer *writer);

/*
 * Publishes messages that fit their slots, as far as there is room and at most LANE_BATCH; each
 * exists from the store of its word on, in order. `begun` covers them all, and sleepers are looked
 * for before the first and after the last: who falls asleep in between sees the batch begun, and
 * sleeps in slices. Returns how many; 0: no room, or a message that does not fit.
 */
#define LANE_BATCH 64
size_t lane_put_batch(struct lane_writer *writer, const struct iovec *messages, size_t count);

/* As far as is known without looking. */
static inline bool lane_is_full(const struct lane_writer *writer)
{
	return writer->position == writer->limit;
}

static inline bool lane_has_room(struct lane_writer *writer)
{
	return likely(!lane_is_full(writer)) || lane_make_room(writer);
}

/* A word of the user's bytes: anywhere, and of any type. */
struct unaligned_word {
	uint64_t word;
} __attribute__((packed, may_alias));

/*
 * Small copies, forwards and without a loop up to 64 bytes: for messages of one size, as most
 * are, all its branches are foreseen. Not memcpy: its wide loads would wait for the narrow stores
 * that have just made the message, behind all that those wait for.
 */

/* The first `bytes` bytes of a word, 1 to 7; little-endian, as the layout is. */
static inline uint64_t lane_part_of_word(const uint8_t *from, uint64_t bytes)
{
	uint64_t word = bytes & 1 ? from[bytes - 1] : 0;
	uint16_t two;
	uint32_t four;
	if (bytes & 2) {
		memcpy(&two, from + (bytes & 4), sizeof(two));
		word = word << 16 | two;
	}
	if (bytes & 4) {
		memcpy(&four, from, sizeof(four));
		word = word << 32 | four;
	}
	return word;
}

/* Relaxed: a lossy reader may be looking. */
static inline void lane_store_word(_Atomic uint64_t *to, const struct unaligned_word *from)
{
	atomic_store_explicit(to, from->word, memory_order_relaxed);
}

/*
 * Two of them. On x86-64 they are read as words, since as words they have just been written, and
 * written as one: what a copy costs is its stores. No 8-byte half of it is ever seen torn there.
 * C has no name for that, so sanitizers get to see the words.
 */
static inline void lane_store_pair(_Atomic uint64_t *to, const struct unaligned_word *from)
{
#if defined(__x86_64__) && !defined(SHOAL_SANITIZED)
	struct pair {
		uint64_t words[2];
	} *pair = (void *)to;
	uint64_t both __attribute__((vector_size(16)));
	__asm__("movq %1, %0\n\tmovhps %2, %0" : "=x"(both) : "m"(from[0]), "m"(from[1]));
	__asm__ volatile("movups %1, %0" : "=m"(*pair) : "x"(both));
#else
	lane_store_word(to, from);
	lane_store_word(to + 1, from + 1);
#endif
}

/* `to` has room for whole words. `bytes` stays as it is: its bits tell what is left, and nothing
 * has to be worked out between the loop and the rest. */
__attribute__((always_inline)) static inline void lane_copy_in(_Atomic uint64_t *to,
							       const void *from, uint64_t bytes)
{
	const struct unaligned_word *p = from;
	const struct unaligned_word *const end = p + bytes / 64 * 8;
	for (; p != end; to += 8, p += 8) {
		lane_store_pair(to, p);
		lane_store_pair(to + 2, p + 2);
		lane_store_pair(to + 4, p + 4);
		lane_store_pair(to + 6, p + 6);
	}
	if (bytes & 32) {
		lane_store_pair(to, p);
		lane_store_pair(to + 2, p + 2);
		to += 4, p += 4;
	}
	if (bytes & 16) {
		lane_store_pair(to, p);
		to += 2, p += 2;
	}
	if (bytes & 8)
		lane_store_word(to++, p++);
	if (unlikely(bytes & 7))
		atomic_store_explicit(to, lane_part_of_word((const void *)p, bytes & 7),
				      memory_order_relaxed);
}

/* The way back, out of a slot that is pinned: its bytes came long ago. */
__attribute__((always_inline)) static inline void lane_copy_small(uint8_t *to, const uint8_t *from,
								  uint64_t bytes)
{
	for (const uint8_t *const end = from + bytes / 64 * 64; from != end; to += 64, from += 64)
		memcpy(to, from, 64);
#define COPY_PART(part)                                                                            \
	if (bytes & (part)) {                                                                      \
		memcpy(to, from, part);                                                            \
		to += (part), from += (part);                                                      \
	}
	COPY_PART(32)
	COPY_PART(16)
	COPY_PART(8)
	if (likely(!(bytes & 7)))
		return;
	COPY_PART(4)
	COPY_PART(2)
	COPY_PART(1)
#undef COPY_PART
}

/*
 * Asks for the lines of a slot that will be written soon. The stores to a slot wait, in order, for
 * its lines to come from the reader's cache; asked for this far ahead, several are on their way.
 * At the end of the slots it asks for what lies behind them: a hint, that does no harm there.
 */
#define LANE_PREFETCH_SLOTS 8
static inline void lane_prefetch(const struct lane_slot *slot, uint64_t stride)
{
	const uint8_t *ahead = (const uint8_t *)slot + LANE_PREFETCH_SLOTS * stride;
	prefetch_for_writing(ahead);
	if (stride > CACHE_LINE) /* the next slot may begin in the line where this one ends */
		prefetch_for_writing(ahead + stride - 1);
}

/* Between two looks or stores whose order a sleeper's membarrier takes care of. */
static inline void lane_compiler_fence(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

/* Is there somebody to wake, or must this process fence for itself? */
static inline bool lane_must_look(const _Atomic uint32_t *look)
{
	return unlikely(atomic_load_explicit(look, memory_order_relaxed) & WAIT_SLEEPER);
}

/*
 * The message is written to `slot`, the one of the writer's position: makes it exist. True when
 * somebody was woken on the way: look at the lifetime then (writer->woke says so until cleared).
 */
static inline bool lane_commit(struct lane_writer *writer, struct lane_slot *slot, uint64_t length)
{
	struct lane_control *control = writer->map.control;
	const _Atomic uint32_t *look = writer->look;
	uint64_t position = writer->position;
	uint64_t word = lane_word(position, length);
	/* begun, then a look for sleepers: their membarrier stands for the fence between. */
	atomic_store_explicit(&control->begun, position + 1, memory_order_relaxed);
	lane_compiler_fence();
	if (lane_must_look(look)) {
		lane_commit_looking(writer, slot, word);
		return true;
	}
	/* Pairs with the acquire of lane_peek and lane_copy. */
	atomic_store_explicit(&slot->word, word, memory_order_release);
	writer->position = position + 1;
	atomic_store_explicit(&control->position, position + 1, memory_order_release);
	lane_prefetch(slot, writer->map.stride);
	lane_compiler_fence();
	if (lane_must_look(look)) {
		lane_wake_looking(writer);
		return true;
	}
	return false;
}

/* A message that fits its slot; the caller has looked for room. Returns as lane_commit. */
__attribute__((always_inline)) static inline bool lane_put(struct lane_writer *writer,
							   const void *data, uint64_t bytes)
{
	struct lane_slot *slot = lane_slot(&writer->map, writer->position);
	lane_copy_in(slot->data, data, bytes);
	return lane_commit(writer, slot, bytes);
}

/* The same of one that was written into the slot of the writer's position itself. */
static inline bool lane_commit_inside(struct lane_writer *writer, uint64_t bytes)
{
	return lane_commit(writer, lane_slot(&writer->map, writer->position), bytes);
}

/* ---- reading ----------------------------------------------------------------------------- */

struct lane_reader {
	struct lane_map map;
	_Atomic uint64_t *cursor; /* ours, in shared memory */
	uint64_t position;        /* of the next message to read */
	uint32_t number;          /* of the lane */
	uint64_t lost;            /* directly before it; lossy only */
};

struct lane_message {
	const uint8_t *data;
	uint64_t bytes;
};

/* Where the message of that word lies; -EBADMSG when its length or place is nonsense. */
int lane_locate(const struct lane_map *map, const struct lane_slot *slot, uint64_t word,
		struct lane_message *ret);

/* The first position in the payload area, from `head` on, where that message may begin. */
static inline uint64_t lane_place_after(const struct lane_map *map, uint64_t head,
					const struct lane_message *message)
{
	uint64_t offset = (uint64_t)(message->data - map->payload);
	uint64_t place = head - lane_area_offset(map, head) + offset;
	return place >= head ? place : place + map->area;
}

/* 1: the next message, in place; 0: there is none yet; -EBADMSG. For lossless readers. */
static inline int lane_peek(const struct lane_reader *reader, struct lane_message *ret)
{
	const struct lane_slot *slot = lane_slot(&reader->map, reader->position);
	uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
	if (!lane_word_is(word, reader->position))
		return 0;
	uint64_t length = word & 0xffff;
	if (likely(length <= reader->map.inline_bytes)) {
		*ret = (struct lane_message){(const uint8_t *)slot->data, length};
		return 1;
	}
	int r = lane_locate(&reader->map, slot, word, ret);
	return r < 0 ? r : 1;
}

/* The same for small messages only, and without a reason when there is none. */
static inline bool lane_peek_small(const struct lane_reader *reader, struct lane_message *ret)
{
	const uint64_t most = reader->map.inline_bytes;
	const uint64_t position = reader->position;
	const struct lane_slot *slot = lane_slot(&reader->map, position);
	uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
	ret->data = (const uint8_t *)slot->data;
	ret->bytes = lane_word_length(word, position);
	return likely(ret->bytes <= most);
}

/* Is there a message, of any kind? */
static inline bool lane_is_there(const struct lane_map *map, uint64_t position)
{
	const struct lane_slot *slot = lane_slot(map, position);
	return lane_word_is(atomic_load_explicit(&slot->word, memory_order_relaxed), position);
}

/* Moves the cursor over the message: its bytes may be overwritten from here on. */
static inline void lane_pass(struct lane_reader *reader)
{
	reader->position++;
	atomic_store_explicit(reader->cursor, reader->position, memory_order_release);
}

/* After lane_pass: is the publisher asleep, perhaps, for want of room? In lost memory, too, always.
 */
static inline bool lane_gate_is_shut(const struct lane_reader *reader, bool fences_itself)
{
	const struct lane_control *control = reader->map.control;
	if (unlikely(fences_itself))
		atomic_thread_fence(memory_order_seq_cst);
	else
		atomic_signal_fence(memory_order_seq_cst);
	return unlikely(atomic_load_explicit(&control->gate, memory_order_relaxed) & WAIT_SLEEPER);
}

/* Then: wakes it when there is enough room. */
static inline void lane_push_gate(struct lane_reader *reader)
{
	struct lane_control *control = reader->map.control;
	uint64_t at = atomic_load_explicit(&control->gate_at, memory_order_relaxed);
	if (position_distance(reader->position, at) >= 0)
		wait_wake(&control->gate);
}

static inline void lane_open_gate(struct lane_reader *reader, bool fences_itself)
{
	if (lane_gate_is_shut(reader, fences_itself))
		lane_push_gate(reader);
}

/*
 * Copies the next message, for lossy readers. Skips what was overwritten and counts it in
 * reader->lost. 1: copied (`*bytes` long, into *buffer, which is made larger as needed by
 * `grow`); 0: none yet; -EBADMSG, -ENOMEM.
 */
struct lane_buffer {
	uint8_t *data; /* aligned to 8 bytes */
	uint64_t room;
	int (*grow)(struct lane_buffer *buffer, uint64_t bytes);
};
int lane_copy(struct lane_reader *reader, struct lane_buffer *buffer, uint64_t *ret_bytes);

/* A lossy reader that fell behind `oldest` jumps there, counting. Returns whether it jumped. */
bool lane_skip_lost(struct lane_reader *reader);

#endif
