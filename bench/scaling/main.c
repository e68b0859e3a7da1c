/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shoal-bench-scaling svg|tables FILE: what scripts/scaling measured, as a picture or as tables in
 * Markdown, on standard output. Exit status: 0 done, 2 usage, 3 failed.
 */
#include "scaling.h"

#include <string.h>

enum { DONE, USAGE = 2, FAILED = 3 };

static int show(const json_t *json, const char *path, bool svg)
{
	struct scaling scaling;
	char why[512];

	if (scaling_read(json, &scaling, why, sizeof why) < 0) {
		fprintf(stderr, "shoal-bench-scaling: '%s' can't be read: %s\n", path, why);
		return FAILED;
	}
	if (svg)
		scaling_draw(&scaling, stdout);
	else
		scaling_tables(&scaling, stdout);
	scaling_free(&scaling);
	if (fflush(stdout) == 0 && !ferror(stdout))
		return DONE;
	perror("shoal-bench-scaling: standard output");
	return FAILED;
}

int main(int argc, char **argv)
{
	json_error_t error;
	json_t *json;
	bool svg = argc == 3 && strcmp(argv[1], "svg") == 0;
	int code;

	if (argc != 3 || (!svg && strcmp(argv[1], "tables") != 0)) {
		fputs("Usage: shoal-bench-scaling svg|tables FILE\n"
		      "FILE is what scripts/scaling measured.\n",
		      stderr);
		return USAGE;
	}
	json = json_load_file(argv[2], JSON_REJECT_DUPLICATES, &error);
	if (json == NULL) {
		fprintf(stderr, "shoal-bench-scaling: '%s', line %d: %s\n", argv[2], error.line,
			error.text);
		return FAILED;
	}
	code = show(json, argv[2], svg);
	json_decref(json);
	return code;
}
