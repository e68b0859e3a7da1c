/* SPDX-License-Identifier: Apache-2.0 */
/* Growing and shrinking: the argument is in block.c. */
#include "base/error.h"
#include "block/block.h"
#include "os/os.h"

#include <errno.h>
#include <string.h>

/* Who waits for a resizer looks this often whether that lives. */
#define SLICE_NS 1000000
/* Words of nobody that are rolled back in one wait: more is somebody who writes them. */
enum { ROLLS_MAX = 1000 };

struct waiting {
	int64_t timeout_ns;
	int64_t deadline_ns;
	int rolls;
};

static struct waiting wait_begin(int64_t timeout_ns)
{
	int64_t now = os->now_ns();
	bool ever = timeout_ns < 0 || timeout_ns > INT64_MAX - now;
	return (struct waiting){timeout_ns, ever ? INT64_MAX : now + timeout_ns, 0};
}

static int fail_word(const struct shoal_block *block)
{
	return error_fail(EBADMSG, "'%s': the word that says who resizes it is nonsense",
			  block->object->segment.name.text);
}

/* The word was seen to be somebody else's. 1: try again. 0: its owner lives. */
static int roll_back(struct shoal_block *block, uint64_t seen, struct waiting *waiting)
{
	struct tag tag = word_tag(seen);
	const struct block_map *map = &block->map;
	if (word_state(seen) > BLOCK_SHRINKING || tag.seat >= map->region.seat_count ||
	    ++waiting->rolls > ROLLS_MAX)
		return fail_word(block);
	int r = object_repair_seat(block->object, tag.seat);
	if (r != 0)
		return r;
	if (object_tag_current(&map->region, tag)) {
		waiting->rolls--; /* it is at work, and to wait for it costs no roll */
		return 0;
	}
	block_leave(map, seen); /* of one who was repaired before it wrote that: never ours */
	return 1;
}

static int nap(const struct block_map *map, uint64_t seen, const struct waiting *waiting)
{
	if (waiting->timeout_ns == 0)
		return -EAGAIN;
	int64_t left = waiting->deadline_ns - os->now_ns();
	if (left <= 0)
		return -ETIMEDOUT;
	const uint32_t *upper = (const uint32_t *)(const void *)&map->body->size.resizer + 1;
	os->futex_wait(upper, (uint32_t)(seen >> 32), left < SLICE_NS ? left : SLICE_NS);
	return 0;
}

/* One who holds a seat. 0: `resizer` is ours. */
static int enter(struct shoal_block *block, enum block_state state, int64_t timeout_ns)
{
	struct waiting waiting = wait_begin(timeout_ns);
	uint64_t seen;
	int r = object_check(block->object);
	while (r >= 0 && !block_enter(&block->map, block->object->seat.tag, state, &seen)) {
		if (word_state(seen) == BLOCK_IDLE) /* it went IDLE under our eyes */
			r = ++waiting.rolls > ROLLS_MAX ? fail_word(block) : 1;
		else
			r = roll_back(block, seen, &waiting);
		if (r == 0)
			r = nap(&block->map, seen, &waiting);
		if (r >= 0)
			r = object_check(block->object);
	}
	return r;
}

static void leave(struct shoal_block *block, enum block_state state)
{
	block_leave(&block->map, word_make(state, block->object->seat.tag));
}

int block_settle(struct shoal_block *block)
{
	struct waiting waiting = wait_begin(SHOAL_FOREVER);
	const struct block_map *map = &block->map;
	for (;;) {
		uint64_t seen = atomic_load(&map->body->size.resizer);
		struct tag tag = word_tag(seen);
		int r = 0;
		if (word_state(seen) != BLOCK_SHRINKING)
			return 0;
		if (block->seated)
			r = roll_back(block, seen, &waiting);
		else if (tag.seat >= map->region.seat_count)
			r = fail_word(block);
		else if (!seat_alive(&block->object->segment, tag.seat))
			return 0; /* who only reads can't repair; nobody shrinks it now */
		if (r < 0)
			return r;
		if (r == 0)
			nap(map, seen, &waiting);
	}
}

static int check_resize(const struct shoal_block *block, uint64_t bytes)
{
	int r = block_check_handle(block);
	if (r < 0)
		return r;
	if (!block->seated)
		return error_fail(EACCES,
				  "'%s' was opened with SHOAL_READ, so its size can't be "
				  "changed here",
				  block->object->segment.name.text);
	if (bytes == 0)
		return error_fail(EINVAL, "a block has at least 1 byte");
	return 0;
}

/* ---- grow -------------------------------------------------------------------------------- */

/* Steps 2 to 4, by who has entered. */
static int grow(struct shoal_block *block, uint64_t old, uint64_t bytes)
{
	const struct block_map *map = &block->map;
	int r =
	    segment_grow(&block->object->segment, map->data_offset + old, map->data_offset + bytes);
	if (r == 0)
		block_publish(map, bytes);
	return r;
}

int shoal_block_grow(shoal_block *block, uint64_t bytes, int64_t timeout_ns)
{
	int r = check_resize(block, bytes);
	if (r < 0)
		return r;
	if (bytes > block->map.max_bytes)
		return error_fail(EMSGSIZE,
				  "'%s' can have up to %llu bytes, not %llu; make it with a larger "
				  "max_bytes",
				  block->object->segment.name.text,
				  (unsigned long long)block->map.max_bytes,
				  (unsigned long long)bytes);
	if (bytes <= block_bytes(&block->map))
		return object_check(block->object);
	r = enter(block, BLOCK_GROWING, timeout_ns);
	if (r < 0)
		return r;
	uint64_t old = block_bytes(&block->map);
	if (bytes > old)
		r = grow(block, old, bytes);
	leave(block, BLOCK_GROWING);
	if (r == 0 && bytes > old)
		r = pages_apply(block->data + old, bytes - old, block->flags);
	if (r == 0 && (block->flags & SHOAL_HUGE))
		block_note_huge(block);
	return r;
}

/* ---- shrink ------------------------------------------------------------------------------ */

static int look_for_others(struct shoal_block *block)
{
	struct segment *segment = &block->object->segment;
	int fd = segment_fd(segment);
	if (fd < 0)
		return fd;
	int readers = os->lock_any(fd, SEGMENT_READER_LOCK);
	if (readers < 0)
		return error_fail(-readers, "can't tell who reads '%s': %s", segment->name.text,
				  strerror(-readers));
	if (readers || object_has_member(block->object))
		return error_fail(EBUSY,
				  "'%s' is open elsewhere%s, and what is in use can't go; close it "
				  "there first, or use SHOAL_FORCE",
				  segment->name.text, readers ? " to be read" : "");
	return 0;
}

/* Steps 2 to 4, by who has entered. */
static int shrink(struct shoal_block *block, uint64_t old, uint64_t bytes, bool force)
{
	int r = force ? 0 : look_for_others(block);
	if (r < 0)
		return r;
	block_publish(&block->map, bytes);
	r = segment_cut(&block->object->segment, block->map.data_offset + bytes);
	if (r < 0)
		block_publish(&block->map, old); /* it is all there still */
	return r;
}

int shoal_block_shrink(shoal_block *block, uint64_t bytes, unsigned flags, int64_t timeout_ns)
{
	int r = check_resize(block, bytes);
	if (r == 0 && (flags & ~SHOAL_FORCE))
		r = error_fail(EINVAL, "flags 0x%x have no meaning here", flags & ~SHOAL_FORCE);
	if (r == 0)
		r = enter(block, BLOCK_SHRINKING, timeout_ns);
	if (r < 0)
		return r;
	uint64_t old = block_bytes(&block->map);
	if (bytes < old)
		r = shrink(block, old, bytes, flags & SHOAL_FORCE);
	leave(block, BLOCK_SHRINKING);
	return r;
}
