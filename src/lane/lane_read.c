/* SPDX-License-Identifier: Apache-2.0 */
/* The reader's side of a lane, where it is not in the fast path, and the audit. */
#include "base/error.h"
#include "lane/lane.h"

/* A lossy reader that is overtaken while it copies tries again so often, then lets others work. */
#define COPY_TRIES 16

int lane_locate(const struct lane_map *map, const struct lane_slot *slot, uint64_t word,
		struct lane_message *ret)
{
	uint64_t length = word & 0xffff;
	if (length <= map->inline_bytes) {
		*ret = (struct lane_message){(const uint8_t *)slot->data, length};
		return 0;
	}
	if (length != LANE_OUTSIDE)
		return error_fail(EBADMSG, "a slot's length is %llu, and %llu fit",
				  (unsigned long long)length,
				  (unsigned long long)map->inline_bytes);
	uint64_t start = atomic_load_explicit(&slot->data[0], memory_order_relaxed);
	uint64_t bytes = atomic_load_explicit(&slot->data[1], memory_order_relaxed);
	uint64_t offset = lane_area_offset(map, start);
	if (start % LANE_PAYLOAD_ALIGN != 0 || start >> 62 != 0 || bytes > map->area ||
	    offset > map->area - bytes)
		return error_fail(EBADMSG,
				  "a message of %llu bytes at %llu does not lie in the "
				  "payload area",
				  (unsigned long long)bytes, (unsigned long long)start);
	*ret = (struct lane_message){map->payload + offset, bytes};
	return 0;
}

bool lane_skip_lost(struct lane_reader *reader)
{
	uint64_t oldest = atomic_load_explicit(&reader->map.control->oldest, memory_order_acquire);
	int64_t behind = position_distance(oldest, reader->position);
	if (behind <= 0)
		return false;
	reader->lost += (uint64_t)behind;
	reader->position = oldest;
	atomic_store_explicit(reader->cursor, oldest, memory_order_release);
	return true;
}

/* Whole words: the room at either end is a multiple of 8 bytes. */
static void copy_out(uint8_t *to, const uint8_t *from, uint64_t bytes)
{
	const _Atomic uint64_t *words = (const void *)from;
	for (uint64_t i = 0; i < (bytes + 7) / 8; i++) {
		uint64_t word = atomic_load_explicit(&words[i], memory_order_relaxed);
		memcpy(to + i * 8, &word, 8);
	}
}

/* 1: copied and still whole; 0: not there; 2: overtaken. */
static int try_copy(struct lane_reader *reader, struct lane_buffer *buffer, uint64_t *ret_bytes)
{
	const struct lane_slot *slot = lane_slot(&reader->map, reader->position);
	uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
	if (!lane_word_is(word, reader->position))
		return lane_skip_lost(reader) ? 2 : 0;
	struct lane_message message = {NULL, 0};
	int r = lane_locate(&reader->map, slot, word, &message);
	uint64_t room = align_up(message.bytes, 8);
	if (r == 0 && room > buffer->room) {
		/* A length that is being overwritten may be huge: no memory for nonsense. */
		atomic_thread_fence(memory_order_acquire);
		if (lane_skip_lost(reader))
			return 2;
		r = buffer->grow(buffer, room);
	}
	if (r == 0)
		copy_out(buffer->data, message.data, message.bytes);
	/* Pairs with the fence of raise_oldest: nonsense may be the trace of an overwriting. */
	atomic_thread_fence(memory_order_acquire);
	if (lane_skip_lost(reader))
		return 2;
	*ret_bytes = message.bytes;
	return r < 0 ? r : 1;
}

int lane_copy(struct lane_reader *reader, struct lane_buffer *buffer, uint64_t *ret_bytes)
{
	for (int i = 0; i < COPY_TRIES; i++) {
		int r = try_copy(reader, buffer, ret_bytes);
		if (r != 2)
			return r;
	}
	return 0;
}

/* ---- audit ------------------------------------------------------------------------------- */

static int fail_audit(uint32_t lane, uint64_t position, const char *what)
{
	return error_fail(EBADMSG, "lane %u, message %llu: %s", lane, (unsigned long long)position,
			  what);
}

/* Every message from `oldest` on is there, and those outside lie one behind the other. */
static int audit_messages(const struct lane_map *map, uint32_t number, uint64_t from, uint64_t end)
{
	struct lane_message message = {NULL, 0};
	bool any = false;
	uint64_t first = 0, head = 0;
	for (uint64_t p = from; p != end; p++) {
		const struct lane_slot *slot = lane_slot(map, p);
		uint64_t word = atomic_load(&slot->word);
		if (!lane_word_is(word, p))
			return fail_audit(number, p, "its slot holds another one");
		if (lane_locate(map, slot, word, &message) < 0)
			return fail_audit(number, p, "its length or place is nonsense");
		if ((word & 0xffff) != LANE_OUTSIDE)
			continue;
		uint64_t place = lane_place_after(map, head, &message);
		first = any ? first : place;
		any = true;
		head = place + message.bytes;
		if (head - first > map->area)
			return fail_audit(number, p, "it overlaps one that is still promised");
	}
	return 0;
}

int lane_audit(const struct lane_map *map, uint32_t number, bool owned)
{
	uint64_t position = atomic_load(&map->control->position);
	uint64_t begun = atomic_load(&map->control->begun);
	uint64_t oldest = atomic_load(&map->control->oldest);
	uint64_t end = lane_end(map);
	if (begun - position > (owned ? LANE_BATCH : 0))
		return fail_audit(number, position, "more commits are under way than can be");
	if (end - position > begun - position)
		return fail_audit(number, position, "there are more messages than were begun");
	if (position_distance(oldest, position) > 0)
		return fail_audit(number, oldest, "it is promised and was never committed");
	uint64_t held = end < map->slot_count ? 0 : end - map->slot_count;
	uint64_t from = position_distance(oldest, held) > 0 ? oldest : held;
	if (position_distance(held, oldest) > 0)
		return fail_audit(number, oldest, "it is promised and has been overwritten");
	return audit_messages(map, number, from, end);
}
