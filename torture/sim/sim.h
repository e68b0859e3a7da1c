/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every schedule, and every lie.
 *
 * The library's own sources are compiled once more so that each load, store and atomic operation
 * is a call (-fsanitize=thread, without its runtime). hook.c answers these calls. On it:
 *
 *   memory.c    what is in memory, who maps it, and what lies in whose store buffer
 *   fiber.c     actors: each stands for a process, and all of them are this one
 *   kernel.c    the kernel for them: files, names, locks, futexes, time
 *   run.c       one schedule, from its deviations; what is wrong with it
 *   explore.c   all schedules with so many preemptions and deaths, or random ones
 *   lane.c, ...  the scenarios: what actors do, and what must hold (see struct scenario)
 *   weaken.c    the mistakes that must be found
 *   hostile.c   the attacker's answers to reads
 *
 * A STEP is an access to shared bytes, or a system call that others can notice. Before each step
 * the schedule may deviate from the ordinary course, in which the actor that runs goes on until it
 * sleeps or ends: another one goes on instead (a preemption), somebody dies, a sleeper's time is
 * up, a store is delayed, or something delayed becomes visible. A schedule is the list of its
 * deviations, nothing else, and that list repeats it. What an actor does between two steps is its
 * own affair: private memory, which no other process sees.
 *
 * MEMORY MODEL. One memory, and for each actor a buffer of stores that it has executed and that
 * others don't see yet.
 *   - A load sees the actor's own buffer first, else memory.
 *   - A plain, relaxed or acquire load may be executed early: it sees memory as it was some time
 *     ago. Not before the actor's last acquire load or fence, read-modify-write that acquires,
 *     sequentially consistent load, or system call; not before what the actor has stored there,
 *     or has loaded from there already. Dependencies don't count: who needs an order says so.
 *   - A plain or relaxed store may become visible after later loads, and after later stores to
 *     other bytes, of its actor. Stores to the same bytes become visible in their order.
 *   - A release store may become visible after later loads. Never before an earlier store. A later
 *     relaxed store to other bytes may overtake it.
 *   - A release fence: no store after it becomes visible before one that stands before it.
 *   - A sequentially consistent store or fence, and a read-modify-write that releases, first make
 *     all that is in the buffer visible, in an order that the rules above allow, and act on memory.
 *     Other read-modify-writes do so with what touches their bytes.
 *   - membarrier is such a fence in all registered actors. System calls that take,
 *     drop or wait for something do it to the caller's own: the kernel has fences there.
 *   - Who dies or ends is not rolled back: what is in its buffer becomes visible, before the
 *     kernel drops its locks.
 * Stores wait and loads are early only when a schedule says so: a store until the actor goes on
 * after somebody else had his turn, or until one of the rules makes it visible.
 * This is more than x86 does (it delays stores past loads only) and less than Arm: NOT COVERED
 * are stores that become visible before an earlier load is executed, or (of a read-modify-write)
 * after a later relaxed load, and what a compiler may move across a compiler fence (what it did
 * move is covered: this is the compiled code).
 *
 * Plain loads and stores are done by the compiled code itself, after the call. So each actor maps
 * an object at an address of its own, its VIEW, whose bytes are made true just before each plain
 * load, and whose plain stores are taken over at its next call.
 */
#ifndef SIM_H
#define SIM_H

#include "base/bits.h"

#include <stdio.h>

enum { ACTORS = 4 };   /* the last one is the harness itself: who looks when all is over */
enum { SURVIVOR = 3 }; /* that one */
enum { FILES = 4 };
enum { FILE_MAX = 65536, WINDOW = 2 * FILE_MAX }; /* behind each file there is as much of nothing */
enum { STEPS_MAX = 16384, DEVIATIONS_MAX = 24 };

/* ---- steps and deviations (run.c) -------------------------------------------------------- */

enum step_kind {
	STEP_LOAD,   /* may be executed early, unless it is sequentially consistent */
	STEP_STORE,  /* may be delayed */
	STEP_ATOMIC, /* at once: read-modify-writes, what is sequentially consistent */
	STEP_FENCE,
	STEP_CALL, /* a system call */
	STEP_PICK, /* nobody runs: who is next? */
	STEP_YIELD,
};

enum deviation_kind {
	PREEMPT, /* `actor` goes on */
	TIMEOUT, /* the sleep of `actor` is over, and it goes on */
	KILL,    /* `actor` is dead */
	DELAY,   /* the store of this step becomes visible later: `actor` is how, see enum delay */
	COMMIT,  /* something of the buffer of `actor` becomes visible */
	EARLY,   /* the load of this step was executed earlier: `actor` is how, see enum early */
};

enum delay { DELAY_NOT, DELAY_AWAY, DELAY_LONG }; /* until it goes on again; until it must */

/* Before the last change of its bytes; as early as it may be; so the next loads, too. */
enum early { EARLY_ONE, EARLY_MOST, EARLY_MANY };

struct deviation {
	uint32_t step;
	uint8_t kind;
	uint8_t actor;
};

/* What could have happened at a step: for who explores. */
struct step {
	uint8_t kind;
	uint8_t actor;
	uint8_t ready; /* bits: those who could go on instead */
	uint8_t timed; /* bits: those who sleep and have a limit */
	uint8_t alive; /* bits: those who can die */
	bool early;    /* a load that would see something else if it were executed earlier */
	uint8_t reserved[2];
};

struct bounds {
	uint8_t preemptions;
	uint8_t deaths;
	uint8_t timeouts;
	uint8_t delays; /* among the random ones as many loads are executed early */
	uint8_t earlies;
};

/* ---- scenarios --------------------------------------------------------------------------- */

struct scenario {
	const char *name;     /* "lane: ..." : the word before the colon is the structure */
	uint32_t actors;      /* 1 to 3 */
	void (*set_up)(void); /* once: as actor 0, alone; sim_as() changes who it is */
	void (*actor[3])(void);
	/* Nobody can go on any more: is it right that this one sleeps? NULL: never. */
	bool (*may_sleep)(uint32_t actor);
	/* The end of each schedule, as the survivor, alone: what must hold. */
	void (*check)(void);
	struct bounds small; /* in which all schedules are tried */
	struct bounds large; /* in which random ones are */
	uint32_t steps_max;  /* more than that is an endless loop; 0: 2,000 */
};

struct group {
	const char *name;
	const struct scenario *scenarios;
	size_t count;
};
extern const struct group *const groups[]; /* ends with NULL */

/* The state of a scenario, put back before each schedule. For set_up. */
void sim_private(void *state, size_t bytes);

/* ---- for actors -------------------------------------------------------------------------- */

/* The schedule is wrong: says why, and does not return. */
_Noreturn void sim_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define SIM_CHECK(condition, ...)                                                                  \
	do {                                                                                       \
		if (!(condition))                                                                  \
			sim_fail(__VA_ARGS__);                                                     \
	} while (0)
/* Others may go on, at no charge. */
void sim_yield(void);
/* Who runs, or on whose behalf set_up and check do something. */
uint32_t sim_actor(void);
void sim_as(uint32_t actor);
bool sim_is_dead(uint32_t actor);
/* Neither dead nor done. */
bool sim_is_busy(uint32_t actor);
/* Does everybody see all that it has stored? */
bool sim_all_visible(uint32_t actor);
/* In set_up: as if that one had been killed, with all that it holds. */
void sim_bury(uint32_t actor);
/* That one can't register with membarrier. For set_up, before it joins. */
void sim_fences_itself(uint32_t actor);
/* Where the only name leads; 0: there is none. */
uint64_t sim_named_inode(void);
/* Of the bytes of a view, as the actor sees them now, each word in a step. */
void sim_read(const void *view, void *to, size_t bytes);
void sim_write(void *view, const void *from, size_t bytes);

#endif
