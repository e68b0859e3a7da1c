/* SPDX-License-Identifier: Apache-2.0 */
/* shoal create: a topic or a block that stays. */
#include "block.h"
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool foreign;

enum { TOPIC, BLOCK };
static int kind;

static const struct option create_options[] = {
    {OPTION_CHOICE, 0, "kind", &kind, "topic|block", "what to make (default topic)"},
    {OPTION_FLAG, 0, "foreign", &foreign, NULL, "accept another user's leftover in its place"},
    {OPTION_END, 0, NULL, NULL, NULL, NULL},
};

/* Others reach it by its id alone, so that is the output. */
static int create_private(const char *name)
{
	struct shoal_topic_options options = geometry_for_library();
	shoal_pub *pub;
	int id;
	int r = shoal_pub_open(&pub, name, SHOAL_CREATE | SHOAL_KEEP, &options);

	if (r < 0)
		return say_error(r, name);
	id = shoal_pub_sysv_id(pub);
	shoal_pub_close(pub);
	printf("sysv:id=%d\n", id);
	return finish_stdout(EXIT_DONE);
}

static int create_topic(const char *name)
{
	struct shoal_topic_options options = geometry_for_library();
	unsigned flags = foreign ? SHOAL_FOREIGN : 0;
	struct shoal_topic_stat *stat;
	char text[256];
	int r;

	if (strcmp(name, "sysv:private") == 0)
		return create_private(name);
	r = shoal_topic_create(name, flags | SHOAL_EXCLUSIVE, &options);
	if (r == -EEXIST && strncmp(name, "sysv:", 5) == 0) {
		/* It may be another name's, or none of Shoal's. */
		say_error(r, name);
		return EXIT_NO;
	}
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

/* What is for the other kind is a misunderstanding, and not to be passed over. */
static int create(const struct verb *verb, const char *name)
{
	uint32_t mode = geometry.mode;

	if (kind == TOPIC)
		return block_options_given()
			   ? say_usage(verb,
				       "--size, --max, --users and --huge are for --kind block")
			   : create_topic(name);
	geometry.mode = 0;
	if (geometry_given())
		return say_usage(verb, "slots, lanes and the like are for --kind topic");
	return block_create(name, foreign, mode);
}

int verb_create(const struct verb *verb, int argc, const char **argv)
{
	static const struct option *const tables[] = {create_options, geometry_options,
						      block_options, NULL};
	struct options options;
	int code;

	code = options_parse(&options, verb, argc, argv, tables, NULL, 1, 1);
	if (code != GO_ON)
		return code;
	code = create(verb, options.arguments[0]);
	options_free(&options);
	return code;
}
