/* SPDX-License-Identifier: Apache-2.0 */
/* shoal rm: removes objects, by name and by group. */
#include "objects.h"
#include "table.h"

#include <errno.h>
#include <string.h>

static bool force, foreign;

static const struct option rm_options[] = {
    {OPTION_FLAG, 'f', "force", &force, NULL, "also what is in use (its users lose it) or damaged"},
    {OPTION_FLAG, 0, "foreign", &foreign, NULL, "also another user's"},
    {OPTION_END, 0, NULL, NULL, NULL, NULL},
};

int verb_rm(const struct verb *verb, int argc, const char **argv)
{
	static const struct option *const tables[] = {remove_options, rm_options, table_options,
						      NULL};
	struct targets targets = {0};
	struct options options;
	unsigned flags;
	int code;

	code = options_parse(&options, verb, argc, argv, tables, NULL, 1, 1000);
	if (code != GO_ON)
		return code;
	flags = (force ? SHOAL_FORCE : 0) | (foreign ? SHOAL_FOREIGN : 0);
	code = remove_check(verb);
	if (code == GO_ON) {
		/* All that was asked for, or nothing: a name that isn't there stops the whole. */
		code = targets_find(&targets, &options, flags & SHOAL_FOREIGN);
		if (code == EXIT_DONE)
			code = remove_targets(verb, &targets, flags);
		targets_free(&targets);
	}
	options_free(&options);
	return code;
}
