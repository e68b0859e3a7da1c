/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of torture-sim: see usage(). */
#include "explore.h"
#include "hostile.h"
#include "machine.h"
#include "weaken.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

extern const struct group lane_group, join_group, wait_group, object_group, topic_group,
    block_group;
const struct group *const groups[] = {&lane_group,  &join_group,  &wait_group, &object_group,
				      &topic_group, &block_group, NULL};

struct options {
	const char *command;
	const char *text; /* what names must contain */
	uint64_t seed;
	uint64_t budget;
	const char *replay;
	const char *counts;
};

static int usage(void)
{
	fputs("usage: torture-sim schedules [TEXT] [--seed N] [--budget N] [--counts FILE]\n"
	      "       torture-sim schedules --replay 'SCENARIO@SCHEDULE'\n"
	      "       torture-sim mistakes [TEXT] [--seed N]\n"
	      "       torture-sim hostile [TEXT] [--seed N] [--budget N] [--counts FILE]\n"
	      "       torture-sim --list\n"
	      "TEXT: only what has it in its name. Budget: schedules with a death for each\n"
	      "structure; reads that are answered by the attacker.\n",
	      stderr);
	return 2;
}

static double seconds(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* ---- schedules --------------------------------------------------------------------------- */

static void run_scenario(const struct scenario *scenario, uint64_t deaths, uint64_t seed,
			 struct totals *sum)
{
	struct totals totals = {0};
	double begin = seconds();
	machine_begin(scenario);
	if (machine.failed) {
		printf("WRONG: %s: before the first schedule: %s\n", scenario->name, machine.why);
		sum->violations++;
		return;
	}
	/* Half for all of the small ones, if they are so few; at least half for large ones. */
	bool all = explore_all(scenario, deaths / 2, &totals);
	uint64_t small = totals.schedules;
	if (totals.deaths < deaths && totals.violations == 0)
		explore_random(scenario, deaths - totals.deaths, seed, &totals);
	double took = seconds() - begin;
	printf("%-44s %9" PRIu64 " schedules, %9" PRIu64 " with a death, %4.0f steps, %5.0f k/s; "
	       "all of the small ones: %s (%" PRIu64 ")\n",
	       scenario->name, totals.schedules, totals.deaths,
	       (double)totals.steps / (double)totals.schedules,
	       (double)totals.schedules / took / 1e3, all ? "yes" : "no", small);
	fflush(stdout);
	sum->schedules += totals.schedules;
	sum->deaths += totals.deaths;
	sum->steps += totals.steps;
	sum->violations += totals.violations;
}

static void count(const struct options *options, const char *what, const char *which,
		  uint64_t number)
{
	FILE *file = options->counts ? fopen(options->counts, "a") : NULL;
	if (!file)
		return;
	fprintf(file, "%s.%s %" PRIu64 "\n", what, which, number);
	fclose(file);
}

static size_t structure_length(const struct scenario *scenario)
{
	return strcspn(scenario->name, ":");
}

/* Those of one structure stand one behind the other, and share its budget. */
static size_t same_structure(const struct scenario *scenarios, size_t count)
{
	size_t length = structure_length(&scenarios[0]), n = 1;
	while (n < count && structure_length(&scenarios[n]) == length &&
	       strncmp(scenarios[n].name, scenarios[0].name, length) == 0)
		n++;
	return n;
}

static uint64_t run_structure(const struct scenario *scenarios, size_t n,
			      const struct options *options)
{
	struct totals sum = {0};
	uint64_t chosen = 0;
	char name[32];
	snprintf(name, sizeof(name), "%.*s", (int)structure_length(&scenarios[0]),
		 scenarios[0].name);
	for (size_t i = 0; i < n; i++)
		chosen += strstr(scenarios[i].name, options->text) != NULL;
	if (chosen == 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (strstr(scenarios[i].name, options->text))
			run_scenario(&scenarios[i], options->budget / chosen + 1, options->seed,
				     &sum);
	printf("%s: %" PRIu64 " schedules, %" PRIu64 " with a death, %" PRIu64 " violations\n",
	       name, sum.schedules, sum.deaths, sum.violations);
	char key[64];
	snprintf(key, sizeof(key), "schedules_of_%s", name);
	count(options, "schedules", key, sum.schedules);
	snprintf(key, sizeof(key), "deaths_in_%s", name);
	count(options, "schedules", key, sum.deaths);
	count(options, "schedules", "violations", sum.violations);
	return sum.violations;
}

static uint64_t run_group(const struct group *group, const struct options *options)
{
	uint64_t violations = 0;
	size_t n;
	for (size_t i = 0; i < group->count; i += n) {
		n = same_structure(&group->scenarios[i], group->count - i);
		violations += run_structure(&group->scenarios[i], n, options);
	}
	return violations;
}

static int replay(const struct options *options)
{
	const char *at = strrchr(options->replay, '@');
	for (size_t g = 0; at && groups[g]; g++)
		for (size_t i = 0; i < groups[g]->count; i++) {
			const struct scenario *scenario = &groups[g]->scenarios[i];
			if (strlen(scenario->name) == (size_t)(at - options->replay) &&
			    strncmp(scenario->name, options->replay,
				    (size_t)(at - options->replay)) == 0)
				return explore_replay(scenario, at + 1);
		}
	fprintf(stderr, "torture-sim: there is no scenario '%s'\n", options->replay);
	return 2;
}

static int run_schedules(const struct options *options)
{
	uint64_t violations = 0;
	if (options->replay)
		return replay(options);
	printf("seed %" PRIu64 "\n", options->seed);
	for (size_t g = 0; groups[g]; g++)
		violations += run_group(groups[g], options);
	return violations > 0;
}

/* Code that trusts what it reads, too, must be found out. */
static uint64_t run_careless(const struct options *options)
{
	uint64_t missed = 0;
	explore_quiet = true;
	for (size_t i = 0; i < careless_entry_count; i++) {
		struct hostile_totals totals = {0};
		const struct hostile_entry *entry = &careless_entries[i];
		if (!strstr(entry->name, options->text))
			continue;
		hostile_run(entry, 100000, options->seed, &totals);
		missed += totals.violations == 0;
		printf("%s: %s\n    by call %" PRIu64 ": %s\n",
		       totals.violations ? "found" : "NOT FOUND", entry->name, totals.calls,
		       machine.why);
	}
	explore_quiet = false;
	return missed;
}

static int run_mistakes(const struct options *options)
{
	printf("seed %" PRIu64 "\n", options->seed);
	uint64_t missed = weaken_all(options->text, options->seed) + run_careless(options);
	printf("%" PRIu64 " mistakes were not found\n", missed);
	return missed > 0;
}

/* ---- a hostile peer ----------------------------------------------------------------------- */

static void run_hostile_entry(const struct hostile_entry *entry, uint64_t reads, uint64_t seed,
			      struct hostile_totals *sum)
{
	struct hostile_totals totals = {0};
	double begin = seconds();
	hostile_run(entry, reads, seed, &totals);
	double took = seconds() - begin;
	printf("%-32s %9" PRIu64 " calls, %9" PRIu64 " refused; %9" PRIu64 " reads and %9" PRIu64
	       " words by the attacker, %5.0f k/s\n",
	       entry->name, totals.calls, totals.failed, totals.reads, totals.words,
	       (double)(totals.reads + totals.words) / took / 1e3);
	fflush(stdout);
	sum->calls += totals.calls;
	sum->reads += totals.reads;
	sum->words += totals.words;
	sum->violations += totals.violations;
}

static int run_hostile(const struct options *options)
{
	struct hostile_totals sum = {0};
	uint64_t chosen = 0;
	printf("seed %" PRIu64 "\n", options->seed);
	for (size_t i = 0; i < hostile_entry_count; i++)
		chosen += strstr(hostile_entries[i].name, options->text) != NULL;
	for (size_t i = 0; i < hostile_entry_count; i++)
		if (strstr(hostile_entries[i].name, options->text))
			run_hostile_entry(&hostile_entries[i], options->budget / max_u64(chosen, 1),
					  options->seed, &sum);
	printf("%" PRIu64 " calls, %" PRIu64 " reads and %" PRIu64
	       " words by the attacker, %" PRIu64 " violations\n",
	       sum.calls, sum.reads, sum.words, sum.violations);
	count(options, "hostile", "calls", sum.calls);
	count(options, "hostile", "reads", sum.reads);
	count(options, "hostile", "words", sum.words);
	count(options, "hostile", "violations", sum.violations);
	return sum.violations > 0 || chosen == 0;
}

/* ---- the ends of a program that goes wrong ------------------------------------------------ */

static void say(const char *text)
{
	if (write(STDOUT_FILENO, text, strlen(text)) < 0)
		_exit(1);
}

static void on_signal(int number)
{
	say(number == SIGALRM ? "\nWRONG: it hangs between two steps: " : "\nWRONG: it crashes: ");
	if (machine.scenario) {
		say(machine.scenario->name);
		say("@");
		say(explore_current());
	}
	say("\n");
	_exit(1);
}

/* A schedule takes microseconds. */
static void on_alarm(int number)
{
	static uint64_t last;
	if (machine.runs == last)
		on_signal(number);
	last = machine.runs;
	alarm(20);
}

static void watch(void)
{
	static uint8_t stack[65536];
	stack_t where = {.ss_sp = stack, .ss_size = sizeof(stack)};
	sigaltstack(&where, NULL);
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGILL, &action, NULL);
	sigaction(SIGFPE, &action, NULL);
	sigaction(SIGABRT, &action, NULL);
	action.sa_handler = on_alarm;
	sigaction(SIGALRM, &action, NULL);
	alarm(20);
}

/* ---- options ----------------------------------------------------------------------------- */

static int list_scenarios(void)
{
	for (size_t g = 0; groups[g]; g++)
		for (size_t i = 0; i < groups[g]->count; i++)
			printf("%s\n", groups[g]->scenarios[i].name);
	return 0;
}

static bool read_number(const char *text, uint64_t *ret)
{
	char *end;
	*ret = strtoull(text, &end, 0);
	return *text && *end == '\0';
}

static bool read_options(int argc, char **argv, struct options *options)
{
	for (int i = 2; i < argc; i++) {
		const char *word = argv[i];
		if (strncmp(word, "--", 2) != 0) {
			options->text = word;
			continue;
		}
		if (i + 1 == argc)
			return false;
		const char *value = argv[++i];
		if (strcmp(word, "--replay") == 0)
			options->replay = value;
		else if (strcmp(word, "--counts") == 0)
			options->counts = value;
		else if (!(strcmp(word, "--seed") == 0 && read_number(value, &options->seed)) &&
			 !(strcmp(word, "--budget") == 0 && read_number(value, &options->budget)))
			return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	struct options options = {.text = "", .budget = 100000};
	if (getrandom(&options.seed, 4, 0) < 0)
		options.seed = 1;
	if (argc > 1 && strcmp(argv[1], "mistakes") == 0)
		options.seed = 1; /* they are found, or not, by the same schedules each time */
	if (argc < 2 || !read_options(argc, argv, &options))
		return usage();
	memory_open();
	kernel_open();
	watch();
	if (strcmp(argv[1], "--list") == 0)
		return list_scenarios();
	if (strcmp(argv[1], "schedules") == 0)
		return run_schedules(&options);
	if (strcmp(argv[1], "mistakes") == 0)
		return run_mistakes(&options);
	if (strcmp(argv[1], "hostile") == 0)
		return run_hostile(&options);
	return usage();
}
