/* SPDX-License-Identifier: Apache-2.0 */
/* shoal gc: what was left behind by processes that were killed. */
#include "objects.h"
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool kept;

static const struct option gc_options[] = {
    {OPTION_FLAG, 'k', "kept", &kept, NULL,
     "also objects that were made to stay, when nobody is in them"},
    {OPTION_END, 0, NULL, NULL, NULL, NULL},
};

/* Keeps in the list what is to go, and counts what stays though nobody is in it. */
static void pick(struct targets *targets, size_t *ret_idle, size_t *ret_damaged)
{
	size_t picked = 0;

	*ret_idle = *ret_damaged = 0;
	for (size_t i = 0; i < targets->count; i++) {
		enum shoal_health health = targets->list[i].object.health;
		bool take = health == SHOAL_LEFTOVER || (kept && health == SHOAL_IDLE);
		*ret_idle += health == SHOAL_IDLE && !kept;
		*ret_damaged += health == SHOAL_DAMAGED;
		if (take)
			targets->list[picked++] = targets->list[i];
		else
			free(targets->list[i].name);
	}
	targets->count = picked;
}

static int collect(const struct verb *verb, const char *prefix)
{
	struct targets targets = {0};
	size_t idle, damaged;
	int code, r;

	r = targets_add_prefix(&targets, prefix);
	if (r < 0) {
		targets_free(&targets);
		return say_error(r, prefix ? prefix : "the list of objects");
	}
	pick(&targets, &idle, &damaged);
	if (targets.count == 0 && table_style.json)
		printf("[]\n");
	if (targets.count == 0)
		code = finish_stdout(EXIT_DONE);
	else
		code = remove_targets(verb, &targets, SHOAL_IF_LEFTOVER);
	if (targets.count == 0 && !idle && !damaged)
		say("nothing was left behind");
	if (idle)
		say("%zu kept object%s nobody is in left alone; --kept includes %s", idle,
		    idle == 1 ? "" : "s", idle == 1 ? "it" : "them");
	if (damaged)
		say("%zu damaged object%s left alone; 'shoal ls -o name,problem' shows why",
		    damaged, damaged == 1 ? "" : "s");
	targets_free(&targets);
	return code;
}

int verb_gc(const struct verb *verb, int argc, const char **argv)
{
	static const struct option *const tables[] = {remove_options, gc_options, table_options,
						      NULL};
	struct options options;
	int code;

	code = options_parse(&options, verb, argc, argv, tables, NULL, 0, 1);
	if (code != GO_ON)
		return code;
	code = remove_check(verb);
	if (code == GO_ON)
		code = collect(verb, options.argument_count ? options.arguments[0] : NULL);
	options_free(&options);
	return code;
}
