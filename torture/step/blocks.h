/* SPDX-License-Identifier: Apache-2.0 */
/* What the table of blocks (ops_block.c) and its oracle (blocks.c) share. */
#ifndef STEP_BLOCKS_H
#define STEP_BLOCKS_H

#include "step.h"

#include "block/block.h"

/* Sizes: as made, after an operation that lets it grow, after the newcomer did, and at most. */
enum { BLOCK_FIRST = 5000, BLOCK_GROWN = 9000, BLOCK_SHRUNK = 3000, BLOCK_MORE = 12000 };
enum { BLOCK_MOST = 20000, BLOCK_USERS = 3 };

/* What stands in the first BLOCK_FIRST bytes. */
static inline uint8_t block_byte(uint64_t i)
{
	return (uint8_t)(i * 7 + i / 253 + 1);
}

struct block_stage {
	shoal_block *other;     /* the bystander, in the harness */
	shoal_block *reader;    /* one that only reads */
	shoal_block *mine;      /* the victim's, in its process */
	uint64_t before, after; /* the size, by the operation */
	uint64_t written;       /* so much of it is as block_byte says, the rest zero */
	bool seen_after;
};
extern struct block_stage blocks;

/* Killed at every instruction, on copies; and for real. */
void run_block(const struct op *op, struct totals *totals);

#endif
