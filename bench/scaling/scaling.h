/* SPDX-License-Identifier: Apache-2.0 */
/* How cost grows: sweeps over one thing at a time, as scripts/scaling measured them. */
#ifndef BENCH_SCALING_H
#define BENCH_SCALING_H

#include "run_document.h"

#include <stdio.h>

/* What grows. From the first memory axis on, the cost is bytes, not time. */
enum scaling_axis {
	SCALING_PUBLISHERS,
	SCALING_SUBSCRIBERS,
	SCALING_SIZE,
	SCALING_SLOTS,
	SCALING_LANES_IN_USE,
	SCALING_MEMORY = SCALING_LANES_IN_USE,
	SCALING_ROOM_FOR_LANES,
	SCALING_ROOM_FOR_SUBSCRIBERS,
	SCALING_AXES
};

struct scaling_axis_words {
	const char *key; /* in the document */
	const char *title;
	const char *short_title; /* at the head of a column */
};
extern const struct scaling_axis_words scaling_axes[SCALING_AXES];

/* What is a line in a picture, and a column in a table. */
struct scaling_series {
	const char *name;
	const char *colour;    /* a class of picture_style_panel */
	const char *transport; /* NULL: memory */
	enum run_job job;
	enum run_mode mode;
};
#define SCALING_SERIES 7
extern const struct scaling_series scaling_series[SCALING_SERIES];

struct scaling_point {
	enum scaling_axis axis;
	uint32_t series;
	double value;
	double cost;  /* ns a message, or bytes of memory */
	double ratio; /* to the limit: of messages a second in a stream, of time in a round trip */
};

struct scaling {
	char machine[512];
	char when[128];
	bool noisy;
	struct scaling_point *points; /* by axis, then series, then value */
	size_t count;
};

/* Reads a document of scripts/scaling, which may be anybody's file. 0; or -EINVAL, -ENOTSUP,
 * -ENOMEM, and `why` is a sentence. */
int scaling_read(const json_t *json, struct scaling *ret_scaling, char *why, size_t why_size);
void scaling_free(struct scaling *scaling);

/* The points of that axis and series: a stretch of `points`. */
const struct scaling_point *scaling_find(const struct scaling *scaling, enum scaling_axis axis,
					 uint32_t series, size_t *ret_count);

/* Small multiples, a panel for each axis that has points: one SVG. */
void scaling_draw(const struct scaling *scaling, FILE *to);
/* The same as tables, in Markdown. */
void scaling_tables(const struct scaling *scaling, FILE *to);

#endif
