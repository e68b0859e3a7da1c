/* SPDX-License-Identifier: Apache-2.0 */
/* What is said about a comparison: a table, warnings, a summary. */
#ifndef BENCH_LAB_COMPARE_TABLE_H
#define BENCH_LAB_COMPARE_TABLE_H

#include "compare.h"

struct comparison {
	struct run_document old;
	struct run_document new;
	struct compare_line *lines;
	size_t count;
	size_t verdicts[COMPARE_VERDICTS]; /* how many of each */
};

/* 0 or -ENOMEM. */
int compare_write(const struct comparison *comparison, FILE *to);

#endif
