/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks: opening, growing, shrinking, leaving, and what only looks. The oracle is in blocks.c. */
#include "blocks.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct shoal_block_options small_block = {
    .size = sizeof(struct shoal_block_options),
    .bytes = BLOCK_FIRST,
    .max_bytes = BLOCK_MOST,
    .users = BLOCK_USERS,
};

static shoal_block *open_one(struct stage *stage, unsigned flags)
{
	shoal_block *block = NULL;
	int r = shoal_block_open(&block, stage->name, flags, &small_block);
	if (r < 0)
		give_up("%s: block_open: %d", stage->op->name, r);
	return block;
}

/* ---- worlds ------------------------------------------------------------------------------ */

static shoal_block *make_one(struct stage *stage)
{
	unsigned keep = stage->op->flags & OP_KEEP ? SHOAL_KEEP : 0;
	shoal_block *block = open_one(stage, SHOAL_CREATE | keep);
	uint8_t *data = shoal_block_data(block);
	for (uint64_t i = 0; i < BLOCK_FIRST; i++)
		data[i] = block_byte(i);
	return block;
}

static void user(struct stage *stage)
{
	blocks.other = make_one(stage);
}

static void user_and_reader(struct stage *stage)
{
	user(stage);
	blocks.reader = open_one(stage, SHOAL_READ);
}

static void nobody(struct stage *stage)
{
	shoal_block_close(make_one(stage));
}

/* In a process that is killed then. */
static void let_it_die(struct stage *stage, void (*live)(shoal_block *block))
{
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		die_with_harness();
		live(open_one(stage, 0));
		raise(SIGKILL);
	}
	int status = 0;
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status))
		give_up("%s: the doomed did not die", stage->op->name);
}

static void begin_to_grow(shoal_block *block)
{
	uint64_t seen, at = block->map.data_offset;
	if (!block_enter(&block->map, block->object->seat.tag, BLOCK_GROWING, &seen) ||
	    segment_grow(&block->object->segment, at + BLOCK_FIRST, at + BLOCK_MORE) < 0)
		give_up("can't begin to grow");
	memset((uint8_t *)shoal_block_data(block) + BLOCK_FIRST, 99, BLOCK_MORE - BLOCK_FIRST);
}

static void begin_to_shrink(shoal_block *block)
{
	uint64_t seen;
	if (!block_enter(&block->map, block->object->seat.tag, BLOCK_SHRINKING, &seen))
		give_up("can't begin to shrink");
	block_publish(&block->map, BLOCK_SHRUNK);
}

static void dead_grower(struct stage *stage)
{
	user(stage);
	let_it_die(stage, begin_to_grow);
}

static void dead_shrinker(struct stage *stage)
{
	user(stage);
	let_it_die(stage, begin_to_shrink);
	blocks.before = blocks.after = blocks.written = BLOCK_SHRUNK;
}

static void do_nothing(shoal_block *block)
{
	(void)block;
}

static void leftover(struct stage *stage)
{
	user(stage);
	let_it_die(stage, do_nothing);
	/* Its last one dies, too: closed without leaving. */
	object_abandon(blocks.other->object);
	blocks.other = NULL; /* its memory goes with the program */
}

/* ---- in the victim ----------------------------------------------------------------------- */

static void open_mine(struct stage *stage)
{
	blocks.mine = open_one(stage, 0);
}

static void open_mine_to_read(struct stage *stage)
{
	blocks.mine = open_one(stage, SHOAL_READ);
}

static void will_be_empty(struct stage *stage)
{
	(void)stage;
	blocks.written = 0;
}

static void will_grow(struct stage *stage)
{
	(void)stage;
	blocks.after = BLOCK_GROWN;
}

static void will_shrink(struct stage *stage)
{
	(void)stage;
	blocks.after = BLOCK_SHRUNK;
}

static int64_t open_it(struct stage *stage)
{
	return shoal_block_open(&blocks.mine, stage->name, 0, NULL);
}

static int64_t open_creating(struct stage *stage)
{
	return shoal_block_open(&blocks.mine, stage->name, SHOAL_CREATE, &small_block);
}

static int64_t open_private(struct stage *stage)
{
	return shoal_block_open(&blocks.mine, stage->name, SHOAL_PRIVATE, NULL);
}

static int64_t open_to_read(struct stage *stage)
{
	return shoal_block_open(&blocks.mine, stage->name, SHOAL_READ, NULL);
}

static int64_t create(struct stage *stage)
{
	return shoal_block_create(stage->name, SHOAL_EXCLUSIVE, &small_block);
}

static int64_t close_it(struct stage *stage)
{
	(void)stage;
	shoal_block_close(blocks.mine);
	return 0;
}

static int64_t grow(struct stage *stage)
{
	(void)stage;
	return shoal_block_grow(blocks.mine, BLOCK_GROWN, 0);
}

static int64_t grow_too_far(struct stage *stage)
{
	(void)stage;
	return shoal_block_grow(blocks.mine, BLOCK_MOST + 1, 0);
}

static int64_t shrink(struct stage *stage)
{
	(void)stage;
	return shoal_block_shrink(blocks.mine, BLOCK_SHRUNK, 0, 0);
}

static int64_t shrink_by_force(struct stage *stage)
{
	(void)stage;
	return shoal_block_shrink(blocks.mine, BLOCK_SHRUNK, SHOAL_FORCE, 0);
}

static int64_t sync_it(struct stage *stage)
{
	(void)stage;
	return shoal_block_sync(blocks.mine, 1, 4097, SHOAL_SYNC);
}

static int64_t ask_handle(struct stage *stage)
{
	(void)stage;
	bool right = shoal_block_data(blocks.mine) && shoal_block_bytes(blocks.mine) == BLOCK_FIRST;
	return right ? shoal_block_check(blocks.mine) : -1;
}

static int64_t ask_memory(struct stage *stage)
{
	struct shoal_memory memory;
	(void)stage;
	int r = shoal_block_advise(blocks.mine, 0, SHOAL_REST, SHOAL_ADVICE_POPULATE);
	if (r == 0)
		r = shoal_block_protect(blocks.mine, 0, SHOAL_REST, SHOAL_READ);
	return r < 0 ? r : shoal_block_memory(blocks.mine, &memory);
}

static int64_t ask_by_name(struct stage *stage)
{
	struct shoal_block_stat *stat = NULL;
	int r = shoal_block_stat(stage->name, 0, &stat);
	shoal_block_stat_free(stat);
	return r < 0 ? r : shoal_block_audit(stage->name, 0);
}

static int64_t remove_by_force(struct stage *stage)
{
	return shoal_remove(stage->name, SHOAL_FORCE);
}

#define OPENS  .covers = "shoal_block_open"
#define GROWS  .covers = "shoal_block_grow"
#define CUTS   .covers = "shoal_block_shrink"
#define CLOSES .covers = "shoal_block_close"

static const struct op block_ops[] = {
    {.name = "block_open", OPENS, .world = user, .run = open_it},
    {.name = "block_open, private", OPENS, .world = user, .run = open_private},
    {.name = "block_open to read", OPENS, .flags = OP_LOOKS, .world = user, .run = open_to_read},
    {.name = "block_open, kept with nobody in it",
     OPENS,
     .flags = OP_KEEP,
     .world = nobody,
     .run = open_it},
    {.name = "block_open, making it",
     OPENS,
     .ready = will_be_empty,
     .run = open_creating,
     .expect = 1},
    {.name = "block_open, a leftover", OPENS, .world = leftover, .run = open_it, .expect = -ENOENT},
    {.name = "block_open, a dead grower's", OPENS, .world = dead_grower, .run = open_it},
    {.name = "block_open, a dead shrinker's", OPENS, .world = dead_shrinker, .run = open_it},
    {.name = "block_create",
     .covers = "shoal_block_create",
     .flags = OP_KEEP,
     .ready = will_be_empty,
     .run = create},
    {.name = "block_grow",
     GROWS,
     .world = user_and_reader,
     .prepare = open_mine,
     .ready = will_grow,
     .run = grow},
    {.name = "block_grow, alone and kept",
     GROWS,
     .flags = OP_KEEP,
     .world = nobody,
     .prepare = open_mine,
     .ready = will_grow,
     .run = grow},
    {.name = "block_grow after one who died in it",
     GROWS,
     .world = dead_grower,
     .prepare = open_mine,
     .ready = will_grow,
     .run = grow},
    {.name = "block_grow after one who died in shrinking",
     GROWS,
     .world = dead_shrinker,
     .prepare = open_mine,
     .ready = will_grow,
     .run = grow},
    {.name = "block_grow, too far",
     GROWS,
     .flags = OP_LOOKS,
     .world = user,
     .prepare = open_mine,
     .run = grow_too_far,
     .expect = -EMSGSIZE},
    {.name = "block_shrink",
     CUTS,
     .flags = OP_KEEP,
     .world = nobody,
     .prepare = open_mine,
     .ready = will_shrink,
     .run = shrink},
    {.name = "block_shrink, refused",
     CUTS,
     .world = user,
     .prepare = open_mine,
     .run = shrink,
     .expect = -EBUSY},
    {.name = "block_shrink by force",
     CUTS,
     .world = user,
     .prepare = open_mine,
     .ready = will_shrink,
     .run = shrink_by_force},
    {.name = "block_close, others stay",
     CLOSES,
     .flags = OP_LEAVES,
     .world = user,
     .prepare = open_mine,
     .run = close_it},
    {.name = "block_close, the last one, kept",
     CLOSES,
     .flags = OP_LEAVES | OP_KEEP,
     .world = nobody,
     .prepare = open_mine,
     .run = close_it},
    {.name = "block_close of one who only reads",
     CLOSES,
     .flags = OP_LOOKS,
     .world = user,
     .prepare = open_mine_to_read,
     .run = close_it},
    {.name = "block_sync",
     .covers = "shoal_block_sync",
     .flags = OP_LOOKS,
     .world = user,
     .prepare = open_mine,
     .run = sync_it},
    {.name = "ask a block's handle",
     .covers = "shoal_block_data shoal_block_bytes shoal_block_check",
     .flags = OP_LOOKS,
     .world = user,
     .prepare = open_mine,
     .run = ask_handle},
    {.name = "ask for a block's memory",
     .covers = "shoal_block_advise shoal_block_protect shoal_block_memory",
     .flags = OP_LOOKS,
     .world = user,
     .prepare = open_mine,
     .run = ask_memory},
    {.name = "block_stat and block_audit",
     .covers = "shoal_block_stat shoal_block_audit",
     .flags = OP_LOOKS,
     .world = user,
     .run = ask_by_name},
    {.name = "remove a block by force",
     .covers = "shoal_remove",
     .world = user,
     .run = remove_by_force},
};
const struct group block_group = {"block", block_ops, sizeof(block_ops) / sizeof(block_ops[0])};
