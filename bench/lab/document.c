/* SPDX-License-Identifier: Apache-2.0 */
#include "document.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FORMAT 1
/* More digits than are known of anything here. */
#define DIGITS 6

static json_t *machine_of(const struct lab_result *result)
{
	const struct bench_machine *machine = &result->machine;
	const char *kernel = strchr(machine->kernel, ' ');

	return json_pack("{s:o, s:i, s:o, s:[i,i], s:o, s:b, s:f, s:f, s:{s:f, s:f, s:f}}", "cpu",
			 json_text(machine->processor), "processors", machine->processors, "kernel",
			 json_text(kernel ? kernel + 1 : machine->kernel), "pinned",
			 machine->cores[0], machine->cores[1], "governor",
			 json_text(machine->governor), "hypervisor", machine->hypervisor,
			 "steal_percent", machine->stolen * 100.0, "busy_percent_before",
			 machine->busy * 100.0, "timer_jitter_ns", "p50", result->jitter.p50, "p99",
			 result->jitter.p99, "max", result->jitter.max);
}

/* What the job of a figure is compared with, in this run: of the line the median over all starts of
 * all figures, for each of them measures it; of a ring those of its size. */
static double limit_of_run(const struct lab_plan *plan, const struct lab_case *what)
{
	bool stream = lab_is_stream(what->job);
	double *values = calloc(plan->count * LAB_STARTS_MAX + 1, sizeof *values);
	size_t count = 0;
	double limit;

	if (values == NULL)
		bench_die("out of memory");
	for (size_t i = 0; i < plan->count; i++) {
		const struct lab_figure *figure = &plan->figures[i];

		if (stream &&
		    (!lab_is_stream(figure->what.job) || figure->what.bytes != what->bytes))
			continue;
		for (uint32_t start = 0; start < figure->starts; start++)
			values[count++] = stream ? figure->start[start].limit
						 : figure->start[start].line_ns;
	}
	limit = bench_median(values, count);
	free(values);
	return what->job == LAB_OPEN_LOOP ? limit / 2.0 : limit;
}

/* Null where too few lie beyond it to say. */
static json_t *percentile_of(const struct lab_summary *summary, uint64_t messages, size_t which)
{
	if (messages < lab_percents[which].messages_least)
		return json_null();
	return json_real(summary->ns[which]);
}

static void set_latency(json_t *row, const struct lab_figure *figure,
			const struct lab_summary *summary)
{
	bool timed = !lab_is_stream(figure->what.job);
	uint64_t messages = timed ? figure->messages : 0;
	json_t *list = timed ? json_array() : json_null();

	for (size_t i = 0; i < LAB_PERCENTS; i++) {
		if (timed && messages >= lab_percents[i].messages_least)
			json_array_append_new(
			    list, json_pack("[f,f]", lab_percents[i].percent, summary->ns[i]));
	}
	if (timed)
		json_array_append_new(list, json_pack("[f,f]", 100.0, summary->max_ns));
	json_object_set_new(row, "p50_ns", timed ? json_real(summary->ns[LAB_P50]) : json_null());
	json_object_set_new(row, "p99_ns", percentile_of(summary, messages, LAB_P99));
	json_object_set_new(row, "p999_ns", percentile_of(summary, messages, LAB_P999));
	json_object_set_new(row, "max_ns", timed ? json_real(summary->max_ns) : json_null());
	json_object_set_new(row, "percentiles", list);
}

static json_t *case_of(const struct lab_figure *figure)
{
	const struct lab_case *what = &figure->what;
	const struct lab_transport *transport = lab_transports[what->transport];
	json_t *row = json_pack("{s:s, s:s, s:s, s:I, s:f, s:I, s:I}", "transport", transport->name,
				"job", lab_job_names[what->job], "mode", lab_mode_names[what->mode],
				"size", (json_int_t)what->bytes, "rate", what->rate, "publishers",
				(json_int_t)what->publishers, "subscribers",
				(json_int_t)what->subscribers);

	if (what->slots > 0)
		json_object_set_new(row, "slots", json_u64(what->slots));
	if (transport->note != NULL)
		json_object_set_new(row, "setup", json_text(transport->note));
	return row;
}

static void set_costs(json_t *row, const struct lab_figure *figure)
{
	json_object_update_new(
	    row,
	    json_pack("{s:I, s:f, s:f, s:I, s:I, s:I, s:I}", "messages",
		      (json_int_t)figure->messages, "cpu_s", figure->cpu_s, "cpu_ns_per_message",
		      figure->cpu_s * 1e9 / (double)figure->messages, "switches",
		      (json_int_t)figure->switches, "preempted", (json_int_t)figure->preempted,
		      "starts", (json_int_t)figure->starts, "near", (json_int_t)figure->near));
}

static json_t *row_of(const struct lab_plan *plan, const struct lab_figure *figure)
{
	const struct lab_case *what = &figure->what;
	double limit = limit_of_run(plan, what);
	json_t *row = case_of(figure);
	struct lab_summary summary;

	if (figure->missing[0] != '\0') {
		json_object_set_new(row, "unavailable", json_text(figure->missing));
		return row;
	}
	lab_summarize(figure->start, figure->starts, what->job, what->mode, limit, &summary);
	set_latency(row, figure, &summary);
	json_object_update_new(
	    row, json_pack("{s:f, s:f, s:s, s:f, s:f, s:[f,f]}", "msgs_per_s", summary.messages_s,
			   "bytes_per_s", summary.messages_s * (double)what->bytes, "limit",
			   lab_limit_of(what->job)->name,
			   lab_is_stream(what->job) ? "limit_msgs_per_s" : "limit_p50_ns", limit,
			   "ratio_to_limit", summary.ratio, "spread", summary.low, summary.high));
	set_costs(row, figure);
	if (figure->piece > 0 && figure->piece < what->bytes)
		json_object_set_new(row, "piece_bytes", json_u64(figure->piece));
	if (figure->buffers > 0)
		json_object_set_new(row, "buffers", json_u64(figure->buffers));
	return row;
}

json_t *document_make(const struct lab_plan *plan, const struct lab_result *result)
{
	json_t *rows = json_array();
	time_t now = time(NULL);
	struct tm utc;
	char when[32];

	gmtime_r(&now, &utc);
	strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &utc);
	for (size_t i = 0; i < plan->count; i++)
		json_array_append_new(rows, row_of(plan, &plan->figures[i]));
	return json_pack("{s:i, s:s, s:s, s:f, s:o, s:o}", "format", FORMAT, "shoal",
			 shoal_version(), "when", when, "duration_s", result->machine.took_s,
			 "machine", machine_of(result), "results", rows);
}

int document_print(const json_t *document)
{
	if (json_dumpf(document, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(DIGITS)) < 0)
		return finish_stdout(EXIT_FAILED);
	putchar('\n');
	return finish_stdout(EXIT_DONE);
}
