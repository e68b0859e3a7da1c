/* SPDX-License-Identifier: Apache-2.0 */
#include "print.h"

#include "control.h"
#include "run_document.h"

#include <stdio.h>
#include <string.h>

#define COLUMNS       24
#define QUIET_PERCENT 10.0

/* What all tables can show; which of it they show unless told depends on the job. */
static const struct column all_columns[COLUMNS] = {
    {"transport", COLUMN_TEXT, true, NULL},
    {"job", COLUMN_TEXT, false, NULL},
    {"mode", COLUMN_TEXT, false, NULL},
    {"size", COLUMN_SIZE, true, NULL},
    {"rate", COLUMN_NUMBER, false, NULL},
    {"publishers", COLUMN_NUMBER, false, NULL},
    {"subscribers", COLUMN_NUMBER, false, NULL},
    {"p50_ns", COLUMN_NUMBER, true, "P50"},
    {"p99_ns", COLUMN_NUMBER, true, "P99"},
    {"p999_ns", COLUMN_NUMBER, true, "P99.9"},
    {"max_ns", COLUMN_NUMBER, true, "MAX"},
    {"msgs_per_s", COLUMN_NUMBER, true, "MESSAGES/S"},
    {"bytes_per_s", COLUMN_NUMBER, true, "BYTES/S"},
    {"limit", COLUMN_TEXT, false, NULL},
    {"ratio_to_limit", COLUMN_NUMBER, true, "RATIO"},
    {"spread", COLUMN_NUMBER, true, NULL},
    {"messages", COLUMN_NUMBER, true, NULL},
    {"cpu_s", COLUMN_NUMBER, true, "CPU-S"},
    {"cpu_ns_per_message", COLUMN_NUMBER, true, "CPU/MSG"},
    {"switches", COLUMN_NUMBER, true, NULL},
    {"preempted", COLUMN_NUMBER, false, NULL},
    {"starts", COLUMN_NUMBER, false, NULL},
    {"near", COLUMN_NUMBER, true, NULL},
    {"note", COLUMN_TEXT, true, NULL},
};

static const char *const titles[LAB_JOBS][LAB_MODES] = {
    {"Round trips, both sides spin", "Round trips, who waits sleeps"},
    {"Streams, both sides spin", "Streams, who waits sleeps"},
    {"At a fixed rate, one way, both sides spin", "At a fixed rate, one way, who waits sleeps"},
    {"Streams in batches, both sides spin", "Streams in batches, who waits sleeps"}};

int print_check(const struct verb *verb)
{
	return table_check(verb, all_columns, COLUMNS);
}

/* ---- cells ------------------------------------------------------------------------------- */

static const char *time_text(double ns, char *text, size_t size)
{
	if (ns < 999.95)
		snprintf(text, size, "%.1f ns", ns);
	else if (ns < 999950)
		snprintf(text, size, "%.1f us", ns / 1e3);
	else
		snprintf(text, size, "%.1f ms", ns / 1e6);
	return text;
}

/* Three digits, and no exponent. */
static const char *ratio_text(double ratio, char *text, size_t size)
{
	snprintf(text, size,
		 ratio < 0.001   ? "%.5f"
		 : ratio < 0.01  ? "%.4f"
		 : ratio < 999.5 ? "%.3g"
				 : "%.0f",
		 ratio);
	return text;
}

/* "3.21 M", "641 k" */
static const char *amount_text(double value, char *text, size_t size)
{
	static const char *const units[] = {"", " k", " M", " G"};
	size_t unit = 0;

	for (; value >= 999.5 && unit < 3; unit++)
		value /= 1000.0;
	snprintf(text, size, "%.*f%s",
		 value < 9.995   ? 2
		 : value < 99.95 ? 1
				 : 0,
		 value, units[unit]);
	return text;
}

static void set_text(json_t *cells, const char *key, const char *text)
{
	json_object_set_new(cells, key, json_text(text));
}

static void set_times(json_t *cells, const json_t *row)
{
	static const char *const keys[] = {"p50_ns", "p99_ns", "p999_ns", "max_ns",
					   "cpu_ns_per_message"};
	char text[48];

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		const json_t *value = json_object_get(row, keys[i]);

		if (json_is_number(value))
			set_text(cells, keys[i],
				 time_text(json_number_value(value), text, sizeof text));
	}
}

/* They are whole, so a few of them have no digits behind a point. */
static void set_messages(json_t *cells, const json_t *row)
{
	double messages = json_number_value(json_object_get(row, "messages"));
	char text[32];

	if (messages >= 1000)
		set_text(cells, "messages", amount_text(messages, text, sizeof text));
}

static void set_note(json_t *cells, const json_t *row)
{
	const char *reason = json_string_value(json_object_get(row, "unavailable"));
	json_int_t piece = json_integer_value(json_object_get(row, "piece_bytes"));
	json_int_t buffers = json_integer_value(json_object_get(row, "buffers"));
	double rate = json_number_value(json_object_get(row, "rate"));
	double messages_s = json_number_value(json_object_get(row, "msgs_per_s"));
	char text[1024] = "", amount[48];

	if (reason)
		snprintf(text, sizeof text, "not here: %s", reason);
	else if (rate > 0 && messages_s < RUN_RATE_REACHED * rate)
		snprintf(text, sizeof text, "rate not reached: %s/s",
			 amount_text(messages_s, amount, sizeof amount));
	else if (piece > 0)
		snprintf(text, sizeof text, "in pieces of %lld bytes", (long long)piece);
	else if (buffers > 0)
		snprintf(text, sizeof text, "room for %lld: memory is short", (long long)buffers);
	set_text(cells, "note", text);
}

/* A row of the document with its numbers as people read them. */
static json_t *cells_of(const json_t *row)
{
	json_t *cells = json_copy((json_t *)row);
	const json_t *spread = json_object_get(row, "spread");
	char text[96], low[24], high[24];

	set_times(cells, row);
	set_note(cells, row);
	json_object_set_new(
	    cells, "rate",
	    json_integer((json_int_t)json_number_value(json_object_get(row, "rate"))));
	if (!json_object_get(row, "ratio_to_limit"))
		return cells;
	set_messages(cells, row);
	set_text(
	    cells, "msgs_per_s",
	    amount_text(json_number_value(json_object_get(row, "msgs_per_s")), text, sizeof text));
	set_text(
	    cells, "bytes_per_s",
	    amount_text(json_number_value(json_object_get(row, "bytes_per_s")), text, sizeof text));
	set_text(cells, "ratio_to_limit",
		 ratio_text(json_number_value(json_object_get(row, "ratio_to_limit")), text,
			    sizeof text));
	snprintf(text, sizeof text, "%s..%s",
		 ratio_text(json_number_value(json_array_get(spread, 0)), low, sizeof low),
		 ratio_text(json_number_value(json_array_get(spread, 1)), high, sizeof high));
	set_text(cells, "spread", text);
	snprintf(text, sizeof text, "%.2f", json_number_value(json_object_get(row, "cpu_s")));
	set_text(cells, "cpu_s", text);
	return cells;
}

/* ---- tables ------------------------------------------------------------------------------ */

static bool is_called(const json_t *row, const char *key, const char *name)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text && strcmp(text, name) == 0;
}

static void choose_columns(enum lab_job job, const json_t *rows, struct column columns[COLUMNS])
{
	for (size_t i = 0; i < COLUMNS; i++) {
		const char *key = columns[i].key;

		if (lab_is_stream(job) && strstr(key, "_ns"))
			columns[i].usual = false;
		if (job == LAB_OPEN_LOOP && strcmp(key, "rate") == 0)
			columns[i].usual = true;
		if (!lab_is_stream(job) && strcmp(key, "bytes_per_s") == 0)
			columns[i].usual = false;
		/* Where all is well there is nothing to note. */
		if (strcmp(key, "note") == 0) {
			const json_t *row;
			size_t index;

			columns[i].usual = false;
			json_array_foreach(rows, index, row)
			{
				const char *note = json_string_value(json_object_get(row, "note"));

				if (note && note[0])
					columns[i].usual = true;
			}
		}
	}
}

static int print_one(const json_t *results, enum lab_job job, enum lab_mode mode)
{
	struct column columns[COLUMNS];
	json_t *rows = json_array();
	const json_t *row;
	size_t index;
	int code = EXIT_DONE;

	json_array_foreach(results, index, row)
	{
		if (is_called(row, "job", lab_job_names[job]) &&
		    is_called(row, "mode", lab_mode_names[mode]))
			json_array_append_new(rows, cells_of(row));
	}
	if (json_array_size(rows) > 0) {
		memcpy(columns, all_columns, sizeof columns);
		choose_columns(job, rows, columns);
		if (!table_style.no_headings)
			printf("\n%s\n", titles[job][mode]);
		code = table_print(rows, columns, COLUMNS);
	}
	json_decref(rows);
	return code;
}

static void print_head(const json_t *machine)
{
	printf("%s, %lld processors (%lld and %lld are used), Linux %s%s, governor %s\n",
	       json_string_value(json_object_get(machine, "cpu")),
	       (long long)json_integer_value(json_object_get(machine, "processors")),
	       (long long)json_integer_value(json_array_get(json_object_get(machine, "pinned"), 0)),
	       (long long)json_integer_value(json_array_get(json_object_get(machine, "pinned"), 1)),
	       json_string_value(json_object_get(machine, "kernel")),
	       json_is_true(json_object_get(machine, "hypervisor")) ? ", a virtual machine" : "",
	       json_string_value(json_object_get(machine, "governor")));
}

/* What happened while it was measured, and not before. */
static void print_noise(const json_t *results)
{
	double preempted = 0, switches = 0;
	const json_t *row;
	size_t index;

	json_array_foreach(results, index, row)
	{
		preempted += json_number_value(json_object_get(row, "preempted"));
		switches += json_number_value(json_object_get(row, "switches"));
	}
	printf("Of %.0f context switches, %.0f were involuntary: somebody else took the processor. "
	       "That is noise.\n",
	       switches, preempted);
}

static void print_foot(const json_t *document)
{
	const json_t *machine = json_object_get(document, "machine");
	const json_t *jitter = json_object_get(machine, "timer_jitter_ns");
	double busy = json_number_value(json_object_get(machine, "busy_percent_before"));
	char texts[3][48];

	fputs("\nRATIO: a round trip to that of a bare line, a stream to that through a plain ring "
	      "of such slots,\none way at a fixed rate to half a line's round trip. SPREAD: its "
	      "quartiles over the starts.\nWhat spins is compared within each start, and its "
	      "figures are the ratio times the run's limit. A ratio\nbetter than 1 means that the "
	      "processors moved within a start, or that fewer buffers go round than\nin the ring "
	      "and stay in a cache. \"-\": too few messages for that percentile.\nNEAR: the starts "
	      "with cores that share a cache (a line's round trip within 300 ns). MESSAGES,\n"
	      "CPU-S, CPU/MSG, SWITCHES: of both processes in all starts.\n",
	      stdout);
	printf("Took %.1f s; the processors were %.0f%% busy before, the hypervisor kept %.2f%%. "
	       "From look to look\nat the clock: %s, p99 %s, at most %s.\n",
	       json_number_value(json_object_get(document, "duration_s")), busy,
	       json_number_value(json_object_get(machine, "steal_percent")),
	       time_text(json_number_value(json_object_get(jitter, "p50")), texts[0], 48),
	       time_text(json_number_value(json_object_get(jitter, "p99")), texts[1], 48),
	       time_text(json_number_value(json_object_get(jitter, "max")), texts[2], 48));
	print_noise(json_object_get(document, "results"));
	if (busy > QUIET_PERCENT)
		printf("The machine was not quiet: these figures are worth little.\n");
}

/* How those are set up that say so, once each. */
static void print_setups(const json_t *results)
{
	for (size_t i = 0; i < json_array_size(results); i++) {
		const json_t *row = json_array_get(results, i);
		const char *name = json_string_value(json_object_get(row, "transport"));
		const char *setup = json_string_value(json_object_get(row, "setup"));
		bool seen = false;

		for (size_t before = 0; before < i && name && !seen; before++)
			seen = is_called(json_array_get(results, before), "transport", name);
		if (name && setup && !seen)
			printf("%s: %s.\n", name, setup);
	}
}

int print_tables(const json_t *document)
{
	const json_t *results = json_object_get(document, "results");
	int code = EXIT_DONE;

	if (!table_style.no_headings)
		print_head(json_object_get(document, "machine"));
	for (unsigned job = 0; job < LAB_JOBS && code == EXIT_DONE; job++) {
		for (unsigned mode = 0; mode < LAB_MODES && code == EXIT_DONE; mode++)
			code = print_one(results, (enum lab_job)job, (enum lab_mode)mode);
	}
	if (!table_style.no_headings && code == EXIT_DONE) {
		print_foot(document);
		print_setups(results);
	}
	return finish_stdout(code);
}
