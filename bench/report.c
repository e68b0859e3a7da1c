/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- rows --------------------------------------------------------------------------------- */

bool bench_row_met(const struct bench_row *row)
{
	double figure = row->reference_name != NULL ? row->ratio : row->value;

	if (row->error != NULL)
		return false;
	if (row->goal == GOAL_MOST)
		return figure <= row->bound;
	return row->goal == GOAL_NONE || figure >= row->bound;
}

static const char *value_text(double value, enum bench_unit unit, char *text, size_t bytes)
{
	switch (unit) {
	case UNIT_NS:
		snprintf(text, bytes, "%.1f ns", value);
		break;
	case UNIT_US:
		snprintf(text, bytes, "%.1f us", value / 1e3);
		break;
	case UNIT_MESSAGES:
		snprintf(text, bytes, "%.2f M/s", value / 1e6);
		break;
	case UNIT_BYTES:
		snprintf(text, bytes, "%.2f GB/s", value / 1e9);
		break;
	case UNIT_COUNT:
		snprintf(text, bytes, "%.0f", value);
		break;
	}
	return text;
}

static const char *unit_name(enum bench_unit unit)
{
	switch (unit) {
	case UNIT_MESSAGES:
		return "messages/s";
	case UNIT_BYTES:
		return "bytes/s";
	case UNIT_COUNT:
		return "times";
	default:
		return "ns";
	}
}

static void goal_text(const struct bench_row *row, char *text, size_t bytes)
{
	if (row->goal == GOAL_NONE)
		snprintf(text, bytes, "-");
	else
		snprintf(text, bytes, "%s %.*f",
			 row->goal == GOAL_MOST ? "<=" : ">=", row->reference_name != NULL ? 2 : 0,
			 row->bound);
}

static const char *verdict(const struct bench_row *row)
{
	if (row->error != NULL)
		return "FAILED";
	if (row->goal == GOAL_NONE)
		return "";
	return bench_row_met(row) ? "met" : "NOT MET";
}

/* "0.52 x 7, far 0.88 x 5": ratios and process starts. */
static const char *places_text(const struct bench_row *row, char *text, size_t bytes)
{
	int n = 0;

	text[0] = '\0';
	if (row->near.starts > 0)
		n = snprintf(text, bytes, "near %.2f x %u", row->near.ratio, row->near.starts);
	if (row->far.starts > 0)
		snprintf(text + n, bytes - (size_t)n, "%sfar %.2f x %u", n > 0 ? ", " : "",
			 row->far.ratio, row->far.starts);
	return text;
}

void bench_report_head(const struct bench_machine *machine)
{
	printf("%s, %d processors (measured on %d and %d), %s\n", machine->processor,
	       machine->processors, machine->cores[0], machine->cores[1], machine->kernel);
	printf("%u process starts a figure, %u repeats each; medians; spread: quartiles\n",
	       machine->starts, machine->repeats);
	printf(
	    "near, far: the starts in which a line's round trip took less or more than %d ns\n\n",
	    BENCH_FAR_NS);
	printf("%-40s %11s  %-18s %11s  %6s  %-13s %-8s\n", "", "figure", "reference", "", "ratio",
	       "spread", "goal");
	fflush(stdout);
}

void bench_report_row(const struct bench_row *row)
{
	char value[24];
	char reference[24];
	char spread[48];
	char goal[24];
	char places[64];

	goal_text(row, goal, sizeof goal);
	if (row->error != NULL) {
		printf("%-40s FAILED: %s\n", row->title, row->error);
	} else if (row->reference_name != NULL) {
		snprintf(spread, sizeof spread, "%.2f..%.2f", row->low, row->high);
		printf("%-40s %11s  %-18s %11s  %6.3f  %-13s %-8s %-8s %s\n", row->title,
		       value_text(row->value, row->unit, value, sizeof value), row->reference_name,
		       value_text(row->reference, row->unit, reference, sizeof reference),
		       row->ratio, spread, goal, verdict(row),
		       places_text(row, places, sizeof places));
	} else {
		char low[24];
		char high[24];

		snprintf(spread, sizeof spread, "%s..%s",
			 value_text(row->low, row->unit, low, sizeof low),
			 value_text(row->high, row->unit, high, sizeof high));
		printf("%-40s %11s  %-18s %11s  %6s  %-13s %-8s %s\n", row->title,
		       value_text(row->value, row->unit, value, sizeof value), "", "", "",
		       row->low < row->high ? spread : "", goal, verdict(row));
	}
	fflush(stdout);
}

void bench_report_foot(const struct bench_machine *machine, const struct bench_row *rows,
		       size_t count)
{
	size_t goals = 0;
	size_t met = 0;

	for (size_t i = 0; i < count; i++) {
		if (rows[i].goal == GOAL_NONE && rows[i].error == NULL)
			continue;
		goals++;
		met += bench_row_met(&rows[i]);
	}
	printf("\n%zu of %zu goals met. Took %.0f s; processors %.0f%% busy just before; "
	       "%.2f%% stolen by the hypervisor meanwhile; "
	       "%" PRIu64 " repeats disturbed by other processes.\n",
	       met, goals, machine->took_s, machine->busy * 100.0, machine->stolen * 100.0,
	       machine->disturbed);
	if (machine->busy > 0.1 || machine->disturbed > 50)
		printf("The machine was not quiet: these figures are worth little.\n");
}

/* ---- JSON --------------------------------------------------------------------------------- */

/* All our texts are plain ASCII; a processor's name may be anything. */
static void json_string(const char *text)
{
	putchar('"');
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		if ((unsigned char)*text >= ' ')
			putchar(*text);
	}
	putchar('"');
}

static void json_places(const struct bench_row *row)
{
	const struct {
		const char *name;
		const struct bench_share *share;
	} places[] = {{"near", &row->near}, {"far", &row->far}};

	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		if (places[i].share->starts > 0)
			printf(",\"%s\":{\"starts\":%u,\"ratio\":%.4f}", places[i].name,
			       places[i].share->starts, places[i].share->ratio);
	}
}

static void json_row(const struct bench_row *row)
{
	printf("{\"name\":\"%s\",\"title\":\"%s\",\"unit\":\"%s\"", row->name, row->title,
	       unit_name(row->unit));
	if (row->error != NULL) {
		printf(",\"error\":");
		json_string(row->error);
	} else {
		printf(",\"value\":%.6g", row->value);
		if (row->reference_name != NULL)
			printf(",\"reference\":\"%s\",\"reference_value\":%.6g,\"ratio\":%.4f",
			       row->reference_name, row->reference, row->ratio);
		printf(",\"spread\":[%.6g,%.6g]", row->low, row->high);
		json_places(row);
	}
	if (row->goal != GOAL_NONE)
		printf(",\"goal\":\"%s\",\"bound\":%.4g,\"met\":%s",
		       row->goal == GOAL_MOST ? "at most" : "at least", row->bound,
		       bench_row_met(row) ? "true" : "false");
	putchar('}');
}

void bench_report_json(const struct bench_machine *machine, const struct bench_row *rows,
		       size_t count)
{
	printf("{\"machine\":{\"processor\":");
	json_string(machine->processor);
	printf(",\"processors\":%d,\"measured_on\":[%d,%d],\"kernel\":", machine->processors,
	       machine->cores[0], machine->cores[1]);
	json_string(machine->kernel);
	printf(",\"busy_before\":%.4f,\"stolen\":%.5f,\"disturbed\":%" PRIu64
	       "},\"starts\":%u,\"repeats\":%u,"
	       "\"seconds\":%.1f,\"figures\":[",
	       machine->busy, machine->stolen, machine->disturbed, machine->starts,
	       machine->repeats, machine->took_s);
	for (size_t i = 0; i < count; i++) {
		printf("%s\n", i > 0 ? "," : "");
		json_row(&rows[i]);
	}
	printf("\n]}\n");
}
