/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A schedule is its list of deviations, so trying all of them is trying all lists: a list is run,
 * and at each step behind its last deviation, everything else that could have happened there makes
 * a longer list, as long as the bounds allow. Each list is run once, from the beginning: nothing is
 * kept but the log of the run.
 *
 * Whom a STEP_PICK chooses costs nothing: nobody was interrupted.
 */
#include "explore.h"

#include "machine.h"

#include <stdlib.h>

enum { DEPTH_MAX = 10 };

bool explore_quiet;

static struct deviation list[DEVIATIONS_MAX];
static uint32_t length;
static struct step logs[DEPTH_MAX][STEPS_MAX / 2];

uint64_t random_of(uint64_t *state)
{
	uint64_t x = (*state += 0x9e3779b97f4a7c15u);
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

/* ---- text -------------------------------------------------------------------------------- */

static const char letters[] = "ptkdce";

static size_t put_number(char *to, uint32_t number)
{
	char digits[12];
	size_t n = 0, length_of = 0;
	do {
		digits[n++] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	while (n > 0)
		to[length_of++] = digits[--n];
	return length_of;
}

const char *explore_current(void)
{
	static char text[DEVIATIONS_MAX * 20];
	size_t at = 0;
	for (uint32_t i = 0; i < length; i++) {
		if (i > 0)
			text[at++] = ',';
		text[at++] = letters[list[i].kind];
		at += put_number(text + at, list[i].step);
		text[at++] = '.';
		at += put_number(text + at, list[i].actor);
	}
	text[at] = '\0';
	return text;
}

static bool parse(const char *text)
{
	for (length = 0; *text && length < DEVIATIONS_MAX; length++) {
		const char *letter = strchr(letters, *text);
		char *end;
		if (!letter)
			return false;
		unsigned long step = strtoul(text + 1, &end, 10);
		if (*end != '.')
			return false;
		unsigned long actor = strtoul(end + 1, &end, 10);
		list[length] = (struct deviation){.step = (uint32_t)step,
						  .kind = (uint8_t)(letter - letters),
						  .actor = (uint8_t)actor};
		text = *end == ',' ? end + 1 : end;
		if (*end && *end != ',')
			return false;
	}
	return *text == '\0';
}

/* ---- one --------------------------------------------------------------------------------- */

static bool run(struct totals *totals)
{
	bool right = machine_run(list, length);
	totals->schedules++;
	totals->deaths += machine.died;
	totals->steps += machine.steps;
	if (right)
		return true;
	totals->violations++;
	if (explore_quiet)
		return false;
	printf("WRONG: %s: %s\n  repeat it: torture-sim schedules --replay '%s@%s'\n",
	       machine.scenario->name, machine.why, machine.scenario->name, explore_current());
	return false;
}

int explore_replay(const struct scenario *scenario, const char *text)
{
	if (!parse(text)) {
		fprintf(stderr, "torture-sim: '%s' is no schedule\n", text);
		return 2;
	}
	machine_begin(scenario);
	if (!machine.failed) {
		machine.tracing = true;
		machine_run(list, length);
		machine.tracing = false;
	}
	printf("%s\n", machine.failed ? machine.why : "nothing is wrong");
	return machine.failed;
}

/* ---- all --------------------------------------------------------------------------------- */

struct search {
	struct totals *totals;
	uint64_t most;
	struct bounds left;
	bool cut;
};

static void try_lists(struct search *search, uint32_t depth);

static void try_with(struct search *search, uint32_t depth, struct deviation deviation,
		     uint8_t *budget)
{
	if ((budget && *budget == 0) || search->totals->violations > 0)
		return;
	if (search->totals->schedules >= search->most || depth + 1 >= DEPTH_MAX) {
		search->cut = true;
		return;
	}
	if (budget)
		--*budget;
	list[depth] = deviation;
	try_lists(search, depth + 1);
	if (budget)
		++*budget;
}

static void try_at(struct search *search, uint32_t depth, uint32_t at, struct step step)
{
	bool pick = step.kind == STEP_PICK;
	struct bounds *left = &search->left;
	for (uint32_t i = 0; i < SURVIVOR; i++) {
		uint8_t bit = (uint8_t)(1u << i);
		struct deviation deviation = {.step = at, .actor = (uint8_t)i};
		deviation.kind = PREEMPT;
		if (step.ready & bit)
			try_with(search, depth, deviation, pick ? NULL : &left->preemptions);
		deviation.kind = TIMEOUT;
		if (step.timed & bit)
			try_with(search, depth, deviation, &left->timeouts);
		deviation.kind = KILL;
		if (step.alive & bit)
			try_with(search, depth, deviation, &left->deaths);
		deviation.kind = DELAY;
		if (step.kind == STEP_STORE && (i == DELAY_AWAY || i == DELAY_LONG))
			try_with(search, depth, deviation, &left->delays);
		deviation.kind = EARLY;
		if (step.early && (i == EARLY_ONE || i == EARLY_MOST))
			try_with(search, depth, deviation, &left->earlies);
	}
}

/* Runs list[0..depth), and all that begin with it. */
static void try_lists(struct search *search, uint32_t depth)
{
	length = depth;
	if (!run(search->totals))
		return;
	uint32_t steps = machine.steps;
	uint32_t from = depth > 0 ? list[depth - 1].step + 1 : 1;
	if (from <= steps)
		memcpy(&logs[depth][from], &machine.log[from],
		       (steps - from + 1) * sizeof(struct step));
	for (uint32_t at = from; at <= steps; at++)
		try_at(search, depth, at, logs[depth][at]);
}

bool explore_all(const struct scenario *scenario, uint64_t most, struct totals *totals)
{
	struct search search = {
	    .totals = totals, .most = totals->schedules + most, .left = scenario->small};
	try_lists(&search, 0);
	return !search.cut;
}

/* ---- random ------------------------------------------------------------------------------ */

static void insert(struct deviation deviation)
{
	uint32_t i = length++;
	for (; i > 0 && list[i - 1].step > deviation.step; i--)
		list[i] = list[i - 1];
	list[i] = deviation;
}

static void add_some(uint64_t *state, uint32_t most, enum deviation_kind kind, uint32_t steps,
		     uint32_t actors)
{
	uint32_t count = (uint32_t)(random_of(state) % (most + 1));
	for (uint32_t i = 0; i < count && length < DEVIATIONS_MAX; i++) {
		uint64_t x = random_of(state);
		uint8_t who = (uint8_t)((x >> 32) % actors);
		if (kind == DELAY)
			who = x >> 63 ? DELAY_AWAY : DELAY_LONG;
		if (kind == EARLY)
			who = (uint8_t)((x >> 40) % (EARLY_MANY + 1));
		insert((struct deviation){
		    .step = 1 + (uint32_t)x % steps, .kind = (uint8_t)kind, .actor = who});
	}
}

void explore_random(const struct scenario *scenario, uint64_t deaths, uint64_t seed,
		    struct totals *totals)
{
	uint64_t state = seed;
	const struct bounds *bounds = &scenario->large;
	uint64_t most = totals->schedules + 8 * deaths + 100; /* whoever never dies */
	uint32_t steps = 64;
	uint64_t until = totals->deaths + deaths;
	while (totals->deaths < until && totals->schedules < most && totals->violations == 0) {
		length = 0;
		add_some(&state, bounds->preemptions, PREEMPT, steps, scenario->actors);
		add_some(&state, bounds->timeouts, TIMEOUT, steps, scenario->actors);
		add_some(&state, bounds->delays, DELAY, steps, scenario->actors);
		add_some(&state, bounds->delays, COMMIT, steps, scenario->actors);
		add_some(&state, bounds->delays, EARLY, steps, scenario->actors);
		/* In seven of eight somebody dies, at any step. */
		bool dies = random_of(&state) % 8 != 0;
		for (uint32_t i = 0; dies && i < bounds->deaths; i++)
			insert((struct deviation){
			    .step = 1 + (uint32_t)(random_of(&state) % steps),
			    .kind = KILL,
			    .actor = (uint8_t)(random_of(&state) % scenario->actors)});
		run(totals);
		steps += (machine.steps > steps) + (machine.steps + 16 < steps ? (uint32_t)-1 : 0);
	}
}
