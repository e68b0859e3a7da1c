/* SPDX-License-Identifier: Apache-2.0 */
#include "document.h"

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

/* Over all trips of all starts. */
static void set_latency(json_t *row, const struct lab_figure *figure, double unit_ns)
{
	static const struct {
		const char *name;
		double percent;
	} named[] = {{"p50_ns", 50}, {"p99_ns", 99}, {"p999_ns", 99.9}, {"max_ns", 100}};
	static const double percents[] = {50, 75, 90, 99, 99.9, 99.99, 100};
	bool timed = figure->latency.memory != NULL;
	json_t *list = timed ? json_array() : json_null();

	for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
		json_object_set_new(
		    row, named[i].name,
		    timed ? json_real(unit_ns * (double)shoal_histogram_percentile(
						    &figure->latency, named[i].percent))
			  : json_null());
	for (size_t i = 0; timed && i < sizeof percents / sizeof percents[0]; i++)
		json_array_append_new(
		    list, json_pack("[f,f]", percents[i],
				    unit_ns * (double)shoal_histogram_percentile(&figure->latency,
										 percents[i])));
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

static json_t *row_of(const struct lab_figure *figure, double tick_ns)
{
	const struct lab_case *what = &figure->what;
	json_t *row = case_of(figure);
	double ratios[LAB_STARTS_MAX], rates[LAB_STARTS_MAX];
	double messages_s, ratio;
	uint32_t count = figure->starts;

	if (figure->missing[0] != '\0') {
		json_object_set_new(row, "unavailable", json_text(figure->missing));
		return row;
	}
	memcpy(ratios, figure->ratio, sizeof ratios);
	memcpy(rates, figure->messages_s, sizeof rates);
	messages_s = bench_median(rates, count);
	ratio = bench_median(ratios, count); /* sorts them: the quartiles are where they are */
	set_latency(row, figure, what->job == LAB_OPEN_LOOP ? 1.0 : tick_ns);
	json_object_update_new(
	    row, json_pack("{s:f, s:f, s:s, s:f, s:[f,f], s:f, s:I, s:I, s:I}", "msgs_per_s",
			   messages_s, "bytes_per_s", messages_s * (double)what->bytes, "limit",
			   lab_limit_of(what->job)->name, "ratio_to_limit", ratio, "spread",
			   bench_quantile(ratios, count, 0.25), bench_quantile(ratios, count, 0.75),
			   "cpu_s", figure->cpu_s, "switches", (json_int_t)figure->switches,
			   "starts", (json_int_t)count, "near", (json_int_t)figure->near));
	if (figure->piece > 0 && figure->piece < what->bytes)
		json_object_set_new(row, "piece_bytes", json_u64(figure->piece));
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
		json_array_append_new(rows, row_of(&plan->figures[i], result->tick_ns));
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
