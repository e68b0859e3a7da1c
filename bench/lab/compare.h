/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Did it get slower? Two runs of `shoal bench`, result by result: those of the same transport, job,
 * mode, size, rate and number of publishers and subscribers.
 *
 * What is compared is the ratio to the limit, which the machine's own moods leave alone: of the
 * medians for round trips and open loops, of the messages a second for streams. Where a run has no
 * ratio, or the limits differ, it is the median or the messages a second itself, if both runs are
 * of the same machine: processor, number of processors and kernel. The table says which.
 *
 * The rule. `change` is how much worse the figure is (or better: the same rule says "faster").
 *
 *	got slower:  change > floor  and  change > noise
 *
 *	noise = k * spread(old) / ratio(old)  +  k * spread(new) / ratio(new)
 *	k     = 3 / sqrt(starts), but not less than 1/2
 *	floor = 5 %; 25 % for figures that are no ratio, for these have no spread either
 *
 * The spread is the distance of the quartiles over the process starts. With 1.57 in the place
 * of 3 it would be the notch of a box plot (McGill, Tukey, Larsen 1978); where notches do not
 * overlap, medians differ at some 95 % confidence. So of twenty figures in which nothing
 * changed, one or two would be called slower each time, and soon nobody would look. With 3 it
 * is one figure in a hundred with five starts, and fewer with more (docs/comparing.md). The
 * half is where the boxes themselves do not overlap: less would trust that starts are all that
 * varies.
 *
 * No verdict, with the reason, where there is none to give: fewer than five starts on either side;
 * processors that shared a cache in most starts of one run and not of the other; an absolute figure
 * from another machine. Nor on what sleeps, where one of the runs is from before its ratio was made
 * of the run's own limit (summary.h). Nor on the limits themselves: they are the machine.
 */
#ifndef BENCH_LAB_COMPARE_H
#define BENCH_LAB_COMPARE_H

#include "run_document.h"

#include <stdio.h>

#define COMPARE_FLOOR          0.05
#define COMPARE_FLOOR_ABSOLUTE 0.25
#define COMPARE_STARTS         5

/* The rule in a few lines, for those who read a comparison or ask for help. */
extern const char compare_rule[];

enum compare_verdict {
	COMPARE_SAME,  /* within the floor */
	COMPARE_NOISE, /* beyond the floor, but not beyond the noise */
	COMPARE_FASTER,
	COMPARE_SLOWER,
	COMPARE_FEW,     /* too few starts */
	COMPARE_PLACE,   /* the processors lay otherwise */
	COMPARE_MACHINE, /* no ratio, and another machine */
	COMPARE_BEFORE,  /* of what sleeps, one run's ratio is to the limit of each start */
	COMPARE_LIMIT,   /* it is a limit */
	COMPARE_MISSING, /* the new run has no figures for it */
	COMPARE_NEW,     /* the old run has none */
	COMPARE_VERDICTS
};

/* One result of both runs, or of one of them. */
struct compare_line {
	const struct run_result *about;
	const struct run_result *old; /* NULL: not in that run, or with no figures there */
	const struct run_result *new;
	const char *reason; /* why it has none, if the document says so */
	const char *figure; /* "ratio", "median" or "messages" */
	double old_value;
	double new_value;
	double change; /* of the figure, as it is: a stream is slower when this is negative */
	double noise;
	enum compare_verdict verdict;
};

/* Both of one result; they are of the same kind. */
struct compare_line compare_results(const struct run_result *old, const struct run_result *new,
				    bool same_machine);

bool compare_same_machine(const struct run_machine *old, const struct run_machine *new);

/* Of the results that are no limits: how many had a verdict, and how many had none. */
struct compare_count {
	size_t judged;
	size_t not_judged;
};

/*
 * Compares and writes a table, what to beware of, and a summary, in ASCII. 0: nothing that was
 * judged got slower; 1: something did; < 0 as picture.h has it, then `why` is a sentence that
 * begins with the run. `ret_count` may be NULL.
 */
int compare_documents(const json_t *old, const json_t *new, FILE *to,
		      struct compare_count *ret_count, char *why, size_t why_size);

#endif
