/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of a verb: one table says what there is, where it goes and how it is checked. popt
 * parses and prints the help; the table is the only place that names an option.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "cli.h"

enum option_type {
	OPTION_END = 0, /* ends a table */
	OPTION_FLAG,    /* bool */
	/* Of at least 1. Where 0 stands for a default inside, it is nothing that a user may say. */
	OPTION_COUNT,  /* uint64_t */
	OPTION_U32,    /* uint32_t */
	OPTION_SIZE,   /* uint64_t, bytes */
	OPTION_SIZE32, /* uint32_t, bytes or things, with suffix */
	/* Where 0 is as good as any: */
	OPTION_COUNT_OR_0,
	OPTION_U32_OR_0,
	OPTION_SECONDS, /* int64_t, nanoseconds */
	OPTION_RATE,    /* double */
	OPTION_MODE,    /* uint32_t */
	OPTION_CHOICE,  /* int: the index in `argument`, which is "a|b|c" */
	OPTION_TEXT     /* const char *, valid until options_free */
};

struct option {
	enum option_type type;
	char letter; /* 0: none */
	const char *name;
	void *into;
	const char *argument; /* NULL for a flag */
	const char *help;
};

#define OPTIONS_MAX 48

struct options {
	const char **arguments; /* what is not an option */
	size_t argument_count;
	void *popt;
	char *texts[OPTIONS_MAX];
};

/* The verb goes on. Anything else from options_parse is the exit code. */
#define GO_ON (-1)

/*
 * Parses argv[1...] by the tables (a list that ends with NULL). Shows the help for --help and
 * says what is wrong with a wrong call. `notes` (may be NULL) comes after the list of options.
 * At least `least` and at most `most` arguments must be left.
 */
int options_parse(struct options *options, const struct verb *verb, int argc, const char **argv,
		  const struct option *const *tables, const char *notes, size_t least, size_t most);
void options_free(struct options *options);

/* ---- geometry of a topic (geometry.c) -------------------------------------------------- */

/* What --slots and the like say. One to a process. */
struct geometry {
	uint32_t slots;
	uint64_t payload;
	uint64_t message;
	uint32_t lanes;
	uint32_t subscribers;
	uint32_t mode;
};
extern struct geometry geometry;
extern const struct option geometry_options[];

bool geometry_given(void);
struct shoal_topic_options geometry_for_library(void);
/* One sentence: "8 lanes of 16,384 slots, ...". */
void geometry_text(const struct shoal_topic_stat *stat, char *buffer, size_t size);

#endif
