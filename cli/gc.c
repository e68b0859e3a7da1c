/* SPDX-License-Identifier: Apache-2.0 */
/* shoal gc: what was left behind by processes that were killed. */
#include "objects.h"
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool kept, foreign;

static const struct option gc_options[] = {
    {OPTION_FLAG, 'k', "kept", &kept, NULL,
     "also objects that were made to stay, when nobody is in them"},
    {OPTION_FLAG, 0, "foreign", &foreign, NULL, "also what other users left behind"},
    {OPTION_END, 0, NULL, NULL, NULL, NULL},
};

/* What stays though nobody is in it. */
struct spared {
	size_t idle;
	size_t damaged;
	size_t foreign;
};

/* Keeps in the list what is to go, and counts what is spared for want of an option. */
static void pick(struct targets *targets, struct spared *spared)
{
	size_t picked = 0;

	for (size_t i = 0; i < targets->count; i++) {
		const struct shoal_object *object = &targets->list[i].object;
		bool ours = foreign || object->owner_uid == geteuid();
		bool idle = object->health == SHOAL_IDLE;
		bool wanted = object->health == SHOAL_LEFTOVER || (kept && idle);
		spared->idle += ours && idle && !kept;
		spared->damaged += object->health == SHOAL_DAMAGED;
		spared->foreign += wanted && !ours;
		if (wanted && ours)
			targets->list[picked++] = targets->list[i];
		else
			free(targets->list[i].name);
	}
	targets->count = picked;
}

static void say_spared(const struct spared *spared)
{
	if (spared->idle)
		say("%zu kept object%s nobody is in left alone; --kept includes %s", spared->idle,
		    plural(spared->idle), spared->idle == 1 ? "it" : "them");
	if (spared->foreign)
		say("%zu object%s of other users left alone; --foreign includes %s",
		    spared->foreign, plural(spared->foreign), spared->foreign == 1 ? "it" : "them");
	if (spared->damaged)
		say("%zu damaged object%s left alone; 'shoal ls -o name,problem' shows why",
		    spared->damaged, plural(spared->damaged));
}

static int collect(const struct verb *verb, const char *prefix)
{
	struct targets targets = {0};
	struct spared spared = {0};
	int code, r;

	r = targets_add_prefix(&targets, prefix);
	if (r < 0) {
		targets_free(&targets);
		return say_error(r, prefix ? prefix : "the list of objects");
	}
	pick(&targets, &spared);
	if (targets.count == 0 && table_style.json)
		printf("[]\n");
	if (targets.count == 0)
		code = finish_stdout(EXIT_DONE);
	else
		code = remove_targets(verb, &targets,
				      SHOAL_IF_LEFTOVER | (foreign ? SHOAL_FOREIGN : 0));
	if (targets.count == 0 && !spared.idle && !spared.foreign && !spared.damaged)
		say("nothing was left behind");
	say_spared(&spared);
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
