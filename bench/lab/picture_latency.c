/* SPDX-License-Identifier: Apache-2.0 */
/* Latency percentiles: a log axis of nines by a log axis of time, a labelled curve each. */
#include "picture_panel.h"

#include <errno.h>
#include <stdlib.h>

enum {
	LEFT = 58,
	RIGHT = 366,
	TOP = 40,
	PLOT_HEIGHT = 270,
	BELOW = 42,
	LABEL = 388, /* a label's marker */
	NAME = 400,
	MEDIAN = 572, /* where the figures end */
	RATIO = PANEL_WIDTH - 2,
	LABEL_HEIGHT = 16
};

/* A label stands beside the end of its curve, or as near to that as the others let it. */
struct label {
	const struct run_result *result;
	double end_x;
	double end_y;
	double y;
};

struct plot {
	struct picture_axis nines; /* linear: the values are logarithms already */
	struct picture_axis time;
	double bottom;
};

/* 90 % is 1, 99 % is 2: how many nines. */
static double nines(double percent)
{
	return -log10(1 - percent / 100);
}

static bool is_drawn(const struct run_percentile *point)
{
	return point->percent >= 50 && point->percent < 100;
}

/* Is the limit a curve of another panel, shown here to compare with? */
static bool has_guest(const struct picture_panel *panel)
{
	for (size_t i = 0; i < panel->count; i++) {
		if (panel->members[i] == panel->limit)
			return false;
	}
	return panel->limit != NULL;
}

static double plot_height(const struct picture_panel *panel)
{
	double labels = (double)(panel->count + 1) * LABEL_HEIGHT;

	return labels > PLOT_HEIGHT ? labels : PLOT_HEIGHT;
}

double picture_latency_height(const struct picture_panel *panel)
{
	return TOP + plot_height(panel) + BELOW;
}

static struct plot make_plot(const struct picture_panel *panel)
{
	struct plot plot = {.bottom = TOP + plot_height(panel)};
	double last = nines(panel->percent > 99.9 ? panel->percent : 99.9);

	plot.nines =
	    (struct picture_axis){.low = nines(50), .high = last, .from = LEFT + 8, .to = RIGHT};
	plot.time = picture_log_axis(panel->low, panel->high, plot.bottom, TOP);
	return plot;
}

/* ---- axes --------------------------------------------------------------------------------- */

static void draw_nines_axis(FILE *to, const struct plot *plot)
{
	double y = plot->bottom;

	picture_line(to, "axis", LEFT, y, RIGHT + 8, y);
	for (int i = 0; i <= 12; i++) {
		double percent = i == 0 ? 50 : 100 * (1 - pow(10, -i));
		double x = picture_linear_at(&plot->nines, nines(percent));

		if (x > plot->nines.to + 1)
			break;
		picture_line(to, "axis", x, y, x, y + 4);
		picture_text(to, x, y + 17, "m quiet", "%.*f%s", i > 2 ? i - 2 : 0, percent,
			     i == 0 ? " %" : "");
	}
	picture_text(to, (LEFT + RIGHT) / 2.0, y + 34, "m quiet",
		     "percentile: each step is ten times rarer");
}

/* ---- curves ------------------------------------------------------------------------------- */

static void draw_line(FILE *to, const struct plot *plot, const struct run_result *result)
{
	char part = 'M';

	fprintf(to, "<path class=\"curve %s\" d=\"", picture_colour(result));
	for (size_t i = 0; i < result->point_count; i++) {
		const struct run_percentile *point = &result->points[i];

		if (!is_drawn(point))
			continue;
		fprintf(to, "%c%.1f %.1f", part,
			picture_linear_at(&plot->nines, nines(point->percent)),
			picture_log_at(&plot->time, point->ns));
		part = 'L';
	}
	fputs("\"/>\n", to);
}

/* The quartiles over the process starts, at the median, of which they are the spread. */
static void draw_spread(FILE *to, const struct plot *plot, const struct run_result *result)
{
	double x = picture_linear_at(&plot->nines, nines(50));
	double low = result->p50_ns * result->low / result->ratio;
	double high = result->p50_ns * result->high / result->ratio;

	if (!run_has(low) || !run_has(high) || !(result->ratio > 0))
		return;
	fprintf(to, "<path class=\"spread %s\" d=\"M%.1f %.1fV%.1f\"/>\n", picture_colour(result),
		x, fmax(picture_log_at(&plot->time, high), TOP),
		fmax(picture_log_at(&plot->time, low), TOP));
}

static void draw_curve(FILE *to, const struct plot *plot, struct label *label)
{
	const struct run_result *result = label->result;

	fputs("<g><title>", to);
	picture_escaped(to, run_short(result->transport, 40).text);
	fprintf(to, ": median %s, 99 %% %s, 99.9 %% %s</title>\n",
		run_time(result->p50_ns, RUN_MICRO).text, run_time(result->p99_ns, RUN_MICRO).text,
		run_time(result->p999_ns, RUN_MICRO).text);
	draw_spread(to, plot, result);
	draw_line(to, plot, result);
	label->end_x = plot->nines.from;
	label->end_y = picture_log_at(&plot->time, result->p50_ns);
	for (size_t i = 0; i < result->point_count; i++) {
		const struct run_percentile *point = &result->points[i];

		if (!is_drawn(point))
			continue;
		label->end_x = picture_linear_at(&plot->nines, nines(point->percent));
		label->end_y = picture_log_at(&plot->time, point->ns);
		if (!run_is_limit(result))
			picture_marker(to, result, label->end_x, label->end_y);
	}
	fputs("</g>\n", to);
}

/* ---- labels ------------------------------------------------------------------------------- */

static int compare_labels(const void *left, const void *right)
{
	const struct label *a = left;
	const struct label *b = right;

	if (a->end_y != b->end_y)
		return a->end_y < b->end_y ? -1 : 1;
	return a->result < b->result ? -1 : a->result > b->result;
}

/* Downwards each below the one above it; then upwards, where that went below the plot. */
static void spread_labels(struct label *labels, size_t count, double bottom)
{
	for (size_t i = 0; i < count; i++) {
		double least = i == 0 ? TOP + LABEL_HEIGHT / 2.0 : labels[i - 1].y + LABEL_HEIGHT;

		labels[i].y = fmax(labels[i].end_y, least);
	}
	for (size_t i = count; i-- > 0;) {
		double most = i + 1 == count ? bottom : labels[i + 1].y - LABEL_HEIGHT;

		labels[i].y = fmin(labels[i].y, most);
	}
}

static void draw_label(FILE *to, const struct label *label)
{
	const struct run_result *result = label->result;
	const char *class = picture_is_shoal(result) ? "strong" : "";
	const char *end = picture_is_shoal(result) ? "e strong" : "e";
	double y = label->y;

	fprintf(to, "<path class=\"lead %s\" d=\"M%.1f %.1fL%d %.1fH%d\"/>\n",
		picture_colour(result), label->end_x + 5, label->end_y, LABEL - 10, y, LABEL);
	if (run_is_limit(result)) {
		picture_text(to, NAME, y + 4, "quiet", "limit: %s",
			     run_short(result->transport, 12).text);
	} else {
		picture_marker(to, result, LABEL + 2, y);
		picture_text(to, NAME, y + 4, class, "%s", run_short(result->transport, 16).text);
	}
	picture_text(to, MEDIAN, y + 4, run_is_limit(result) ? "e quiet" : end, "%s",
		     run_time(result->p50_ns, RUN_MICRO).text);
	if (run_has(result->ratio) && !run_is_limit(result))
		picture_text(to, RATIO, y + 4, end, "%s", run_ratio(result->ratio).text);
}

/* Shoal comes last, and so above the others. */
static void draw_curves(FILE *to, const struct plot *plot, struct label *labels, size_t count)
{
	for (int shoal = 0; shoal < 2; shoal++) {
		for (size_t i = 0; i < count; i++) {
			if (picture_is_shoal(labels[i].result) == shoal)
				draw_curve(to, plot, &labels[i]);
		}
	}
}

int picture_latency(FILE *to, const struct picture_panel *panel)
{
	struct plot plot = make_plot(panel);
	struct label *labels = calloc(panel->count + 1, sizeof *labels);
	size_t count = 0;

	if (labels == NULL)
		return -ENOMEM;
	picture_log_grid(to, &plot.time, LEFT, RIGHT + 8, run_short_time);
	draw_nines_axis(to, &plot);
	picture_text(to, MEDIAN, TOP - 8, "e quiet small", "median");
	picture_text(to, RATIO, TOP - 8, "e quiet small", "\303\227 limit");
	if (has_guest(panel))
		labels[count++].result = panel->limit;
	for (size_t i = 0; i < panel->count; i++)
		labels[count++].result = panel->members[i];
	draw_curves(to, &plot, labels, count);
	qsort(labels, count, sizeof *labels, compare_labels);
	spread_labels(labels, count, plot.bottom);
	for (size_t i = 0; i < count; i++)
		draw_label(to, &labels[i]);
	free(labels);
	return 0;
}
