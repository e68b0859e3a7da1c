/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Throughput: a bar each, fastest first, its figures beside it. The axis is linear and begins at 0,
 * for then a bar twice as long is twice as fast; on a log axis a bar's length means nothing.
 */
#include "picture_panel.h"

#include <errno.h>
#include <stdlib.h>

enum {
	NAME_END = 126,
	BAR = 136,
	BAR_END = 396,
	RATE = 472,
	BYTES = 556,
	RATIO = PANEL_WIDTH - 2,
	TOP = 46,
	ROW = 24,
	THICK = 14,
	BELOW = 26
};

double picture_bars_height(const struct picture_panel *panel)
{
	return TOP + (double)panel->count * ROW + BELOW;
}

static int compare_rates(const void *left, const void *right)
{
	const struct run_result *a = *(const struct run_result *const *)left;
	const struct run_result *b = *(const struct run_result *const *)right;

	if (a->msgs_per_s != b->msgs_per_s)
		return a->msgs_per_s > b->msgs_per_s ? -1 : 1;
	return a < b ? -1 : a > b;
}

static struct picture_axis make_axis(const struct picture_panel *panel)
{
	/* A run in which nothing arrived has an axis, too. */
	double most = panel->high > 0 ? panel->high : 1;

	return (struct picture_axis){.low = 0, .high = most * 1.04, .from = BAR, .to = BAR_END};
}

static void draw_axis(FILE *to, const struct picture_panel *panel, const struct picture_axis *axis)
{
	double bottom = TOP + (double)panel->count * ROW;
	/* Two to four of them: more, and their labels would meet. */
	double step = picture_round_down(axis->high / 2);

	for (int i = 0; i <= 4 && step * i <= axis->high; i++) {
		double x = picture_linear_at(axis, step * i);

		picture_line(to, i == 0 ? "axis" : "grid", x, TOP, x, bottom);
		picture_text(to, x, bottom + 16, "m quiet small", "%s",
			     i == 0 ? "0" : run_short_rate(step * i).text);
	}
}

/* Its label stands above the bars, for below them it would meet the ticks'. */
static void draw_limit(FILE *to, const struct picture_panel *panel, const struct picture_axis *axis)
{
	double bottom = TOP + (double)panel->count * ROW;
	double figure, x;

	if (panel->limit == NULL)
		return;
	/* The figures' own, if the document has it: then a bar's length is its ratio. */
	figure = panel->limit->limit_figure;
	if (!run_has(figure))
		figure = panel->limit->msgs_per_s;
	x = fmin(picture_linear_at(axis, figure), BAR_END);
	picture_line(to, "lead limit", x, TOP - 4, x, bottom);
	picture_text(to, fmax(x, BAR + 130), TOP - 9, "e quiet small", "limit: %s, %s",
		     run_short(panel->limit->transport, 16).text, run_rate(figure).text);
}

/* The quartiles of the ratio over the process starts, as those of the figure. */
static void draw_spread(FILE *to, const struct picture_axis *axis, const struct run_result *result,
			double y)
{
	double low = result->msgs_per_s * result->low / result->ratio;
	double high = result->msgs_per_s * result->high / result->ratio;

	if (!run_has(low) || !run_has(high) || !(result->ratio > 0))
		return;
	picture_line(to, "whisker", fmin(picture_linear_at(axis, low), BAR_END), y,
		     fmin(picture_linear_at(axis, high), BAR_END), y);
}

static void draw_bar(FILE *to, const struct picture_axis *axis, const struct run_result *result,
		     double y)
{
	bool shoal = picture_is_shoal(result);
	const char *end = shoal ? "e strong" : "e";

	if (run_is_limit(result))
		end = "e quiet";
	fputs("<g><title>", to);
	picture_escaped(to, run_short(result->transport, 40).text);
	fprintf(to, ": %s, %s</title>\n", run_rate(result->msgs_per_s).text,
		run_bytes(result->bytes_per_s).text);
	picture_text(to, NAME_END, y + 4, end, "%s", run_short(result->transport, 16).text);
	fprintf(to,
		"<rect class=\"bar %s\" x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" "
		"rx=\"1.5\"/>\n",
		shoal                  ? "shoal"
		: run_is_limit(result) ? "outline"
				       : "plain",
		BAR, y - THICK / 2.0, fmax(picture_linear_at(axis, result->msgs_per_s) - BAR, 1),
		THICK);
	draw_spread(to, axis, result, y);
	picture_text(to, RATE, y + 4, end, "%s", run_rate(result->msgs_per_s).text);
	picture_text(to, BYTES, y + 4, end, "%s", run_bytes(result->bytes_per_s).text);
	if (run_has(result->ratio) && !run_is_limit(result))
		picture_text(to, RATIO, y + 4, end, "%s", run_ratio(result->ratio).text);
	fputs("</g>\n", to);
}

int picture_bars(FILE *to, const struct picture_panel *panel)
{
	struct picture_axis axis = make_axis(panel);
	const struct run_result **sorted = calloc(panel->count, sizeof(const struct run_result *));

	if (sorted == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < panel->count; i++)
		sorted[i] = panel->members[i];
	qsort(sorted, panel->count, sizeof(const struct run_result *), compare_rates);
	draw_axis(to, panel, &axis);
	draw_limit(to, panel, &axis);
	picture_text(to, RATE, TOP - 8, "e quiet small", "messages");
	picture_text(to, BYTES, TOP - 8, "e quiet small", "bytes");
	picture_text(to, RATIO, TOP - 8, "e quiet small", "\303\227 limit");
	for (size_t i = 0; i < panel->count; i++)
		draw_bar(to, &axis, sorted[i], TOP + (double)i * ROW + ROW / 2.0);
	free(sorted);
	return 0;
}
