/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the machine know of each other. Scenarios include sim.h only. */
#ifndef SIM_MACHINE_H
#define SIM_MACHINE_H

#include "sim.h"

#include "os/os.h"

#include <setjmp.h>
#include <string.h>

/* ---- memory.c ---------------------------------------------------------------------------- */

enum { BUFFER_MAX = 48, LINE = 64, SEEN_MAX = 24 };

/* A store that others don't see yet. */
struct store {
	uint64_t value;
	uint32_t offset;
	uint8_t file;
	uint8_t bytes; /* up to 8 */
	bool release;  /* or behind a release fence: after all that stand before it */
};

struct buffer {
	uint32_t count;
	bool fenced;      /* a release fence stands behind them all */
	enum delay until; /* why they wait */
	struct store stores[BUFFER_MAX];
};

/* A load that nothing has put in order yet: it saw memory as it was after so many changes. */
struct seen {
	uint32_t offset;
	uint32_t bytes;
	uint32_t file;
	uint32_t at;
};

/* How far back its loads may look. */
struct past {
	uint32_t horizon;   /* after so many changes; an acquire moves it */
	uint32_t count;     /* of `seen`, since then */
	uint32_t for_loads; /* so many are executed early */
	enum early how;
	struct seen seen[SEEN_MAX];
};

/* Where an address of a view lies. */
struct spot {
	uint32_t actor;
	uint32_t file;
	uint32_t offset;
};

extern uint8_t *memory_views; /* ACTORS * FILES windows */
extern uint8_t memory[FILES][FILE_MAX];
#define VIEWS_BYTES ((uintptr_t)ACTORS * FILES * WINDOW)

static inline bool is_shared(const volatile void *p)
{
	return (uintptr_t)p - (uintptr_t)memory_views < VIEWS_BYTES;
}

static inline struct spot spot_of(const volatile void *p)
{
	uintptr_t at = (uintptr_t)p - (uintptr_t)memory_views;
	return (struct spot){
	    .actor = (uint32_t)(at / WINDOW / FILES),
	    .file = (uint32_t)(at / WINDOW % FILES),
	    .offset = (uint32_t)(at % WINDOW),
	};
}

static inline uint8_t *view_of(uint32_t actor, uint32_t file)
{
	return memory_views + ((uintptr_t)actor * FILES + file) * WINDOW;
}

void memory_open(void);
void memory_clear(uint32_t file);
/* What there is now is what memory_restore brings back. */
void memory_snapshot(void);
void memory_restore(void);

/* A load as the actor sees it, when something lies in its buffer. */
uint64_t memory_load_over(const struct buffer *buffer, struct spot spot, uint32_t bytes);
void memory_store(uint32_t actor, struct spot spot, uint32_t bytes, uint64_t value, bool release);
/* At once, for who has nothing in its buffer that must come before. */
void memory_set(struct spot spot, uint32_t bytes, uint64_t value);
/* ... and what was there before is not forgotten, for loads that are executed early. */
extern uint32_t memory_changes;
/* A load that may see what there was some time ago. Tells the explorer when it could have. */
uint64_t memory_load_past(uint32_t actor, struct spot spot, uint32_t bytes, uint32_t *ret_at);
/* What this actor loads from here on, it loads later than that. */
void memory_acquire(uint32_t actor, uint32_t at);
void memory_forget_past(void); /* of all */
void memory_drain_some(uint32_t actor);
/* What is in it that touches these bytes, and all that must come before. */
void memory_drain_bytes(uint32_t actor, struct spot spot, uint32_t bytes);
/* membarrier: a fence in each of them. */
void memory_fence_registered(void);
/* One of those that may become visible now: the n-th, modulo how many there are. */
void memory_commit_one(uint32_t actor, uint32_t n);
void memory_release_fence(uint32_t actor);

/* ---- fiber.c ----------------------------------------------------------------------------- */

struct fiber {
	void *stack; /* where it was left */
	uint8_t *memory;
	void *context; /* where there is no switch of our own */
};

/* The next switch to it calls run(). It never returns. */
void fiber_begin(struct fiber *fiber, void (*run)(void));
void fiber_switch(struct fiber *from, struct fiber *to);

/* ---- run.c ------------------------------------------------------------------------------- */

enum actor_state { ACTOR_READY, ACTOR_ASLEEP, ACTOR_DONE, ACTOR_DEAD };

struct actor {
	enum actor_state state;
	/* asleep */
	const void *word; /* in its view, or private: nobody wakes it then */
	int64_t deadline; /* negative: none */
	int wake_result;
	bool registered; /* answers membarrier */
	bool fences_itself;
	enum delay delay; /* of its next store */
	struct past past;
	/* a plain store that the compiled code does after the call */
	void *pending;
	uint32_t pending_bytes;
	struct fiber fiber;
	struct buffer buffer;
};

struct machine {
	uint32_t current;
	uint32_t steps;
	uint32_t next; /* step at which something is to be done */
	uint32_t limit;
	uint32_t laps;
	bool alone; /* set_up and check: nobody else runs, nothing deviates */
	bool tracing;
	const void *site; /* who called */
	struct actor actors[ACTORS];
	int64_t now;
	const struct scenario *scenario;
	uint32_t mapped[ACTORS * FILES]; /* bytes that may be touched in each window */
	struct step like;                /* what a step looks like just now */
	struct step log[STEPS_MAX];
	/* the schedule */
	const struct deviation *deviations;
	uint32_t deviation_count;
	uint32_t deviation_next;
	/* what came out */
	bool failed;
	bool died;     /* somebody did */
	uint64_t runs; /* for who watches whether it goes on */
	char why[512];
};
extern struct machine machine;

static inline struct actor *current_actor(void)
{
	return &machine.actors[machine.current];
}

static inline uint64_t memory_get(struct spot spot, uint32_t bytes)
{
	const uint8_t *p = &memory[spot.file][spot.offset];
	uint64_t value = 0;
	switch (bytes) { /* one instruction each, for the usual sizes */
	case 8:
		memcpy(&value, p, 8);
		break;
	case 4:
		memcpy(&value, p, 4);
		break;
	default:
		memcpy(&value, p, bytes);
	}
	return value;
}

static inline uint64_t memory_load(uint32_t actor, struct spot spot, uint32_t bytes)
{
	const struct buffer *buffer = &machine.actors[actor].buffer;
	if (likely(buffer->count == 0))
		return memory_get(spot, bytes);
	return memory_load_over(buffer, spot, bytes);
}

/* All that is in its buffer becomes visible. */
static inline void memory_drain(uint32_t actor)
{
	if (unlikely(machine.actors[actor].buffer.count > 0))
		memory_drain_some(actor);
}

void machine_take_pending(struct actor *actor);
void machine_deviate(enum step_kind kind);

/* Each step begins here, and here others come in between. */
static inline void machine_step(enum step_kind kind)
{
	struct actor *actor = current_actor();
	if (unlikely(actor->pending != NULL))
		machine_take_pending(actor);
	if (unlikely(++machine.steps >= machine.next)) {
		machine_deviate(kind);
	} else {
		machine.log[machine.steps] = machine.like;
		machine.log[machine.steps].kind = (uint8_t)kind;
	}
	if (kind == STEP_CALL)
		memory_acquire(machine.current, memory_changes);
}

/* Sleeps until woken or until the deadline; what futex_wait returns. */
int machine_sleep(const void *word, int64_t timeout_ns);
/* Wakes those who sleep on that word. Returns how many. */
int machine_wake(struct spot spot, int count);

void machine_begin(const struct scenario *scenario); /* set_up and snapshot */
/* One schedule. False: something is wrong, and machine.why says what. */
bool machine_run(const struct deviation *deviations, uint32_t count);

/* As set_up left it, and then only this, by actor 0. */
bool machine_run_alone(void (*prepare)(void), void (*run)(void));

/* ---- kernel.c ---------------------------------------------------------------------------- */

void kernel_open(void); /* the os table is ours from here on */
void kernel_reset(void);
void kernel_snapshot(void);
void kernel_restore(void);
uint32_t kernel_open_things(uint32_t actor); /* descriptors, descriptions and mappings */
void kernel_bury(uint32_t actor); /* its descriptors and mappings go, and its locks with them */

/* ---- weaken.c, symbols.c ----------------------------------------------------------------- */

enum weak_kind {
	WEAK_FENCE = 1,   /* left out */
	WEAK_BARRIER = 2, /* the same */
	WEAK_STORE = 4,   /* relaxed */
	WEAK_DROP = 8,    /* a store, or what a read-modify-write stores, or whom a wake wakes */
	WEAK_ATOMIC = 16, /* relaxed */
	WEAK_LOAD = 32,   /* relaxed */
};

#define EACH UINT32_MAX
enum { RANGES_MAX = 8 };

struct weakness {
	unsigned kinds;  /* 0: none is planted */
	uint32_t ranges; /* the function; an inline one may be there several times */
	const void *from[RANGES_MAX], *to[RANGES_MAX];
	uint32_t nth;
	uint64_t met; /* how often it was in effect */
};
extern struct weakness weakness;
bool weak_here(const void *site);

/* Is this call the one that is to be weaker than it is written? */
static inline bool is_weak(enum weak_kind kind)
{
	return unlikely(weakness.kinds & kind) && weak_here(machine.site);
}

/* The function around an address: "raise_oldest+0x45". */
const char *symbol_name(const void *site, char *text, size_t room);
/* Where functions of that name lie; returns how many. */
uint32_t symbol_ranges(const char *name, const void **from, const void **to, uint32_t room);

/* ---- trace.c ----------------------------------------------------------------------------- */

void trace_step(const char *what, struct spot spot, uint32_t bytes, uint64_t value);
void trace_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- hostile.c --------------------------------------------------------------------------- */

extern bool hostile_on;
uint64_t hostile_answer(struct spot spot, uint32_t bytes, uint64_t truth);

#endif
