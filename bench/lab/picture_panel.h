/* SPDX-License-Identifier: Apache-2.0 */
/* What the page and the picture share: which panels there are, and how each is drawn. */
#ifndef BENCH_LAB_PICTURE_PANEL_H
#define BENCH_LAB_PICTURE_PANEL_H

#include "run_document.h"
#include "run_text.h"

#include <stdio.h>

#define PANEL_WIDTH 620

/* ---- which panels ------------------------------------------------------------------------- */

/*
 * What was measured in one way: same job, size, load and mode. Panels that differ in the mode only
 * stand side by side and have the same axis, so that they can be compared.
 */
struct picture_panel {
	const struct run_document *run;
	const struct run_result *const *members;
	size_t count;
	const struct run_result *limit; /* or NULL; it may be no member */
	double low;                     /* of all figures on the axis */
	double high;
	double percent; /* the last percentile below 100 */
	unsigned number;
};

struct picture_panels {
	struct picture_panel *panels;
	size_t count;
	const struct run_result **members;
};

/* Of all that was measured, in the order in which they are shown. 0 or -ENOMEM. */
int picture_panels_make(const struct run_document *run, struct picture_panels *ret_panels);
void picture_panels_free(struct picture_panels *panels);

/* But for the mode, do both show the same? */
bool picture_are_beside(const struct picture_panel *a, const struct picture_panel *b);

/* ---- drawing one --------------------------------------------------------------------------- */

/* An svg element of PANEL_WIDTH by picture_panel_height, at this place of the one around it.
 * 0 or -ENOMEM. */
int picture_panel_draw(FILE *to, const struct picture_panel *panel, double x, double y);
double picture_panel_height(const struct picture_panel *panel);

/* The two kinds of panel; picture_panel_draw chooses. */
int picture_latency(FILE *to, const struct picture_panel *panel);
double picture_latency_height(const struct picture_panel *panel);
int picture_bars(FILE *to, const struct picture_panel *panel);
double picture_bars_height(const struct picture_panel *panel);

/* ---- how a transport looks ----------------------------------------------------------------- */

/* The class that colours it: its family's, Shoal's own, or the limit's. */
const char *picture_colour(const struct run_result *result);
bool picture_is_shoal(const struct run_result *result);

/* Its marker; within a family each has another shape, so that colour is not all. */
void picture_marker(FILE *to, const struct run_result *result, double x, double y);

/* The styles of the panels, and those of the page around them. */
extern const char picture_style_panel[];
extern const char picture_style_page[];

/* ---- writing ------------------------------------------------------------------------------- */

/* Text as XML: between tags, or in an attribute's double quotes. */
void picture_escaped(FILE *to, const char *text);

/* An SVG text element; `class` has the anchor: "e" its end, "m" its middle. */
void picture_text(FILE *to, double x, double y, const char *class, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
void picture_line(FILE *to, const char *class, double x1, double y1, double x2, double y2);

/* ---- axes ---------------------------------------------------------------------------------- */

struct picture_axis {
	double low; /* values */
	double high;
	double from; /* places */
	double to;
};

/* A log axis that begins and ends at 1, 2 or 5 times a power of ten. */
struct picture_axis picture_log_axis(double low, double high, double from, double to);
double picture_log_at(const struct picture_axis *axis, double value);
double picture_linear_at(const struct picture_axis *axis, double value);

/* Its grid, upwards: lines from `left` to `right`, and before them what they stand for. */
void picture_log_grid(FILE *to, const struct picture_axis *axis, double left, double right,
		      struct run_text (*words)(double value));

/* 1, 2 or 5 times a power of ten: the first that is not below (or not above) the value. */
double picture_round_up(double value);
double picture_round_down(double value);

/* ---- facts --------------------------------------------------------------------------------- */

/* What a figure is worth nothing without: machine, kernel, pinning, noise. */
struct picture_fact {
	const char *name;
	char text[512];
};
#define PICTURE_FACTS 5

void picture_facts(const struct run_document *run, struct picture_fact *ret_facts);
bool picture_needs_warning(const struct run_document *run);
extern const char picture_warning[];

/* How to read the panels, and what a job is. */
#define PICTURE_HOW 3
extern const char *const picture_how[PICTURE_HOW];
const char *picture_reading(enum run_job job);

/* ---- from JSON to a picture ---------------------------------------------------------------- */

/* 0 or -ENOMEM. */
typedef int picture_drawing(const struct run_document *run, const struct picture_panels *panels,
			    FILE *to);

/* Reads, draws, and sees that all is written. Results and `why` are those of picture.h. */
int picture_make(const json_t *document, FILE *to, picture_drawing *draw, char *why,
		 size_t why_size);

#endif
