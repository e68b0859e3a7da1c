/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deaths during recovery.
 *
 * From a state that a death left, each of those who might go on does so: a member that repairs, or
 * leaves; a newcomer that subscribes, publishes or removes. At each moment of that (traps.c) it is
 * dead as well, and what it leaves must be as good as any state: check_state. From there the next
 * one goes on, to the depth asked for.
 *
 * EQUAL STATES are looked at once. The oracle depends on the region, the name, who lives, who was
 * woken, what is committed for sure, and whether the operation is over; a recovery on the first
 * three of these. Their hash decides, together with the depth at which the state was first met: one
 * met again nearer to the top is explored further down.
 *
 * PAYLOAD. What a recovery does is the same for two states that differ in payload bytes alone,
 * since it can't touch them. So it is run from the first and from the last of a row of such states.
 * That suffices for the oracle as well: while the victim fills in payload, a byte of it is either
 * old or new. A recovery that exposed a message whose bytes are not all there would do so from the
 * first state, where none of the new ones are; one that exposed, or still promised, an overwritten
 * message would do so from the last, where all of them are. No old byte equals the new one in its
 * place in a message that matches: message_byte.
 */
#include "step.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* ---- those who go on --------------------------------------------------------------------- */

struct survivor {
	struct stage *stage;
	struct object object; /* a member's */
	shoal_sub *sub;
	shoal_pub *pub;
};

struct recovery {
	const char *name;
	bool member; /* done by somebody who was there */
	void (*run)(struct survivor *survivor);
	/* When it has come to its end: is what it left as it should be, without the next one? */
	void (*finished)(struct stage *stage, const struct topic_map *map);
};

static void repair_all(struct survivor *survivor)
{
	object_repair_all(&survivor->object);
}

static void leave(struct survivor *survivor)
{
	object_close(&survivor->object);
}

static void subscribe(struct survivor *survivor)
{
	shoal_sub_open(&survivor->sub, survivor->stage->name, SHOAL_FROM_OLDEST | SHOAL_FOLLOW,
		       NULL);
}

static void publish(struct survivor *survivor)
{
	shoal_pub_open(&survivor->pub, survivor->stage->name, 0, &small_topic);
}

static void remove_it(struct survivor *survivor)
{
	shoal_remove(survivor->stage->name, 0);
}

static void remove_by_force(struct survivor *survivor)
{
	shoal_remove(survivor->stage->name, SHOAL_FORCE);
}

static const struct recovery recoveries[] = {
    {"a member repairs", true, repair_all, check_nothing_held},
    {"a member leaves", true, leave, check_nothing_held},
    {"a subscriber comes", false, subscribe, NULL},
    {"a publisher comes", false, publish, NULL},
    {"it is removed", false, remove_it, NULL},
    {"it is removed by force", false, remove_by_force, NULL},
};
enum { RECOVERIES = sizeof(recoveries) / sizeof(recoveries[0]) };

/* ---- states that were seen ---------------------------------------------------------------- */

enum { SEEN_MAX = 1 << 22 };

static struct {
	uint64_t hashes[SEEN_MAX];
	uint8_t depths[SEEN_MAX];
	size_t count;
} * seen;

static uint64_t mix(uint64_t hash, const void *data, size_t bytes)
{
	const uint8_t *p = data;
	for (size_t i = 0; i < bytes; i += 8) {
		uint64_t word = 0;
		memcpy(&word, p + i, bytes - i < 8 ? bytes - i : 8);
		hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
		hash ^= hash >> 29;
	}
	return hash;
}

static uint64_t hash_state(const struct stage *stage)
{
	uint64_t hash = mix(1, stage->seen, stage->real.bytes);
	hash = mix(hash, stage->living, sizeof(stage->living));
	hash = mix(hash, stage->end, sizeof(stage->end));
	hash = mix(hash, stage->gate_woken, sizeof(stage->gate_woken));
	bool flags[] = {stage->named, stage->woken, stage->last};
	hash = mix(hash, flags, sizeof(flags));
	return hash ? hash : 1;
}

enum novelty { KNOWN, NEARER, NEW };

static enum novelty note_state(struct stage *stage, unsigned depth)
{
	uint64_t hash = hash_state(stage);
	size_t i = hash & (SEEN_MAX - 1);
	while (seen->hashes[i] != 0 && seen->hashes[i] != hash)
		i = (i + 1) & (SEEN_MAX - 1);
	if (seen->hashes[i] == hash) {
		if (seen->depths[i] <= depth)
			return KNOWN;
		stage->found.recovery_states[seen->depths[i]]--;
		stage->found.recovery_states[depth]++;
		seen->depths[i] = (uint8_t)depth;
		return NEARER;
	}
	if (++seen->count > SEEN_MAX / 2)
		give_up("more than %d states", SEEN_MAX / 2);
	stage->found.recovery_states[depth]++;
	seen->hashes[i] = hash;
	seen->depths[i] = (uint8_t)depth;
	return NEW;
}

/* ---- one recovery -------------------------------------------------------------------------- */

/* An object as that member has it. */
static void become_member(struct survivor *survivor, const struct region *region, uint32_t seat)
{
	struct object *object = &survivor->object;
	struct os_file file;
	uint64_t word = atomic_load(&seat_entry(region, seat)->word);
	object->kind = &topic_kind;
	object->seat = (struct seat){.tag = {seat, word_tag(word).generation}, .kept_fd = -1};
	if (segment_name_parse(survivor->stage->name, &object->segment.name) < 0)
		give_up("name");
	object->segment.fd = world_descriptor();
	os->stat_fd(object->segment.fd, &file);
	object->segment.device = file.device;
	object->segment.inode = file.inode;
	object->segment.fixed = segment_header(region)->fixed;
	object->segment.region = *region;
}

static void let_go(struct survivor *survivor, const struct recovery *recovery)
{
	shoal_sub_close(survivor->sub);
	shoal_pub_close(survivor->pub);
	if (recovery->member && survivor->object.segment.region.base)
		object_abandon(&survivor->object);
}

/* Runs it from stage->seen; `into` gets each moment. */
static void run_recovery(struct stage *stage, const struct recovery *recovery, uint32_t seat,
			 struct moments *into, bool each_instruction)
{
	struct survivor survivor = {.stage = stage};
	struct region region = copy_region(stage, 3, stage->seen);
	world_begin(&region, stage->path, stage->named, stage->living);
	if (recovery->member)
		become_member(&survivor, &region, seat);
	trap_begin(&region, into, each_instruction);
	if (recovery->member && stage->op->recover && recovery->run == repair_all)
		stage->op->recover(&survivor.object);
	else
		recovery->run(&survivor);
	trap_end();
	let_go(&survivor, recovery);
	int left = world_end();
	if (left)
		violate(stage, "%s: %d descriptors, locks or mappings were left", recovery->name,
			left);
}

/* The same moments, whether found by stores or by instructions? */
static void compare(struct stage *stage, const struct recovery *recovery, uint32_t seat,
		    const struct moments *stores)
{
	static struct moments each;
	moments_reserve(&each);
	run_recovery(stage, recovery, seat, &each, true);
	stage->found.instructions += each.stops;
	size_t n = each.count < stores->count ? each.count : stores->count;
	for (size_t i = 0; i < n; i++)
		if (memcmp(each.at[i].image, stores->at[i].image, stage->real.bytes) != 0 ||
		    each.at[i].named != stores->at[i].named ||
		    each.at[i].woken != stores->at[i].woken)
			violate(stage, "%s: moment %zu differs when stepped by instructions",
				recovery->name, i);
	if (each.count != stores->count)
		violate(stage, "%s: %zu moments by instructions, %zu by stores", recovery->name,
			each.count, stores->count);
}

/* ---- going down ---------------------------------------------------------------------------- */

void moments_reserve(struct moments *moments)
{
	if (moments->at)
		return;
	moments->at = calloc(MOMENTS_MAX, sizeof(moments->at[0]));
	uint8_t *images = malloc((size_t)MOMENTS_MAX * REGION_MAX);
	if (!moments->at || !images)
		give_up("no memory");
	for (size_t i = 0; i < MOMENTS_MAX; i++)
		moments->at[i].image = images + i * REGION_MAX;
}

static void explore(struct stage *stage, unsigned depth);

static void check_finished(struct stage *stage, const struct recovery *recovery, uint32_t seat,
			   const struct moment *last)
{
	struct topic_map map;
	struct region region = copy_region(stage, 0, last->image);
	bool lived = stage->living[seat];
	if (recovery->run == leave)
		stage->living[seat] = false;
	if (topic_map(&map, &region) == 0 && recovery->finished && !stage->op->recover)
		recovery->finished(stage, &map);
	stage->living[seat] = lived;
}

/* The one who went on is dead, at that moment. */
static void die_at(struct stage *stage, unsigned depth, const struct recovery *recovery,
		   uint32_t seat, const struct moment *moment)
{
	struct stage before = *stage;
	stage->seen = moment->image;
	stage->named = moment->named;
	stage->woken |= moment->woken;
	for (int i = 0; i < LANES; i++)
		stage->gate_woken[i] |= moment->gate_woken[i];
	if (recovery->member)
		stage->living[seat] = false;
	else
		stage->strangers = true;
	stage->deaths[depth - 2] = (struct death_place){recovery->name, moment->rip};
	stage->depth = depth;
	enum novelty novelty = note_state(stage, depth);
	if (novelty == NEW) {
		uint64_t violations = stage->violations;
		check_state(stage);
		stage->found.violations[depth] += stage->violations - violations;
	}
	if (novelty != KNOWN)
		explore(stage, depth);
	struct found found = stage->found;
	uint64_t violations = stage->violations;
	*stage = before;
	stage->found = found;
	stage->violations = violations;
}

static void go_on(struct stage *stage, unsigned depth, const struct recovery *recovery,
		  uint32_t seat)
{
	static struct moments levels[DEPTH_MAX + 1];
	struct moments *moments = &levels[depth];
	moments_reserve(moments);
	run_recovery(stage, recovery, seat, moments, false);
	stage->found.recoveries++;
	stage->found.stores += moments->stops;
	if (stage->compare && depth == 2 && (stage->steps == 0 || stage->last))
		compare(stage, recovery, seat, moments);
	if (recovery->member && moments->count > 0)
		check_finished(stage, recovery, seat, &moments->at[moments->count - 1]);
	for (size_t i = 0; i < moments->count; i++)
		die_at(stage, depth, recovery, seat, &moments->at[i]);
}

static void explore(struct stage *stage, unsigned depth)
{
	if (depth >= stage->depth_wanted || !stage->real.base)
		return;
	struct region region = stage->real;
	region.base = (uint8_t *)stage->seen;
	for (size_t r = 0; r < RECOVERIES; r++) {
		const struct recovery *recovery = &recoveries[r];
		if (!recovery->member) {
			go_on(stage, depth + 1, recovery, 0);
			continue;
		}
		for (uint32_t i = 0; i < region.seat_count; i++) {
			uint64_t word = atomic_load(&seat_entry(&region, i)->word);
			if (!stage->living[i] || word_state(word) != SEAT_TAKEN)
				continue;
			go_on(stage, depth + 1, recovery, i);
			if (recovery->run == repair_all)
				break; /* it is the same, whoever does it */
		}
	}
}

/* ---- the rows of states that differ in payload ---------------------------------------------- */

static struct {
	struct stage stage;
	uint8_t image[REGION_MAX];
	bool waits;
} latest;

bool same_but_payload(const struct stage *a, const struct stage *b)
{
	struct topic_map map;
	if (a->named != b->named || a->woken != b->woken || topic_map(&map, &a->real) < 0 ||
	    memcmp(a->gate_woken, b->gate_woken, sizeof(a->gate_woken)) != 0)
		return false;
	size_t fixed = (size_t)(map.lanes - a->real.base);
	bool same = memcmp(a->seen, b->seen, fixed) == 0;
	for (uint32_t i = 0; same && i < map.lane_count; i++) {
		size_t offset = fixed + i * map.lane_bytes;
		same = memcmp(a->seen + offset, b->seen + offset,
			      map.lane_bytes - map.payload_bytes) == 0;
	}
	return same;
}

static void take_over(struct stage *stage, const struct stage *from)
{
	stage->found = from->found;
	stage->violations = from->violations;
}

static void flush_latest(struct stage *stage)
{
	if (!latest.waits)
		return;
	latest.waits = false;
	take_over(&latest.stage, stage);
	explore(&latest.stage, 1);
	take_over(stage, &latest.stage);
}

void recover_begin(struct stage *stage)
{
	if (!seen)
		seen = calloc(1, sizeof(*seen));
	if (!seen)
		give_up("no memory");
	if (seen->count > 0)
		memset(seen, 0, sizeof(*seen));
	latest.waits = false;
	latest.stage.real.base = NULL;
	(void)stage;
}

void recover_from(struct stage *stage)
{
	if (!stage->real.base || stage->depth_wanted < 2)
		return;
	bool row = latest.stage.real.base && !stage->last && same_but_payload(&latest.stage, stage);
	bool known = note_state(stage, 1) == KNOWN;
	if (!row)
		flush_latest(stage);
	latest.stage = *stage;
	memcpy(latest.image, stage->seen, stage->real.bytes);
	latest.stage.seen = latest.image;
	latest.waits = row && !known;
	if (!row && !known)
		explore(stage, 1);
}

void recover_end(struct stage *stage)
{
	flush_latest(stage);
}
