/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Somebody arrives while the victim stands between two instructions: a sleeper, a publisher that
 * is faster than a lossy reader or busy while a subscriber joins, a joiner that meets the last
 * leaver. Then the victim goes on. Once for each instruction (or place) of the operation.
 */
#include "step.h"

#include <errno.h>
#include <string.h>

struct arrival {
	struct op op;
	/* True when the victim, at this place, can be met at all. */
	bool (*arrive)(struct stage *stage);
	/* When the victim is through. */
	void (*after)(struct stage *stage);
	/* Begin at the first instruction at which this holds, and end when the victim has told
	 * where its handle lies. */
	bool (*from)(const struct stage *stage);
	bool only_changes; /* not at each instruction: where the region changed */
};

static struct topic_map map_of(const struct stage *stage)
{
	struct topic_map map;
	if (topic_map(&map, &stage->real) < 0)
		give_up("%s: no topic", stage->op->name);
	return map;
}

/* ---- a sleeper meets a publisher --------------------------------------------------------- */

static void subscriber(struct stage *stage)
{
	stage->other_sub = open_sub(stage, 0);
}

static void pub_of_three(struct stage *stage)
{
	stage->pub = open_pub(stage, 0);
	share_pub(stage);
	publish_some(stage, stage->pub, 3);
	prepare_next(stage, BATCH);
}

static int64_t publish(struct stage *stage)
{
	return shoal_pub_publish(stage->pub, stage->parts[0].iov_base, stage->parts[0].iov_len, 0);
}

static int64_t publish_batch(struct stage *stage)
{
	return shoal_pub_publishv(stage->pub, stage->parts, BATCH, 0) - BATCH;
}

static bool is_visible(const struct topic_map *map, const uint64_t *read)
{
	bool visible = false;
	for (uint32_t i = 0; i < LANES; i++) {
		struct lane_map lane = topic_lane(map, i);
		visible |= lane_end(&lane) != read[i];
	}
	return visible;
}

/*
 * The sleeper's steps 1 to 3 of wait/wait.h; it has read all that there is. It sleeps without
 * slices only if nobody is in the middle of a commit. It comes to its step 4 now or at any later
 * instruction, and the kernel lets it sleep if the word is what it was. From there on, wherever the
 * victim dies: nothing is visible and the bit is set, or it was woken.
 */
static bool sleep_here(struct stage *stage)
{
	struct topic_map map = map_of(stage);
	uint64_t read[LANES] = {0};
	for (uint32_t i = 0; i < LANES; i++) {
		struct lane_map lane = topic_lane(&map, i);
		read[i] = lane_end(&lane);
	}
	uint32_t word = atomic_fetch_or(&map.body->wake, WAIT_SLEEPER) | WAIT_SLEEPER;
	for (uint32_t i = 0; i < LANES; i++)
		if (atomic_load(&map.controls[i].begun) != atomic_load(&map.controls[i].position))
			return true; /* sliced: it asks after the publisher by itself */
	bool more = true, asleep = true;
	while (more) {
		stage->woken = false;
		more = victim_step(stage);
		stage->steps++;
		uint32_t now = atomic_load(&map.body->wake);
		asleep = (asleep && !stage->woken) || now == word;
		if (asleep && is_visible(&map, read))
			violate(stage, "it came later, sleeps, and does not know of a message");
		if (asleep && !(now & WAIT_SLEEPER))
			violate(stage, "it came later, sleeps, and its bit is gone");
	}
	return true;
}

/* ---- a publisher overtakes a lossy reader ------------------------------------------------- */

static void publisher_of_four(struct stage *stage)
{
	stage->other_pub = open_pub(stage, 0);
	publish_some(stage, stage->other_pub, 4);
}

static void lossy_sub(struct stage *stage)
{
	stage->sub = open_sub(stage, SHOAL_FROM_OLDEST | SHOAL_LOSSY);
	share_sub(stage);
}

static int64_t receive(struct stage *stage)
{
	return shoal_sub_receive(stage->sub, stage->share->buffer, sizeof(stage->share->buffer), 0,
				 stage->share->views);
}

static bool overtake(struct stage *stage)
{
	publish_some(stage, stage->other_pub, 13);
	return true;
}

/* Whole, whichever it is, and the loss is exact. */
static void check_overtaken(struct stage *stage)
{
	const struct shoal_view *view = stage->share->views;
	if (view->lost != view->sequence || view->lane != 0)
		violate(stage, "it got message %llu and says that %llu were lost",
			(unsigned long long)view->sequence, (unsigned long long)view->lost);
	if (!message_is(stage->share->buffer, view->bytes, stage->op->shape, 0, view->sequence))
		violate(stage, "message %llu is torn", (unsigned long long)view->sequence);
}

/* ---- a publisher is busy while a subscriber joins ----------------------------------------- */

static void busy_publisher(struct stage *stage)
{
	stage->other_pub = open_pub(stage, 0);
	publish_some(stage, stage->other_pub, 21);
}

/* Opens, and reads all there is; how many messages were wrong or out of order? */
static int64_t join_and_read(struct stage *stage, unsigned flags)
{
	int r = shoal_sub_open(&stage->sub, stage->name, flags | SHOAL_FOLLOW, &small_topic);
	if (r < 0)
		return r;
	share_sub(stage);
	uint64_t next[LANES] = {0};
	bool any[LANES] = {false};
	int64_t wrong = 0;
	struct shoal_view view;
	while ((r = shoal_sub_receive(stage->sub, stage->share->buffer, 1024, 0, &view)) == 0) {
		wrong += !message_is(stage->share->buffer, view.bytes, stage->op->shape, view.lane,
				     view.sequence);
		wrong += any[view.lane] && view.sequence != next[view.lane];
		any[view.lane] = true;
		next[view.lane] = view.sequence + 1;
	}
	return r == -EAGAIN ? wrong : r;
}

static int64_t join_now(struct stage *stage)
{
	return join_and_read(stage, 0);
}

static int64_t join_oldest(struct stage *stage)
{
	return join_and_read(stage, SHOAL_FROM_OLDEST);
}

/* Its entry is taken: before that nobody sees it. */
static bool is_joining(const struct stage *stage)
{
	struct topic_map map = map_of(stage);
	return word_state(atomic_load(&map.entries[0])) != ENTRY_FREE;
}

/* As much as the newcomer lets through. When it has opened, it is too late. */
static bool publish_burst(struct stage *stage)
{
	uint8_t buffer[1024];
	if (stage->share->base)
		return false;
	for (int i = 0; i < 12; i++) {
		size_t n =
		    message_fill(buffer, stage->op->shape, 0, shoal_pub_sequence(stage->other_pub));
		if (shoal_pub_publish(stage->other_pub, buffer, n, 0) < 0)
			break;
	}
	return true;
}

static bool open_another_lane(struct stage *stage)
{
	if (stage->share->base)
		return false;
	stage->second_pub = open_pub(stage, 0);
	publish_some(stage, stage->second_pub, 3);
	return true;
}

static void check_all_read(struct stage *stage)
{
	struct topic_map map = map_of(stage);
	for (uint32_t i = 0; i < LANES; i++) {
		struct lane_map lane = topic_lane(&map, i);
		uint64_t cursor = atomic_load(&topic_record(&map, stage->share->entry)->cursors[i]);
		if (topic_lane_ready(&map, i) && cursor != lane_end(&lane))
			violate(stage, "it read lane %u up to %llu, which ends at %llu", i,
				(unsigned long long)cursor, (unsigned long long)lane_end(&lane));
	}
	if (topic_kind.audit(&map.region) < 0)
		violate(stage, "audit: %s", shoal_error_detail());
}

/* ---- a joiner meets the last leaver ------------------------------------------------------- */

static int64_t pub_close(struct stage *stage)
{
	shoal_pub_close(stage->pub);
	return 0;
}

/* While a living remover holds the name's lock, a joiner waits for it: it would wait for us. */
static bool join_late(struct stage *stage)
{
	stage_changed(stage);
	if (stage->named && lifetime_state(&stage->real) == LIFETIME_REMOVED)
		return false;
	stage->other_sub = open_sub(stage, 0);
	return true;
}

static void check_named(struct stage *stage)
{
	if (!segment_is_named(&object_of(stage->other_sub)->segment))
		violate(stage, "the joiner is in an object without a name");
}

static const struct arrival arrivals[] = {
    {.op = {.name = "a sleeper comes while one publishes",
	    .world = subscriber,
	    .prepare = pub_of_three,
	    .run = publish},
     .arrive = sleep_here},
    {.op = {.name = "a sleeper comes while one publishes outside",
	    .shape = LARGE,
	    .world = subscriber,
	    .prepare = pub_of_three,
	    .run = publish},
     .arrive = sleep_here},
    {.op = {.name = "a sleeper comes behind another one",
	    .flags = OP_SLEEPER,
	    .world = subscriber,
	    .prepare = pub_of_three,
	    .run = publish},
     .arrive = sleep_here},
    {.op = {.name = "a sleeper comes in a batch",
	    .world = subscriber,
	    .prepare = pub_of_three,
	    .run = publish_batch},
     .arrive = sleep_here},
    {.op = {.name = "a lossy reader is overtaken",
	    .world = publisher_of_four,
	    .prepare = lossy_sub,
	    .run = receive},
     .arrive = overtake,
     .after = check_overtaken},
    {.op = {.name = "a lossy reader is overtaken in the payload",
	    .shape = LARGE,
	    .world = publisher_of_four,
	    .prepare = lossy_sub,
	    .run = receive},
     .arrive = overtake,
     .after = check_overtaken},
    {.op = {.name = "messages while a subscriber joins now",
	    .world = busy_publisher,
	    .run = join_now},
     .arrive = publish_burst,
     .after = check_all_read,
     .from = is_joining},
    {.op = {.name = "messages while one joins at the oldest",
	    .shape = MIXED,
	    .world = busy_publisher,
	    .run = join_oldest},
     .arrive = publish_burst,
     .after = check_all_read,
     .from = is_joining},
    {.op = {.name = "a new lane while a subscriber joins",
	    .world = busy_publisher,
	    .run = join_oldest},
     .arrive = open_another_lane,
     .after = check_all_read,
     .from = is_joining},
    {.op = {.name = "a joiner meets the last leaver", .prepare = pub_of_three, .run = pub_close},
     .arrive = join_late,
     .after = check_named,
     .only_changes = true},
};

/* ---- running them ------------------------------------------------------------------------ */

enum { VIOLATIONS_MAX = 10, ARRIVALS_MAX = 100000 };

/* Where to arrive. Returns how many places; the first is where the stage begins. */
static size_t find_places(const struct arrival *arrival, struct place *places)
{
	static struct trail trail;
	struct stage stage;
	size_t count = 0;
	bool begun = !arrival->from, more = true;
	trail_begin(&trail);
	stage_begin(&stage, &arrival->op);
	while (more) {
		more = victim_step(&stage);
		if (count == ARRIVALS_MAX)
			give_up("more than %d places", ARRIVALS_MAX);
		bool moved = trail_add(&trail, stage.rip, &places[count]);
		begun = begun || arrival->from(&stage);
		if (arrival->from && stage.share->base)
			break;
		if (more && moved && begun && (!arrival->only_changes || stage_changed(&stage)))
			count++;
	}
	stage_end(&stage);
	return count;
}

/* False: the victim can't be met there, nor later. */
static bool arrive_at(const struct arrival *arrival, struct stage *stage, struct place place)
{
	stage_begin(stage, &arrival->op);
	bool met = victim_run_to(stage, place) && arrival->arrive(stage);
	if (met && !victim_finish(stage))
		violate(stage, "it did not end");
	else if (met && stage->share->result != 0)
		violate(stage, "it returned %lld", (long long)stage->share->result);
	else if (met && arrival->after)
		arrival->after(stage);
	stage_end(stage);
	return met;
}

static void run_arrival(const struct arrival *arrival, struct totals *totals)
{
	static struct place places[ARRIVALS_MAX];
	struct stage stage = {.op = &arrival->op};
	uint64_t violations = 0, met = 0;
	size_t count = find_places(arrival, places);
	for (size_t i = 0; i < count && violations < VIOLATIONS_MAX; i++) {
		met += arrive_at(arrival, &stage, places[i]);
		violations += stage.violations;
	}
	stage.violations = violations;
	stage.steps = count;
	stage.states = met;
	if (met == 0)
		violate(&stage, "nobody was ever met");
	add_up(&stage, totals, "met");
}

void run_arrivals(struct totals *totals)
{
	for (size_t i = 0; i < sizeof(arrivals) / sizeof(arrivals[0]); i++) {
		struct arrival there = arrivals[i];
		if ((!totals->only || strstr(there.op.name, totals->only)) &&
		    backend_means(&arrivals[i].op, &there.op))
			run_arrival(&there, totals);
	}
}
