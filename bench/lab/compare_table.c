/* SPDX-License-Identifier: Apache-2.0 */
/* What is said about a comparison; see compare_table.h. */
#include "compare_table.h"

#include "run_text.h"

#include <errno.h>
#include <libsmartcols.h>
#include <stdarg.h>
#include <string.h>

/* ---- sentences ---------------------------------------------------------------------------- */

/* Text of a document may be anybody's: none of it commands the terminal. */
__attribute__((format(printf, 2, 3))) static void sentence(FILE *to, const char *format, ...)
{
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	run_print(to, text);
	putc('\n', to);
}

static void write_runs(const struct comparison *comparison, FILE *to)
{
	const struct run_document *runs[] = {&comparison->old, &comparison->new};
	static const char *const names[] = {"old", "new"};

	for (size_t i = 0; i < 2; i++)
		sentence(to, "%s: shoal %s, %s, %s, Linux %s", names[i],
			 run_short(runs[i]->shoal, 40).text, run_short(runs[i]->when, 40).text,
			 run_short(runs[i]->machine.cpu, 60).text,
			 run_short(runs[i]->machine.kernel, 40).text);
	putc('\n', to);
}

static void warn_of_machines(const struct comparison *comparison, FILE *to)
{
	const struct run_machine *old = &comparison->old.machine;
	const struct run_machine *new = &comparison->new.machine;

	if (strcmp(old->cpu, new->cpu) != 0)
		sentence(to,
			 "Warning: the processors differ, '%s' and '%s': ratios change with "
			 "them, too.",
			 run_short(old->cpu, 60).text, run_short(new->cpu, 60).text);
	if (strcmp(old->kernel, new->kernel) != 0)
		sentence(to,
			 "Warning: the kernels differ, %s and %s: what sleeps changes with "
			 "them, too.",
			 run_short(old->kernel, 40).text, run_short(new->kernel, 40).text);
	if (run_has(old->processors) && run_has(new->processors) &&
	    old->processors != new->processors)
		sentence(to, "Warning: there were %.0f processors, and are %.0f.", old->processors,
			 new->processors);
	if (old->hypervisor >= 0 && new->hypervisor >= 0 && old->hypervisor != new->hypervisor)
		sentence(to, "Warning: only one of the machines is virtual.");
}

static void warn_of_noise(const struct run_document *run, const char *name, FILE *to)
{
	if (run_was_noisy(&run->machine))
		sentence(to,
			 "Warning: the %s run was noisy: %s stolen by the hypervisor, "
			 "processors %s busy just before; measure it again when nothing else "
			 "runs.",
			 name, run_percent(run->machine.steal_percent).text,
			 run_percent(run->machine.busy_percent_before).text);
}

static struct run_text value_text(const struct compare_line *line, double value)
{
	if (strcmp(line->figure, "median") == 0)
		return run_time(value, RUN_MICRO_ASCII);
	if (strcmp(line->figure, "messages") == 0)
		return run_rate(value);
	return run_ratio(value);
}

static void warn_of_limit(const struct compare_line *line, FILE *to)
{
	if (line->verdict != COMPARE_LIMIT || !(fabs(line->change) > COMPARE_FLOOR_ABSOLUTE))
		return;
	sentence(to,
		 "Warning: the limit itself moved, %s (%s) from %s to %s: the machine is not "
		 "what it was.",
		 run_short(line->about->transport, 24).text, run_title(line->about).text,
		 value_text(line, line->old_value).text, value_text(line, line->new_value).text);
}

static void name_missing(const struct compare_line *line, FILE *to)
{
	if (line->verdict != COMPARE_MISSING)
		return;
	sentence(to, "Missing in the new run: %s (%s): %s",
		 run_short(line->about->transport, 24).text, run_title(line->about).text,
		 line->reason != NULL ? run_short(line->reason, 120).text : "it was not measured");
}

const char compare_rule[] =
    "Slower: worse by more than 5 % and by more than the noise, which is 3 / sqrt(starts)\n"
    "of the distance of the quartiles of either run. A figure that is no ratio to the limit\n"
    "has no quartiles: by more than 25 %.\n";

static void write_summary(const struct comparison *comparison, FILE *to)
{
	const size_t *v = comparison->verdicts;

	sentence(to,
		 "%zu slower, %zu faster, %zu the same, %zu within the noise, %zu not judged, %zu "
		 "missing, %zu new.",
		 v[COMPARE_SLOWER], v[COMPARE_FASTER], v[COMPARE_SAME], v[COMPARE_NOISE],
		 v[COMPARE_FEW] + v[COMPARE_PLACE] + v[COMPARE_MACHINE] + v[COMPARE_BEFORE],
		 v[COMPARE_MISSING], v[COMPARE_NEW]);
	fputs(compare_rule, to);
}

/* ---- the table ---------------------------------------------------------------------------- */

enum { TRANSPORT, WHAT, FIGURE, OLD, NEW, CHANGE, NOISE, VERDICT, COLUMNS };

static const char *verdict_text(enum compare_verdict verdict)
{
	static const char *const texts[] = {
	    [COMPARE_SAME] = "same",
	    [COMPARE_NOISE] = "within the noise",
	    [COMPARE_FASTER] = "faster",
	    [COMPARE_SLOWER] = "SLOWER",
	    [COMPARE_FEW] = "too few starts",
	    [COMPARE_PLACE] = "processors lay otherwise",
	    [COMPARE_MACHINE] = "other machine",
	    [COMPARE_BEFORE] = "ratio made otherwise",
	    [COMPARE_LIMIT] = "a limit",
	    [COMPARE_MISSING] = "missing",
	    [COMPARE_NEW] = "new",
	};

	return texts[verdict];
}

static int add_columns(struct libscols_table *table)
{
	static const char *const headings[COLUMNS] = {"TRANSPORT", "WHAT",   "FIGURE", "OLD",
						      "NEW",       "CHANGE", "NOISE",  "VERDICT"};

	for (size_t i = 0; i < COLUMNS; i++) {
		bool right = i >= OLD && i <= NOISE;

		if (scols_table_new_column(table, headings[i], 0, right ? SCOLS_FL_RIGHT : 0) ==
		    NULL)
			return -ENOMEM;
	}
	return 0;
}

static struct run_text share_text(double share, const char *sign)
{
	struct run_text text = {"-"};

	if (!run_has(share))
		return text;
	snprintf(text.text, sizeof text.text, sign[0] == '+' ? "%+.1f %%" : "%.1f %%",
		 fmin(share * 100, 99999));
	return text;
}

static int add_row(struct libscols_table *table, const struct compare_line *line)
{
	bool both = line->old != NULL && line->new != NULL;
	struct libscols_line *row = scols_table_new_line(table, NULL);
	struct run_text text[COLUMNS] = {
	    [TRANSPORT] = run_short(line->about->transport, 24),
	    [WHAT] = run_title(line->about),
	    [FIGURE] = run_short(both ? line->figure : "-", 24),
	    [OLD] = both ? value_text(line, line->old_value) : run_short("-", 1),
	    [NEW] = both ? value_text(line, line->new_value) : run_short("-", 1),
	    [CHANGE] = share_text(both ? line->change : RUN_NONE, "+"),
	    [NOISE] = share_text(both ? line->noise : RUN_NONE, ""),
	    [VERDICT] = run_short(verdict_text(line->verdict), 40),
	};

	if (row == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < COLUMNS; i++) {
		if (scols_line_set_data(row, i, text[i].text) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int write_table(const struct comparison *comparison, FILE *to)
{
	struct libscols_table *table = scols_new_table();
	int r;

	if (table == NULL)
		return -ENOMEM;
	r = add_columns(table);
	for (size_t i = 0; i < comparison->count && r == 0; i++)
		r = add_row(table, &comparison->lines[i]);
	if (r == 0 && comparison->count > 0) {
		scols_table_set_stream(table, to);
		r = scols_print_table(table) < 0 ? -ENOMEM : 0;
		putc('\n', to);
	}
	scols_unref_table(table);
	return r;
}

int compare_write(const struct comparison *comparison, FILE *to)
{
	int r;

	write_runs(comparison, to);
	r = write_table(comparison, to);
	warn_of_machines(comparison, to);
	warn_of_noise(&comparison->old, "old", to);
	warn_of_noise(&comparison->new, "new", to);
	for (size_t i = 0; i < comparison->count; i++)
		warn_of_limit(&comparison->lines[i], to);
	for (size_t i = 0; i < comparison->count; i++)
		name_missing(&comparison->lines[i], to);
	write_summary(comparison, to);
	return r;
}
