/* SPDX-License-Identifier: Apache-2.0 */
/* Which panels there are, and their frames; see picture_panel.h. */
#include "picture_panel.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- which panels ------------------------------------------------------------------------- */

static int order(double a, double b)
{
	return (a > b) - (a < b);
}

static int compare_but_for_mode(const struct run_result *a, const struct run_result *b)
{
	int o = order(a->job, b->job);

	if (o == 0)
		o = order(a->size, b->size);
	if (o == 0)
		o = order(a->rate, b->rate);
	if (o == 0)
		o = order(a->publishers, b->publishers);
	if (o == 0)
		o = order(a->subscribers, b->subscribers);
	return o != 0 ? o : order(a->slots, b->slots);
}

static int compare_panels(const struct run_result *a, const struct run_result *b)
{
	int o = compare_but_for_mode(a, b);

	return o != 0 ? o : order(a->mode, b->mode);
}

/* Within a panel in the document's order: qsort alone does not keep that. */
static int compare_members(const void *left, const void *right)
{
	const struct run_result *a = *(const struct run_result *const *)left;
	const struct run_result *b = *(const struct run_result *const *)right;
	int o = compare_panels(a, b);

	return o != 0 ? o : (a > b) - (a < b);
}

bool picture_are_beside(const struct picture_panel *a, const struct picture_panel *b)
{
	return compare_but_for_mode(a->members[0], b->members[0]) == 0;
}

static void widen(struct picture_panel *panel, double value)
{
	if (!run_has(value))
		return;
	if (!(panel->low <= value))
		panel->low = value;
	if (!(panel->high >= value))
		panel->high = value;
}

static void widen_by_result(struct picture_panel *panel, const struct run_result *result)
{
	if (run_is_stream(result))
		widen(panel, result->msgs_per_s);
	for (size_t i = 0; i < result->point_count; i++) {
		const struct run_percentile *point = &result->points[i];

		if (point->percent < 50 || point->percent >= 100)
			continue;
		widen(panel, point->ns);
		if (point->percent > panel->percent)
			panel->percent = point->percent;
	}
}

/* The panel that begins at `members`, all alike but for the mode giving it its axis. */
static void make_panel(const struct run_document *run, struct picture_panel *panel,
		       const struct run_result *const *members, size_t left)
{
	*panel = (struct picture_panel){
	    .run = run, .members = members, .low = RUN_NONE, .high = RUN_NONE};
	while (panel->count < left && compare_panels(members[panel->count], members[0]) == 0) {
		if (panel->limit == NULL)
			panel->limit = run_limit_of(run, members[panel->count]);
		panel->count++;
	}
	for (size_t i = 0; i < run->count; i++) {
		const struct run_result *result = &run->results[i];

		if (result->unavailable == NULL && compare_but_for_mode(result, members[0]) == 0)
			widen_by_result(panel, result);
	}
	if (panel->limit != NULL) {
		widen_by_result(panel, panel->limit);
		widen(panel, panel->limit->limit_figure);
	}
}

int picture_panels_make(const struct run_document *run, struct picture_panels *ret_panels)
{
	struct picture_panels made = {0};
	size_t count = 0;

	made.panels = calloc(run->count + 1, sizeof *made.panels);
	made.members = calloc(run->count + 1, sizeof(const struct run_result *));
	if (made.panels == NULL || made.members == NULL) {
		picture_panels_free(&made);
		return -ENOMEM;
	}
	for (size_t i = 0; i < run->count; i++) {
		if (run->results[i].unavailable == NULL)
			made.members[count++] = &run->results[i];
	}
	qsort(made.members, count, sizeof(const struct run_result *), compare_members);
	for (size_t at = 0; at < count; at += made.panels[made.count++].count) {
		make_panel(run, &made.panels[made.count], made.members + at, count - at);
		made.panels[made.count].number = (unsigned)made.count + 1;
	}
	*ret_panels = made;
	return 0;
}

void picture_panels_free(struct picture_panels *panels)
{
	free(panels->panels);
	free(panels->members);
	memset(panels, 0, sizeof *panels);
}

/* ---- the frame ---------------------------------------------------------------------------- */

static bool has_bars(const struct picture_panel *panel)
{
	return run_is_stream(panel->members[0]);
}

double picture_panel_height(const struct picture_panel *panel)
{
	return has_bars(panel) ? picture_bars_height(panel) : picture_latency_height(panel);
}

/* For those who hear the page: what the eye would take from the panel first. */
static void describe(FILE *to, const struct picture_panel *panel)
{
	bool bars = has_bars(panel);

	fprintf(to, "<desc id=\"d%u\">", panel->number);
	fputs(bars ? "Throughput: " : "Median and 99th percentile: ", to);
	for (size_t i = 0; i < panel->count; i++) {
		const struct run_result *result = panel->members[i];

		fputs(i > 0 ? "; " : "", to);
		picture_escaped(to, run_short(result->transport, 40).text);
		if (bars)
			fprintf(to, " %s", run_rate(result->msgs_per_s).text);
		else
			fprintf(to, " %s and %s", run_time(result->p50_ns, RUN_MICRO).text,
				run_time(result->p99_ns, RUN_MICRO).text);
	}
	fputs(". All figures are in the document's table.</desc>\n", to);
}

int picture_panel_draw(FILE *to, const struct picture_panel *panel, double x, double y)
{
	double height = picture_panel_height(panel);
	int r;

	fprintf(to,
		"<svg class=\"panel\" x=\"%.0f\" y=\"%.0f\" width=\"%d\" height=\"%.0f\" "
		"viewBox=\"0 0 %d %.0f\" role=\"img\" aria-labelledby=\"t%u d%u\">\n",
		x, y, PANEL_WIDTH, height, PANEL_WIDTH, height, panel->number, panel->number);
	fprintf(to, "<title id=\"t%u\">%s</title>\n", panel->number,
		run_title(panel->members[0]).text);
	describe(to, panel);
	picture_text(to, 0, 16, "title", "%s", run_title(panel->members[0]).text);
	r = has_bars(panel) ? picture_bars(to, panel) : picture_latency(to, panel);
	fputs("</svg>\n", to);
	return r;
}

/* ---- writing ------------------------------------------------------------------------------ */

void picture_escaped(FILE *to, const char *text)
{
	size_t bytes;

	for (; *text != '\0'; text += bytes) {
		uint32_t c = run_character(text, &bytes);

		if (c == '<')
			fputs("&lt;", to);
		else if (c == '>')
			fputs("&gt;", to);
		else if (c == '&')
			fputs("&amp;", to);
		else if (c == '"')
			fputs("&quot;", to);
		else if (c == '\'')
			fputs("&#39;", to);
		else if (c == 0xfffd)
			fputs("&#xfffd;", to);
		else
			fwrite(text, 1, bytes, to);
	}
}

void picture_text(FILE *to, double x, double y, const char *class, const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	fprintf(to, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, class);
	picture_escaped(to, text);
	fputs("</text>\n", to);
}

void picture_line(FILE *to, const char *class, double x1, double y1, double x2, double y2)
{
	fprintf(to, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class,
		x1, y1, x2, y2);
}

/* ---- axes --------------------------------------------------------------------------------- */

/* A power of ten comes out of log10 a little off. */
#define NEARLY 1e-9

double picture_round_down(double value)
{
	double power = pow(10, floor(log10(value) + NEARLY));
	double digits = value / power + NEARLY;

	if (digits >= 5)
		return 5 * power;
	return digits >= 2 ? 2 * power : power;
}

double picture_round_up(double value)
{
	double down = picture_round_down(value);

	if (down >= value * (1 - NEARLY))
		return down;
	return picture_round_down(down * 2.5 + down * NEARLY);
}

struct picture_axis picture_log_axis(double low, double high, double from, double to)
{
	struct picture_axis axis = {.from = from, .to = to};

	/* Nothing to show, or less than a clock can tell. */
	if (!(low >= 1))
		low = 1;
	if (!(high >= low))
		high = low;
	axis.low = picture_round_down(low);
	axis.high = picture_round_up(high * 1.02);
	return axis;
}

double picture_log_at(const struct picture_axis *axis, double value)
{
	double low = log10(axis->low);

	if (!(value >= axis->low))
		value = axis->low;
	return axis->from +
	       (log10(value) - low) / (log10(axis->high) - low) * (axis->to - axis->from);
}

void picture_log_grid(FILE *to, const struct picture_axis *axis, double left, double right,
		      struct run_text (*words)(double value))
{
	/* Over more than three decades, the twos and fives would be a crowd. */
	bool wide = axis->high / axis->low > 1000 * 1.01;
	double value = axis->low;

	/* 15 decades at most; see MOST in run_document.c. */
	for (int i = 0; i < 60 && value <= axis->high * 1.01; i++) {
		double y = picture_log_at(axis, value);
		bool decade = fabs(log10(value) - round(log10(value))) < 1e-6;

		picture_line(to, decade ? "grid" : "grid minor", left, y, right, y);
		if (decade || !wide)
			picture_text(to, left - 8, y + 4, "e quiet", "%s", words(value).text);
		value = picture_round_up(value * 1.1);
	}
}

double picture_linear_at(const struct picture_axis *axis, double value)
{
	return axis->from +
	       (value - axis->low) / (axis->high - axis->low) * (axis->to - axis->from);
}
