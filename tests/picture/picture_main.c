/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `shoal bench` does with a run that it has measured, for one that is in a file. A test, and
 * not installed.
 *
 *	shoal-bench-picture html|svg RUN.json       the page or the picture, to standard output
 *	shoal-bench-picture compare OLD.json RUN.json
 *
 * Exit status: 0 done, or nothing got slower; 1 something got slower; 2 usage; 3 failed.
 */
#include "compare.h"
#include "picture.h"

#include <stdio.h>
#include <string.h>

enum { DONE, SLOWER, USAGE, FAILED };

static json_t *load(const char *path)
{
	json_error_t error;
	json_t *json = json_load_file(path, 0, &error);

	if (json == NULL)
		fprintf(stderr, "shoal-bench-picture: %s, line %d: %s\n", path, error.line,
			error.text);
	return json;
}

static int run(const char *verb, const json_t *first, const json_t *second)
{
	char why[512] = "";
	int r;

	if (strcmp(verb, "html") == 0)
		r = picture_html(first, stdout, why, sizeof why);
	else if (strcmp(verb, "svg") == 0)
		r = picture_svg(first, stdout, why, sizeof why);
	else
		r = compare_documents(first, second, stdout, NULL, why, sizeof why);
	if (r >= 0)
		return r;
	fprintf(stderr, "shoal-bench-picture: %s\n", why);
	return FAILED;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	int files = strcmp(verb, "compare") == 0;
	json_t *first;
	json_t *second = NULL;
	int code = FAILED;

	files += files || strcmp(verb, "html") == 0 || strcmp(verb, "svg") == 0;
	if (files == 0 || argc != 2 + files) {
		fputs("usage: shoal-bench-picture html|svg RUN.json\n"
		      "       shoal-bench-picture compare OLD.json NEW.json\n",
		      stderr);
		return USAGE;
	}
	first = load(argv[2]);
	if (first != NULL && files == 2)
		second = load(argv[3]);
	if (first != NULL && (files == 1 || second != NULL))
		code = run(verb, first, second);
	json_decref(first);
	json_decref(second);
	return code;
}
