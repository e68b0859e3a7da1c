/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A block: the user's own memory, and the one word by which its size changes. The operations here
 * are functions of a checked map of the region and a tag: they need no handle, so tests can run
 * them on copies.
 */
#ifndef SHOAL_BLOCK_BLOCK_H
#define SHOAL_BLOCK_BLOCK_H

#include "block/block_layout.h"
#include "object/object.h"
#include "pages/pages.h"

#include <shoal/block.h>

extern const struct kind block_kind;

/* Checked facts, and where things lie. */
struct block_map {
	struct region region;
	struct block_body *body;
	uint64_t data_offset; /* from the region's base */
	uint64_t max_bytes;
	uint32_t asked;
};

/* Fills `map` for a region that holds a block. -EBADMSG with a detail. */
int block_map(struct block_map *map, const struct region *region);
/* Of the body with its data, all that it may get. */
uint64_t block_body_bytes(uint64_t max_bytes);

/* The published size. Total on garbage: never more than there is address space for. */
static inline uint64_t block_bytes(const struct block_map *map)
{
	/* Pairs with the release in block_publish: what is counted is there. */
	uint64_t bytes = atomic_load_explicit(&map->body->size.bytes, memory_order_acquire);
	return min_u64(bytes, map->max_bytes);
}

/* ---- changing the size: see block.c ------------------------------------------------------ */

/* IDLE -> state(tag). False: somebody else is at it, or was; *ret_seen is what there is. */
bool block_enter(const struct block_map *map, struct tag tag, enum block_state state,
		 uint64_t *ret_seen);
/* The size that all see from here on. The caller has entered. */
void block_publish(const struct block_map *map, uint64_t bytes);
/* Back to IDLE, if `word` is what it is; wakes who waits for that. */
void block_leave(const struct block_map *map, uint64_t word);

/* ---- handles ------------------------------------------------------------------------------ */

struct shoal_block {
	uint32_t live;   /* 0: forked child */
	uint32_t seated; /* 0: only reads */
	uint8_t *data;
	unsigned flags;
	struct block_map map;
	struct object *object;
};

/* 0, or -EINVAL or -ECHILD with a detail. */
int block_check_handle(const struct shoal_block *block);
/* Waits for who is shrinking it, if anybody is: from then on the size is that of one who has it
 * open. Sets the detail. */
int block_settle(struct shoal_block *block);
/* How much there is in huge pages, for stat. */
void block_note_huge(struct shoal_block *block);

#endif
