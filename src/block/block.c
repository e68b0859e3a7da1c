/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The size of a block, and who may change it.
 *
 * WHAT IS PROMISED. Memory is there for each byte of the size that anybody has read, until the
 * block shrinks; a growth gives zeroes; it happened or did not, whoever is killed; a block that
 * others have open does not shrink, unless by force.
 *
 * WORDS (block_layout.h). `resizer`: IDLE, GROWING(tag), SHRINKING(tag). `bytes`: the published
 * size. And the end of the file, which is the kernel's. Only who has put its tag into `resizer`
 * changes the other two, always so that the file reaches at least as far as the published size:
 *
 * GROWER                                          SHRINKER
 *   1 resizer: IDLE -> GROWING(me)                  1 resizer: IDLE -> SHRINKING(me)
 *   2 cut the file to the published size            2 anybody else here? (unless forced) yes: 5
 *   3 reserve from there to the new one             3 bytes := the new size (release)
 *   4 bytes := the new size (release)               4 cut the file to it
 *   5 resizer: GROWING(me) -> IDLE                  5 resizer: SHRINKING(me) -> IDLE
 *
 * JOINER: its seat says TAKEN (object.c), or it has a read lock on SEGMENT_READER_LOCK; then
 * `resizer` is SHRINKING(x): wait until it is not, or x is dead; then read `bytes`.
 *
 * WHY NOBODY LOSES WHAT HE READ. Steps 1 and 2 of a shrinker, and the two of a joiner, are a store
 * and a look at what the other one stores, all sequentially consistent. So the shrinker sees the
 * joiner, or the joiner sees SHRINKING and has read no size yet; when it goes on, what it reads is
 * not above what is there. WHY MEMORY IS THERE. `bytes` is released behind the reservation, and
 * read with acquire. WHY IT IS ZERO. What lies behind the published size is cut off before it is
 * made anew (2): what one who shrank left there, and what somebody wrote into the rest of the last
 * page.
 *
 * DEATHS. Of a grower before 4: the file may be longer than the size; nobody looks there, and the
 * next grower cuts it again. After 4: it has grown. Of a shrinker before 3: nothing happened. After
 * 3: it has shrunk, and the file is longer, as above. `resizer` goes back to IDLE by who repairs
 * the seat (block_repair), one CAS on the exact word; nothing else is to be done for the dead. Who
 * waits for the word looks in slices whether its owner lives, and repairs.
 */
#include "block/block.h"

#include "base/checksum.h"
#include "base/error.h"
#include "os/os.h"

#include <errno.h>
#include <string.h>

uint64_t block_body_bytes(uint64_t max_bytes)
{
	return BLOCK_DATA_OFFSET + align_up(max_bytes, PAGE_BYTES);
}

int block_map(struct block_map *map, const struct region *region)
{
	struct block_geometry geometry;
	if (region->bytes < region->body_offset + sizeof(struct block_body))
		return error_fail(EBADMSG, "the object is too small for a block");
	memcpy(&geometry, region->base + region->body_offset, sizeof(geometry));
	if (geometry.checksum != checksum(&geometry, offsetof(struct block_geometry, checksum)) ||
	    geometry.max_bytes == 0 || geometry.max_bytes > BLOCK_BYTES_MAX)
		return error_fail(EBADMSG, "the block's geometry is damaged");
	*map = (struct block_map){
	    .region = *region,
	    .body = (struct block_body *)(void *)(region->base + region->body_offset),
	    .data_offset = region->body_offset + BLOCK_DATA_OFFSET,
	    .max_bytes = geometry.max_bytes,
	    .asked = geometry.asked,
	};
	return 0;
}

/* ---- the word ---------------------------------------------------------------------------- */

static const void *futex_of(const struct block_map *map)
{
	return (const uint32_t *)(const void *)&map->body->size.resizer + 1;
}

bool block_enter(const struct block_map *map, struct tag tag, enum block_state state,
		 uint64_t *ret_seen)
{
	*ret_seen = atomic_load(&map->body->size.resizer);
	return word_state(*ret_seen) == BLOCK_IDLE &&
	       atomic_compare_exchange_strong(&map->body->size.resizer, ret_seen,
					      word_make(state, tag));
}

void block_publish(const struct block_map *map, uint64_t bytes)
{
	/* Pairs with the acquire in block_bytes. */
	atomic_store_explicit(&map->body->size.bytes, bytes, memory_order_release);
}

void block_leave(const struct block_map *map, uint64_t word)
{
	if (atomic_compare_exchange_strong(&map->body->size.resizer, &word,
					   word_make(BLOCK_IDLE, word_tag(word))))
		os->futex_wake(futex_of(map), INT32_MAX);
}

/* ---- the kind ---------------------------------------------------------------------------- */

static int block_validate(const struct region *region)
{
	struct block_map map;
	int r = block_map(&map, region);
	if (r == 0 && region->bytes - region->body_offset != block_body_bytes(map.max_bytes))
		r = error_fail(EBADMSG, "the block's geometry does not fit the object's size");
	return r;
}

static void block_repair(const struct region *region, struct tag tag, bool orderly)
{
	struct block_map map;
	(void)orderly;
	if (block_map(&map, region) < 0)
		return;
	uint64_t word = atomic_load(&map.body->size.resizer);
	if (word_state(word) != BLOCK_IDLE && tag_equal(word_tag(word), tag))
		block_leave(&map, word);
}

static void block_alert(const struct region *region)
{
	struct block_map map;
	if (block_map(&map, region) == 0)
		os->futex_wake(futex_of(&map), INT32_MAX);
}

static int block_audit(const struct region *region)
{
	struct block_map map;
	int r = block_map(&map, region);
	if (r < 0)
		return r;
	uint64_t bytes = atomic_load(&map.body->size.bytes);
	uint64_t word = atomic_load(&map.body->size.resizer);
	if (bytes == 0 || bytes > map.max_bytes)
		return error_fail(EBADMSG, "the size is %llu, not 1 to %llu",
				  (unsigned long long)bytes, (unsigned long long)map.max_bytes);
	if (word_state(word) > BLOCK_SHRINKING)
		return error_fail(EBADMSG, "the resizer's state is nonsense");
	if (word_state(word) != BLOCK_IDLE && !object_tag_current(region, word_tag(word)))
		return error_fail(EBADMSG, "the resizer is nobody");
	return 0;
}

const struct kind block_kind = {
    .id = BLOCK_KIND,
    .name = "block",
    .grows = true,
    .validate = block_validate,
    .repair = block_repair,
    .alert = block_alert,
    .audit = block_audit,
};
