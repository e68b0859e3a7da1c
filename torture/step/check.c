/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold in every state if the victim died there, for those who were there before. */
#include "step.h"

#include <errno.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COPIES = 4, PRINTED_MAX = 12 };

extern const char __executable_start[]; /* the linker's */

/* The function and line of an address, if the tool for that is installed. */
static void print_symbol(uint64_t address)
{
	char exe[64], offset[32];
	char tool[] = "addr2line", options[] = "-fispe";
	char *arguments[] = {tool, options, exe, offset, NULL};
	pid_t pid;
	snprintf(exe, sizeof(exe), "/proc/%d/exe", (int)getpid());
	snprintf(offset, sizeof(offset), "0x%llx",
		 (unsigned long long)(address - (uintptr_t)__executable_start));
	fflush(stdout);
	if (posix_spawnp(&pid, tool, NULL, NULL, arguments, environ) == 0)
		waitpid(pid, NULL, 0);
}

void violate(struct stage *stage, const char *format, ...)
{
	if (stage->violations++ >= PRINTED_MAX || stage->quiet)
		return;
	va_list arguments;
	va_start(arguments, format);
	printf("VIOLATION in '%s', step %llu, state %llu, before 0x%llx%s: ", stage->op->name,
	       (unsigned long long)stage->steps, (unsigned long long)stage->states,
	       (unsigned long long)stage->rip, stage->last ? " (over)" : "");
	vprintf(format, arguments);
	printf("\n    next is: ");
	va_end(arguments);
	print_symbol(stage->rip);
	for (unsigned i = 2; i <= stage->depth; i++) {
		const struct death_place *death = &stage->deaths[i - 2];
		printf("    death %u: %s, before 0x%llx: ", i, death->recovery,
		       (unsigned long long)death->rip);
		print_symbol(death->rip);
	}
}

struct region copy_region(const struct stage *stage, unsigned number, const uint8_t *image)
{
	static _Alignas(4096) uint8_t copies[COPIES][REGION_MAX];
	struct region copy = stage->real;
	copy.base = copies[number];
	memcpy(copy.base, image, copy.bytes);
	return copy;
}

static bool audit(struct stage *stage, const struct region *region, const char *when)
{
	if (topic_kind.audit(region) == 0)
		return true;
	violate(stage, "audit %s: %s", when, shoal_error_detail());
	return false;
}

/* ---- repair ------------------------------------------------------------------------------ */

static void repair_dead(const struct stage *stage, const struct region *region)
{
	for (uint32_t i = 0; i < region->seat_count; i++) {
		uint64_t word = atomic_load(&seat_entry(region, i)->word);
		if (word_state(word) != SEAT_FREE && !stage->living[i])
			object_roll_seat(region, &topic_kind, i, word, false);
	}
}

static bool is_living(const struct stage *stage, const struct region *region, uint64_t word)
{
	struct tag tag = word_tag(word);
	return tag.seat < SEATS_MAX && stage->living[tag.seat] && object_tag_current(region, tag);
}

/* Whoever enters a seat takes a new generation, so that no word of his predecessor is his. */
static void check_generations(struct stage *stage, const struct region *region)
{
	for (uint32_t i = 0; i < region->seat_count; i++) {
		uint64_t word = atomic_load(&seat_entry(region, i)->word);
		uint64_t before = stage->seats[i];
		if (before != 0 && word_state(before) == SEAT_FREE && word != before &&
		    word_tag(word).generation == word_tag(before).generation)
			violate(stage, "seat %u was entered with the generation that it had", i);
		stage->seats[i] = word;
	}
}

/* Nothing is held by the dead any more. */
void check_nothing_held(struct stage *stage, const struct topic_map *map)
{
	for (uint32_t i = 0; i < map->region.seat_count; i++) {
		uint64_t word = atomic_load(&seat_entry(&map->region, i)->word);
		if (word_state(word) != SEAT_FREE && !stage->living[i])
			violate(stage, "seat %u is not free", i);
	}
	for (uint32_t i = 0; i < map->lane_count; i++) {
		const struct lane_control *control = &map->controls[i];
		uint64_t owner = atomic_load(&control->owner);
		bool taken = word_state(owner) == LANE_TAKEN;
		if (taken && !is_living(stage, &map->region, owner))
			violate(stage, "lane %u is held by the dead", i);
		/* Closing is announced as a commit is, and stays announced. */
		if (!taken && word_state(owner) != LANE_CLOSED &&
		    atomic_load(&control->begun) != atomic_load(&control->position))
			violate(stage, "lane %u has a commit under way", i);
	}
	for (uint32_t i = 0; i < map->subscribers; i++) {
		uint64_t word = atomic_load(&map->entries[i]);
		if (word_state(word) != ENTRY_FREE && !is_living(stage, &map->region, word))
			violate(stage, "entry %u is held by the dead", i);
	}
}

/* ---- what was committed ------------------------------------------------------------------ */

/* Before the operation's messages, in the middle of them or behind them, and never back. */
static void check_ends(struct stage *stage, const struct topic_map *map, uint64_t *ends)
{
	for (uint32_t i = 0; i < map->lane_count; i++) {
		struct lane_map lane = topic_lane(map, i);
		uint64_t least = stage->committed[i];
		uint64_t most = least + (i == stage->share->lane ? stage->op->messages : 0);
		ends[i] = lane_end(&lane);
		if (ends[i] < least || ends[i] > most)
			violate(stage, "lane %u ends at %llu, not within %llu to %llu", i,
				(unsigned long long)ends[i], (unsigned long long)least,
				(unsigned long long)most);
		if (ends[i] < stage->end[i])
			violate(stage, "lane %u: message %llu was there and is not any more", i,
				(unsigned long long)ends[i]);
		stage->end[i] = max_u64(stage->end[i], ends[i]);
		if (stage->last && stage->share->result == stage->op->expect && ends[i] != most)
			violate(stage, "lane %u: done, and message %llu is not there", i,
				(unsigned long long)ends[i]);
	}
}

static void check_message(struct stage *stage, const char *who, uint32_t lane, uint64_t position,
			  const void *data, size_t bytes)
{
	if (!message_is(data, bytes, stage->op->shape, lane, position))
		violate(stage, "%s: lane %u, message %llu (%zu bytes) is not what was sent", who,
			lane, (unsigned long long)position, bytes);
}

static void read_lossless(struct stage *stage, const struct topic_map *map, uint32_t entry,
			  uint32_t lane, uint64_t end)
{
	struct lane_reader reader = {
	    .map = topic_lane(map, lane),
	    .cursor = &topic_record(map, entry)->cursors[lane],
	};
	reader.position = atomic_load(reader.cursor);
	struct lane_message message = {NULL, 0};
	int r = 0;
	for (int i = 0; i <= 4 * SLOTS && (r = lane_peek(&reader, &message)) == 1; i++) {
		check_message(stage, "lossless reader", lane, reader.position, message.data,
			      message.bytes);
		lane_pass(&reader);
	}
	if (r < 0)
		violate(stage, "lossless reader, lane %u: %s", lane, shoal_error_detail());
	if (reader.position != end)
		violate(stage, "lossless reader, lane %u: ends at %llu instead of %llu", lane,
			(unsigned long long)reader.position, (unsigned long long)end);
}

static uint64_t lossy_room[PAGE_BYTES / 8];

static int no_growth(struct lane_buffer *buffer, uint64_t bytes)
{
	(void)buffer;
	(void)bytes;
	return -ENOMEM;
}

static void read_lossy(struct stage *stage, const struct topic_map *map, uint32_t entry,
		       uint32_t lane, uint64_t end)
{
	struct lane_reader reader = {
	    .map = topic_lane(map, lane),
	    .cursor = &topic_record(map, entry)->cursors[lane],
	};
	struct lane_buffer buffer = {(uint8_t *)lossy_room, sizeof(lossy_room), no_growth};
	reader.position = atomic_load(reader.cursor);
	uint64_t expected = reader.position, bytes = 0;
	int r = 0;
	for (int i = 0; i <= 4 * SLOTS && (r = lane_copy(&reader, &buffer, &bytes)) == 1; i++) {
		if (reader.position != expected + reader.lost)
			violate(stage, "lossy reader, lane %u: %llu lost from %llu to %llu", lane,
				(unsigned long long)reader.lost, (unsigned long long)expected,
				(unsigned long long)reader.position);
		check_message(stage, "lossy reader", lane, reader.position, buffer.data, bytes);
		reader.lost = 0;
		lane_pass(&reader);
		expected = reader.position;
	}
	if (r < 0)
		violate(stage, "lossy reader, lane %u: %s", lane, shoal_error_detail());
	if (reader.position != end)
		violate(stage, "lossy reader, lane %u: ends at %llu instead of %llu", lane,
			(unsigned long long)reader.position, (unsigned long long)end);
}

/* All that are left read all that there is. Returns how many of them were lossless. */
static unsigned read_on(struct stage *stage, const struct topic_map *map, const uint64_t *ends)
{
	unsigned lossless = 0;
	for (uint32_t i = 0; i < map->subscribers; i++) {
		unsigned state = word_state(atomic_load(&map->entries[i]));
		lossless += state == ENTRY_LOSSLESS;
		for (uint32_t lane = 0; lane < map->lane_count; lane++) {
			if (!topic_lane_ready(map, lane))
				continue;
			if (state == ENTRY_LOSSLESS)
				read_lossless(stage, map, i, lane, ends[lane]);
			else if (state == ENTRY_LOSSY)
				read_lossy(stage, map, i, lane, ends[lane]);
		}
	}
	return lossless;
}

/* ---- going on ---------------------------------------------------------------------------- */

static bool publish_one(struct stage *stage, struct lane_writer *writer, uint32_t lane)
{
	uint64_t words[128];
	void *data;
	size_t n = message_fill(words, stage->op->shape, lane, writer->position);
	if (n <= writer->map.inline_bytes) {
		if (!lane_has_room(writer))
			return false;
		lane_put(writer, words, n);
		return true;
	}
	if (lane_claim_outside(writer, n, &data) < 0)
		return false;
	memcpy(data, words, n);
	lane_commit_outside(writer, n);
	return true;
}

static unsigned publish_all(struct stage *stage, struct lane_writer *writer, uint32_t lane)
{
	unsigned n = 0;
	while (n < 3 * SLOTS && publish_one(stage, writer, lane))
		n++;
	return n;
}

/* A publisher takes each lane, or goes on with it, and fills it twice; readers lose nothing. */
static void go_on(struct stage *stage, const struct topic_map *map, uint64_t *ends)
{
	static struct lane_writer writer;
	struct tag tag = {map->region.seat_count - 1, 77};
	atomic_store(&seat_entry(&map->region, tag.seat)->word, word_make(SEAT_TAKEN, tag));
	for (uint32_t i; (i = topic_take_lane(map, tag)) != UINT32_MAX;)
		topic_lane_is_ready(map, i);
	unsigned lossless = 0;
	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < map->lane_count; i++) {
			struct lane_map lane = topic_lane(map, i);
			struct gate gate = topic_gate(map, i);
			lane_writer_open(&writer, &lane, &gate, &map->body->wake, false);
			if (writer.position != ends[i])
				violate(stage, "the next publisher of lane %u is at %llu, not %llu",
					i, (unsigned long long)writer.position,
					(unsigned long long)ends[i]);
			unsigned n = publish_all(stage, &writer, i);
			lane_writer_close(&writer);
			ends[i] += n;
			/* After all was read, nothing is in the way but what is unread now. */
			bool small = stage->op->shape == SMALL;
			if (round > 0 && (n == 0 || (small && lossless && n != SLOTS) ||
					  (!lossless && n != 3 * SLOTS)))
				violate(stage, "lane %u takes %u messages after all was read", i,
					n);
		}
		audit(stage, &map->region, "after publishing on");
		lossless = read_on(stage, map, ends);
	}
}

/* ---- being told -------------------------------------------------------------------------- */

/* Subscribers look for new lanes, and at the lifetime, when the epoch changes. */
static void check_epoch(struct stage *stage, const struct topic_map *map)
{
	if (atomic_load(&map->body->shared.epoch) != stage->epoch)
		return;
	for (uint32_t i = 0; i < map->lane_count; i++)
		if (topic_lane_ready(map, i) && !stage->ready[i])
			violate(stage, "lane %u is new, and subscribers don't know", i);
}

/* ---- sleepers ---------------------------------------------------------------------------- */

/* Somebody slept on the wake line: there is nothing to read, or they were woken. */
static void check_sleeper(struct stage *stage, const struct topic_map *map)
{
	uint32_t word = atomic_load(&map->body->wake);
	bool visible = (stage->op->flags & OP_TOLD) && topic_ended(map);
	for (uint32_t i = 0; i < map->lane_count; i++) {
		struct lane_map lane = topic_lane(map, i);
		visible |= lane_end(&lane) != stage->committed[i];
	}
	if (stage->woken)
		return;
	if (visible)
		violate(stage, "there is something to see, and who slept is still asleep");
	if (!(word & WAIT_SLEEPER))
		violate(stage, "somebody sleeps, and the next waker will not know");
}

/*
 * A publisher died, or a reader that was in the way: after the repair, whoever slept knows. `by` is
 * who was woken in the repair.
 */
static void check_told_of_deaths(struct stage *stage, const struct topic_map *map,
				 const struct moment *by)
{
	for (uint32_t i = 0; i < map->lane_count; i++)
		if ((stage->op->flags & OP_SLEEPER) && !stage->woken && !by->woken &&
		    word_state(stage->owners[i]) == LANE_TAKEN &&
		    word_state(atomic_load(&map->controls[i].owner)) == LANE_DIED)
			violate(stage, "the publisher of lane %u died, and who slept sleeps on", i);
	for (uint32_t i = 0; i < map->subscribers; i++)
		if ((stage->op->flags & OP_GATED) && !stage->gate_woken[0] && !by->gate_woken[0] &&
		    word_state(stage->entries[i]) == ENTRY_LOSSLESS &&
		    atomic_load(&map->entries[i]) != stage->entries[i])
			violate(stage, "subscriber %u is gone, and who waits for it sleeps on", i);
}

/* By survivors in the kernel of world.c. */
static void repair_and_check(struct stage *stage, const struct topic_map *map)
{
	struct moment woken = {.image = NULL};
	world_begin(&map->region, stage->path, stage->named, stage->living);
	repair_dead(stage, &map->region);
	world_tell(&woken);
	world_end();
	audit(stage, &map->region, "after repair");
	check_nothing_held(stage, map);
	check_told_of_deaths(stage, map, &woken);
}

void check_state(struct stage *stage)
{
	if (!stage->real.base)
		return;
	struct topic_map map;
	uint64_t ends[LANES] = {0};
	struct region region = copy_region(stage, 0, stage->seen);
	if (topic_map(&map, &region) < 0) {
		violate(stage, "not a topic: %s", shoal_error_detail());
		return;
	}
	audit(stage, &region, "before repair");
	check_generations(stage, &region);
	if (!stage->named && lifetime_state(&region) != LIFETIME_REMOVED)
		violate(stage, "it lost its name before it was removed");
	if (stage->op->flags & OP_SLEEPER)
		check_sleeper(stage, &map);
	if (stage->op->check && !stage->strangers)
		stage->op->check(stage, &map, stage->last);
	if (stage->last && stage->depth < 2 && (stage->op->flags & OP_LEAVES))
		check_nothing_held(stage, &map);
	repair_and_check(stage, &map);
	check_epoch(stage, &map);
	check_ends(stage, &map, ends);
	read_on(stage, &map, ends);
	/* Again from the beginning, for a lane that is as full as it was. */
	region = copy_region(stage, 0, stage->seen);
	world_begin(&region, stage->path, stage->named, stage->living);
	repair_dead(stage, &region);
	go_on(stage, &map, ends);
	world_end();
	check_joiners(stage, stage->seen);
}
