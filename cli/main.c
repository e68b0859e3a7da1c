/* SPDX-License-Identifier: Apache-2.0 */
/* The table of verbs, and what there is to say about all of them. */
#include "cli.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct verb verbs[] = {
    {"pub", "NAME", "Send standard input to a topic, one message a line or frame.", verb_pub},
    {"sub", "NAME", "Write the messages of a topic to standard output.", verb_sub},
    {"ls", "[PREFIX]", "List the objects of this host.", verb_ls},
    {"stat", "NAME...", "Show what is going on in a topic or a block: who is there, who waits.",
     verb_stat},
    {"create", "NAME", "Make a topic or a block that stays until it is removed.", verb_create},
    {"put", "NAME", "Write standard input to a block.", verb_put},
    {"get", "NAME", "Write the bytes of a block to standard output.", verb_get},
    {"sync", "NAME", "Write what was changed in a block to its disk.", verb_sync},
    {"rm", "NAME...", "Remove objects.", verb_rm},
    {"gc", "[PREFIX]", "Find and remove what killed processes left behind.", verb_gc},
    {"bench", "", "Measure Shoal beside the kernel's own ways between processes.", verb_bench},
    {"torture", "", "Kill, attack and starve the library, and see that nothing is lost.",
     verb_torture},
};
#define VERB_COUNT (sizeof verbs / sizeof verbs[0])

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < VERB_COUNT; i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	return NULL;
}

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* How many letters to insert, delete or replace (Levenshtein). Words of up to 15 letters. */
static size_t distance(const char *a, const char *b)
{
	size_t row[16], length = strlen(b);

	if (length > 15 || strlen(a) > 15)
		return 99;
	for (size_t j = 0; j <= length; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0];
		row[0] = i + 1;
		for (size_t j = 0; j < length; j++) {
			size_t above = row[j + 1];
			row[j + 1] = min3(row[j] + 1, above + 1, diagonal + (a[i] != b[j]));
			diagonal = above;
		}
	}
	return row[length];
}

static int say_unknown_verb(const char *name)
{
	/* What other tools call it, and what is nearest. */
	static const char *const others[][2] = {
	    {"publish", "pub"}, {"send", "pub"},      {"subscribe", "sub"}, {"recv", "sub"},
	    {"tail", "sub"},    {"list", "ls"},       {"remove", "rm"},     {"delete", "rm"},
	    {"status", "stat"}, {"info", "stat"},     {"clean", "gc"},      {"test", "torture"},
	    {"perf", "bench"},  {"measure", "bench"}, {"make", "create"}};
	const char *nearest = NULL;
	size_t best = 3;

	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		if (strcmp(others[i][0], name) == 0)
			return say_usage(NULL, "there is no verb '%s'; did you mean '%s'?", name,
					 others[i][1]);
	}
	for (size_t i = 0; i < VERB_COUNT; i++) {
		size_t d = distance(name, verbs[i].name);
		if (d < best) {
			best = d;
			nearest = verbs[i].name;
		}
	}
	if (nearest)
		return say_usage(NULL, "there is no verb '%s'; did you mean '%s'?", name, nearest);
	return say_usage(NULL, "there is no verb '%s'", name);
}

static void print_help(FILE *to)
{
	fprintf(to, "Usage: shoal VERB [OPTION...] [ARGUMENT...]\n\n"
		    "Processes on this host exchange data through shared memory.\n\n");
	for (size_t i = 0; i < VERB_COUNT; i++)
		fprintf(to, "  %-7s %-9s  %s\n", verbs[i].name, verbs[i].arguments,
			verbs[i].summary);
	fprintf(to, "  %-7s %-9s  %s\n", "help", "[VERB]", "Show this, or the help of a verb.");
	fprintf(to, "\nTry it, in two terminals:\n"
		    "  shoal sub hello\n"
		    "  echo world | shoal pub hello\n\n"
		    "'shoal VERB --help' lists the options; 'man shoal' is the manual;\n"
		    "'shoal --version' says which version this is.\n");
}

static int run_verb(const struct verb *verb, int argc, const char **argv)
{
	char title[32];

	/* popt takes argv[0] for the usage line. */
	snprintf(title, sizeof title, "shoal %s", verb->name);
	argv[0] = title;
	return verb->run(verb, argc, argv);
}

static int verb_help(int argc, const char **argv)
{
	const char *help[3] = {"", "--help", NULL};
	const struct verb *verb;

	if (argc < 2) {
		print_help(stdout);
		return finish_stdout(EXIT_DONE);
	}
	verb = find_verb(argv[1]);
	if (!verb)
		return say_unknown_verb(argv[1]);
	return run_verb(verb, 2, help);
}

static int print_version(void)
{
	printf("shoal %s (library %s, layout %d)\n", SHOAL_VERSION_STRING, shoal_version(),
	       SHOAL_LAYOUT_VERSION);
	return finish_stdout(EXIT_DONE);
}

int main(int argc, char **argv)
{
	const char **arguments = (const char **)argv;
	const struct verb *verb;

	keep_standard_descriptors();
	/* A reader that goes away shows as EPIPE, so that handles are closed in order. */
	signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return verb_help(1, arguments);
	if (strcmp(argv[1], "help") == 0)
		return verb_help(argc - 1, arguments + 1);
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
		return print_version();
	if (argv[1][0] == '-')
		return say_usage(NULL, "there is no option '%s' before the verb", argv[1]);
	verb = find_verb(argv[1]);
	if (!verb)
		return say_unknown_verb(argv[1]);
	return run_verb(verb, argc - 1, arguments + 1);
}
