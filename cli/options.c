/* SPDX-License-Identifier: Apache-2.0 */
/* Option tables, over popt. */
#include "options.h"

#include <errno.h>
#include <popt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELP_VALUE (OPTIONS_MAX + 1)

static int store_number(const struct option *option, const char *text)
{
	bool suffix = option->type == OPTION_SIZE || option->type == OPTION_SIZE32;
	bool wide = option->type == OPTION_SIZE || option->type == OPTION_COUNT ||
		    option->type == OPTION_COUNT_OR_0;
	bool or_0 = option->type == OPTION_COUNT_OR_0 || option->type == OPTION_U32_OR_0;
	uint64_t value;
	int r = suffix ? parse_size(text, &value) : parse_count(text, &value);

	if (r < 0 || (value == 0 && !or_0) || (value > UINT32_MAX && !wide))
		return -EINVAL;
	if (wide)
		*(uint64_t *)option->into = value;
	else
		*(uint32_t *)option->into = (uint32_t)value;
	return 0;
}

static int store(struct options *options, size_t index, const struct option *option,
		 const char *text)
{
	switch (option->type) {
	case OPTION_FLAG:
		*(bool *)option->into = true;
		return 0;
	case OPTION_COUNT:
	case OPTION_COUNT_OR_0:
	case OPTION_U32:
	case OPTION_U32_OR_0:
	case OPTION_SIZE32:
	case OPTION_SIZE:
		return store_number(option, text);
	case OPTION_SECONDS:
		return parse_seconds(text, option->into);
	case OPTION_RATE:
		return parse_rate(text, option->into);
	case OPTION_MODE:
		return parse_mode(text, option->into);
	case OPTION_CHOICE:
		return parse_choice(text, option->argument, option->into);
	case OPTION_TEXT:
		free(options->texts[index]);
		options->texts[index] = strdup(text);
		*(const char **)option->into = options->texts[index];
		return 0;
	case OPTION_END:
		break;
	}
	return -EINVAL;
}

/* What a value of this type looks like, for the sentence about a wrong one. */
static const char *expected(const struct option *option)
{
	switch (option->type) {
	case OPTION_COUNT_OR_0:
	case OPTION_U32_OR_0:
		return "a whole number";
	case OPTION_COUNT:
	case OPTION_U32:
		return "a whole number of at least 1";
	case OPTION_SIZE:
	case OPTION_SIZE32:
		return "a number of at least 1, perhaps with K, M, G or T";
	case OPTION_SECONDS:
		return "seconds, like 2 or 0.5, or 500ms";
	case OPTION_RATE:
		return "a number greater than 0";
	case OPTION_MODE:
		return "permission bits in octal, like 0640";
	case OPTION_CHOICE:
		return option->argument;
	default:
		return "a text";
	}
}

/* The tables in a row, as popt wants them. Returns how many. */
static size_t fill_popt(const struct option *const *tables, struct poptOption *ret_popt,
			const struct option **ret_flat)
{
	size_t count = 0;

	for (; *tables; tables++) {
		for (const struct option *o = *tables; o->type && count < OPTIONS_MAX; o++) {
			bool flag = o->type == OPTION_FLAG;
			ret_flat[count] = o;
			ret_popt[count] = (struct poptOption){
			    .longName = o->name,
			    .shortName = o->letter,
			    .argInfo = flag ? POPT_ARG_NONE : POPT_ARG_STRING,
			    .val = (int)count + 1,
			    .descrip = o->help,
			    .argDescrip = o->argument,
			};
			count++;
		}
	}
	ret_popt[count] = (struct poptOption){.longName = "help",
					      .shortName = 'h',
					      .argInfo = POPT_ARG_NONE,
					      .val = HELP_VALUE,
					      .descrip = "show this help"};
	return count;
}

static void show_help(poptContext popt, const struct verb *verb, const char *notes)
{
	printf("%s\n\n", verb->summary);
	poptPrintHelp(popt, stdout, 0);
	if (notes)
		printf("\n%s", notes);
	printf("\nThe manual page is shoal-%s(1).\n", verb->name);
}

/* Takes the options one by one. GO_ON, or the exit code. */
static int take_options(struct options *options, const struct verb *verb,
			const struct option **flat, const char *notes)
{
	poptContext popt = options->popt;
	int value;

	while ((value = poptGetNextOpt(popt)) > 0) {
		if (value == HELP_VALUE) {
			show_help(popt, verb, notes);
			return finish_stdout(EXIT_DONE);
		}
		size_t index = (size_t)value - 1;
		char *text = poptGetOptArg(popt);
		if (store(options, index, flat[index], text) < 0) {
			int code = say_usage(verb, "--%s takes %s, not '%s'", flat[index]->name,
					     expected(flat[index]), text);
			free(text);
			return code;
		}
		free(text);
	}
	if (value < -1)
		return say_usage(verb, "%s: %s", poptBadOption(popt, POPT_BADOPTION_NOALIAS),
				 poptStrerror(value));
	return GO_ON;
}

static int take_arguments(struct options *options, const struct verb *verb, size_t least,
			  size_t most)
{
	static const char *none[] = {NULL};

	options->arguments = poptGetArgs(options->popt);
	if (!options->arguments)
		options->arguments = none;
	while (options->arguments[options->argument_count])
		options->argument_count++;
	if (options->argument_count < least)
		return say_usage(verb, "%s needs %s", verb->name, verb->arguments);
	if (options->argument_count > most)
		return say_usage(verb, "what is '%s' for? %s takes %s", options->arguments[most],
				 verb->name, most ? verb->arguments : "no arguments");
	return GO_ON;
}

int options_parse(struct options *options, const struct verb *verb, int argc, const char **argv,
		  const struct option *const *tables, const char *notes, size_t least, size_t most)
{
	/* popt keeps pointers into its table until the context is freed: one to a process. */
	static struct poptOption popt_table[OPTIONS_MAX + 2];
	static const struct option *flat[OPTIONS_MAX];
	static char usage[96];
	int code;

	memset(options, 0, sizeof *options);
	fill_popt(tables, popt_table, flat);
	snprintf(usage, sizeof usage, "[OPTION...] %s", verb->arguments);
	options->popt = poptGetContext("shoal", argc, argv, popt_table, 0);
	if (!options->popt) {
		say("out of memory");
		return EXIT_FAILED;
	}
	poptSetOtherOptionHelp(options->popt, usage);
	code = take_options(options, verb, flat, notes);
	if (code == GO_ON)
		code = take_arguments(options, verb, least, most);
	if (code != GO_ON)
		options_free(options);
	return code;
}

void options_free(struct options *options)
{
	for (size_t i = 0; i < OPTIONS_MAX; i++)
		free(options->texts[i]);
	poptFreeContext(options->popt);
	memset(options, 0, sizeof *options);
}
