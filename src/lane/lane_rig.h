/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the lane's tests: a lane in private memory, each part of it between guards. With
 * AddressSanitizer the guards may not be touched; without, they are compared at the end.
 */
#ifndef SHOAL_LANE_LANE_RIG_H
#define SHOAL_LANE_LANE_RIG_H

#include "lane/lane.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__)
#define RIG_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RIG_ASAN 1
#endif
#endif
#ifdef RIG_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, bytes)   ((void)(address), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) ((void)(address), (void)(bytes))
#endif

#define RIG_GUARD   4096u
#define RIG_READERS 8u

struct guarded {
	uint8_t *data;
	uint64_t bytes;
};

static inline struct guarded guarded_new(uint64_t bytes)
{
	uint8_t *all = malloc(RIG_GUARD + bytes + RIG_GUARD);
	assert_non_null(all);
	memset(all, 0xa5, RIG_GUARD + bytes + RIG_GUARD);
	memset(all + RIG_GUARD, 0, bytes);
	ASAN_POISON_MEMORY_REGION(all, RIG_GUARD);
	ASAN_POISON_MEMORY_REGION(all + RIG_GUARD + bytes, RIG_GUARD);
	return (struct guarded){all + RIG_GUARD, bytes};
}

static inline void guarded_free(struct guarded *guarded)
{
	uint8_t *all = guarded->data - RIG_GUARD;
	ASAN_UNPOISON_MEMORY_REGION(all, RIG_GUARD + guarded->bytes + RIG_GUARD);
	for (uint64_t i = 0; i < RIG_GUARD; i++)
		if (all[i] != 0xa5 || all[RIG_GUARD + guarded->bytes + i] != 0xa5)
			fail_msg("written %s the region, at its guard's byte %llu",
				 all[i] != 0xa5 ? "before" : "behind", (unsigned long long)i);
	free(all);
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

static inline void random_fill(uint64_t *state, void *to, uint64_t bytes)
{
	uint8_t *p = to;
	for (uint64_t i = 0; i < bytes; i += 8) {
		uint64_t word = random_next(state);
		memcpy(p + i, &word, min_u64(8, bytes - i));
	}
}

struct rig {
	struct guarded control;
	struct guarded slots;
	struct guarded payload;
	_Atomic uint64_t entries[RIG_READERS];
	_Atomic uint64_t cursors[RIG_READERS];
	_Atomic uint32_t used;
	_Atomic uint64_t joined;
	_Atomic uint32_t wake;
	struct lane_map map;
	struct gate gate;
	struct lane_writer writer;
};

static inline void rig_make(struct rig *rig, uint64_t slots, uint64_t inline_bytes, uint64_t area)
{
	memset(rig, 0, sizeof(*rig));
	rig->control = guarded_new(sizeof(struct lane_control));
	rig->slots = guarded_new(slots * (8 + inline_bytes));
	rig->payload = guarded_new(area);
	rig->map = (struct lane_map){
	    .control = (struct lane_control *)(void *)rig->control.data,
	    .slots = rig->slots.data,
	    .payload = rig->payload.data,
	    .slot_count = slots,
	    .stride = 8 + inline_bytes,
	    .inline_bytes = inline_bytes,
	    .area = area,
	};
	rig->gate = (struct gate){
	    .entries = rig->entries,
	    .used = &rig->used,
	    .joined = &rig->joined,
	    .cursors = (const uint8_t *)rig->cursors,
	    .stride = 8,
	    .count = RIG_READERS,
	};
}

static inline void rig_take_over(struct rig *rig)
{
	assert_int_equal(lane_writer_open(&rig->writer, &rig->map, &rig->gate, &rig->wake, false),
			 0);
}

static inline void rig_open(struct rig *rig, uint64_t slots, uint64_t inline_bytes, uint64_t area)
{
	rig_make(rig, slots, inline_bytes, area);
	rig_take_over(rig);
}

static inline void rig_close(struct rig *rig)
{
	lane_writer_close(&rig->writer);
	guarded_free(&rig->control);
	guarded_free(&rig->slots);
	guarded_free(&rig->payload);
}

/* Joins as topic_activate does. */
static inline struct lane_reader rig_join(struct rig *rig, uint32_t entry, enum entry_state state,
					  bool from_oldest)
{
	struct lane_control *control = rig->map.control;
	_Atomic uint64_t *from = from_oldest ? &control->oldest : &control->position;
	if (rig->used <= entry)
		rig->used = entry + 1;
	rig->cursors[entry] = *from;
	rig->entries[entry] = word_make(state, (struct tag){entry, 1});
	if (position_distance(*from, rig->cursors[entry]) > 0)
		rig->cursors[entry] = *from;
	rig->joined++;
	return (struct lane_reader){
	    .map = rig->map,
	    .cursor = &rig->cursors[entry],
	    .position = rig->cursors[entry],
	};
}

static inline void rig_leave(struct rig *rig, uint32_t entry)
{
	rig->entries[entry] = word_make(ENTRY_FREE, (struct tag){entry, 1});
}

/* What message `sequence` of that length must contain. */
static inline uint8_t rig_byte(uint64_t sequence, uint64_t i)
{
	return (uint8_t)(sequence * 31 + i * 7 + (i >> 8));
}

static inline void rig_fill(uint8_t *to, uint64_t sequence, uint64_t bytes)
{
	for (uint64_t i = 0; i < bytes; i++)
		to[i] = rig_byte(sequence, i);
}

static inline void rig_check(const uint8_t *data, uint64_t sequence, uint64_t bytes)
{
	for (uint64_t i = 0; i < bytes; i++)
		if (data[i] != rig_byte(sequence, i))
			fail_msg("message %llu: byte %llu of %llu is another's",
				 (unsigned long long)sequence, (unsigned long long)i,
				 (unsigned long long)bytes);
}

/* Publishes a message of that many bytes, whichever way it travels. 0 or -EAGAIN. */
static inline int rig_publish(struct rig *rig, uint64_t bytes)
{
	uint8_t small[LANE_INLINE_MAX];
	struct lane_writer *writer = &rig->writer;
	void *data = NULL;
	if (bytes <= rig->map.inline_bytes) {
		if (!lane_has_room(writer))
			return -EAGAIN;
		rig_fill(small, writer->position, bytes);
		lane_put(writer, small, bytes);
		return 0;
	}
	int r = lane_claim_outside(writer, bytes, &data);
	if (r < 0)
		return r;
	rig_fill(data, writer->position, bytes);
	lane_commit_outside(writer, bytes);
	return 0;
}

/* Reads the next message in place, checks it against its sequence, and passes it. 1 or 0. */
static inline int rig_read(struct lane_reader *reader)
{
	struct lane_message message;
	int r = lane_peek(reader, &message);
	assert_true(r >= 0);
	if (r == 1) {
		rig_check(message.data, reader->position, message.bytes);
		lane_pass(reader);
	}
	return r;
}

/* Replaces entries of the os table for one test; os_restore in its tear-down. */
static inline struct os_calls *os_replace(void)
{
	static struct os_calls calls;
	calls = os_linux;
	os = &calls;
	return &calls;
}

static inline int os_restore(void **state)
{
	(void)state;
	os = &os_linux;
	return 0;
}

#endif
