/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists for people and for programs. A row is a JSON object; a column says which of its members
 * to show, and how. So both forms come from the same values.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "json.h"
#include "options.h"

enum column_type {
	COLUMN_TEXT,
	COLUMN_NUMBER,
	COLUMN_SIZE, /* bytes; 1.5M for people unless --bytes */
	COLUMN_TIME, /* nanoseconds; date and time for people */
	COLUMN_HEALTH,
	COLUMN_YESNO
};

struct column {
	const char *key;
	enum column_type type;
	bool usual;          /* shown unless -o says otherwise */
	const char *heading; /* NULL: the key in capitals */
};

/* What the user asked for. One to a process. */
struct table_style {
	bool json;
	bool no_headings;
	bool bytes;
	const char *columns; /* of -o, or NULL */
};
extern struct table_style table_style;
extern const struct option table_options[];

/* Checks -o. GO_ON, or says what columns there are and returns EXIT_USAGE. */
int table_check(const struct verb *verb, const struct column *columns, size_t count);

/* Prints rows (an array) as a table, or as JSON with --json: then all members, or with -o the
 * columns asked for. No rows: nothing, or "[]". Returns an exit code, EXIT_DONE if all went well.
 */
int table_print(const json_t *rows, const struct column *columns, size_t count);

/* Prints a JSON value on stdout. */
int json_print(const json_t *value);

#endif
