/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Newcomers after a death, through the public functions. On a copy, with the kernel of world.c,
 * or on the object itself, after a real kill: what they must find is the same.
 */
#include "step.h"

#include <errno.h>
#include <string.h>

unsigned lifetime_state(const struct region *region)
{
	return word_state(atomic_load(&segment_header(region)->lifetime));
}

/* What opening must give, judged from the shared words. */
static int expected_open(const struct stage *stage, const struct region *region, bool living)
{
	if (!stage->named || lifetime_state(region) == LIFETIME_REMOVED)
		return backend_nameless() ? -ESTALE : -ENOENT;
	return living || (stage->op->flags & OP_KEEP) ? 0 : -ENOENT;
}

bool anybody_lives(const struct stage *stage, const struct region *region)
{
	for (uint32_t i = 0; i < region->seat_count; i++) {
		uint64_t word = atomic_load(&seat_entry(region, i)->word);
		if (stage->living[i] && word_state(word) == SEAT_TAKEN)
			return true;
	}
	return false;
}

/* ---- one who subscribes, one who publishes ----------------------------------------------- */

/* From the oldest message to the end of each lane, without a gap. */
static void read_from_oldest(struct stage *stage, const struct topic_map *map, shoal_sub *sub,
			     uint64_t *next)
{
	uint8_t buffer[1024];
	struct shoal_view view;
	int r;
	while ((r = shoal_sub_receive(sub, buffer, sizeof(buffer), 0, &view)) == 0) {
		if (view.sequence != next[view.lane] || view.lost)
			violate(stage, "newcomer: lane %u, message %llu comes instead of %llu",
				view.lane, (unsigned long long)view.sequence,
				(unsigned long long)next[view.lane]);
		if (!message_is(buffer, view.bytes, stage->op->shape, view.lane, view.sequence))
			violate(stage, "newcomer: lane %u, message %llu is not what was sent",
				view.lane, (unsigned long long)view.sequence);
		next[view.lane] = view.sequence + 1;
	}
	if (r != -EAGAIN)
		violate(stage, "newcomer: receive: %d, %s", r, shoal_error_detail());
	for (uint32_t i = 0; i < map->lane_count; i++) {
		struct lane_map lane = topic_lane(map, i);
		if (topic_lane_ready(map, i) && next[i] != lane_end(&lane))
			violate(stage, "newcomer: lane %u ends at %llu instead of %llu", i,
				(unsigned long long)next[i], (unsigned long long)lane_end(&lane));
	}
}

static unsigned living_lanes(const struct stage *stage, const struct topic_map *map)
{
	unsigned count = 0;
	for (uint32_t i = 0; i < map->lane_count; i++) {
		uint64_t owner = atomic_load(&map->controls[i].owner);
		count += word_state(owner) == LANE_TAKEN && stage->living[word_tag(owner).seat];
	}
	return count;
}

/* Takes each lane that no living publisher holds, and goes on behind what is there. */
static void publish_on(struct stage *stage, const struct topic_map *map)
{
	uint8_t buffer[1024];
	shoal_pub *pubs[LANES] = {NULL};
	unsigned takable = LANES - living_lanes(stage, map);
	for (unsigned i = 0; i < takable; i++) {
		int r = shoal_pub_open(&pubs[i], stage->name, 0, &small_topic);
		if (r < 0) {
			violate(stage, "a lane is free, and pub_open: %d, %s", r,
				shoal_error_detail());
			break;
		}
		uint32_t lane = shoal_pub_lane(pubs[i]);
		struct lane_map facts = topic_lane(map, lane);
		uint64_t at = shoal_pub_sequence(pubs[i]);
		if (at != lane_end(&facts))
			violate(stage, "new publisher: lane %u goes on at %llu, not %llu", lane,
				(unsigned long long)at, (unsigned long long)lane_end(&facts));
		size_t n = message_fill(buffer, stage->op->shape, lane, at);
		r = shoal_pub_publish(pubs[i], buffer, n, 0);
		if (r < 0 && r != -EAGAIN)
			violate(stage, "new publisher: publish: %d, %s", r, shoal_error_detail());
	}
	if (topic_kind.audit(&map->region) < 0)
		violate(stage, "audit with a new publisher: %s", shoal_error_detail());
	for (unsigned i = 0; i < LANES; i++)
		shoal_pub_close(pubs[i]);
}

/* The object can be opened: a lossless one from the oldest, a lossy one, publishers. */
static void use_it(struct stage *stage, const struct region *region, shoal_sub *sub)
{
	struct topic_map map;
	uint64_t next[LANES] = {0};
	if (topic_map(&map, region) < 0) {
		violate(stage, "newcomer: %s", shoal_error_detail());
		return;
	}
	for (uint32_t i = 0; i < LANES; i++)
		next[i] = atomic_load(&map.controls[i].oldest);
	if (topic_kind.audit(region) < 0)
		violate(stage, "audit with a newcomer: %s", shoal_error_detail());
	struct tag tag = object_of(sub)->seat.tag;
	if (atomic_load(&seat_entry(region, tag.seat)->word) != word_make(SEAT_TAKEN, tag))
		violate(stage, "a newcomer is in, and its seat does not say so");
	read_from_oldest(stage, &map, sub, next);
	publish_on(stage, &map);
	read_from_oldest(stage, &map, sub, next);
}

void check_opening(struct stage *stage, const struct region *region, bool living, const char *who)
{
	shoal_sub *sub = NULL;
	int expected = expected_open(stage, region, living);
	int r = shoal_sub_open(&sub, stage->name, SHOAL_FROM_OLDEST | SHOAL_FOLLOW, NULL);
	if (r != expected)
		violate(stage, "%s: open gives %d instead of %d (%s)", who, r, expected,
			r < 0 ? shoal_error_detail() : "");
	if (r == 0)
		use_it(stage, region, sub);
	shoal_sub_close(sub);
}

/* ---- on copies --------------------------------------------------------------------------- */

static void check_name(struct stage *stage, bool expected, const char *who)
{
	if (world_named() != expected)
		violate(stage, "%s: the object is %s", who,
			expected ? "gone" : "still there, with nobody in it");
}

/*
 * Those who were in it get to know that it was removed, whoever finished that. A publisher that
 * takes the bit away with a message, and dies before it puts it back, leaves it to the others to
 * look when their room is used up (bystander_is_told in real.c).
 */
static void check_told(struct stage *stage, const struct region *region, bool living)
{
	struct topic_map map;
	if (!living || !(stage->op->flags & OP_TOLD) || world_named() ||
	    topic_map(&map, region) < 0)
		return;
	if (stage->was_named && atomic_load(&map.body->shared.epoch) == stage->epoch)
		violate(stage, "it was removed, and subscribers don't get to know");
	if (!(stage->op->flags & OP_TAKES_BIT) && !(atomic_load(&map.body->wake) & WAIT_SLEEPER))
		violate(stage, "it was removed, and publishers don't get to know");
}

static void end_world(struct stage *stage)
{
	int left = world_end();
	if (left)
		violate(stage, "%d descriptors, locks or mappings were left", left);
}

void check_joiners(struct stage *stage, const uint8_t *image)
{
	struct region region = copy_region(stage, 1, image);
	bool keep = stage->op->flags & OP_KEEP;
	bool living = anybody_lives(stage, &region);
	bool stays = expected_open(stage, &region, living) == 0;
	world_begin(&region, stage->path, stage->named, stage->living);
	check_opening(stage, &region, living, "a newcomer");
	check_name(stage, stays, "after a newcomer");
	check_told(stage, &region, living);
	/* Then all who are left die at once. */
	world_kill_all();
	check_opening(stage, &region, false, "the next one");
	check_name(stage, stays && keep, "after the next one");
	end_world(stage);
	/* The same, but they died together with the victim. */
	bool before[SEATS_MAX];
	memcpy(before, stage->living, sizeof(before));
	memset(stage->living, 0, sizeof(stage->living));
	region = copy_region(stage, 2, image);
	stays = expected_open(stage, &region, false) == 0;
	world_begin(&region, stage->path, stage->named, stage->living);
	check_opening(stage, &region, false, "one who comes when all are dead");
	check_name(stage, stays, "after all died");
	end_world(stage);
	memcpy(stage->living, before, sizeof(before));
}
