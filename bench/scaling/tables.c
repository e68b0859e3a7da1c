/* SPDX-License-Identifier: Apache-2.0 */
/* The points as tables in Markdown. */
#include "scaling.h"

#include "run_text.h"

#include <string.h>

static bool has_points(const struct scaling *scaling, enum scaling_axis axis, uint32_t series)
{
	size_t count;

	scaling_find(scaling, axis, series, &count);
	return count > 0;
}

/* NULL: that series has no such value. */
static const struct scaling_point *point_at(const struct scaling *scaling, enum scaling_axis axis,
					    uint32_t series, double value)
{
	size_t count;
	const struct scaling_point *points = scaling_find(scaling, axis, series, &count);

	for (size_t i = 0; i < count; i++) {
		if (points[i].value == value)
			return &points[i];
	}
	return NULL;
}

/* The least value of the axis above `after`, or RUN_NONE. */
static double next_value(const struct scaling *scaling, enum scaling_axis axis, double after)
{
	double next = RUN_NONE;

	for (size_t i = 0; i < scaling->count; i++) {
		const struct scaling_point *point = &scaling->points[i];

		if (point->axis == axis && point->value > after && !(next <= point->value))
			next = point->value;
	}
	return next;
}

static void print_cell(const struct scaling_point *point, FILE *to)
{
	if (point == NULL)
		fputs(" |", to);
	else if (point->axis >= SCALING_MEMORY)
		fprintf(to, " %s |", run_size(point->cost).text);
	else if (strcmp(scaling_series[point->series].transport, "topic") != 0) /* a limit */
		fprintf(to, " %s |", run_time(point->cost, RUN_MICRO).text);
	else
		fprintf(to, " %s (%s) |", run_time(point->cost, RUN_MICRO).text,
			run_ratio(point->ratio).text);
}

static void print_table(const struct scaling *scaling, enum scaling_axis axis, FILE *to)
{
	double value = next_value(scaling, axis, -1);

	if (!run_has(value))
		return;
	fprintf(to, "\n### %s\n\n| %s |", scaling_axes[axis].title, scaling_axes[axis].short_title);
	for (uint32_t series = 0; series < SCALING_SERIES; series++) {
		if (has_points(scaling, axis, series))
			fprintf(to, " %s |", scaling_series[series].name);
	}
	fputs("\n| --- |", to);
	for (uint32_t series = 0; series < SCALING_SERIES; series++)
		fputs(has_points(scaling, axis, series) ? " --- |" : "", to);
	for (; run_has(value); value = next_value(scaling, axis, value)) {
		fprintf(to, "\n| %s |",
			axis == SCALING_SIZE ? run_size(value).text : run_count(value).text);
		for (uint32_t series = 0; series < SCALING_SERIES; series++) {
			if (has_points(scaling, axis, series))
				print_cell(point_at(scaling, axis, series, value), to);
		}
	}
	fputc('\n', to);
}

void scaling_tables(const struct scaling *scaling, FILE *to)
{
	fputs("Measured on ", to);
	run_print(to, scaling->machine);
	fputs("; ", to);
	run_print(to, scaling->when);
	fprintf(to, ".%s\n",
		scaling->noisy ? " **Other things ran meanwhile: measure again when it is quiet.**"
			       : "");
	for (int axis = 0; axis < SCALING_AXES; axis++)
		print_table(scaling, (enum scaling_axis)axis, to);
}
