/* SPDX-License-Identifier: Apache-2.0 */
/* The publisher's side of a lane, where it is not in the fast path. The argument is in lane.h. */
#include "lane/lane.h"

#include "base/error.h"

/* Raises go on in steps of an eighth of the lane. */
static uint64_t raise_step(const struct lane_map *map)
{
	return max_u64(map->slot_count / 8, 1);
}

static uint64_t minimum(const struct lane_writer *writer)
{
	return gate_minimum(&writer->gate, writer->position, writer->map.slot_count,
			    writer->oldest);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return position_distance(a, b) < 0 ? a : b;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return position_distance(a, b) > 0 ? a : b;
}

/* Never below what the last owner had announced: it may have overwritten up to there. */
static void announce(struct lane_writer *writer, uint64_t oldest)
{
	atomic_store_explicit(&writer->map.control->oldest, later(oldest, writer->floor),
			      memory_order_relaxed);
}

static void attain(struct lane_writer *writer, uint64_t oldest)
{
	writer->oldest = oldest;
	writer->limit = oldest + writer->map.slot_count;
}

/*
 * Steps 1 to 4: raises `oldest` towards `wish`, as far as subscribers allow. True when it got at
 * least to `needed`.
 */
static bool raise_oldest(struct lane_writer *writer, uint64_t needed, uint64_t wish)
{
	uint64_t to = earlier(wish, minimum(writer));
	if (position_distance(to, writer->oldest) <= 0)
		return position_distance(writer->oldest, needed) >= 0;
	announce(writer, to);
	/* Pairs with the newcomer's fence, and with the lossy reader's acquire fence. */
	atomic_thread_fence(memory_order_seq_cst);
	uint64_t again = minimum(writer);
	if (position_distance(again, writer->oldest) < 0)
		again = writer->oldest; /* a newcomer that has not looked twice yet */
	if (position_distance(again, to) < 0) {
		to = again;
		announce(writer, to);
	}
	attain(writer, to);
	return position_distance(to, needed) >= 0;
}

bool lane_make_room(struct lane_writer *writer)
{
	uint64_t needed = writer->position - writer->map.slot_count + 1;
	uint64_t wish = needed - 1 + raise_step(&writer->map);
	return raise_oldest(writer, needed, earlier(wish, writer->position));
}

/* ---- the payload area -------------------------------------------------------------------- */

/* A power of two. A ring as large as the slots would be walked through, cold, by a few messages. */
#define EXTENTS_FIRST 64

static struct lane_extent *extent(const struct lane_writer *writer, uint64_t i)
{
	return &writer->extents[(writer->extents_first + i) & (writer->extents_size - 1)];
}

/* There are never more than slots, so the doubling ends where the memory does. */
static void add_extent(struct lane_writer *writer, struct lane_extent added)
{
	const uint64_t size = writer->extents_size;
	if (unlikely(writer->extents_count == size)) {
		writer->extents_first &= size - 1;
		memcpy(&writer->extents[size], writer->extents,
		       writer->extents_first * sizeof(added));
		writer->extents_size = 2 * size;
	}
	*extent(writer, writer->extents_count++) = added;
}

static void drop_passed_extents(struct lane_writer *writer)
{
	while (writer->extents_count > 0 &&
	       position_distance(extent(writer, 0)->position, writer->oldest) < 0) {
		writer->extents_first++;
		writer->extents_count--;
	}
}

/* Where `bytes` would start: a message does not cross the end of the area. */
static uint64_t place_for(const struct lane_writer *writer, uint64_t bytes)
{
	uint64_t start = align_up(writer->head, LANE_PAYLOAD_ALIGN);
	uint64_t offset = lane_area_offset(&writer->map, start);
	return offset + bytes <= writer->map.area ? start : start - offset + writer->map.area;
}

/* How many of the oldest extents stand in the way of [start, start + bytes). */
static uint64_t extents_in_the_way(const struct lane_writer *writer, uint64_t start, uint64_t bytes)
{
	uint64_t i = 0;
	while (i < writer->extents_count &&
	       start + bytes - extent(writer, i)->start > writer->map.area)
		i++;
	return i;
}

/* Asks for a quarter more than needed, so that not every message pays for a raise. */
static bool make_payload_room(struct lane_writer *writer, uint64_t in_the_way)
{
	uint64_t needed = extent(writer, in_the_way - 1)->position + 1;
	uint64_t more = min_u64(in_the_way + writer->extents_count / 4, writer->extents_count);
	uint64_t wish = extent(writer, more - 1)->position + 1;
	return raise_oldest(writer, needed, wish);
}

static int open_extents(struct lane_writer *writer)
{
	void *extents = NULL;
	if (writer->extents)
		return 0;
	int r = os->map_private(writer->map.slot_count * sizeof(struct lane_extent), &extents);
	writer->extents = extents;
	writer->extents_size = min_u64(writer->map.slot_count, EXTENTS_FIRST);
	return r < 0 ? error_fail(ENOMEM, "no memory to keep track of the payload area") : 0;
}

int lane_claim_outside(struct lane_writer *writer, uint64_t bytes, void **ret_data)
{
	if (bytes > writer->map.area)
		return -EMSGSIZE;
	if (!writer->extents) {
		int r = open_extents(writer);
		if (r < 0)
			return r;
	}
	if (!lane_has_room(writer))
		return -EAGAIN;
	drop_passed_extents(writer);
	uint64_t start = place_for(writer, bytes);
	uint64_t in_the_way = extents_in_the_way(writer, start, bytes);
	if (in_the_way > 0) {
		if (!make_payload_room(writer, in_the_way))
			return -EAGAIN;
		drop_passed_extents(writer);
	}
	writer->claimed_start = start;
	*ret_data = writer->map.payload + lane_area_offset(&writer->map, start);
	return 0;
}

bool lane_commit_outside(struct lane_writer *writer, uint64_t bytes)
{
	struct lane_slot *slot = lane_slot(&writer->map, writer->position);
	atomic_store_explicit(&slot->data[0], writer->claimed_start, memory_order_relaxed);
	atomic_store_explicit(&slot->data[1], bytes, memory_order_relaxed);
	add_extent(writer, (struct lane_extent){writer->position, writer->claimed_start});
	writer->head = writer->claimed_start + bytes;
	return lane_commit(writer, slot, LANE_OUTSIDE);
}

/* The sleepers' bit, for ever: see `look`. */
static const _Atomic uint32_t always = WAIT_SLEEPER;

/* ---- waking ------------------------------------------------------------------------------ */

/*
 * The word first gets a value that is no message (its lower half too low by one sequence), then
 * the kernel adds that one and wakes. A death before the call: no message, and the sleepers' bit
 * still set for the next publisher. After it: published, and everybody woken.
 */
static void commit_waking(struct lane_writer *writer, struct lane_slot *slot, uint64_t word)
{
	uint64_t lower = (word - 0x10000) & 0xffffffffu;
	atomic_store_explicit(&slot->word, (word & ~(uint64_t)0xffffffffu) | lower,
			      memory_order_release);
	atomic_fetch_add(writer->wake, WAIT_COUNT); /* who is about to sleep goes round again */
	if (os->futex_add_and_wake((const void *)writer->wake, (void *)&slot->word, 16) < 0)
		atomic_store_explicit(&slot->word, word, memory_order_release);
	wait_wake(writer->wake); /* the bit */
	writer->woke = true;
}

static void store_word_looking(struct lane_writer *writer, struct lane_slot *slot, uint64_t word)
{
	if (writer->fences_itself)
		atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(writer->wake, memory_order_relaxed) & WAIT_SLEEPER)
		commit_waking(writer, slot, word);
	else
		atomic_store_explicit(&slot->word, word, memory_order_release);
}

void lane_wake_looking(struct lane_writer *writer)
{
	if (wait_notify(writer->wake, writer->fences_itself))
		writer->woke = true;
}

void lane_commit_looking(struct lane_writer *writer, struct lane_slot *slot, uint64_t word)
{
	store_word_looking(writer, slot, word);
	writer->position++;
	atomic_store_explicit(&writer->map.control->position, writer->position,
			      memory_order_release);
	lane_compiler_fence();
	lane_wake_looking(writer);
}

/* The first message of a batch when somebody may be asleep. Returns 1, how many it was. */
static size_t put_looking(struct lane_writer *writer, const struct iovec *message)
{
	struct lane_slot *slot = lane_slot(&writer->map, writer->position);
	lane_copy_in(slot->data, message->iov_base, message->iov_len);
	store_word_looking(writer, slot, lane_word(writer->position, message->iov_len));
	return 1;
}

/* As many as fit before the limit and the end of the slots. */
static size_t batch_length(const struct lane_writer *writer, size_t count)
{
	uint64_t slots = writer->map.slot_count;
	uint64_t room =
	    min_u64(writer->limit - writer->position, slots - (writer->position & (slots - 1)));
	return min_u64(min_u64(count, room), LANE_BATCH);
}

size_t lane_put_batch(struct lane_writer *writer, const struct iovec *messages, size_t count)
{
	const uint64_t stride =
	    writer->map.stride; /* in registers: the stores may alias the rest */
	const uint64_t most = writer->map.inline_bytes;
	if (count == 0 || !lane_has_room(writer) || messages[0].iov_len > most)
		return 0;
	struct lane_control *control = writer->map.control;
	const uint64_t first = writer->position;
	const uint64_t end = first + batch_length(writer, count);
	atomic_store_explicit(&control->begun, end, memory_order_relaxed);
	lane_compiler_fence();
	uint64_t position = first;
	if (unlikely(lane_must_look(writer->look)))
		position += put_looking(writer, messages);
	uint8_t *at = (uint8_t *)lane_slot(&writer->map, position);
	for (messages += position - first; position != end; position++, messages++, at += stride) {
		struct lane_slot *slot = (void *)at;
		uint64_t bytes = messages->iov_len;
		if (unlikely(bytes > most))
			break;
		lane_prefetch(slot, stride);
		lane_copy_in(slot->data, messages->iov_base, bytes);
		atomic_store_explicit(&slot->word, lane_word(position, bytes),
				      memory_order_release);
	}
	writer->position = position;
	atomic_store_explicit(&control->position, position, memory_order_release);
	if (unlikely(position != end)) /* one that does not fit: fewer than were begun */
		atomic_store_explicit(&control->begun, position, memory_order_relaxed);
	lane_compiler_fence();
	if (lane_must_look(writer->look))
		lane_wake_looking(writer);
	return position - first;
}

/* ---- taking over ------------------------------------------------------------------------- */

uint64_t lane_end(const struct lane_map *map)
{
	uint64_t position = atomic_load_explicit(&map->control->position, memory_order_acquire);
	for (uint64_t i = 0; i < map->slot_count; i++, position++) {
		uint64_t word =
		    atomic_load_explicit(&lane_slot(map, position)->word, memory_order_acquire);
		if (!lane_word_is(word, position))
			break;
	}
	return position;
}

void lane_settle(const struct lane_map *map)
{
	uint64_t end = lane_end(map);
	atomic_store(&map->control->position, end);
	atomic_store(&map->control->begun, end);
}

/* Finds the messages outside the slots that may still be read, and continues behind them. Only
 * where they lie in the area counts: their numbers may be a stranger's. */
static int recover_extents(struct lane_writer *writer)
{
	const struct lane_map *map = &writer->map;
	uint64_t position = writer->oldest;
	struct lane_message message;
	for (; position != writer->position; position++) {
		const struct lane_slot *slot = lane_slot(map, position);
		uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
		if ((word & 0xffff) != LANE_OUTSIDE || !lane_word_is(word, position))
			continue;
		if (lane_locate(map, slot, word, &message) < 0 || writer->head >> 62 != 0)
			continue;
		int r = open_extents(writer);
		if (r < 0)
			return r;
		uint64_t start = lane_place_after(map, writer->head, &message);
		add_extent(writer, (struct lane_extent){position, start});
		writer->head = start + message.bytes;
	}
	return 0;
}

int lane_writer_open(struct lane_writer *writer, const struct lane_map *map,
		     const struct gate *gate, _Atomic uint32_t *wake, bool fences_itself)
{
	memset(writer, 0, sizeof(*writer));
	writer->map = *map;
	writer->gate = *gate;
	writer->wake = wake;
	writer->fences_itself = fences_itself;
	writer->look = fences_itself ? &always : wake;
	lane_settle(map);
	writer->position = atomic_load(&map->control->position);
	/* Nothing is known to be free but what the lane no longer holds; a lane that was never
	 * full has its free slots all the same. */
	uint64_t oldest = writer->position < map->slot_count ? 0
							     : writer->position - map->slot_count;
	attain(writer, oldest);
	writer->floor = atomic_load(&map->control->oldest);
	if (writer->position - writer->floor > writer->position - oldest)
		writer->floor = writer->position; /* nonsense: promise nothing */
	announce(writer, oldest);
	return recover_extents(writer);
}

void lane_writer_close(struct lane_writer *writer)
{
	if (writer->extents)
		os->unmap(writer->extents, writer->map.slot_count * sizeof(struct lane_extent));
	writer->extents = NULL;
}

struct gate_view lane_gate(const struct lane_writer *writer)
{
	return gate_look(&writer->gate, writer->position, writer->map.slot_count, writer->oldest);
}

uint32_t lane_blocker(const struct lane_writer *writer)
{
	return lane_gate(writer).slowest;
}
