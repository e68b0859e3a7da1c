/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Killed at every instruction.
 *
 * A process that writes shared memory (the victim) is single-stepped through one operation. After
 * each instruction its region is compared with how it was; at every change the region is copied,
 * and on the copy everybody but the bystanders is dead. Then survivors go to work on copies of the
 * copy, and must find all that was committed, once and whole, and nothing else:
 *
 *   check.c     audit, repair, audit; those who were there before read on; publishers go on
 *   joiner.c    newcomers come through the public functions, and the last one to go leaves nothing
 *   world.c     the kernel for them: an os table whose only file is the copy, whose locks are held
 *               by bystanders alone
 *   trace.c     ptrace
 *   recover.c   who goes on is killed as well, at each moment of its recovery
 *   traps.c     stops it there
 *   run.c       one operation: world, victim, steps, report
 *   real.c      the same, but killed for real
 *   arrive.c    a sleeper, or a fast publisher, that comes at each instruction
 *   blocks.c    the oracle for blocks
 *   backend.c   of which backend the object is
 *   ops_*.c     the tables. To add an operation, add a row.
 *
 * The victim is a fork of this program, so text, stack and libraries lie at the same addresses in
 * both. Both are pinned to one core: then a step costs some 5 to 20 microseconds.
 */
#ifndef STEP_H
#define STEP_H

#include "topic/handle.h"

#include <shoal/shoal.h>
#include <stdio.h>
#include <sys/types.h>

/* Small, so that every ring goes round within a few messages. */
enum { SLOTS = 8, LANES = 2, SUBSCRIBERS = 4, PAYLOAD = 4096, INLINE = 56 };
enum { REGION_MAX = 32768, SEATS_MAX = 64, BATCH = 5, DOOMED_MAX = 4 };

/* How long message p of a lane is. */
enum shape {
	SMALL, /* 0 to 56 bytes, in the slot */
	LARGE, /* 500 to 799, outside: six of them fill the payload area */
	MIXED,
	TURNING, /* 20 large ones, then small ones: the payload area is fuller than the ring */
};

size_t message_bytes(enum shape shape, uint64_t position);
/* Fills in message `position` of `lane` and returns its length. */
size_t message_fill(void *to, enum shape shape, uint32_t lane, uint64_t position);
bool message_is(const void *data, size_t bytes, enum shape shape, uint32_t lane, uint64_t position);

/* Seen by the harness and by the victim. */
struct share {
	uint64_t base; /* where the victim mapped the region; 0: not before the operation */
	uint64_t mapped, mapped_bytes; /* what it mapped last, to write to; 0: nothing */
	uint32_t lane;                 /* the victim's; UINT32_MAX: none */
	uint32_t entry;
	int64_t result;
	struct shoal_view views[BATCH];
	uint8_t buffer[8192];
};

enum op_flags {
	OP_KEEP = 1,         /* the object is made to stay */
	OP_REAL = 2,         /* also killed for real at every change */
	OP_SLEEPER = 4,      /* a subscriber sleeps on the wake line when it begins */
	OP_GATED = 8,        /* a publisher sleeps on lane 0's gate when it begins */
	OP_DIE_LATE = 16,    /* the doomed die when the victim is about to begin, not before */
	OP_WRONG = 32,       /* wrong on purpose: must be found out */
	OP_TAKES_BIT = 1024, /* with OP_TOLD: it takes the sleepers' bit away */
	OP_HIDDEN = 2048,    /* the victim's file system knows no O_TMPFILE */
	OP_LOOKS = 512,      /* it changes nothing */
	OP_GOES = 16384,     /* its object goes with its last member: not where objects stay */
	OP_BY_NAME = 32768,  /* makes it, or waits for it: not where objects have no names */
	OP_LISTED = 65536,   /* lists it: POSIX objects only */
	OP_INHERITS = 8192,  /* the handles that it closes at the end are the harness's, forked */
	OP_DEEPER = 4096,    /* not before the third */
	OP_DEEP = 256,       /* and that only by a death during recovery, not by the first one */
	OP_LEAVES = 128,     /* when it is over, nothing is held by the dead, without any repair */
	OP_TOLD = 64,        /* nobody is left without knowing of the end, whoever was to tell */
};

/* How many deaths in a row. The first one is the victim's. */
enum { DEPTH_MAX = 4 };

struct found {
	uint64_t recoveries;                     /* that were run */
	uint64_t stores;                         /* at which these were stopped */
	uint64_t instructions;                   /* of those that were stepped by them, too */
	uint64_t recovery_states[DEPTH_MAX + 1]; /* distinct ones, by depth */
	uint64_t violations[DEPTH_MAX + 1];      /* of these */
};

struct totals {
	const char *only; /* operations that have this in their names */
	unsigned depth;
	bool compare; /* recoveries by instructions as well (traps.c) */
	uint64_t operations, steps, states, kills, violations;
	struct found found;
};

struct death_place {
	const char *recovery;
	uint64_t rip;
};

struct stage;

struct op {
	const char *name;
	/* The public functions that it runs, separated by spaces. */
	const char *covers;
	enum shape shape;
	unsigned flags;
	/* In the harness: makes the topic and the bystanders. */
	void (*world)(struct stage *stage);
	/* In the victim: all that comes before the operation. */
	void (*prepare)(struct stage *stage);
	/* In the harness, when the victim is about to begin. */
	void (*ready)(struct stage *stage);
	/* In the victim: the operation. */
	int64_t (*run)(struct stage *stage);
	int64_t expect;    /* what it returns */
	uint32_t messages; /* that it adds to its lane */
	/* More that must hold in every state; `last`: it is over. */
	void (*check)(struct stage *stage, const struct topic_map *map, bool last);
	/* A repair to be tried instead of the library's (OP_WRONG). */
	void (*recover)(struct object *object);
};

struct group {
	const char *name;
	const struct op *ops;
	size_t count;
};
extern const struct group publish_group, receive_group, join_group, leave_group, told_group,
    repair_group, look_group, wrong_group, block_group;

/* What is known of the operation under test. */
struct stage {
	const struct op *op;
	struct share *share;
	char name[300];
	char path[256];
	/* bystanders, in the harness */
	shoal_pub *other_pub, *second_pub;
	shoal_sub *other_sub;
	shoal_sub *other_lossy;
	pid_t doomed[DOOMED_MAX]; /* will be dead before the operation */
	unsigned doomed_count;
	/* the victim's, in its process */
	shoal_pub *pub;
	shoal_sub *sub;
	struct shoal_loan loan;
	struct shoal_view view;
	uint8_t next[BATCH][1024]; /* what it is about to publish */
	struct iovec parts[BATCH];
	/* the region, as the harness sees it */
	int fd;
	struct region real;
	bool named;
	bool was_named; /* before the operation */
	uint8_t *seen;  /* how it was last */
	/* the model */
	bool living[SEATS_MAX];
	uint64_t committed[LANES]; /* before the operation */
	uint64_t seats[SEATS_MAX]; /* their words when they were last looked at */
	uint64_t end[LANES];       /* the most that was seen of it */
	uint32_t epoch;            /* before the operation */
	bool ready[LANES];         /* before the operation */
	uint64_t owners[LANES], entries[SUBSCRIBERS]; /* before the operation */
	bool woken, gate_woken[LANES];
	/* deaths during recovery */
	unsigned depth_wanted;
	bool compare;
	unsigned depth; /* 0 and 1: the victim's alone */
	struct death_place deaths[DEPTH_MAX];
	bool strangers; /* one of those who went on was a newcomer */
	struct found found;
	/* where we are, and what came out */
	pid_t pid;
	uint64_t steps, states, violations;
	uint64_t rip;
	bool last;
	bool quiet; /* count violations, don't print them */
};

/* ---- helpers of the tables (ops.c) ------------------------------------------------------- */

extern const struct shoal_topic_options small_topic;
/* Ends the program: the test itself is broken. */
_Noreturn void give_up(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* For a child, which must not outlive the test. */
void die_with_harness(void);
/* Publishes `count` messages that look as they should. */
void publish_some(struct stage *stage, shoal_pub *pub, unsigned count);
void receive_some(shoal_sub *sub, unsigned count);
shoal_pub *open_pub(struct stage *stage, unsigned flags);
shoal_sub *open_sub(struct stage *stage, unsigned flags);
/* Runs `live` in a process of its own, which is killed before the operation (OP_DIE_LATE). */
void let_die(struct stage *stage, void (*live)(struct stage *stage));
/* Makes it look as if the owner of that lane had died while it committed. */
enum death { DIED_BEGUN, DIED_WAKING, DIED_WITH_WORD };
void die_in_commit(struct stage *stage, uint32_t lane, enum death death);
/* Makes it look as if the object had been left by an earlier boot. */
void age_by_a_boot(struct stage *stage);
/* Prepares the next `count` messages in stage->next. */
void prepare_next(struct stage *stage, unsigned count);
/* Tells the harness where the victim's handle lies. */
void share_pub(struct stage *stage);
void share_sub(struct stage *stage);
struct handle *handle_of(void *handle);
struct object *object_of(void *handle);
uint32_t entry_of(const shoal_sub *sub);

/* ---- backend.c --------------------------------------------------------------------------- */

/* The descriptor of the object, where it has no name. */
enum { NAMELESS_FD = 800 };

/* posix (the default), file or memfd: of the objects of this run. */
bool backend_choose(const char *name);
bool backend_nameless(void);
/* Has the operation a meaning there? As what. */
bool backend_means(const struct op *op, struct op *ret);
/* Sets the stage's name and path. Gives back what that took. */
void backend_begin(struct stage *stage, unsigned number);
void backend_end(void);

/* ---- trace.c ----------------------------------------------------------------------------- */

/* Where a state was reached: the address of the next instruction, and how often that was passed
 * before. */
struct place {
	uint64_t rip;
	uint64_t passes;
};

/* Where the victim has been, as far as a breakpoint can tell: the rounds of one repeated
 * instruction (rep movs) are one. */
enum { TRAIL_MAX = 1000000, TRAIL_PLACES = 1 << 16 };
struct trail {
	struct place places[TRAIL_PLACES]; /* by address: how often it was there */
	uint64_t last;
	size_t count, distinct;
};
void trail_begin(struct trail *trail);
/* Adds where it is now. False: it has not moved. */
bool trail_add(struct trail *trail, uint64_t rip, struct place *ret);

/* Starts the victim and lets it run until it is about to begin. */
void victim_start(struct stage *stage);
/* One instruction. False: the operation is over. */
bool victim_step(struct stage *stage);
/* Is the next one a system call? */
bool victim_at_syscall(const struct stage *stage);
/* Runs on, to the end of the operation or to a place. False: it did not get there. */
bool victim_finish(struct stage *stage);
bool victim_run_to(struct stage *stage, struct place place);
/* What it has mapped to write to, before that has a name. False: nothing, or too much. */
bool victim_read(const struct stage *stage, uint8_t *image, size_t bytes);
/* An os table without O_TMPFILE, in this process from here on. */
void forget_unnamed_files(void);
/* SIGKILL, and reaps it. */
void victim_kill(struct stage *stage);
/* Can this machine and sandbox do that at all? Else says why not. */
bool can_step(void);

/* ---- world.c ----------------------------------------------------------------------------- */

/* Survivors see `region` under stage->path as long as world_named(); seats in `living` are held. */
void world_begin(const struct region *region, const char *path, bool named, const bool *living);
void world_kill_all(void);
bool world_named(void);
/* A descriptor of the file, for somebody who is in it. */
int world_descriptor(void);
/* Back to the real kernel. Returns how many descriptors, locks and mappings were left. */
int world_end(void);

/* ---- traps.c, recover.c ------------------------------------------------------------------ */

/* What is there when somebody dies: the region, and what the kernel knows. */
struct moment {
	uint8_t *image;
	uint64_t rip;
	bool named, woken, gate_woken[LANES];
};

enum { MOMENTS_MAX = 512 };
struct moments {
	struct moment *at;
	size_t count;
	uint64_t stops;
	bool too_many;
};
void moments_reserve(struct moments *moments);
/* All but the image. */
void world_tell(struct moment *moment);

/* From here to the end each moment is kept. */
void trap_begin(const struct region *region, struct moments *moments, bool each_instruction);
void trap_end(void);
/* Something changed that is not in the region. */
void trap_note(void);
/* What lies between is done in one piece. */
void trap_pause(void);
void trap_resume(void);

/* For each operation, for each state of it, at its end. */
void recover_begin(struct stage *stage);
void recover_from(struct stage *stage);
void recover_end(struct stage *stage);

/* ---- check.c, joiner.c ------------------------------------------------------------------- */

void violate(struct stage *stage, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Everything that must hold if the victim died now. */
void check_state(struct stage *stage);
void check_nothing_held(struct stage *stage, const struct topic_map *map);
void check_joiners(struct stage *stage, const uint8_t *image);
void check_opening(struct stage *stage, const struct region *region, bool living, const char *who);
unsigned lifetime_state(const struct region *region);
bool anybody_lives(const struct stage *stage, const struct region *region);
/* A private copy of an image of the region; there are a few of them, by number. */
struct region copy_region(const struct stage *stage, unsigned number, const uint8_t *image);

/* ---- run.c, arrive.c --------------------------------------------------------------------- */

/* Makes the world and a victim that is about to begin; ends both. */
void stage_begin(struct stage *stage, const struct op *op);
void stage_end(struct stage *stage);
bool stage_changed(struct stage *stage);
bool map_real(struct stage *stage);
/* Do they differ in payload alone? */
bool same_but_payload(const struct stage *a, const struct stage *b);
void unmap_real(struct stage *stage);
void add_up(const struct stage *stage, struct totals *totals, const char *how);

void run_op(const struct op *op, struct totals *totals);
/* Killed for real wherever anything changes; real newcomers go on. */
void run_real(const struct op *op, struct totals *totals);
/* All of arrive.c. */
void run_arrivals(struct totals *totals);

#endif
