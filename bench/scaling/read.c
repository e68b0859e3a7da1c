/* SPDX-License-Identifier: Apache-2.0 */
/* From JSON to points; see scaling.h. */
#include "scaling.h"

#include "run_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT 1
/* A picture of more could not be looked at, and a row is no longer than this. */
#define POINTS_MOST 4096
#define VALUE_MOST  1e15

const struct scaling_axis_words scaling_axes[SCALING_AXES] = {
    [SCALING_PUBLISHERS] = {"publishers", "Publishers of one topic, 64 B", "publishers"},
    [SCALING_SUBSCRIBERS] = {"subscribers", "Subscribers of one topic, 64 B", "subscribers"},
    [SCALING_SIZE] = {"size", "Bytes of a message", "size"},
    [SCALING_SLOTS] = {"slots", "Slots of a lane, 64 B", "slots"},
    [SCALING_LANES_IN_USE] = {"lanes-in-use", "Memory: lanes in use", "lanes in use"},
    [SCALING_ROOM_FOR_LANES] = {"room-for-lanes", "Memory: room for lanes, none in use",
				"room for lanes"},
    [SCALING_ROOM_FOR_SUBSCRIBERS] = {"room-for-subscribers",
				      "Memory: room for subscribers, no lane in use",
				      "room for subscribers"},
};

const struct scaling_series scaling_series[SCALING_SERIES] = {
    {"stream, spinning", "shoal", "topic", RUN_STREAM, RUN_SPINNING},
    {"stream, sleeping", "pipes", "topic", RUN_STREAM, RUN_SLEEPING},
    {"round trip, spinning", "sockets", "topic", RUN_ROUND_TRIP, RUN_SPINNING},
    {"round trip, sleeping", "queues", "topic", RUN_ROUND_TRIP, RUN_SLEEPING},
    {"limit: ring", "limit", "ring", RUN_STREAM, RUN_SPINNING},
    {"limit: line", "limit", "line", RUN_ROUND_TRIP, RUN_SPINNING},
    {"memory", "shoal", NULL, RUN_STREAM, RUN_SPINNING},
};
#define SERIES_MEMORY (SCALING_SERIES - 1)

static int reject(char *why, size_t why_size, const char *what)
{
	snprintf(why, why_size, "%s: make the document with scripts/scaling", what);
	return -EINVAL;
}

/* ---- points -------------------------------------------------------------------------------- */

static int add(struct scaling *scaling, struct scaling_point point)
{
	if (scaling->count == POINTS_MOST)
		return -EINVAL;
	scaling->points[scaling->count++] = point;
	return 0;
}

static enum scaling_axis axis_of(const json_t *object)
{
	const char *key = json_string_value(json_object_get(object, "axis"));
	int axis = 0;

	while (axis < SCALING_AXES && (key == NULL || strcmp(key, scaling_axes[axis].key) != 0))
		axis++;
	return (enum scaling_axis)axis;
}

static double value_of(const struct run_result *result, enum scaling_axis axis)
{
	switch (axis) {
	case SCALING_PUBLISHERS:
		return result->publishers;
	case SCALING_SUBSCRIBERS:
		return result->subscribers;
	case SCALING_SLOTS:
		return result->slots;
	default:
		return result->size;
	}
}

/* SERIES_MEMORY: none that is shown. */
static uint32_t series_of(const struct run_result *result)
{
	uint32_t i = 0;

	while (i < SERIES_MEMORY &&
	       (strcmp(scaling_series[i].transport, result->transport) != 0 ||
		scaling_series[i].job != result->job || scaling_series[i].mode != result->mode))
		i++;
	return i;
}

/* A stream costs what it takes a message on its way through, a round trip what its median says. */
static double cost_of(const struct run_result *result)
{
	if (result->job != RUN_STREAM)
		return result->p50_ns;
	return result->msgs_per_s > 0 ? 1e9 / result->msgs_per_s : RUN_NONE;
}

static int add_result(struct scaling *scaling, const struct run_result *result,
		      enum scaling_axis axis)
{
	struct scaling_point point = {axis, series_of(result), value_of(result, axis),
				      cost_of(result), result->ratio};

	if (result->unavailable != NULL || point.series == SERIES_MEMORY || !run_has(point.cost))
		return 0;
	return add(scaling, point);
}

/* ---- the document -------------------------------------------------------------------------- */

static int read_run(struct scaling *scaling, const json_t *json, enum scaling_axis axis, char *why,
		    size_t why_size)
{
	struct run_document run;
	int r = run_document_read(json, &run, why, why_size);

	if (r < 0)
		return r;
	/* Of the kernel only its version: what builders add to it tells nobody anything. */
	snprintf(scaling->machine, sizeof scaling->machine, "%s, %.0f processors, Linux %.*s",
		 run_short(run.machine.cpu, 80).text, run.machine.processors,
		 (int)strcspn(run.machine.kernel, "-"), run_short(run.machine.kernel, 40).text);
	snprintf(scaling->when, sizeof scaling->when, "%s", run_short(run.when, 40).text);
	scaling->noisy = scaling->noisy || run_was_noisy(&run.machine);
	for (size_t i = 0; i < run.count && r == 0; i++)
		r = add_result(scaling, &run.results[i], axis);
	run_document_free(&run);
	return r < 0 ? reject(why, why_size, "it has too many figures") : 0;
}

static int read_sweep(struct scaling *scaling, const json_t *sweep, char *why, size_t why_size)
{
	enum scaling_axis axis = axis_of(sweep);
	const json_t *runs = json_object_get(sweep, "runs");
	int r = 0;

	if (axis >= SCALING_MEMORY || !json_is_array(runs))
		return reject(why, why_size, "a sweep has no axis or no runs");
	for (size_t i = 0; i < json_array_size(runs) && r == 0; i++)
		r = read_run(scaling, json_array_get(runs, i), axis, why, why_size);
	return r;
}

static int read_memory(struct scaling *scaling, const json_t *row, char *why, size_t why_size)
{
	struct scaling_point point = {
	    .axis = axis_of(row),
	    .series = SERIES_MEMORY,
	    .value = json_number_value(json_object_get(row, "value")),
	    .cost = json_number_value(json_object_get(row, "bytes")),
	    .ratio = RUN_NONE,
	};

	if (point.axis < SCALING_MEMORY || point.axis == SCALING_AXES ||
	    !(point.value >= 0 && point.value <= VALUE_MOST) ||
	    !(point.cost > 0 && point.cost <= VALUE_MOST))
		return reject(why, why_size, "a row of memory has no axis, value or bytes");
	return add(scaling, point) < 0 ? reject(why, why_size, "it has too many rows") : 0;
}

static int compare(const void *left, const void *right)
{
	const struct scaling_point *a = left;
	const struct scaling_point *b = right;

	if (a->axis != b->axis)
		return a->axis < b->axis ? -1 : 1;
	if (a->series != b->series)
		return a->series < b->series ? -1 : 1;
	return (a->value > b->value) - (a->value < b->value);
}

int scaling_read(const json_t *json, struct scaling *ret_scaling, char *why, size_t why_size)
{
	struct scaling made = {.points = calloc(POINTS_MOST, sizeof *made.points)};
	const json_t *sweeps = json_object_get(json, "sweeps");
	const json_t *memory = json_object_get(json, "memory");
	int r = 0;

	if (made.points == NULL) {
		snprintf(why, why_size, "no memory");
		return -ENOMEM;
	}
	if (json_integer_value(json_object_get(json, "format")) != FORMAT ||
	    !json_is_array(sweeps) || !json_is_array(memory))
		r = reject(why, why_size, "it is not of format 1");
	for (size_t i = 0; i < json_array_size(sweeps) && r == 0; i++)
		r = read_sweep(&made, json_array_get(sweeps, i), why, why_size);
	for (size_t i = 0; i < json_array_size(memory) && r == 0; i++)
		r = read_memory(&made, json_array_get(memory, i), why, why_size);
	if (r < 0) {
		scaling_free(&made);
		return r;
	}
	qsort(made.points, made.count, sizeof *made.points, compare);
	*ret_scaling = made;
	return 0;
}

void scaling_free(struct scaling *scaling)
{
	free(scaling->points);
	scaling->points = NULL;
	scaling->count = 0;
}

const struct scaling_point *scaling_find(const struct scaling *scaling, enum scaling_axis axis,
					 uint32_t series, size_t *ret_count)
{
	size_t first = 0;
	size_t end;

	while (first < scaling->count &&
	       (scaling->points[first].axis != axis || scaling->points[first].series != series))
		first++;
	end = first;
	while (end < scaling->count && scaling->points[end].axis == axis &&
	       scaling->points[end].series == series)
		end++;
	*ret_count = end - first;
	return scaling->points + first;
}
