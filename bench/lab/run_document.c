/* SPDX-License-Identifier: Apache-2.0 */
/* From JSON to a run; see run_document.h. */
#include "run_document.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT 1

/* What no machine measures: with it every axis is finite, and every figure fits its column. */
#define MOST 1e15

/* Panels are sorted and searched, and a page is to be looked at. */
#define RESULTS_MOST     4096
#define PERCENTILES_MOST 64

/* NULLABLE: it must be there, and may be null. */
enum need { OPTIONAL, NULLABLE, NEEDED };

struct reader {
	char *why;
	size_t why_size;
	char where[32]; /* what the names of fields begin with: "results[3]." */
	int error;      /* the first one; the sentence is about that */
};

static const char *const jobs[] = {[RUN_ROUND_TRIP] = "round-trip",
				   [RUN_OPEN_LOOP] = "open-loop",
				   [RUN_STREAM] = "stream",
				   [RUN_BATCH] = "batch"};
static const char *const modes[] = {[RUN_SPINNING] = "spinning", [RUN_SLEEPING] = "sleeping"};

const char *run_job_key(enum run_job job)
{
	return jobs[job];
}

const char *run_mode_key(enum run_mode mode)
{
	return modes[mode];
}

/* ---- one field ---------------------------------------------------------------------------- */

static void reject(struct reader *reader, int error, const char *format, ...)
{
	va_list arguments;

	if (reader->error != 0)
		return;
	reader->error = error;
	va_start(arguments, format);
	vsnprintf(reader->why, reader->why_size, format, arguments);
	va_end(arguments);
}

static const char *type_name(const json_t *value)
{
	static const char *const names[] = {"an object", "an array", "a string", "a number",
					    "a number",  "true",     "false",    "null"};

	return value != NULL ? names[json_typeof(value)] : "missing";
}

static void reject_type(struct reader *reader, const char *name, const json_t *value,
			const char *wanted)
{
	reject(reader, -EINVAL,
	       "%s%s is %s where %s is wanted: make the document with "
	       "'shoal bench --json'",
	       reader->where, name, type_name(value), wanted);
}

/* The member, or NULL when it is null or not there; then it may be an error. */
static const json_t *member(struct reader *reader, const json_t *object, const char *name,
			    enum need need, const char *wanted)
{
	const json_t *value = json_object_get(object, name);

	if (value != NULL && !json_is_null(value))
		return value;
	if (need == NEEDED || (need == NULLABLE && value == NULL))
		reject_type(reader, name, value, wanted);
	return NULL;
}

static double checked(struct reader *reader, const char *name, const json_t *value)
{
	double number = json_number_value(value);

	if (!json_is_number(value))
		reject_type(reader, name, value, "a number");
	else if (!(number >= 0 && number <= MOST))
		reject(reader, -EINVAL, "%s%s is %g: figures lie between 0 and %g", reader->where,
		       name, number, MOST);
	else
		return number;
	return RUN_NONE;
}

static double number(struct reader *reader, const json_t *object, const char *name, enum need need)
{
	const json_t *value = member(reader, object, name, need, "a number");

	return value != NULL ? checked(reader, name, value) : RUN_NONE;
}

static const char *string(struct reader *reader, const json_t *object, const char *name,
			  enum need need)
{
	const json_t *value = member(reader, object, name, need, "a string");

	if (value == NULL)
		return NULL;
	if (!json_is_string(value))
		reject_type(reader, name, value, "a string");
	return json_string_value(value);
}

static const json_t *array(struct reader *reader, const json_t *object, const char *name,
			   enum need need)
{
	const json_t *value = member(reader, object, name, need, "an array");

	if (value == NULL || json_is_array(value))
		return value;
	reject_type(reader, name, value, "an array");
	return NULL;
}

/* An index into `names`. */
static size_t word(struct reader *reader, const json_t *object, const char *name,
		   const char *const *names, size_t count)
{
	const char *text = string(reader, object, name, NEEDED);
	char known[64] = "";
	size_t used = 0;

	for (size_t i = 0; text != NULL && i < count; i++) {
		if (strcmp(text, names[i]) == 0)
			return i;
	}
	for (size_t i = 0; i < count && used < sizeof known; i++)
		used += (size_t)snprintf(known + used, sizeof known - used, "%s%s",
					 i > 0 ? ", " : "", names[i]);
	reject(reader, -EINVAL, "%s%s is none of %s: this shoal knows no other", reader->where,
	       name, known);
	return 0;
}

/* ---- a result ----------------------------------------------------------------------------- */

static void read_spread(struct reader *reader, const json_t *object, struct run_result *result)
{
	const json_t *pair = array(reader, object, "spread", OPTIONAL);

	result->low = result->high = RUN_NONE;
	if (pair == NULL)
		return;
	if (json_array_size(pair) != 2) {
		reject(reader, -EINVAL, "%sspread has %zu elements: it is two quartiles",
		       reader->where, json_array_size(pair));
		return;
	}
	result->low = checked(reader, "spread[0]", json_array_get(pair, 0));
	result->high = checked(reader, "spread[1]", json_array_get(pair, 1));
	if (result->low > result->high)
		reject(reader, -EINVAL, "%sspread falls: the lower quartile comes first",
		       reader->where);
}

static void add_point(struct run_result *result, double percent, double ns)
{
	if (run_has(ns))
		result->points[result->point_count++] =
		    (struct run_percentile){.percent = percent, .ns = ns};
}

static void read_points(struct reader *reader, const json_t *list, struct run_result *result)
{
	double before = -1;

	for (size_t i = 0; i < json_array_size(list) && reader->error == 0; i++) {
		const json_t *pair = json_array_get(list, i);
		char name[48];
		double percent;

		snprintf(name, sizeof name, "percentiles[%zu]", i);
		if (json_array_size(pair) != 2) {
			reject_type(reader, name, pair, "[percent, ns]");
			return;
		}
		percent = checked(reader, name, json_array_get(pair, 0));
		add_point(result, percent, checked(reader, name, json_array_get(pair, 1)));
		if (percent > 100 || percent <= before)
			reject(reader, -EINVAL, "%s%s is of %g %%: they rise, and end at 100",
			       reader->where, name, percent);
		before = percent;
	}
}

/* A document may say no more than the four figures: these are points, too. */
static void read_percentiles(struct reader *reader, const json_t *object, struct run_result *result)
{
	const json_t *list = array(reader, object, "percentiles", OPTIONAL);
	size_t count = list != NULL ? json_array_size(list) : 3;

	if (count > PERCENTILES_MOST) {
		reject(reader, -EINVAL, "%spercentiles has %zu elements: at most %d are drawn",
		       reader->where, count, PERCENTILES_MOST);
		return;
	}
	result->points = calloc(count + 1, sizeof *result->points);
	if (result->points == NULL) {
		reject(reader, -ENOMEM, "no memory for %zu percentiles", count);
	} else if (list != NULL) {
		read_points(reader, list, result);
	} else {
		add_point(result, 50, result->p50_ns);
		add_point(result, 99, result->p99_ns);
		add_point(result, 99.9, result->p999_ns);
	}
}

static void read_key(struct reader *reader, const json_t *object, struct run_result *result)
{
	enum need load;

	result->unavailable = string(reader, object, "unavailable", OPTIONAL);
	load = result->unavailable != NULL ? OPTIONAL : NEEDED;
	result->transport = string(reader, object, "transport", NEEDED);
	result->job = (enum run_job)word(reader, object, "job", jobs, sizeof jobs / sizeof *jobs);
	result->mode =
	    (enum run_mode)word(reader, object, "mode", modes, sizeof modes / sizeof *modes);
	result->size = number(reader, object, "size", NEEDED);
	result->rate = number(reader, object, "rate", load);
	result->publishers = number(reader, object, "publishers", load);
	result->subscribers = number(reader, object, "subscribers", load);
	result->slots = number(reader, object, "slots", OPTIONAL);
	/* What is not here was not asked for with any load. */
	if (!run_has(result->rate))
		result->rate = 0;
	if (!run_has(result->publishers))
		result->publishers = 1;
	if (!run_has(result->subscribers))
		result->subscribers = 1;
	if (!run_has(result->slots))
		result->slots = 0;
}

static void read_figures(struct reader *reader, const json_t *object, struct run_result *result)
{
	bool available = result->unavailable == NULL;
	bool stream = run_is_stream(result);
	enum need latency = available && !stream ? NEEDED : OPTIONAL;
	enum need throughput = available && stream ? NEEDED : OPTIONAL;

	result->piece_bytes = number(reader, object, "piece_bytes", OPTIONAL);
	result->p50_ns = number(reader, object, "p50_ns", latency);
	/* Null where there were too few messages for it. */
	result->p99_ns = number(reader, object, "p99_ns", latency == NEEDED ? NULLABLE : OPTIONAL);
	result->p999_ns = number(reader, object, "p999_ns", OPTIONAL);
	result->max_ns = number(reader, object, "max_ns", OPTIONAL);
	result->msgs_per_s = number(reader, object, "msgs_per_s", throughput);
	result->bytes_per_s = number(reader, object, "bytes_per_s", throughput);
	result->limit = string(reader, object, "limit", OPTIONAL);
	result->ratio = number(reader, object, "ratio_to_limit", OPTIONAL);
	result->limit_figure =
	    number(reader, object, stream ? "limit_msgs_per_s" : "limit_p50_ns", OPTIONAL);
	result->messages = number(reader, object, "messages", OPTIONAL);
	result->cpu_s = number(reader, object, "cpu_s", OPTIONAL);
	result->cpu_ns_per_message = number(reader, object, "cpu_ns_per_message", OPTIONAL);
	result->preempted = number(reader, object, "preempted", OPTIONAL);
	result->switches = number(reader, object, "switches", OPTIONAL);
	result->starts = number(reader, object, "starts", OPTIONAL);
	result->near = number(reader, object, "near", OPTIONAL);
	read_spread(reader, object, result);
	if (available && !stream)
		read_percentiles(reader, object, result);
}

static void read_result(struct reader *reader, const json_t *object, struct run_result *result)
{
	if (!json_is_object(object)) {
		reject_type(reader, "", object, "an object");
		return;
	}
	snprintf(reader->where + strlen(reader->where), 2, ".");
	read_key(reader, object, result);
	read_figures(reader, object, result);
}

static void read_results(struct reader *reader, const json_t *json, struct run_document *run)
{
	const json_t *list = array(reader, json, "results", NEEDED);
	size_t count = json_array_size(list);

	if (count > RESULTS_MOST) {
		reject(reader, -EINVAL,
		       "results has %zu elements: at most %d are drawn and "
		       "compared",
		       count, RESULTS_MOST);
		return;
	}
	run->results = calloc(count + 1, sizeof *run->results);
	if (run->results == NULL) {
		reject(reader, -ENOMEM, "no memory for %zu results", count);
		return;
	}
	for (; run->count < count && reader->error == 0; run->count++) {
		snprintf(reader->where, sizeof reader->where, "results[%zu]", run->count);
		read_result(reader, json_array_get(list, run->count), &run->results[run->count]);
	}
}

/* ---- the machine, the whole ----------------------------------------------------------------- */

static void read_machine(struct reader *reader, const json_t *json, struct run_machine *machine)
{
	const json_t *object = member(reader, json, "machine", NEEDED, "an object");
	const json_t *jitter;
	const json_t *hypervisor;

	if (object != NULL && !json_is_object(object))
		reject_type(reader, "machine", object, "an object");
	snprintf(reader->where, sizeof reader->where, "machine.");
	machine->cpu = string(reader, object, "cpu", NEEDED);
	machine->kernel = string(reader, object, "kernel", NEEDED);
	machine->governor = string(reader, object, "governor", OPTIONAL);
	machine->pinned = array(reader, object, "pinned", OPTIONAL);
	machine->processors = number(reader, object, "processors", OPTIONAL);
	machine->steal_percent = number(reader, object, "steal_percent", OPTIONAL);
	machine->busy_percent_before = number(reader, object, "busy_percent_before", OPTIONAL);
	hypervisor = json_object_get(object, "hypervisor");
	machine->hypervisor = json_is_boolean(hypervisor) ? json_is_true(hypervisor) : -1;
	jitter = json_object_get(object, "timer_jitter_ns");
	snprintf(reader->where, sizeof reader->where, "machine.timer_jitter_ns.");
	machine->jitter_p50_ns = number(reader, jitter, "p50", OPTIONAL);
	machine->jitter_p99_ns = number(reader, jitter, "p99", OPTIONAL);
	machine->jitter_max_ns = number(reader, jitter, "max", OPTIONAL);
	reader->where[0] = '\0';
}

int run_document_read(const json_t *json, struct run_document *ret_run, char *why, size_t why_size)
{
	struct reader reader = {.why = why, .why_size = why_size};
	double format;

	memset(ret_run, 0, sizeof *ret_run);
	if (!json_is_object(json)) {
		reject_type(&reader, "the document", json, "an object");
		return reader.error;
	}
	format = number(&reader, json, "format", NEEDED);
	if (run_has(format) && format != FORMAT)
		reject(&reader, -ENOTSUP,
		       "format is %g and this shoal reads %d: use the release "
		       "that wrote the document, or measure again",
		       format, FORMAT);
	ret_run->shoal = string(&reader, json, "shoal", NEEDED);
	ret_run->when = string(&reader, json, "when", NEEDED);
	ret_run->duration_s = number(&reader, json, "duration_s", OPTIONAL);
	read_machine(&reader, json, &ret_run->machine);
	read_results(&reader, json, ret_run);
	if (reader.error != 0)
		run_document_free(ret_run);
	return reader.error;
}

void run_document_free(struct run_document *run)
{
	for (size_t i = 0; i < run->count; i++)
		free(run->results[i].points);
	free(run->results);
	memset(run, 0, sizeof *run);
}

/* ---- questions ------------------------------------------------------------------------------ */

/* The ring is the limit of streams, and a round trip's rival like others. */
bool run_is_limit(const struct run_result *result)
{
	if (result->limit != NULL)
		return strcmp(result->limit, result->transport) == 0;
	return strcmp(result->transport, "line") == 0 || strcmp(result->transport, "ring") == 0;
}

bool run_fell_behind(const struct run_result *result)
{
	return result->job == RUN_OPEN_LOOP && result->msgs_per_s < RUN_RATE_REACHED * result->rate;
}

const struct run_result *run_limit_of(const struct run_document *run,
				      const struct run_result *result)
{
	const struct run_result *other_size = NULL;

	for (size_t i = 0; result->limit != NULL && i < run->count; i++) {
		const struct run_result *at = &run->results[i];

		if (at->unavailable != NULL || at->job != result->job ||
		    strcmp(at->transport, result->limit) != 0)
			continue;
		if (at->size == result->size)
			return at;
		if (other_size == NULL)
			other_size = at;
	}
	return other_size;
}

bool run_was_noisy(const struct run_machine *machine)
{
	return machine->steal_percent > RUN_STEAL_PERCENT ||
	       machine->busy_percent_before > RUN_BUSY_PERCENT;
}
