/* SPDX-License-Identifier: Apache-2.0 */
/* Removing objects, for rm and gc: nothing goes without a yes. */
#include "objects.h"
#include "table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool yes;

const struct option remove_options[] = {
    {OPTION_FLAG, 'y', "yes", &yes, NULL, "do it, without asking"},
    {OPTION_END, 0, NULL, NULL, NULL, NULL},
};

static const struct column columns[] = {
    {"name", COLUMN_TEXT, true, NULL},
    {"kind", COLUMN_TEXT, false, NULL},
    {"health", COLUMN_HEALTH, true, NULL},
    {"seats_taken", COLUMN_NUMBER, false, "SEATS"},
    {"seats_alive", COLUMN_NUMBER, true, "ALIVE"},
    {"seats_max", COLUMN_NUMBER, false, NULL},
    {"size", COLUMN_SIZE, false, NULL},
    {"used", COLUMN_SIZE, true, NULL},
    {"kept", COLUMN_YESNO, false, NULL},
    {"owner", COLUMN_TEXT, false, NULL},
    {"uid", COLUMN_NUMBER, false, NULL},
    {"mode", COLUMN_TEXT, false, NULL},
    {"created_ns", COLUMN_TIME, false, NULL},
    {"problem", COLUMN_TEXT, false, NULL},
    {"result", COLUMN_TEXT, true, NULL},
};
#define COLUMN_COUNT (sizeof columns / sizeof columns[0])

int remove_check(const struct verb *verb)
{
	return table_check(verb, columns, COLUMN_COUNT);
}

static void add_row(json_t *rows, const struct target *target, const char *result)
{
	json_t *row = object_row(target->name, &target->object);

	json_object_set_new(row, "result", json_text(result));
	json_array_append_new(rows, row);
}

static int print_plan(const struct targets *targets, unsigned flags)
{
	json_t *rows = json_array();
	int code;

	for (size_t i = 0; i < targets->count; i++) {
		const struct shoal_object *object = &targets->list[i].object;
		bool refuse = !(flags & SHOAL_FORCE) &&
			      (object->seats_alive > 0 || object->health == SHOAL_DAMAGED);
		add_row(rows, &targets->list[i], refuse ? "needs --force" : "would be removed");
	}
	code = table_print(rows, columns, COLUMN_COUNT);
	json_decref(rows);
	return code;
}

/* Says why an object stays, and what to do about it. */
static void say_refused(const struct target *target, int err, unsigned flags)
{
	char users[512];

	if (err != -EBUSY) {
		say_error(err, target->name);
		return;
	}
	users_text(target->name, flags & SHOAL_FOREIGN, users, sizeof users);
	say("%s is in use%s%s; 'shoal rm --force %s' removes it under them", target->name,
	    users[0] ? " by " : "", users, target->name);
}

/* What became of it; says why, if it is not what was asked for. */
static const char *remove_one(const struct target *target, unsigned flags)
{
	/* The name may lead to another object than the one that was shown. */
	bool only_left = (flags & SHOAL_IF_LEFTOVER) && target->object.health == SHOAL_LEFTOVER;
	int r = shoal_remove(target->name, only_left ? flags : flags & ~SHOAL_IF_LEFTOVER);

	if (r == 0)
		return "removed";
	if (r == -ENOENT) /* somebody else was faster */
		return "gone already";
	if (r == -EBUSY && only_left)
		return "in use again";
	say_refused(target, r, flags);
	return r == -EBUSY ? "in use" : "failed";
}

static int remove_all(const struct targets *targets, unsigned flags)
{
	json_t *rows = json_array();
	int code = EXIT_DONE;
	int printed;

	for (size_t i = 0; i < targets->count; i++) {
		const char *result = remove_one(&targets->list[i], flags);
		if (strcmp(result, "in use") == 0 || strcmp(result, "failed") == 0)
			code = EXIT_FAILED;
		add_row(rows, &targets->list[i], result);
	}
	printed = table_print(rows, columns, COLUMN_COUNT);
	json_decref(rows);
	return code == EXIT_DONE ? printed : code;
}

int remove_targets(const struct verb *verb, const struct targets *targets, unsigned flags)
{
	char question[64];
	int code;

	if (yes)
		return remove_all(targets, flags);
	code = print_plan(targets, flags);
	if (code != EXIT_DONE)
		return code;
	if (!can_ask() || table_style.json) {
		say("nothing was removed: 'shoal %s --yes' does it", verb->name);
		return EXIT_NO;
	}
	snprintf(question, sizeof question, "Remove %zu object%s?", targets->count,
		 plural(targets->count));
	if (ask(question))
		return remove_all(targets, flags);
	say("nothing was removed");
	return EXIT_NO;
}
