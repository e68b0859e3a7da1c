/* SPDX-License-Identifier: Apache-2.0 */
/* shoal ls: the objects of this host. */
#include "objects.h"
#include "table.h"

#include <stdlib.h>

static const struct column columns[] = {
    {"name", COLUMN_TEXT, true, NULL},           {"kind", COLUMN_TEXT, true, NULL},
    {"health", COLUMN_HEALTH, true, NULL},       {"seats_taken", COLUMN_NUMBER, true, "SEATS"},
    {"seats_alive", COLUMN_NUMBER, false, NULL}, {"seats_max", COLUMN_NUMBER, false, NULL},
    {"size", COLUMN_SIZE, true, NULL},           {"used", COLUMN_SIZE, true, NULL},
    {"kept", COLUMN_YESNO, true, NULL},          {"owner", COLUMN_TEXT, true, NULL},
    {"uid", COLUMN_NUMBER, false, NULL},         {"mode", COLUMN_TEXT, true, NULL},
    {"created_ns", COLUMN_TIME, false, NULL},    {"problem", COLUMN_TEXT, false, NULL},
};
#define COLUMN_COUNT (sizeof columns / sizeof columns[0])

static const char notes[] =
    "Columns for -o: name, kind, health, seats_taken, seats_alive, seats_max, "
    "size, used,\nkept, owner, uid, mode, created_ns, problem.\n";

static int list(const char *prefix)
{
	struct targets targets = {0};
	json_t *rows;
	int code, r;

	r = targets_add_prefix(&targets, prefix);
	if (r < 0) {
		targets_free(&targets);
		return say_error(r, prefix ? prefix : "the list of objects");
	}
	rows = json_array();
	for (size_t i = 0; i < targets.count; i++)
		json_array_append_new(rows,
				      object_row(targets.list[i].name, &targets.list[i].object));
	code = table_print(rows, columns, COLUMN_COUNT);
	json_decref(rows);
	/* Why a damaged one is called so is worth a line, though not a column. */
	for (size_t i = 0; i < targets.count && !table_style.json; i++) {
		if (targets.list[i].object.health == SHOAL_DAMAGED)
			say("%s is damaged: %s", targets.list[i].name,
			    targets.list[i].object.problem);
	}
	if (prefix && targets.count == 0 && code == EXIT_DONE)
		code = say_nothing_called(prefix);
	targets_free(&targets);
	return code;
}

int verb_ls(const struct verb *verb, int argc, const char **argv)
{
	static const struct option *const tables[] = {table_options, NULL};
	struct options options;
	int code;

	code = options_parse(&options, verb, argc, argv, tables, notes, 0, 1);
	if (code != GO_ON)
		return code;
	code = table_check(verb, columns, COLUMN_COUNT);
	if (code == GO_ON)
		code = list(options.argument_count ? options.arguments[0] : NULL);
	options_free(&options);
	return code;
}
