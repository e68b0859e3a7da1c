/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A duo: two fresh processes, each on a core of its own, that run several contenders in turns
 * (reference, Shoal, reference, Shoal, ...) for some repeats. What is compared was measured by
 * the same two processes within milliseconds; where its pages lie changes with every duo.
 */
#ifndef BENCH_DUO_H
#define BENCH_DUO_H

#include "pin.h"

#include <stdbool.h>

#define BENCH_CONTENDERS 6
#define BENCH_REPEATS    16

/* What a contender is asked to do; each program uses what it needs. */
struct bench_setup {
	size_t bytes;         /* of a message */
	uint64_t count;       /* messages or round trips in a repeat; before it, 1/8 to warm up */
	uint32_t batch;       /* messages a call; 0: one by one */
	uint32_t subscribers; /* in side 1 */
	int64_t pub_spin_ns;  /* as shoal_topic_options.spin_ns */
	int64_t sub_spin_ns;
	uint32_t buffers; /* how many large messages the payload memory holds */
	uint32_t slots;   /* of a topic's lane; 0: the default */
	unsigned flags;   /* beside SHOAL_CREATE */
};

struct bench_control;
struct bench_program;

/* One of the two processes, as a contender sees it. */
struct bench_side {
	int side; /* 0 or 1 */
	const struct bench_program *program;
	const struct bench_setup *setup;
	struct bench_control *control;
	void *memory;   /* shared, for references; fresh zeroes */
	char topic[96]; /* a name nobody else uses */
	char topic_back[104];
	void *state;  /* whatever `open` made */
	bool spoiled; /* `run` sets it: something else than it should happened; run it again */
};

/*
 * Both sides call each function at the same time. `run` returns what it measured on the side that
 * holds the clock, 0 on the other. `close` may be NULL.
 */
struct bench_program {
	const char *name;
	size_t (*memory_bytes)(const struct bench_setup *setup); /* NULL: none */
	void (*open)(struct bench_side *me);
	double (*run)(struct bench_side *me, uint64_t count);
	void (*close)(struct bench_side *me);
};

struct bench_contender {
	const struct bench_program *program;
	struct bench_setup setup;
};

struct bench_group {
	const char *name;
	uint32_t count;
	struct bench_contender contender[BENCH_CONTENDERS];
};

/* The memory that the driver shares with its workers. */
struct bench_control {
	/* The driver writes these before the workers start. */
	uint32_t group;
	uint32_t start;
	uint32_t repeats;
	uint32_t again_most; /* disturbed repeats of a group that are measured again */
	int cores[2];
	int memory_fd[BENCH_CONTENDERS];
	char prefix[40]; /* of every object: "bench-PID" */
	char error[BENCH_DIE_BYTES];
	double value[BENCH_CONTENDERS][BENCH_REPEATS];

	/* Repeats in which somebody else took a core, so far; and how often in this one, by side.
	 */
	uint64_t disturbed;
	uint64_t again; /* of these, in this group */
	uint64_t robbed[2];

	struct bench_steps steps;

	/* For the programs of three processes: see topic_death.c. */
	_Alignas(BENCH_APART) _Atomic uint32_t ready;
	_Atomic uint32_t go;
	_Atomic int64_t stamp_ns;
};

/* Waits until the other side is here too. */
void bench_meet(struct bench_side *me);

/* Runs one duo; false (with control->error) when a worker failed. */
bool bench_duo(int control_fd, struct bench_control *control, const struct bench_group *group);
/* What a worker of a duo does. */
void bench_duo_worker(struct bench_control *control, const struct bench_group *group, int side);

#endif
