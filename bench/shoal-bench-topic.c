/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shoal-bench-topic: how fast topics are, as ratios to references measured in the same run.
 * Each figure comes from several pairs of fresh processes; see docs/performance.md.
 */
#include "alone.h"
#include "figures.h"
#include "programs.h"

#include <errno.h>
#include <getopt.h>
#include <shoal/shoal.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STARTS_MAX  64
#define ROWS_MAX    32
#define FIGURES_MAX 32
#define SECOND_NS   ((int64_t)1000000000)

struct run {
	bool json;
	bool quick;
	const char *only;
	uint32_t starts;
	uint32_t kills; /* for the figures after a SIGKILL */
	int64_t quiet_ns;
	int control_fd;
	struct bench_control *control;
	struct bench_machine machine;
	struct bench_row rows[ROWS_MAX];
	size_t row_count;
};

static char errors[ROWS_MAX][BENCH_DIE_BYTES];
static char objects[sizeof((struct bench_control *)NULL)->prefix];

/* ---- tidying up --------------------------------------------------------------------------- */

/* Our workers are gone by now; what they left behind is ours to remove. */
static void remove_objects(void)
{
	struct shoal_object *list = NULL;
	size_t count = 0;

	if (shoal_list(objects, &list, &count) < 0)
		return;
	for (size_t i = 0; i < count; i++)
		shoal_remove(list[i].name, SHOAL_FORCE);
	shoal_list_free(list);
}

static volatile sig_atomic_t stopped;

/* The children are killed by the kernel when we end; poll and nanosleep return at once. */
static void stop(int signal_number)
{
	stopped = signal_number;
}

static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = stop};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	sigaction(SIGPIPE, &action, NULL);
}

/* ---- figures with a reference ------------------------------------------------------------- */

static bool wanted(const struct run *run, const char *name, const char *group)
{
	size_t length = run->only != NULL ? strlen(run->only) : 0;

	return length == 0 || strncmp(name, run->only, length) == 0 ||
	       strcmp(group, run->only) == 0;
}

static bool group_wanted(const struct run *run, const struct bench_group *group)
{
	for (uint32_t i = 0; i < bench_figure_count; i++) {
		if (strcmp(bench_figures[i].group, group->name) == 0 &&
		    wanted(run, bench_figures[i].name, group->name))
			return true;
	}
	return false;
}

static bool any_wanted(const struct run *run)
{
	for (uint32_t i = 0; i < bench_group_count; i++) {
		if (group_wanted(run, &bench_groups[i]))
			return true;
	}
	return wanted(run, "takeover", "takeover") || wanted(run, "lag", "lag") ||
	       wanted(run, "quiet", "quiet");
}

static void add_row(struct run *run, const struct bench_row *row)
{
	if (run->row_count == ROWS_MAX)
		bench_die("more figures than rows");
	run->rows[run->row_count] = *row;
	if (row->error != NULL) {
		char *error = errors[run->row_count];

		snprintf(error, sizeof errors[0], "%s", row->error);
		run->rows[run->row_count].error = error;
	}
	if (!run->json)
		bench_report_row(&run->rows[run->row_count]);
	run->row_count++;
}

/* What one duo measured for a figure: the medians over its repeats. */
struct sample {
	double value;
	double reference;
	double ratio;   /* of neighbours in time: a core that slowed down slowed down both */
	double line_ns; /* 0: nobody measured it */
};

/* How far apart the cores were, where the group has a line among its contenders. */
static double line_of(struct bench_control *control, const struct bench_group *group)
{
	for (uint32_t i = 0; i < group->count; i++) {
		if (group->contender[i].program == &ref_line)
			return bench_median(control->value[i], control->repeats);
	}
	return 0.0;
}

static struct sample sample_of(const struct bench_control *control,
			       const struct bench_figure *figure)
{
	double mine[BENCH_REPEATS];
	double theirs[BENCH_REPEATS];
	double ratios[BENCH_REPEATS];
	uint32_t count = control->repeats;

	for (uint32_t i = 0; i < count; i++) {
		mine[i] = control->value[figure->contender][i];
		theirs[i] = control->value[figure->reference][i];
		ratios[i] = mine[i] / theirs[i];
	}
	return (struct sample){.value = bench_median(mine, count),
			       .reference = bench_median(theirs, count),
			       .ratio = bench_median(ratios, count)};
}

static struct bench_share share_of(const struct run *run, const struct sample *samples, bool far)
{
	double ratios[STARTS_MAX];
	struct bench_share share = {0};

	for (uint32_t i = 0; i < run->starts; i++) {
		if (samples[i].line_ns > 0.0 && (samples[i].line_ns > BENCH_FAR_NS) == far)
			ratios[share.starts++] = samples[i].ratio;
	}
	if (share.starts > 0)
		share.ratio = bench_median(ratios, share.starts);
	return share;
}

static void add_figure(struct run *run, const struct bench_figure *figure,
		       const struct bench_group *group, const struct sample *samples,
		       const char *error)
{
	double scale = figure->unit == UNIT_BYTES
			   ? (double)group->contender[figure->contender].setup.bytes
			   : 1.0;
	double mine[STARTS_MAX];
	double theirs[STARTS_MAX];
	double ratios[STARTS_MAX];
	struct bench_row row = {
	    .name = figure->name,
	    .title = figure->title,
	    .reference_name = figure->reference_name,
	    .unit = figure->unit,
	    .goal = figure->goal,
	    .bound = figure->bound,
	    .error = error,
	};

	for (uint32_t i = 0; i < run->starts && error == NULL; i++) {
		mine[i] = samples[i].value * scale;
		theirs[i] = samples[i].reference * scale;
		ratios[i] = samples[i].ratio;
	}
	if (error == NULL) {
		row.value = bench_median(mine, run->starts);
		row.reference = bench_median(theirs, run->starts);
		row.ratio = bench_median(ratios, run->starts);
		row.low = bench_quantile(ratios, run->starts, 0.25);
		row.high = bench_quantile(ratios, run->starts, 0.75);
		row.near = share_of(run, samples, false);
		row.far = share_of(run, samples, true);
	}
	add_row(run, &row);
}

static void run_group(struct run *run, uint32_t index)
{
	static struct sample samples[FIGURES_MAX][STARTS_MAX];
	const struct bench_group *group = &bench_groups[index];
	struct bench_control *control = run->control;
	const char *error = NULL;

	control->group = index;
	control->again = 0;
	for (uint32_t start = 0; start < run->starts && error == NULL && !stopped; start++) {
		control->start = start;
		if (!bench_duo(run->control_fd, control, group))
			error = control->error;
		for (uint32_t i = 0; i < bench_figure_count && error == NULL; i++) {
			if (strcmp(bench_figures[i].group, group->name) == 0)
				samples[i][start] = sample_of(control, &bench_figures[i]);
		}
		/* Last: it sorts. */
		double line_ns = line_of(control, group);
		for (uint32_t i = 0; i < bench_figure_count; i++)
			samples[i][start].line_ns = line_ns;
	}
	if (stopped)
		return;
	for (uint32_t i = 0; i < bench_figure_count; i++) {
		const struct bench_figure *figure = &bench_figures[i];

		if (strcmp(figure->group, group->name) == 0 &&
		    wanted(run, figure->name, group->name))
			add_figure(run, figure, group, samples[i], error);
	}
}

/* ---- figures without one ------------------------------------------------------------------ */

static void run_kills(struct run *run, const char *name, const char *title,
		      int64_t (*trial)(int, struct bench_control *))
{
	struct bench_row row = {.name = name, .title = title, .unit = UNIT_US};
	double values[STARTS_MAX];

	if (!wanted(run, name, name) || stopped)
		return;
	for (uint32_t i = 0; i < run->kills && row.error == NULL; i++) {
		int64_t took_ns;

		run->control->start = i;
		took_ns = trial(run->control_fd, run->control);
		values[i] = (double)took_ns;
		if (took_ns < 0)
			row.error = run->control->error;
	}
	if (stopped)
		return;
	if (row.error == NULL) {
		row.value = bench_median(values, run->kills);
		row.low = bench_quantile(values, run->kills, 0.25);
		row.high = bench_quantile(values, run->kills, 0.75);
	}
	add_row(run, &row);
}

static void end_quiet(struct run *run, struct bench_quiet *quiet, bool began)
{
	struct bench_row row = {
	    .name = "quiet",
	    .title = run->quick ? "wake-ups of a sleeper in 2 s" : "wake-ups of a sleeper in 10 s",
	    .unit = UNIT_COUNT,
	    .goal = GOAL_MOST,
	    .bound = 0,
	    .error = began ? NULL : run->control->error,
	};

	if (began) {
		uint64_t cpu_ns;
		int64_t wakes = bench_quiet_end(quiet, run->quiet_ns, &cpu_ns);

		if (wakes < 0)
			row.error = "the subscriber did not stay asleep";
		/* Time to run is a wake-up, whatever the count of switches says. */
		row.value = wakes == 0 && cpu_ns > 0 ? 1.0 : (double)wakes;
		row.low = row.high = row.value;
	}
	add_row(run, &row);
}

/* ---- all of it ---------------------------------------------------------------------------- */

static void measure(struct run *run)
{
	struct bench_quiet quiet = {0};
	bool quiet_wanted = wanted(run, "quiet", "quiet");
	bool quiet_began = false;

	bench_machine_begin(&run->machine);
	if (!run->json)
		bench_report_head(&run->machine);
	/* The sleepers sleep beside the other figures: they take nothing from them. */
	if (quiet_wanted)
		quiet_began = bench_quiet_begin(run->control_fd, run->control, &quiet);
	if (quiet_wanted && !quiet_began) {
		end_quiet(run, &quiet, false);
		quiet_wanted = false;
	}
	for (uint32_t i = 0; i < bench_group_count && !stopped; i++) {
		if (group_wanted(run, &bench_groups[i]))
			run_group(run, i);
	}
	run_kills(run, "takeover", "publisher killed: next one's 1st message", bench_takeover);
	run_kills(run, "lag", "slow subscriber killed: publisher goes on", bench_lag);
	if (quiet_wanted && !stopped)
		end_quiet(run, &quiet, true);
	run->machine.disturbed = run->control->disturbed;
	bench_machine_end(&run->machine);
}

static int result(const struct run *run)
{
	bool met = true;

	for (size_t i = 0; i < run->row_count; i++) {
		if (run->rows[i].error != NULL)
			return 3;
		met = met && bench_row_met(&run->rows[i]);
	}
	return met ? 0 : 1;
}

static void prepare(struct run *run)
{
	struct bench_control *control;

	run->starts = run->quick ? 3 : 12;
	run->kills = run->quick ? 5 : 25;
	run->quiet_ns = (run->quick ? 2 : 10) * SECOND_NS;
	run->control_fd = bench_memory_make(sizeof *control);
	control = bench_memory_map(run->control_fd, sizeof *control);
	if (bench_cores(control->cores) < 2)
		bench_die("two processors are needed: one for each process");
	control->repeats = run->quick ? 3 : 5;
	control->again_most = run->quick ? 10 : 60;
	snprintf(objects, sizeof objects, "bench-%d", (int)getpid());
	memcpy(control->prefix, objects, sizeof objects);
	run->control = control;
	run->machine.starts = run->starts;
	run->machine.repeats = control->repeats;
	memcpy(run->machine.cores, control->cores, sizeof control->cores);
}

static int worker(char **arguments)
{
	int side = (int)strtol(arguments[4], NULL, 10);
	const char *role = arguments[3];
	struct bench_control *control =
	    bench_memory_map((int)strtol(arguments[2], NULL, 10), sizeof(struct bench_control));

	bench_die_text = control->error;
	if (strcmp(role, "duo") == 0)
		bench_duo_worker(control, &bench_groups[control->group], side);
	else if (strcmp(role, "quiet") == 0)
		bench_quiet_worker(control, side);
	else if (strcmp(role, "takeover") == 0)
		bench_takeover_worker(control, side);
	else if (strcmp(role, "lag") == 0)
		bench_lag_worker(control, side);
	else
		bench_die("no role %s", role);
	return 0;
}

static void usage(FILE *to)
{
	fprintf(to, "usage: shoal-bench-topic [--quick] [--only NAME] [--json]\n\n"
		    "Measures topics against references in the same run: two processes on two "
		    "processors,\nmedians over many process starts. About two minutes; nothing "
		    "else should run meanwhile.\n\n"
		    "  --quick      fewer repeats, about 20 s\n"
		    "  --only NAME  the figures whose name begins with NAME, of:\n   ");
	for (uint32_t i = 0; i < bench_figure_count; i++)
		fprintf(to, " %s", bench_figures[i].name);
	fprintf(to, " takeover lag quiet\n"
		    "  --json       one JSON object instead of the table\n\n"
		    "exit status: 0 all goals met, 1 some not, 2 usage, 3 a measurement failed\n");
}

static bool parse(struct run *run, int count, char **arguments)
{
	static const struct option options[] = {
	    {"quick", no_argument, NULL, 'q'},
	    {"only", required_argument, NULL, 'o'},
	    {"json", no_argument, NULL, 'j'},
	    {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(count, arguments, "", options, NULL)) != -1) {
		if (option == 'q') {
			run->quick = true;
		} else if (option == 'o') {
			run->only = optarg;
		} else if (option == 'j') {
			run->json = true;
		} else if (option == 'h') {
			usage(stdout);
			exit(0);
		} else {
			return false;
		}
	}
	return optind == count;
}

int main(int count, char **arguments)
{
	static struct run run;

	if (count == 5 && strcmp(arguments[1], "--worker") == 0)
		return worker(arguments);
	if (!parse(&run, count, arguments)) {
		usage(stderr);
		return 2;
	}
	if (!any_wanted(&run)) {
		fprintf(stderr, "shoal-bench-topic: no figure is called %s\n", run.only);
		usage(stderr);
		return 2;
	}
	prepare(&run);
	catch_signals();
	atexit(remove_objects);
	measure(&run);
	if (stopped)
		return 128 + stopped;
	if (run.json)
		bench_report_json(&run.machine, run.rows, run.row_count);
	else
		bench_report_foot(&run.machine, run.rows, run.row_count);
	return result(&run);
}
