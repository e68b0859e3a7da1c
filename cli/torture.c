/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shoal torture: the tests that kill, attack and starve the library, for everybody to run. Each
 * layer is a program of its own, built as it needs to be; this verb runs them one after the other.
 */
#include "helper.h"
#include "json.h"
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* What the programs exit with. */
enum { HELPER_CLEAN = 0, HELPER_VIOLATIONS = 1, HELPER_USAGE = 2, HELPER_SKIPPED = 77 };

static const char *exhaustive;
static bool schedules, hostile, failing, list, json;
static int64_t soak_ns = -1;
static uint64_t seed = UINT64_MAX, depth;

static const struct option torture_options[] = {
    {OPTION_TEXT, 'x', "exhaustive", &exhaustive, "OP|all",
     "kill at every instruction of the operations with OP in their names"},
    {OPTION_COUNT, 'd', "depth", &depth, "N",
     "with --exhaustive: so many deaths in a row, 1 to 4 (2)"},
    {OPTION_FLAG, 's', "schedules", &schedules, NULL,
     "let two and three processes run in every order"},
    {OPTION_FLAG, 'p', "hostile", &hostile, NULL, "let a peer answer what it likes to every read"},
    {OPTION_FLAG, 'f', "failing", &failing, NULL, "let each system call fail in turn"},
    {OPTION_SECONDS, 't', "soak", &soak_ns, "TIME",
     "for so long, kill, stop and fork processes that do everything"},
    {OPTION_COUNT_OR_0, 0, "seed", &seed, "N", "repeat the run that printed it"},
    {OPTION_FLAG, 'l', "list", &list, NULL, "list the operations, and run nothing"},
    {OPTION_FLAG, 'j', "json", &json, NULL, "with --list: print JSON"},
    {OPTION_END, 0, NULL, NULL, NULL, NULL},
};

static const char *const notes =
    "Without a layer (--exhaustive to --soak) a slice of each is run: about a minute.\n";

/* ---- layers ---------------------------------------------------------------------------- */

struct layer {
	const char *name; /* as its option */
	const char *program;
	const char *does;
	const char *arguments[HELPER_ARGUMENTS]; /* without the seed */
};

struct outcome {
	unsigned clean, skipped;
	bool violations, failed, wrong_call;
};

static char seed_text[24], depth_text[24], seconds_text[24];

/* A slice of each, chosen to take some ten seconds. */
static const struct layer slices[] = {
    {"exhaustive", "torture-step", "killed at every instruction: leaving and removing", {"leave"}},
    {"failing",
     "torture-step",
     "each system call of publishing fails in turn",
     {"failing", "publish"}},
    {"schedules",
     "torture-sim",
     "two and three processes in every order",
     {"schedules", "--budget", "100000"}},
    {"hostile",
     "torture-sim",
     "a peer answers what it likes to every read",
     {"hostile", "--budget", "6000000"}},
    {"soak",
     "torture-soak",
     "processes that do everything are killed and stopped for ten seconds",
     {"--seconds", "10"}},
};
#define SLICES (sizeof slices / sizeof slices[0])

static void note_exit(struct outcome *outcome, const struct layer *layer, int code)
{
	switch (code) {
	case HELPER_CLEAN:
		outcome->clean++;
		return;
	case HELPER_VIOLATIONS:
		say("%s: violations; seed %s repeats them", layer->name, seed_text);
		outcome->violations = true;
		return;
	case HELPER_USAGE:
		outcome->wrong_call = true;
		return;
	case HELPER_SKIPPED:
		say("%s: this machine or sandbox can't do it", layer->name);
		outcome->skipped++;
		return;
	default:
		outcome->failed = true;
	}
	if (code == -EINTR)
		say("%s: stopped before it was through", layer->name);
	else if (code < 0)
		say("%s: %s: %s", layer->name, layer->program, strerror(-code));
	else if (code > 128)
		say("%s: %s was ended by signal %d", layer->name, layer->program, code - 128);
	else
		say("%s: %s ended with exit code %d", layer->name, layer->program, code);
}

static void run_layer(struct outcome *outcome, const struct layer *layer)
{
	const char *arguments[HELPER_ARGUMENTS + 4] = {layer->program};
	size_t count = 1;
	char path[640];

	if (stopped())
		return;
	if (!helper_find(layer->program, path, sizeof path)) {
		say("%s: %s is not installed beside this command", layer->name, layer->program);
		outcome->skipped++;
		return;
	}
	for (size_t i = 0; i < HELPER_ARGUMENTS && layer->arguments[i]; i++)
		arguments[count++] = layer->arguments[i];
	arguments[count++] = "--seed";
	arguments[count++] = seed_text;
	say("%s: %s", layer->name, layer->does);
	note_exit(outcome, layer, helper_run(path, arguments, -1));
}

/* What was asked for, each whole. */
static void run_asked(struct outcome *outcome)
{
	if (exhaustive) {
		bool all = strcmp(exhaustive, "all") == 0;
		struct layer layer = {"exhaustive",
				      "torture-step",
				      "killed at every instruction",
				      {"all", "--depth", depth_text, all ? NULL : exhaustive}};
		run_layer(outcome, &layer);
	}
	if (schedules)
		run_layer(outcome, &(struct layer){"schedules",
						   "torture-sim",
						   "two and three processes in every order",
						   {"schedules"}});
	if (hostile)
		run_layer(outcome, &(struct layer){"hostile",
						   "torture-sim",
						   "a peer answers what it likes to every read",
						   {"hostile"}});
	if (failing)
		run_layer(outcome, &(struct layer){"failing",
						   "torture-step",
						   "each system call fails in turn",
						   {"failing", "--whole"}});
	if (soak_ns >= 0)
		run_layer(outcome,
			  &(struct layer){"soak",
					  "torture-soak",
					  "processes that do everything are killed and stopped",
					  {"--seconds", seconds_text}});
}

static bool any_asked(void)
{
	return exhaustive || schedules || hostile || failing || soak_ns >= 0;
}

/* What was asked for and can't be done is a failure; a slice that can't is only said. */
static int exit_code(const struct outcome *outcome)
{
	if (outcome->violations)
		return EXIT_NO;
	if (outcome->failed || stopped())
		return EXIT_FAILED;
	if (outcome->wrong_call)
		return EXIT_USAGE;
	if (outcome->clean == 0 || (any_asked() && outcome->skipped > 0))
		return EXIT_FAILED;
	say("nothing wrong%s", outcome->skipped ? " in what could be run" : "");
	return EXIT_DONE;
}

static int torture(void)
{
	struct outcome outcome = {0};
	int r = helper_begin();

	if (r < 0) {
		say("can't make a folder for the objects: %s", strerror(-r));
		return EXIT_FAILED;
	}
	say("seed %s", seed_text);
	if (any_asked())
		run_asked(&outcome);
	for (size_t i = 0; i < SLICES && !any_asked(); i++)
		run_layer(&outcome, &slices[i]);
	helper_end();
	return finish_stdout(exit_code(&outcome));
}

/* ---- the list -------------------------------------------------------------------------- */

static json_t *functions_of(char *text)
{
	json_t *array = json_array();
	char *rest = NULL;

	for (char *word = strtok_r(text, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest))
		json_array_append_new(array, json_text(word));
	return array;
}

/* group, name and functions, separated by tabs. */
static int print_list(FILE *lines)
{
	json_t *array = json_array();
	char line[512];

	while (fgets(line, sizeof line, lines)) {
		char *rest = line;
		const char *group = strsep(&rest, "\t");
		const char *name = strsep(&rest, "\t");
		if (!name || !rest)
			continue;
		if (!json)
			printf("%s\n", name);
		else
			json_array_append_new(array,
					      json_pack("{s:o, s:o, s:o}", "operation",
							json_text(name), "group", json_text(group),
							"functions", functions_of(rest)));
	}
	if (json) {
		json_dumpf(array, stdout, JSON_INDENT(2));
		printf("\n");
	}
	json_decref(array);
	return finish_stdout(EXIT_DONE);
}

static int list_operations(void)
{
	static const char *const arguments[] = {"torture-step", "all", "--list", NULL};
	FILE *lines = tmpfile();
	char path[640];
	int code;

	if (!lines) {
		say("a temporary file: %s", strerror(errno));
		return EXIT_FAILED;
	}
	if (!helper_find(arguments[0], path, sizeof path)) {
		say("%s is not installed beside this command", arguments[0]);
		code = EXIT_FAILED;
	} else {
		int r = helper_run(path, arguments, fileno(lines));
		rewind(lines);
		code = r == 0 ? print_list(lines) : EXIT_FAILED;
		if (r != 0)
			say("%s failed", arguments[0]);
	}
	fclose(lines);
	return code;
}

/* ---- the verb -------------------------------------------------------------------------- */

static int check_options(const struct verb *verb)
{
	if (list && (any_asked() || depth))
		return say_usage(verb, "--list runs nothing: it goes with --json only");
	if (json && !list)
		return say_usage(verb, "--json goes with --list");
	if (depth && !exhaustive)
		return say_usage(verb, "--depth goes with --exhaustive");
	if (depth > 4)
		return say_usage(verb, "--depth can be 1 to 4");
	if (soak_ns >= 0 && soak_ns < NS_PER_SECOND)
		return say_usage(verb, "--soak takes at least a second");
	return GO_ON;
}

static void fill_texts(void)
{
	/* Short enough to be typed again. */
	uint32_t fresh = 1;

	if (seed == UINT64_MAX) {
		if (getrandom(&fresh, sizeof fresh, 0) < 0)
			fresh = (uint32_t)now_ns();
		seed = fresh;
	}
	snprintf(seed_text, sizeof seed_text, "%llu", (unsigned long long)seed);
	snprintf(depth_text, sizeof depth_text, "%llu", depth ? (unsigned long long)depth : 2);
	snprintf(seconds_text, sizeof seconds_text, "%lld",
		 (long long)((soak_ns + NS_PER_SECOND - 1) / NS_PER_SECOND));
}

int verb_torture(const struct verb *verb, int argc, const char **argv)
{
	static const struct option *const tables[] = {torture_options, NULL};
	struct options options;
	int code;

	code = options_parse(&options, verb, argc, argv, tables, notes, 0, 0);
	if (code != GO_ON)
		return code;
	code = check_options(verb);
	if (code == GO_ON) {
		fill_texts();
		stop_on_signals();
		code = list ? list_operations() : torture();
	}
	options_free(&options);
	return code;
}
