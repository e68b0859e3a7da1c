/* SPDX-License-Identifier: Apache-2.0 */
/* Every figure: which contender of which group is compared with which, and the goal. */
#ifndef BENCH_FIGURES_H
#define BENCH_FIGURES_H

#include "duo.h"
#include "report.h"

struct bench_figure {
	const char *name; /* for --only */
	const char *title;
	const char *group;
	uint32_t contender;
	uint32_t reference; /* the other contender */
	const char *reference_name;
	enum bench_unit unit;
	enum bench_goal goal;
	double bound;
};

extern const struct bench_group bench_groups[];
extern const uint32_t bench_group_count;
extern const struct bench_figure bench_figures[];
extern const uint32_t bench_figure_count;

#endif
