/* SPDX-License-Identifier: Apache-2.0 */
#include "hostile.h"

#include "explore.h"
#include "kernel.h"

bool hostile_on;

enum { HISTORY = 1024 };

static struct {
	uint64_t state;
	uint32_t until; /* reads to the next lie */
	uint32_t every; /* about so many lie between two */
	uint64_t reads;
	uint64_t copied; /* words that pread brought */
	uint64_t words;
	uint64_t history[HISTORY]; /* what was read at places like that one before */
	const struct hostile_entry *entry;
	int64_t result;
} attacker;

/* Numbers that break what is not checked. */
static uint64_t evil(uint64_t truth, uint64_t before, uint32_t bytes)
{
	uint64_t x = random_of(&attacker.state);
	uint64_t small = x >> 32 & 0xff;
	uint64_t top = (uint64_t)1 << (bytes * 8 - 1);
	switch (x % 20) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX;
	case 2:
		return truth + 1;
	case 3:
		return truth - 1;
	case 4:
		return truth ^ top;
	case 5:
		return top;
	case 6:
		return top - 1;
	case 7:
		return truth + small;
	case 8:
		return truth - small;
	case 9:
		return small;
	case 10:
		return truth ^ (uint64_t)1 << (x >> 40) % (bytes * 8);
	case 11: /* another seat's, or another state's */
		return truth ^ (small & 15) << 32;
	case 12:
		return (truth & 0x00ffffffffffffffu) | (small & 7) << 56;
	case 13:
		return word_make((unsigned)small & 7,
				 (struct tag){(uint32_t)(x >> 40) & 15, (uint32_t)(x >> 44) & 3});
	case 14:
		return truth + ((small & 63) << 16); /* another sequence of a slot */
	case 15:
		return (truth & ~(uint64_t)0xffff) | (x >> 32 & 0xffff); /* another length */
	case 16:
		return truth | 0xffff;
	case 17:
		return x;
	default:
		return before;
	}
}

static void next_lie(void)
{
	attacker.until = 1 + (uint32_t)(random_of(&attacker.state) % (2 * attacker.every));
}

uint64_t hostile_answer(struct spot spot, uint32_t bytes, uint64_t truth)
{
	uint64_t *before = &attacker.history[spot.offset / 8 % HISTORY];
	uint64_t answer = truth;
	if (--attacker.until == 0) {
		answer = evil(truth, *before, bytes);
		if (bytes < 8)
			answer &= ((uint64_t)1 << (bytes * 8)) - 1;
		attacker.reads++;
		next_lie();
		if (machine.tracing)
			trace_note("the attacker answers 0x%llx", (unsigned long long)answer);
	}
	*before = truth;
	return answer;
}

void hostile_spoil(void *copy, size_t bytes)
{
	uint8_t *at = copy;
	uint32_t count = (uint32_t)(random_of(&attacker.state) % 4);
	for (uint32_t i = 0; i < count && bytes >= 8; i++) {
		uint64_t word;
		size_t where = random_of(&attacker.state) % (bytes / 8) * 8;
		/* Most of it is slots: the interesting part comes first. */
		if (random_of(&attacker.state) % 2)
			where %= 1024;
		if (where + 8 > bytes)
			continue;
		memcpy(&word, at + where, 8);
		word = evil(word, 0, 8);
		memcpy(at + where, &word, 8);
		attacker.copied++;
	}
}

/* Somebody scribbled over the body before: a few words, or all but what is checked by a sum. */
static void scribble(void)
{
	uint64_t x = random_of(&attacker.state);
	bool whole = x % 64 == 0;
	if (x % 8 != 0 && !whole)
		return;
	uint32_t file = 0;
	uint64_t bytes = kernel.files[file].bytes;
	if (!kernel.files[file].used || bytes < 8192)
		return;
	uint32_t count = whole ? 1024 : 1 + (uint32_t)(x >> 32) % 8;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t y = random_of(&attacker.state);
		/* seats and lifetime, controls and entries, or anything */
		uint32_t where = y % 4 == 0  ? 128 + (uint32_t)(y >> 32) % 1024
				 : y % 4 < 3 ? 4096 + 64 + (uint32_t)(y >> 32) % 2048
					     : 4096 + 64 + (uint32_t)((y >> 32) % (bytes - 4224));
		struct spot spot = {.file = file, .offset = where & ~7u};
		memory_set(spot, 8, evil(memory_get(spot, 8), 0, 8));
		attacker.words++;
	}
}

static void prepare(void)
{
	static const uint32_t rates[] = {1, 3, 10, 30, 30, 100, 100, 300};
	attacker.every = rates[random_of(&attacker.state) % 8];
	next_lie();
	scribble();
}

static bool is_allowed(int64_t result)
{
	if (result >= 0)
		return true;
	for (const int *error = attacker.entry->errors; *error; error++)
		if (result == -*error)
			return true;
	return false;
}

static void call(void)
{
	uint32_t open = kernel_open_things(0);
	hostile_on = true;
	attacker.result = attacker.entry->run();
	hostile_on = false;
	SIM_CHECK(is_allowed(attacker.result), "it answers %lld, which is not in its contract",
		  (long long)attacker.result);
	if (attacker.entry->opens && attacker.result < 0)
		SIM_CHECK(kernel_open_things(0) == open,
			  "it failed (%lld), and left something open", (long long)attacker.result);
}

/* The seed of each call is its own, so that one can be repeated. */
static bool run_one(uint64_t seed)
{
	attacker.state = seed;
	bool right = machine_run_alone(prepare, call);
	hostile_on = false;
	return right;
}

void hostile_run(const struct hostile_entry *entry, uint64_t reads, uint64_t seed,
		 struct hostile_totals *totals)
{
	struct scenario scenario = {.name = entry->name, .actors = 1, .set_up = entry->set_up};
	attacker.entry = entry;
	attacker.reads = attacker.copied = attacker.words = 0;
	machine_begin(&scenario);
	if (machine.failed) {
		printf("WRONG: %s: before the first call: %s\n", entry->name, machine.why);
		totals->violations++;
		return;
	}
	for (uint64_t i = 0; attacker.reads + attacker.copied < reads; i++) {
		uint64_t mine = seed + i * 0x9e3779b97f4a7c15u;
		totals->calls++;
		if (run_one(mine)) {
			totals->failed += attacker.result < 0;
			continue;
		}
		totals->violations++;
		if (explore_quiet)
			break;
		printf(
		    "WRONG: %s: %s\n  repeat it: torture-sim hostile '%s' --seed %llu --budget 1\n",
		    entry->name, machine.why, entry->name, (unsigned long long)mine);
		break;
	}
	totals->reads += attacker.reads;
	totals->words += attacker.words + attacker.copied;
}
