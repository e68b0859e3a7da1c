/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seats and lifetime. Promised (object/object.c): who is a member is a member of an object that has
 * its name, two objects of one name are never in use, the last to leave removes it; no two live
 * ones hold one seat; what a dead one left is repaired before its seat is used again, and nobody
 * else is ever "repaired".
 */
#include "../sim.h"

#include "object/object.h"

#include <errno.h>

enum { SEATS = 5 };

static struct {
	struct object objects[ACTORS];
	bool member[ACTORS]; /* between the end of open and the beginning of close */
	bool leaving[ACTORS];
	uint64_t inode[ACTORS];
	bool forced;
	bool keep;
	struct tag dead; /* died before the first schedule */
	bool dead_was_there;
	uint32_t repairs_of_dead;
} world;

static int thing_validate(const struct region *region)
{
	(void)region;
	return 0;
}

/* A word for each actor, which carries its tag while it is a member. */
static _Atomic uint64_t *words(const struct region *region)
{
	return (_Atomic uint64_t *)(void *)(region->base + region->body_offset);
}

static void thing_repair(const struct region *region, struct tag tag, bool orderly)
{
	for (uint32_t i = 0; i < ACTORS; i++) {
		if (!world.objects[i].segment.region.base || sim_is_dead(i) ||
		    (orderly && i == sim_actor()))
			continue;
		SIM_CHECK(!world.member[i] || !tag_equal(world.objects[i].seat.tag, tag) ||
			      world.inode[i] != world.objects[sim_actor()].segment.inode,
			  "actor %u lives, and its seat is repaired", i);
	}
	if (world.dead_was_there && tag_equal(tag, world.dead))
		world.repairs_of_dead++;
	uint64_t mine = word_make(1, tag);
	for (uint32_t i = 0; i < ACTORS; i++) {
		uint64_t seen = mine;
		atomic_compare_exchange_strong(&words(region)[i], &seen, 0);
	}
}

static void thing_alert(const struct region *region)
{
	atomic_fetch_add(&words(region)[ACTORS], 1);
}

static const struct kind thing = {
    .id = 77,
    .name = "thing",
    .validate = thing_validate,
    .repair = thing_repair,
    .alert = thing_alert,
    .audit = thing_validate,
};
static const struct kind *const things[] = {&thing, NULL};

static void fill(const struct region *region, const void *context)
{
	(void)context;
	for (uint32_t i = 0; i <= ACTORS; i++)
		atomic_store(&words(region)[i], 0);
}

static struct segment_name name_of(void)
{
	struct segment_name name;
	SIM_CHECK(segment_name_parse("sim", &name) == 0, "the name");
	return name;
}

/* All who are members now are so in the object that has the name. */
static void check_members(void)
{
	for (uint32_t i = 0; i < ACTORS; i++) {
		if (!world.member[i] || sim_is_dead(i) || world.forced)
			continue;
		SIM_CHECK(world.inode[i] == sim_named_inode(),
			  "actor %u is a member of an object that has lost its name", i);
		for (uint32_t k = 0; k < i; k++)
			SIM_CHECK(!world.member[k] || sim_is_dead(k) ||
				      world.objects[i].seat.tag.seat !=
					  world.objects[k].seat.tag.seat,
				  "actors %u and %u have one seat", k, i);
	}
}

static int enter(unsigned flags)
{
	uint32_t self = sim_actor();
	struct object *object = &world.objects[self];
	struct segment_name name = name_of();
	struct object_request request = {
	    .kind = &thing,
	    .flags = flags,
	    .spec = {.kind = 77,
		     .seat_count = SEATS,
		     .body_bytes = 4096,
		     .reserve_bytes = 4096,
		     .mode = 0600,
		     .keep = flags & SHOAL_KEEP},
	    .fill = fill,
	};
	int r = object_open(object, &name, &request);
	if (r < 0) {
		object->segment.region.base = NULL;
		return r;
	}
	world.inode[self] = object->segment.inode;
	world.member[self] = true;
	check_members();
	const struct region *region = &object->segment.region;
	uint64_t word = word_make(1, object->seat.tag);
	for (uint32_t i = 0; i < ACTORS; i++)
		SIM_CHECK(atomic_load(&words(region)[i]) != word, "a tag comes back");
	atomic_store(&words(region)[self], word);
	return r;
}

static void leave(void)
{
	uint32_t self = sim_actor();
	struct object *object = &world.objects[self];
	check_members();
	const struct region *region = &object->segment.region;
	SIM_CHECK(atomic_load(&words(region)[self]) == word_make(1, object->seat.tag),
		  "what a live member owned was taken away");
	world.member[self] = false;
	object_close(object);
	object->segment.region.base = NULL;
}

/* ---- actors ------------------------------------------------------------------------------ */

static void join_and_stay(void)
{
	int r = enter(SHOAL_CREATE);
	SIM_CHECK(r >= 0, "joining: %d", r);
}

static void join_and_leave(void)
{
	join_and_stay();
	leave();
}

static void join_if_there(void)
{
	int r = enter(0);
	SIM_CHECK(r >= 0 || r == -ENOENT, "joining: %d", r);
}

static void remove_it(void)
{
	struct segment_name name = name_of();
	int r = object_remove(&name, 0, things);
	SIM_CHECK(r == 0 || r == -EBUSY || r == -ENOENT, "removing: %d", r);
}

static void force_it(void)
{
	struct segment_name name = name_of();
	world.forced = true; /* from here on it may happen to anybody */
	int r = object_remove(&name, SHOAL_FORCE, things);
	SIM_CHECK(r == 0 || r == -ENOENT, "removing by force: %d", r);
}

static void leave_it(void)
{
	leave();
}

static void repair(void)
{
	object_repair_all(&world.objects[sim_actor()]);
}

/* ---- before ------------------------------------------------------------------------------ */

static void begin(void)
{
	memset(&world, 0, sizeof(world));
	for (uint32_t i = 0; i < ACTORS; i++)
		world.objects[i].seat.kept_fd = -1;
	sim_private(&world, sizeof(world));
}

static void nothing(void)
{
	begin();
}

static void one_member(void)
{
	begin();
	SIM_CHECK(enter(SHOAL_CREATE) == 1, "making");
}

static void two_members(void)
{
	one_member();
	sim_as(1);
	SIM_CHECK(enter(0) == 0, "joining");
	sim_as(0);
}

static void die_as_survivor(unsigned flags)
{
	sim_as(SURVIVOR);
	SIM_CHECK(enter(SHOAL_CREATE | flags) >= 0, "joining");
	world.dead = world.objects[SURVIVOR].seat.tag;
	world.dead_was_there = true;
	world.member[SURVIVOR] = false;
	world.objects[SURVIVOR].segment.region.base = NULL;
	sim_bury(SURVIVOR);
	sim_as(0);
}

/* Its only member was killed. */
static void leftover(void)
{
	begin();
	die_as_survivor(0);
}

static void kept_with_a_dead_seat(void)
{
	begin();
	world.keep = true;
	die_as_survivor(SHOAL_KEEP);
}

static void two_members_and_a_dead_one(void)
{
	two_members();
	die_as_survivor(0);
}

/* ---- after ------------------------------------------------------------------------------- */

static bool anybody(void)
{
	for (uint32_t i = 0; i < ACTORS; i++)
		if (world.member[i] && !sim_is_dead(i))
			return true;
	return false;
}

/* Without members it is gone, at the latest when somebody asks for it. */
static void check_gone(void)
{
	bool died = false;
	for (uint32_t i = 0; i < SURVIVOR; i++)
		died |= sim_is_dead(i);
	if (!died && !world.forced)
		SIM_CHECK(sim_named_inode() == 0, "the last one left, and it is still there");
	int r = enter(0);
	SIM_CHECK(r == -ENOENT, "an object without members: opening it gives %d", r);
	SIM_CHECK(sim_named_inode() == 0, "an object without members keeps its name");
}

static void check(void)
{
	check_members();
	bool kept = world.keep && !world.forced;
	if (!kept && !anybody())
		check_gone();
	if (world.forced || (!kept && !anybody()))
		return;
	int r = enter(0);
	SIM_CHECK(r == 0, "joining what is there: %d", r);
	object_repair_all(&world.objects[SURVIVOR]);
	const struct region *region = &world.objects[SURVIVOR].segment.region;
	for (uint32_t i = 0; i < ACTORS; i++) {
		uint64_t word = atomic_load(&words(region)[i]);
		uint64_t should = world.member[i] && !sim_is_dead(i)
				      ? word_make(1, world.objects[i].seat.tag)
				      : 0;
		/* An actor that lives owns its word from a moment after it joined. */
		SIM_CHECK(word == should, "the word of actor %u is 0x%llx", i,
			  (unsigned long long)word);
	}
	if (world.dead_was_there && world.keep)
		SIM_CHECK(world.repairs_of_dead > 0, "the dead seat was never repaired");
}

#define USUAL                                                                                      \
	.check = check, .steps_max = 6000, .small = {.preemptions = 1, .deaths = 1},               \
	.large = {.preemptions = 4, .deaths = 1, .timeouts = 2, .delays = 2}

static const struct scenario scenarios[] = {
    {.name = "lifetime: the last one leaves, another one comes",
     .actors = 2,
     .set_up = one_member,
     .actor = {leave_it, join_and_stay},
     USUAL},
    {.name = "lifetime: two leave, one comes",
     .actors = 3,
     .set_up = two_members,
     .actor = {leave_it, leave_it, join_and_stay},
     USUAL},
    {.name = "lifetime: one leaves, two come and go",
     .actors = 3,
     .set_up = one_member,
     .actor = {leave_it, join_and_leave, join_and_leave},
     USUAL},
    {.name = "lifetime: two make it",
     .actors = 2,
     .set_up = nothing,
     .actor = {join_and_stay, join_and_stay},
     USUAL},
    {.name = "lifetime: three make it",
     .actors = 3,
     .set_up = nothing,
     .actor = {join_and_leave, join_and_stay, join_and_leave},
     USUAL},
    {.name = "lifetime: one leaves, one removes it, one comes",
     .actors = 3,
     .set_up = one_member,
     .actor = {leave_it, remove_it, join_and_stay},
     USUAL},
    {.name = "lifetime: one removes it, one comes",
     .actors = 2,
     .set_up = leftover,
     .actor = {remove_it, join_and_stay},
     USUAL},
    {.name = "lifetime: removed by force",
     .actors = 3,
     .set_up = one_member,
     .actor = {leave_it, force_it, join_if_there},
     USUAL},
    {.name = "seats: two joiners meet a leftover",
     .actors = 2,
     .set_up = leftover,
     .actor = {join_and_stay, join_and_stay},
     USUAL},
    {.name = "seats: two joiners meet a dead seat",
     .actors = 2,
     .set_up = kept_with_a_dead_seat,
     .actor = {join_and_stay, join_and_leave},
     USUAL},
    {.name = "seats: two repair, one joins",
     .actors = 3,
     .set_up = two_members_and_a_dead_one,
     .actor = {repair, repair, join_and_leave},
     USUAL},
    {.name = "seats: one repairs, one leaves, one joins",
     .actors = 3,
     .set_up = two_members_and_a_dead_one,
     .actor = {repair, leave_it, join_and_stay},
     USUAL},
};
const struct group object_group = {"object", scenarios, sizeof(scenarios) / sizeof(scenarios[0])};
