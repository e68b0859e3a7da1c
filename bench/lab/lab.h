/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lab behind `shoal bench`: ways between two processes ("transports"), and jobs that are the
 * same for all of them.
 *
 * A transport is a file and a row in transports.c. It says how one side sends a message and how
 * the other takes it; jobs.h makes the jobs of that, inlined, so that the hardware's own limits
 * pay for no call through a pointer. Two fresh processes, the "sides", run each measurement on a
 * core each. What both need (descriptors, queues, shared memory) the driver makes before they
 * start; it also owns it, so nothing is left when a side dies.
 */
#ifndef LAB_H
#define LAB_H

#include "pin.h"

#include <shoal/histogram.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lab_job { LAB_ROUND_TRIP, LAB_STREAM, LAB_OPEN_LOOP, LAB_BATCH, LAB_JOBS };
enum lab_mode { LAB_SPINNING, LAB_SLEEPING, LAB_MODES };
#define LAB_BIT(what) (1u << (what))

/* A batch is a stream by the calls that take many small messages, where a transport has such. */
static inline bool lab_is_stream(enum lab_job job)
{
	return job == LAB_STREAM || job == LAB_BATCH;
}
#define LAB_BATCH_MESSAGES 64
#define LAB_BATCH_BYTES    64 /* the largest: what is larger gains nothing by it */

extern const char *const lab_job_names[LAB_JOBS];
extern const char *const lab_mode_names[LAB_MODES];

/* One thing to measure. */
struct lab_case {
	uint32_t transport; /* in lab_transports */
	enum lab_job job;
	enum lab_mode mode;
	uint64_t bytes;
	double rate; /* open loop: messages/s */
	uint32_t publishers;
	uint32_t subscribers;
	uint32_t slots; /* 0: as many as the transport has by itself */
};

#define LAB_REASON 256

/* Latencies to within a thousandth, up to 2^40 ns or ticks: minutes. */
#define LAB_LATENCY_DIGITS  3
#define LAB_LATENCY_HIGHEST (((uint64_t)1 << 40) - 1)
#define LAB_LATENCY_BYTES   SHOAL_HISTOGRAM_BYTES(LAB_LATENCY_DIGITS, 40)

#define LAB_FILES 12

/* What the driver made for a transport. In shared memory, so no pointers. */
struct lab_link {
	size_t memory_bytes;
	int memory_fd; /* -1: none */
	int fd[2][2];  /* of each side; most have one to read and one to write. -1: none */
	int queue;     /* System V */
	size_t piece;  /* a larger message goes in pieces of so many bytes; 0: never */
	uint32_t
	    buffers; /* it has room for so few large messages, since memory is short; 0: usual */
	char name[64];
	int daemon; /* the process that it needs; 0: none */
	/* Files outside the folder of objects, by their paths: they are removed after the sides and
	 * the daemon, by the janitor should we be killed. "": none */
	char files[LAB_FILES][96];
};

struct lab_control;
struct lab_transport;

/* One of the two processes, as a transport sees it. */
struct lab_side {
	int side; /* 0 sends first, 1 answers */
	const struct lab_transport *transport;
	const struct lab_case *what;
	struct lab_control *control;
	const struct lab_link *link;
	void *memory;                    /* link->memory_fd, mapped; zeroes at first */
	void *state;                     /* whatever `open` made */
	uint64_t first;                  /* the number of the next message; the first is number 1 */
	uint64_t copies;                 /* how often `take` adds up a message: once a subscriber */
	struct shoal_histogram *latency; /* of ticks, or in an open loop of ns */
};

/*
 * Does the job with `count` messages, on both sides at once, and checks the sum. Returns what it
 * took in ns on the side that holds the clock, 0 on the other.
 */
typedef int64_t lab_run(struct lab_side *me, uint64_t count);

struct lab_transport {
	const char *name;
	const char *note; /* how it is set up, for a reader of the table; NULL: nothing to say */
	unsigned modes;   /* LAB_BIT(LAB_SPINNING)... */
	unsigned jobs;
	uint64_t bytes_least;
	uint64_t bytes_most;
	bool usual; /* measured when nothing is named */
	/* 0: one. */
	uint32_t publishers_most;
	uint32_t subscribers_most;
	bool has_slots; /* one can say how many */
	/* Bytes of zeroed shared memory; NULL: none. */
	size_t (*memory_bytes)(const struct lab_case *what);
	/* In the driver. False, with the reason in `reason` (LAB_REASON bytes), when this machine
	 * can't do it. */
	bool (*make)(struct lab_link *link, const struct lab_case *what, char *reason);
	void (*unmake)(struct lab_link *link); /* all but memory and descriptors */
	/* In each side. `open` may call lab_missing. */
	void (*open)(struct lab_side *me);
	void (*close)(struct lab_side *me);
	lab_run *run[LAB_JOBS];
};

/* "line" first, then "ring". Each program has a table of its own: transports.c is that of
 * shoal-bench, bench/peers/transports.c that of shoal-bench-peers. */
extern const struct lab_transport *const lab_transports[];
extern const uint32_t lab_transport_count;

/* Ends a side: this machine can't do it, for that reason. */
__attribute__((noreturn, format(printf, 2, 3))) void lab_missing(struct lab_side *me,
								 const char *format, ...);
/* An empty histogram of latencies in memory of its own, or death. Free its `memory`. */
void lab_latency_make(struct shoal_histogram *ret_histogram);
/* Memory for a side alone, zeroed and in whole lines, or death. */
void *lab_alloc(size_t bytes);
/* A `close` for those whose state is one allocation. */
void lab_free_state(struct lab_side *me);

#define LAB_BYTES_MAX ((uint64_t)16 << 20)

/* How many messages of that size lie in shared memory at most, where a transport of ours has the
 * choice: 2 MiB of them, but at least 32, as long as these take 32 MiB. A power of two. */
uint64_t lab_slots(uint64_t bytes);

#endif
