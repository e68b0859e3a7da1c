/* SPDX-License-Identifier: Apache-2.0 */
/* What was measured, as a table for people or as JSON for programs. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "machine.h"

#include <stddef.h>

enum bench_unit { UNIT_NS, UNIT_US, UNIT_MESSAGES, UNIT_BYTES, UNIT_COUNT };
enum bench_goal { GOAL_NONE, GOAL_MOST, GOAL_LEAST };

/* A part of the process starts. */
struct bench_share {
	uint32_t starts;
	double ratio;
};

/*
 * One line. Values are in the unit's base: ns, messages/s, bytes/s. A figure without a reference
 * (reference_name NULL) has its goal, if any, on the value itself, and its spread too.
 */
struct bench_row {
	const char *name;
	const char *title;
	const char *reference_name;
	enum bench_unit unit;
	enum bench_goal goal;
	double bound;
	double value;
	double reference;
	double ratio;
	double low; /* spread: the quartiles over the process starts */
	double high;
	/* The ratio over the starts with near cores, and over those with far ones (0: the group
	 * does not tell). See BENCH_FAR_NS. */
	struct bench_share near;
	struct bench_share far;
	const char *error; /* NULL, or why there is nothing */
};

bool bench_row_met(const struct bench_row *row);
void bench_report_head(const struct bench_machine *machine);
void bench_report_row(const struct bench_row *row);
void bench_report_foot(const struct bench_machine *machine, const struct bench_row *rows,
		       size_t count);
void bench_report_json(const struct bench_machine *machine, const struct bench_row *rows,
		       size_t count);

#endif
