/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The size of a block. Promised (block/block.c): the file reaches as far as any size that somebody
 * alive has read, unless it was cut by force; one at a time changes it; a growth that came back is
 * there; what a dead one was in the middle of holds up nobody.
 */
#include "../sim.h"

#include "base/checksum.h"
#include "block/block.h"

#include <errno.h>

enum { SEATS = 5, FIRST = 100, MOST = 8000 };

static struct {
	struct object objects[ACTORS];
	struct shoal_block blocks[ACTORS];
	uint64_t read[ACTORS]; /* the size that he has read, and may rely on; 0: none */
	uint64_t grown;        /* somebody was told that it has so much */
	bool shrinks;          /* one of the actors does that */
} world;

static void fill(const struct region *region, const void *context)
{
	(void)context;
	struct block_body *body = (struct block_body *)(void *)(region->base + region->body_offset);
	body->geometry = (struct block_geometry){.max_bytes = MOST};
	body->geometry.checksum =
	    checksum(&body->geometry, offsetof(struct block_geometry, checksum));
	atomic_store(&body->size.bytes, FIRST);
}

static struct shoal_block *mine(void)
{
	return &world.blocks[sim_actor()];
}

static uint64_t file_bytes(void)
{
	uint64_t bytes = 0;
	SIM_CHECK(segment_size(&mine()->object->segment, &bytes) == 0, "examining");
	return bytes;
}

/* From here on he may touch that much. */
static void read_size(void)
{
	uint64_t bytes = block_bytes(&mine()->map);
	world.read[sim_actor()] = bytes;
	SIM_CHECK(file_bytes() >= mine()->map.data_offset + bytes,
		  "it says %llu bytes, and its file has %llu", (unsigned long long)bytes,
		  (unsigned long long)file_bytes());
}

static int enter(unsigned flags)
{
	uint32_t self = sim_actor();
	struct segment_name name;
	SIM_CHECK(segment_name_parse("sim", &name) == 0, "the name");
	struct object_request request = {
	    .kind = &block_kind,
	    .flags = flags,
	    .spec = {.kind = BLOCK_KIND,
		     .seat_count = SEATS,
		     .body_bytes = block_body_bytes(MOST),
		     .reserve_bytes = BLOCK_DATA_OFFSET + FIRST,
		     .grows = true,
		     .mode = 0600,
		     .keep = true},
	    .fill = fill,
	};
	world.blocks[self] = (struct shoal_block){.object = &world.objects[self]};
	int r = object_open(mine()->object, &name, &request);
	SIM_CHECK(r >= 0, "joining: %d", r);
	SIM_CHECK(block_map(&mine()->map, &mine()->object->segment.region) == 0, "its map");
	mine()->live = mine()->seated = 1;
	SIM_CHECK(block_settle(mine()) == 0, "settling");
	read_size();
	return r;
}

/* What anybody alive relies on is there. */
static void check_all(void)
{
	uint64_t bytes = file_bytes();
	for (uint32_t i = 0; i < ACTORS; i++)
		SIM_CHECK(sim_is_dead(i) || bytes >= mine()->map.data_offset + world.read[i],
			  "actor %u has read that there are %llu bytes, and the file has %llu", i,
			  (unsigned long long)world.read[i], (unsigned long long)bytes);
}

/* ---- actors ------------------------------------------------------------------------------ */

static void grow_to(uint64_t bytes)
{
	int r = shoal_block_grow(mine(), bytes, SHOAL_FOREVER);
	SIM_CHECK(r == 0, "growing: %d", r);
	if (!world.shrinks)
		world.grown = max_u64(world.grown, bytes);
	read_size();
	SIM_CHECK(world.shrinks || world.read[sim_actor()] >= bytes, "it did not grow");
	check_all();
}

static void grow_some(void)
{
	grow_to(3000);
}

static void grow_more(void)
{
	grow_to(5000);
}

static void join(void)
{
	enter(0);
	check_all();
}

static void join_and_grow(void)
{
	enter(0);
	grow_to(4000);
}

static void shrink(void)
{
	world.read[sim_actor()] = 0; /* he does not rely on what he wants to be gone */
	int r = shoal_block_shrink(mine(), 50, 0, SHOAL_FOREVER);
	SIM_CHECK(r == 0 || r == -EBUSY, "shrinking: %d", r);
	read_size();
	check_all();
}

/* ---- before ------------------------------------------------------------------------------ */

static void begin(void)
{
	memset(&world, 0, sizeof(world));
	for (uint32_t i = 0; i < ACTORS; i++)
		world.objects[i].seat.kept_fd = -1;
	sim_private(&world, sizeof(world));
}

static void one(void)
{
	begin();
	SIM_CHECK(enter(SHOAL_CREATE) == 1, "making");
}

static void one_will_shrink(void)
{
	one();
	world.shrinks = true;
}

static void two(void)
{
	one();
	sim_as(1);
	enter(0);
	sim_as(0);
}

/* Of three one died in growing. */
static void two_and_a_dead_grower(void)
{
	uint64_t seen;
	two();
	sim_as(SURVIVOR);
	enter(0);
	SIM_CHECK(block_enter(&mine()->map, mine()->object->seat.tag, BLOCK_GROWING, &seen),
		  "to die in growing");
	SIM_CHECK(segment_grow(&mine()->object->segment, mine()->map.data_offset + FIRST,
			       mine()->map.data_offset + MOST) == 0,
		  "to die later in growing");
	world.read[SURVIVOR] = 0;
	world.objects[SURVIVOR].segment.region.base = NULL;
	sim_bury(SURVIVOR);
	sim_as(0);
}

/* ---- after ------------------------------------------------------------------------------- */

static void check(void)
{
	enter(0);
	check_all();
	SIM_CHECK(world.read[SURVIVOR] >= world.grown, "it had %llu bytes, and has %llu",
		  (unsigned long long)world.grown, (unsigned long long)world.read[SURVIVOR]);
	int r = shoal_block_grow(mine(), MOST, 100000000);
	SIM_CHECK(r == 0, "whoever comes next can't let it grow: %d", r);
	read_size();
	object_repair_all(mine()->object);
	SIM_CHECK(block_kind.audit(&mine()->map.region) == 0, "%s", shoal_error_detail());
	SIM_CHECK(word_state(atomic_load(&mine()->map.body->size.resizer)) == BLOCK_IDLE,
		  "somebody still resizes it");
}

#define USUAL                                                                                      \
	.check = check, .steps_max = 6000, .small = {.preemptions = 1, .deaths = 1},               \
	.large = {.preemptions = 4, .deaths = 1, .timeouts = 2, .delays = 2}

static const struct scenario scenarios[] = {
    {.name = "block: two grow it",
     .actors = 2,
     .set_up = two,
     .actor = {grow_some, grow_more},
     USUAL},
    {.name = "block: one grows it, one joins",
     .actors = 2,
     .set_up = one,
     .actor = {grow_some, join_and_grow},
     USUAL},
    {.name = "block: one died in growing it, two grow it",
     .actors = 2,
     .set_up = two_and_a_dead_grower,
     .actor = {grow_some, grow_more},
     USUAL},
    {.name = "block: one shrinks it, one joins",
     .actors = 2,
     .set_up = one_will_shrink,
     .actor = {shrink, join},
     USUAL},
    {.name = "block: one shrinks it, one joins and grows it, one joins",
     .actors = 3,
     .set_up = one_will_shrink,
     .actor = {shrink, join_and_grow, join},
     USUAL},
};
const struct group block_group = {"block", scenarios, sizeof(scenarios) / sizeof(scenarios[0])};
