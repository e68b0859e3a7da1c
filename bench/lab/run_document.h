/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run of `shoal bench`, read from its JSON document and checked once, so that what draws and
 * compares need not look at JSON. The document may be anybody's file: whatever it holds, reading
 * ends with a run whose numbers are finite and not negative, or with an error that names the field.
 */
#ifndef BENCH_LAB_RUN_DOCUMENT_H
#define BENCH_LAB_RUN_DOCUMENT_H

#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A number that the document does not have: null, or not there. */
#define RUN_NONE NAN

enum run_job { RUN_ROUND_TRIP, RUN_OPEN_LOOP, RUN_STREAM, RUN_BATCH };
enum run_mode { RUN_SPINNING, RUN_SLEEPING };

struct run_percentile {
	double percent;
	double ns;
};

/* One measurement. Strings belong to the JSON document. */
struct run_result {
	const char *transport;
	enum run_job job;
	enum run_mode mode;
	double size;
	double rate; /* messages/s, of an open loop; otherwise 0 */
	double publishers;
	double subscribers;
	double slots;            /* of a lane, when they were chosen; otherwise 0 */
	const char *unavailable; /* why there are no figures, or NULL; then all below is RUN_NONE */
	double piece_bytes; /* it went in pieces of so many, for no more fit; usually RUN_NONE */
	double p50_ns;
	double p99_ns;
	double p999_ns;
	double max_ns;
	double msgs_per_s;
	double bytes_per_s;
	const char *limit;   /* the transport whose figure is the limit, or NULL */
	double ratio;        /* to that limit */
	double limit_figure; /* what the ratio is to: ns, or messages/s of a stream. RUN_NONE in a
				document from before there was one: there, number and ratio are
				medians of their own, and may disagree */
	double low;          /* quartiles of the ratio over the process starts */
	double high;
	double messages; /* so many went through in all starts */
	double cpu_s;
	double cpu_ns_per_message;
	double switches;
	double preempted; /* so many of the switches because somebody else took the processor */
	double starts;
	double near; /* so many of the starts had processors that share a cache */
	struct run_percentile *points;
	size_t point_count; /* 0 for streams */
};

struct run_machine {
	const char *cpu;
	const char *kernel;
	const char *governor; /* or NULL */
	const json_t *pinned; /* an array of integers, or NULL */
	double processors;
	int hypervisor; /* -1: not said */
	double steal_percent;
	double busy_percent_before;
	double jitter_p50_ns;
	double jitter_p99_ns;
	double jitter_max_ns;
};

struct run_document {
	const char *shoal;
	const char *when;
	double duration_s;
	struct run_machine machine;
	struct run_result *results;
	size_t count;
};

/*
 * Reads `json`, which must outlive the run. 0, or -EINVAL (a field is missing or makes no sense),
 * -ENOTSUP (a format of another release), -ENOMEM; then `why` is a sentence and *ret_run is empty.
 */
int run_document_read(const json_t *json, struct run_document *ret_run, char *why, size_t why_size);
void run_document_free(struct run_document *run);

/* Of these it is the messages a second that count. */
static inline bool run_is_stream(const struct run_result *result)
{
	return result->job == RUN_STREAM || result->job == RUN_BATCH;
}

static inline bool run_has(double number)
{
	return !isnan(number);
}

/* "round-trip", "spinning": as the document says it. */
const char *run_job_key(enum run_job job);
const char *run_mode_key(enum run_mode mode);

/* Is it a reference, that is its own limit and nobody's rival? */
bool run_is_limit(const struct run_result *result);

/* An open loop in which clearly less than its rate went through. */
#define RUN_RATE_REACHED 0.95
bool run_fell_behind(const struct run_result *result);

/* The result that is the limit of `result`, or NULL: of the same job, and of its size if there is
 * such a one. It may be of the other mode: what a limit is made of does not sleep. */
const struct run_result *run_limit_of(const struct run_document *run,
				      const struct run_result *result);

/* More of the processors' time than this went elsewhere: the figures are worth little. */
#define RUN_STEAL_PERCENT 1.0
#define RUN_BUSY_PERCENT  10.0
bool run_was_noisy(const struct run_machine *machine);

#endif
