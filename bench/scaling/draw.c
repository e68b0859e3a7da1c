/* SPDX-License-Identifier: Apache-2.0 */
/* Small multiples: a panel for each axis, cost against what grows, both logarithmic. */
#include "scaling.h"

#include "picture_panel.h"

enum {
	MARGIN = 24,
	GAP = 36,
	HEAD = 88,
	COLUMNS = 2,
	LEFT = 58,
	RIGHT = 430,
	TOP = 40,
	BOTTOM = 290,
	HEIGHT = 335,
	NAME = 452,
	NAME_HEIGHT = 18,
	TICK_ROOM = 34, /* so far apart at least are the words below two ticks */
	POWER_MOST = 50 /* of two: no value is larger */
};

struct panel {
	const struct scaling *scaling;
	enum scaling_axis axis;
	struct picture_axis across;
	struct picture_axis up;
};

/* Nothing is nowhere on a logarithmic axis; tables have it. */
static bool is_drawn(const struct scaling_point *point)
{
	return point->value >= 1;
}

/* False: there is nothing to draw. */
static bool make_panel(const struct scaling *scaling, enum scaling_axis axis, struct panel *ret)
{
	double low = INFINITY, high = 0, first = INFINITY, last = 0;

	for (size_t i = 0; i < scaling->count; i++) {
		const struct scaling_point *point = &scaling->points[i];

		if (point->axis != axis || !is_drawn(point))
			continue;
		low = fmin(low, point->cost);
		high = fmax(high, point->cost);
		first = fmin(first, point->value);
		last = fmax(last, point->value);
	}
	*ret = (struct panel){scaling, axis, picture_log_axis(first, last, LEFT, RIGHT),
			      picture_log_axis(low, high, BOTTOM, TOP)};
	return high > 0;
}

static struct run_text memory_words(double bytes)
{
	struct run_text text = {""};

	if (bytes >= 1e6)
		snprintf(text.text, sizeof text.text, "%.3g MB", bytes / 1e6);
	else
		snprintf(text.text, sizeof text.text, "%.3g kB", bytes / 1e3);
	return text;
}

static struct run_text value_words(enum scaling_axis axis, double value)
{
	return axis == SCALING_SIZE ? run_size(value) : run_count(value);
}

/* A tick below each power of two; words where there is room. */
static void draw_across(FILE *to, const struct panel *panel)
{
	double end = -TICK_ROOM;

	picture_line(to, "axis", LEFT, BOTTOM, RIGHT, BOTTOM);
	for (int power = 0; power <= POWER_MOST; power++) {
		double value = ldexp(1, power);
		double x = picture_log_at(&panel->across, value);

		if (value < panel->across.low || value > panel->across.high)
			continue;
		picture_line(to, "axis", x, BOTTOM, x, BOTTOM + 4);
		if (x - end < TICK_ROOM + (panel->axis == SCALING_SIZE ? TICK_ROOM / 2.0 : 0))
			continue;
		picture_text(to, x, BOTTOM + 18, "m quiet", "%s",
			     value_words(panel->axis, value).text);
		end = x;
	}
}

static void draw_series(FILE *to, const struct panel *panel, uint32_t series, double name_y)
{
	const char *colour = scaling_series[series].colour;
	size_t count;
	const struct scaling_point *points =
	    scaling_find(panel->scaling, panel->axis, series, &count);
	char part = 'M';

	fprintf(to, "<g><title>%s</title>\n<path class=\"curve %s\" d=\"",
		scaling_series[series].name, colour);
	for (size_t i = 0; i < count; i++) {
		if (!is_drawn(&points[i]))
			continue;
		fprintf(to, "%c%.1f %.1f", part, picture_log_at(&panel->across, points[i].value),
			picture_log_at(&panel->up, points[i].cost));
		part = 'L';
	}
	fputs("\"/>\n", to);
	for (size_t i = 0; i < count; i++) {
		if (is_drawn(&points[i]))
			fprintf(to, "<circle class=\"mark %s\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"/>\n",
				colour, picture_log_at(&panel->across, points[i].value),
				picture_log_at(&panel->up, points[i].cost));
	}
	fprintf(to, "<path class=\"curve %s\" d=\"M%d %.1fH%d\"/>\n", colour, NAME, name_y - 4,
		NAME + 20);
	picture_text(to, NAME + 28, name_y, "", "%s", scaling_series[series].name);
	fputs("</g>\n", to);
}

static void draw_panel(FILE *to, const struct panel *panel, double x, double y)
{
	double name_y = TOP + NAME_HEIGHT;

	fprintf(
	    to,
	    "<svg class=\"panel\" x=\"%.0f\" y=\"%.0f\" width=\"%d\" height=\"%d\" role=\"img\" "
	    "aria-labelledby=\"t%d\">\n<title id=\"t%d\">%s</title>\n",
	    x, y, PANEL_WIDTH, HEIGHT, (int)panel->axis + 1, (int)panel->axis + 1,
	    scaling_axes[panel->axis].title);
	picture_text(to, 0, 16, "title", "%s", scaling_axes[panel->axis].title);
	picture_log_grid(to, &panel->up, LEFT, RIGHT,
			 panel->axis < SCALING_MEMORY ? run_short_time : memory_words);
	draw_across(to, panel);
	for (uint32_t series = 0; series < SCALING_SERIES; series++) {
		size_t count;

		scaling_find(panel->scaling, panel->axis, series, &count);
		if (count == 0)
			continue;
		draw_series(to, panel, series, name_y);
		name_y += NAME_HEIGHT;
	}
	fputs("</svg>\n", to);
}

static void draw_head(const struct scaling *scaling, FILE *to)
{
	picture_text(to, MARGIN, 38, "heading", "How cost grows");
	picture_text(to, MARGIN, 60, "quiet", "%s; %s", scaling->machine, scaling->when);
	picture_text(to, MARGIN, 77, scaling->noisy ? "warning" : "quiet", "%s",
		     scaling->noisy ? picture_warning
				    : "Time a message takes, or bytes of memory. Both axes are "
				      "logarithmic.");
}

void scaling_draw(const struct scaling *scaling, FILE *to)
{
	struct panel panels[SCALING_AXES];
	size_t count = 0;
	const int width = 2 * MARGIN + COLUMNS * PANEL_WIDTH + (COLUMNS - 1) * GAP;
	size_t rows;

	for (int axis = 0; axis < SCALING_AXES; axis++)
		count += make_panel(scaling, (enum scaling_axis)axis, &panels[count]);
	rows = (count + COLUMNS - 1) / COLUMNS;
	fprintf(to,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%zu\" "
		"viewBox=\"0 0 %d %zu\" role=\"img\" aria-labelledby=\"t0\">\n"
		"<title id=\"t0\">How cost grows</title>\n<style>\n%s</style>\n"
		"<rect class=\"ground\" width=\"100%%\" height=\"100%%\"/>\n",
		width, HEAD + rows * (HEIGHT + GAP), width, HEAD + rows * (HEIGHT + GAP),
		picture_style_panel);
	draw_head(scaling, to);
	for (size_t i = 0; i < count; i++) {
		size_t row = i / COLUMNS;

		draw_panel(to, &panels[i], MARGIN + (double)(i % COLUMNS) * (PANEL_WIDTH + GAP),
			   HEAD + GAP / 2.0 + (double)row * (HEIGHT + GAP));
	}
	fputs("</svg>\n", to);
}
