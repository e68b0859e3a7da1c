/* SPDX-License-Identifier: Apache-2.0 */
/* One schedule: actors go on, sleep, end or die, as its deviations say. */
#include "machine.h"

#include <errno.h>
#include <stdarg.h>

enum { PRIVATE_MAX = 8, PRIVATE_BYTES = 1 << 18, ALONE_LAPS = 64, EARLY_LOADS = 16 };

struct machine machine;

static struct fiber main_fiber;
static jmp_buf over; /* where sim_fail goes when nobody else runs */

/* ---- private memory ---------------------------------------------------------------------- */

static struct {
	void *memory;
	size_t bytes;
	size_t at;
} privates[PRIVATE_MAX];
static uint32_t private_count;
static uint8_t private_copy[PRIVATE_BYTES];

void sim_private(void *state, size_t bytes)
{
	size_t at = 0;
	for (uint32_t i = 0; i < private_count; i++)
		at += privates[i].bytes;
	SIM_CHECK(private_count < PRIVATE_MAX && at + bytes <= PRIVATE_BYTES,
		  "the scenario has too much private memory");
	privates[private_count].memory = state;
	privates[private_count].bytes = bytes;
	privates[private_count].at = at;
	private_count++;
}

static void private_snapshot(void)
{
	for (uint32_t i = 0; i < private_count; i++)
		memcpy(private_copy + privates[i].at, privates[i].memory, privates[i].bytes);
}

static void private_restore(void)
{
	for (uint32_t i = 0; i < private_count; i++)
		memcpy(privates[i].memory, private_copy + privates[i].at, privates[i].bytes);
}

/* ---- who can go on ----------------------------------------------------------------------- */

static void look_around(void)
{
	struct step like = {.actor = (uint8_t)machine.current};
	for (uint32_t i = 0; i < machine.scenario->actors; i++) {
		const struct actor *actor = &machine.actors[i];
		uint8_t bit = (uint8_t)(1u << i);
		if (actor->state == ACTOR_READY && i != machine.current)
			like.ready |= bit;
		if (actor->state == ACTOR_ASLEEP && actor->deadline >= 0)
			like.timed |= bit;
		if (actor->state != ACTOR_DEAD)
			like.alive |= bit;
	}
	machine.like = like;
}

static void set_next(void)
{
	uint32_t next = machine.limit;
	if (machine.deviation_next < machine.deviation_count)
		next = min_u32(next, machine.deviations[machine.deviation_next].step);
	machine.next = next;
}

_Noreturn void sim_fail(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(machine.why, sizeof(machine.why), format, args);
	va_end(args);
	machine.failed = true;
	if (machine.tracing)
		trace_note("WRONG: %s", machine.why);
	if (!machine.alone)
		fiber_switch(&current_actor()->fiber, &main_fiber);
	longjmp(over, 1);
}

/* Comes back when this actor goes on. */
static void switch_to(uint32_t number)
{
	struct actor *from = current_actor();
	struct actor *to = &machine.actors[number];
	if (to->state == ACTOR_ASLEEP) {
		to->state = ACTOR_READY;
		to->wake_result = -ETIMEDOUT;
		if (to->deadline > machine.now)
			machine.now = to->deadline;
	}
	uint32_t self = machine.current;
	machine.current = number;
	look_around();
	if (to->buffer.until == DELAY_AWAY)
		memory_drain(number);
	if (number != self)
		fiber_switch(&from->fiber, &to->fiber);
}

static uint32_t earliest_sleeper(void)
{
	uint32_t found = ACTORS;
	for (uint32_t i = 0; i < machine.scenario->actors; i++) {
		const struct actor *actor = &machine.actors[i];
		if (actor->state == ACTOR_ASLEEP && actor->deadline >= 0 &&
		    (found == ACTORS || actor->deadline < machine.actors[found].deadline))
			found = i;
	}
	return found;
}

static uint32_t next_ready(void)
{
	for (uint32_t i = 1; i <= ACTORS; i++) { /* those that are not used are done */
		uint32_t number = (machine.current + i) % ACTORS;
		if (machine.actors[number].state == ACTOR_READY)
			return number;
	}
	return earliest_sleeper();
}

static uint32_t picked; /* by a deviation at a STEP_PICK; ACTORS: none */

/* Whoever was picked may have been killed since. */
static uint32_t who_is_next(void)
{
	return picked != ACTORS && machine.actors[picked].state < ACTOR_DONE ? picked
									     : next_ready();
}

/* The one that runs can't go on. Comes back when it can. */
static void let_others(void)
{
	picked = ACTORS;
	look_around();
	machine_step(STEP_PICK);
	uint32_t number = who_is_next();
	if (number != ACTORS)
		switch_to(number);
	else
		fiber_switch(&current_actor()->fiber, &main_fiber);
}

/* ---- deviations -------------------------------------------------------------------------- */

static void kill_actor(uint32_t number)
{
	struct actor *actor = &machine.actors[number];
	if (actor->state == ACTOR_DEAD)
		return;
	if (machine.tracing)
		trace_note("actor %u is killed", number);
	machine.died = true;
	actor->pending = NULL;
	memory_drain(number);
	actor->state = ACTOR_DEAD;
	actor->registered = false;
	kernel_bury(number);
	look_around();
	if (number == machine.current)
		let_others();
}

static void go_to(uint32_t number, enum step_kind kind)
{
	if (kind == STEP_PICK)
		picked = number;
	else if (number != machine.current)
		switch_to(number);
}

static void apply(struct deviation deviation, enum step_kind kind)
{
	uint32_t number = deviation.actor;
	enum actor_state state = number < ACTORS ? machine.actors[number].state : ACTOR_DEAD;
	switch ((enum deviation_kind)deviation.kind) {
	case PREEMPT:
		if (state == ACTOR_READY)
			go_to(number, kind);
		break;
	case TIMEOUT:
		if (state == ACTOR_ASLEEP && machine.actors[number].deadline >= 0)
			go_to(number, kind);
		break;
	case KILL:
		if (number < machine.scenario->actors)
			kill_actor(number);
		break;
	case DELAY:
		if (kind == STEP_STORE)
			current_actor()->delay = (enum delay)deviation.actor;
		break;
	case EARLY:
		if (kind == STEP_LOAD) {
			current_actor()->past.how = (enum early)deviation.actor;
			current_actor()->past.for_loads =
			    deviation.actor == EARLY_MANY ? EARLY_LOADS : 1;
		}
		break;
	case COMMIT:
		memory_commit_one(number % ACTORS, deviation.step);
		break;
	}
}

void machine_deviate(enum step_kind kind)
{
	uint32_t step = machine.steps;
	if (machine.alone) {
		SIM_CHECK(++machine.laps < ALONE_LAPS, "it goes on for ever");
		machine.steps = STEPS_MAX / 2;
		return;
	}
	machine.log[step] = machine.like;
	machine.log[step].kind = (uint8_t)kind;
	SIM_CHECK(step < machine.limit, "it goes on for ever: more than %u steps", machine.limit);
	while (machine.deviation_next < machine.deviation_count &&
	       machine.deviations[machine.deviation_next].step <= step) {
		struct deviation deviation = machine.deviations[machine.deviation_next++];
		set_next();
		apply(deviation, kind);
	}
	set_next();
}

/* ---- sleeping ---------------------------------------------------------------------------- */

int machine_sleep(const void *word, int64_t timeout_ns)
{
	struct actor *actor = current_actor();
	if (machine.alone) {
		SIM_CHECK(timeout_ns >= 0, "it sleeps for ever, and nobody else is there");
		machine.now += timeout_ns;
		return -ETIMEDOUT;
	}
	actor->state = ACTOR_ASLEEP;
	actor->word = word;
	actor->deadline = timeout_ns < 0 ? -1 : machine.now + timeout_ns;
	if (machine.tracing)
		trace_note(timeout_ns < 0 ? "sleeps" : "sleeps for a while");
	let_others();
	memory_acquire(machine.current, memory_changes);
	if (machine.tracing)
		trace_note(actor->wake_result == 0 ? "was woken" : "slept out");
	return actor->wake_result;
}

int machine_wake(struct spot spot, int count)
{
	int woken = 0;
	for (uint32_t i = 0; i < ACTORS && woken < count; i++) {
		struct actor *actor = &machine.actors[i];
		if (actor->state != ACTOR_ASLEEP || !is_shared(actor->word))
			continue;
		struct spot where = spot_of(actor->word);
		if (where.file != spot.file || where.offset != spot.offset)
			continue;
		actor->state = ACTOR_READY;
		actor->wake_result = 0;
		woken++;
	}
	if (woken)
		look_around();
	return woken;
}

/* ---- for scenarios ----------------------------------------------------------------------- */

void sim_yield(void)
{
	struct actor *actor = current_actor();
	if (machine.alone)
		return;
	if (unlikely(actor->pending != NULL))
		machine_take_pending(actor);
	let_others();
}

uint32_t sim_actor(void)
{
	return machine.current;
}

void sim_as(uint32_t actor)
{
	if (current_actor()->pending)
		machine_take_pending(current_actor());
	memory_drain(machine.current);
	machine.current = actor;
}

bool sim_all_visible(uint32_t actor)
{
	return machine.actors[actor].buffer.count == 0;
}

void sim_fences_itself(uint32_t actor)
{
	machine.actors[actor].fences_itself = true;
}

bool sim_is_dead(uint32_t actor)
{
	return machine.actors[actor].state == ACTOR_DEAD;
}

bool sim_is_busy(uint32_t actor)
{
	return machine.actors[actor].state < ACTOR_DONE;
}

/* ---- a schedule -------------------------------------------------------------------------- */

static void run_actor(void)
{
	machine.scenario->actor[machine.current]();
	struct actor *actor = current_actor();
	machine_step(STEP_YIELD); /* what it stored last may wait a little longer */
	memory_drain(machine.current);
	actor->state = ACTOR_DONE;
	if (machine.tracing)
		trace_note("is done");
	let_others();
}

static void be_alone(uint32_t actor)
{
	machine.alone = true;
	machine.current = actor;
	machine.steps = STEPS_MAX / 2; /* the log of the schedule stays */
	machine.laps = 0;
	machine.next = STEPS_MAX - 1;
}

static void check_sleepers(void)
{
	const struct scenario *scenario = machine.scenario;
	for (uint32_t i = 0; i < scenario->actors; i++)
		if (machine.actors[i].state == ACTOR_ASLEEP)
			SIM_CHECK(scenario->may_sleep && scenario->may_sleep(i),
				  "actor %u sleeps, and nobody is there to wake it", i);
}

static void run_check(void)
{
	for (uint32_t i = 0; i < ACTORS; i++) {
		memory_drain(i);
		machine.actors[i].past.for_loads = 0;
	}
	be_alone(SURVIVOR);
	if (setjmp(over) != 0)
		return;
	if (machine.tracing)
		trace_note("all is over; is it as it should be?");
	check_sleepers();
	machine.scenario->check();
	sim_as(SURVIVOR);
}

static void reset_actors(void)
{
	for (uint32_t i = 0; i < ACTORS; i++) {
		struct actor *actor = &machine.actors[i];
		actor->state = i < machine.scenario->actors ? ACTOR_READY : ACTOR_DONE;
		actor->pending = NULL;
		actor->delay = DELAY_NOT;
		actor->buffer.count = 0;
		actor->buffer.fenced = false;
		actor->buffer.until = DELAY_NOT;
		actor->past.for_loads = 0;
	}
	memory_forget_past();
}

static bool registered[ACTORS];
static int64_t set_up_now;

void machine_begin(const struct scenario *scenario)
{
	machine.scenario = scenario;
	machine.now = 1000000000;
	private_count = 0;
	kernel_reset();
	for (uint32_t i = 0; i < FILES; i++)
		memory_clear(i);
	reset_actors();
	for (uint32_t i = 0; i < ACTORS; i++)
		machine.actors[i].registered = machine.actors[i].fences_itself = false;
	machine.failed = false;
	be_alone(0);
	if (setjmp(over) == 0) {
		scenario->set_up();
		sim_as(0);
	}
	memory_snapshot();
	kernel_snapshot();
	private_snapshot();
	for (uint32_t i = 0; i < ACTORS; i++)
		registered[i] = machine.actors[i].registered;
	set_up_now = machine.now;
}

static void put_back(void)
{
	machine.runs++;
	memory_restore();
	kernel_restore();
	private_restore();
	reset_actors();
	for (uint32_t i = 0; i < ACTORS; i++)
		machine.actors[i].registered = registered[i];
	machine.now = set_up_now;
	machine.failed = machine.died = false;
}

bool machine_run_alone(void (*prepare)(void), void (*run)(void))
{
	put_back();
	be_alone(0);
	if (setjmp(over) != 0)
		return false;
	prepare();
	run();
	sim_as(0);
	return !machine.failed;
}

bool machine_run(const struct deviation *deviations, uint32_t count)
{
	put_back();
	for (uint32_t i = 0; i < machine.scenario->actors; i++)
		fiber_begin(&machine.actors[i].fiber, run_actor);
	machine.alone = false;
	machine.deviations = deviations;
	machine.deviation_count = count;
	machine.deviation_next = 0;
	machine.steps = 0;
	machine.limit = machine.scenario->steps_max ? machine.scenario->steps_max : 2000;
	set_next();
	/* The harness lets the first one go on. */
	machine.current = SURVIVOR;
	picked = ACTORS;
	look_around();
	machine_step(STEP_PICK);
	uint32_t first = who_is_next();
	if (first != ACTORS) {
		machine.current = first;
		look_around();
		fiber_switch(&main_fiber, &current_actor()->fiber);
	}
	uint32_t steps = machine.steps;
	if (!machine.failed)
		run_check();
	machine.alone = true;
	machine.steps = steps;
	return !machine.failed;
}
