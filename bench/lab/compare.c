/* SPDX-License-Identifier: Apache-2.0 */
/* Did it get slower? The rule is in compare.h. */
#include "compare.h"

#include "compare_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- one result --------------------------------------------------------------------------- */

bool compare_same_machine(const struct run_machine *old, const struct run_machine *new)
{
	bool counted = run_has(old->processors) && run_has(new->processors);

	return strcmp(old->cpu, new->cpu) == 0 && strcmp(old->kernel, new->kernel) == 0 &&
	       (!counted || old->processors == new->processors);
}

/* The ratio's spread, as a share of the ratio. Without one, nothing is known of the noise. */
static double noise_of(const struct run_result *result)
{
	double k = 3 / sqrt(result->starts);

	return (k > 0.5 ? k : 0.5) * (result->high - result->low) / result->ratio;
}

static bool has_ratio(const struct run_result *result)
{
	return result->limit != NULL && result->ratio > 0 && run_has(result->low) &&
	       run_has(result->high);
}

/* Most starts of a run are near or far; a half and half run is neither, and fits both. */
static int place_of(const struct run_result *result)
{
	if (!run_has(result->near) || !run_has(result->starts))
		return 0;
	return (result->near > result->starts / 2) - (result->near < result->starts / 2);
}

static enum compare_verdict judge(const struct compare_line *line, double floor)
{
	bool more_is_better = run_is_stream(line->new);
	double worse = more_is_better ? line->old_value / line->new_value
				      : line->new_value / line->old_value;
	/* As far to either side: twice as fast is as large a change as twice as slow. */
	double size = (worse < 1 ? 1 / worse : worse) - 1;

	/* Nothing then and nothing now is the same, too. */
	if (!(size > floor))
		return COMPARE_SAME;
	if (line->noise >= size)
		return COMPARE_NOISE;
	return worse > 1 ? COMPARE_SLOWER : COMPARE_FASTER;
}

static void fill_ratio(struct compare_line *line)
{
	line->figure = "ratio";
	line->old_value = line->old->ratio;
	line->new_value = line->new->ratio;
	line->noise = noise_of(line->old) + noise_of(line->new);
}

static void fill_absolute(struct compare_line *line)
{
	bool stream = run_is_stream(line->new);

	line->figure = stream ? "messages" : "median";
	line->old_value = stream ? line->old->msgs_per_s : line->old->p50_ns;
	line->new_value = stream ? line->new->msgs_per_s : line->new->p50_ns;
	line->noise = RUN_NONE;
}

struct compare_line compare_results(const struct run_result *old, const struct run_result *new,
				    bool same_machine)
{
	struct compare_line line = {.about = new, .old = old, .new = new};
	bool limit = run_is_limit(new);
	bool ratio = !limit && has_ratio(old) && has_ratio(new) &&
		     strcmp(old->limit, new->limit) == 0;

	if (ratio)
		fill_ratio(&line);
	else
		fill_absolute(&line);
	line.change = line.new_value / line.old_value - 1;
	if (limit)
		line.verdict = COMPARE_LIMIT;
	else if (ratio && new->mode == RUN_SLEEPING &&
		 run_has(old->limit_figure) != run_has(new->limit_figure))
		line.verdict = COMPARE_BEFORE;
	else if (!ratio && !same_machine)
		line.verdict = COMPARE_MACHINE;
	else if (!(old->starts >= COMPARE_STARTS && new->starts >= COMPARE_STARTS))
		line.verdict = COMPARE_FEW;
	else if (place_of(old) * place_of(new) < 0)
		line.verdict = COMPARE_PLACE;
	else
		line.verdict = judge(&line, ratio ? COMPARE_FLOOR : COMPARE_FLOOR_ABSOLUTE);
	return line;
}

/* ---- two runs ----------------------------------------------------------------------------- */

static bool same_kind(const struct run_result *a, const struct run_result *b)
{
	return strcmp(a->transport, b->transport) == 0 && a->job == b->job && a->mode == b->mode &&
	       a->size == b->size && a->rate == b->rate && a->publishers == b->publishers &&
	       a->subscribers == b->subscribers && a->slots == b->slots;
}

/* The first of that kind which has no partner yet, or NULL. */
static const struct run_result *partner(const struct run_document *run, bool *taken,
					const struct run_result *result)
{
	for (size_t i = 0; i < run->count; i++) {
		if (taken[i] || !same_kind(&run->results[i], result))
			continue;
		taken[i] = true;
		return &run->results[i];
	}
	return NULL;
}

static void add_line(struct comparison *comparison, struct compare_line line)
{
	comparison->verdicts[line.verdict]++;
	comparison->lines[comparison->count++] = line;
}

static void add_missing(struct comparison *comparison, const struct run_result *old,
			const char *reason)
{
	add_line(comparison, (struct compare_line){.about = old,
						   .old = old,
						   .reason = reason,
						   .figure = "",
						   .verdict = COMPARE_MISSING});
}

static void add_new(struct comparison *comparison, const struct run_result *new)
{
	add_line(comparison, (struct compare_line){
				 .about = new, .new = new, .figure = "", .verdict = COMPARE_NEW});
}

/* In the new run's order, and then what it has not. */
static void match(struct comparison *comparison, bool *taken)
{
	const struct run_document *old = &comparison->old;
	const struct run_document *new = &comparison->new;
	bool same = compare_same_machine(&old->machine, &new->machine);

	for (size_t i = 0; i < new->count; i++) {
		const struct run_result *after = &new->results[i];
		const struct run_result *before = partner(old, taken, after);
		bool had = before != NULL && before->unavailable == NULL;

		if (had && after->unavailable != NULL)
			add_missing(comparison, before, after->unavailable);
		else if (had)
			add_line(comparison, compare_results(before, after, same));
		else if (after->unavailable == NULL)
			add_new(comparison, after);
	}
	for (size_t i = 0; i < old->count; i++) {
		if (!taken[i] && old->results[i].unavailable == NULL)
			add_missing(comparison, &old->results[i], NULL);
	}
}

static int compare_runs(struct comparison *comparison, FILE *to)
{
	size_t most = comparison->old.count + comparison->new.count + 1;
	bool *taken = calloc(comparison->old.count + 1, sizeof *taken);
	int r = -ENOMEM;

	comparison->lines = calloc(most, sizeof *comparison->lines);
	if (taken != NULL && comparison->lines != NULL) {
		match(comparison, taken);
		r = compare_write(comparison, to);
	}
	free(comparison->lines);
	free(taken);
	return r;
}

/* The sentence says of which run it speaks. */
static int read_run(const json_t *json, struct run_document *run, const char *which, char *why,
		    size_t why_size)
{
	char sentence[256] = "";
	int r = run_document_read(json, run, sentence, sizeof sentence);

	if (r < 0)
		snprintf(why, why_size, "the %s run: %s", which, sentence);
	return r;
}

/* What only the new run has is no question that was left open. */
static struct compare_count count_of(const size_t *verdicts)
{
	return (struct compare_count){
	    .judged = verdicts[COMPARE_SAME] + verdicts[COMPARE_NOISE] + verdicts[COMPARE_FASTER] +
		      verdicts[COMPARE_SLOWER],
	    .not_judged = verdicts[COMPARE_FEW] + verdicts[COMPARE_PLACE] +
			  verdicts[COMPARE_MACHINE] + verdicts[COMPARE_BEFORE] +
			  verdicts[COMPARE_MISSING]};
}

int compare_documents(const json_t *old, const json_t *new, FILE *to,
		      struct compare_count *ret_count, char *why, size_t why_size)
{
	struct comparison comparison = {.count = 0};
	int r = read_run(old, &comparison.old, "old", why, why_size);

	if (r < 0)
		return r;
	r = read_run(new, &comparison.new, "new", why, why_size);
	if (r == 0) {
		r = compare_runs(&comparison, to);
		if (r < 0)
			snprintf(why, why_size, "no memory to compare the runs");
	}
	if (r == 0 && (fflush(to) != 0 || ferror(to))) {
		r = errno != 0 ? -errno : -EIO;
		snprintf(why, why_size, "writing the comparison failed: %s", strerror(-r));
	}
	if (r == 0 && ret_count != NULL)
		*ret_count = count_of(comparison.verdicts);
	run_document_free(&comparison.old);
	run_document_free(&comparison.new);
	return r < 0 ? r : comparison.verdicts[COMPARE_SLOWER] > 0;
}
