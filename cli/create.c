/* SPDX-License-Identifier: Apache-2.0 */
/* shoal create: a topic that stays. */
#include "options.h"

#include <errno.h>

static bool foreign;

static const struct option create_options[] = {
    {OPTION_FLAG, 0, "foreign", &foreign, NULL, "accept another user's leftover in its place"},
    {OPTION_END, 0, NULL, NULL, NULL, NULL},
};

static int create(const char *name)
{
	struct shoal_topic_options options = geometry_for_library();
	unsigned flags = foreign ? SHOAL_FOREIGN : 0;
	struct shoal_topic_stat *stat;
	char text[256];
	int r = shoal_topic_create(name, flags | SHOAL_EXCLUSIVE, &options);

	if (r == -EEXIST) {
		say("%s is there already; 'shoal stat %s' shows it", name, name);
		return EXIT_NO;
	}
	if (r < 0)
		return say_error(r, name);
	r = shoal_topic_stat(name, flags, &stat);
	if (r < 0) {
		say("made the topic %s", name);
		return EXIT_DONE;
	}
	geometry_text(stat, text, sizeof text);
	say("made the topic %s: %s", name, text);
	shoal_topic_stat_free(stat);
	return EXIT_DONE;
}

int verb_create(const struct verb *verb, int argc, const char **argv)
{
	static const struct option *const tables[] = {create_options, geometry_options, NULL};
	struct options options;
	int code;

	code = options_parse(&options, verb, argc, argv, tables, NULL, 1, 1);
	if (code != GO_ON)
		return code;
	code = create(options.arguments[0]);
	options_free(&options);
	return code;
}
