/* SPDX-License-Identifier: Apache-2.0 */
#include "outputs.h"

#include "compare.h"
#include "picture.h"
#include "table.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- reading ----------------------------------------------------------------------------- */

static int check_run(const char *path, const json_t *json)
{
	struct run_document run;
	char why[256];
	int r = run_document_read(json, &run, why, sizeof why);

	if (r < 0) {
		say("'%s' is no run of this command: %s", path, why);
		return r == -ENOMEM ? EXIT_FAILED : EXIT_USAGE;
	}
	run_document_free(&run);
	return GO_ON;
}

static int read_run(const char *path, json_t **ret_json)
{
	json_error_t error;
	int code;

	if (!path)
		return GO_ON;
	errno = 0;
	*ret_json = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (!*ret_json && error.line < 0) {
		say("can't read '%s': %s", path, errno ? strerror(errno) : error.text);
		return EXIT_USAGE;
	}
	if (!*ret_json) {
		say("'%s' is not JSON: line %d: %s", path, error.line, error.text);
		return EXIT_USAGE;
	}
	code = check_run(path, *ret_json);
	if (code != GO_ON) {
		json_decref(*ret_json);
		*ret_json = NULL;
	}
	return code;
}

/* ---- writing ----------------------------------------------------------------------------- */

/* The file gets its name when it is complete. */
static bool name_part(const char *path, char part[PATH_MAX])
{
	return snprintf(part, PATH_MAX, "%s.part", path) < PATH_MAX;
}

static int check_place(const char *path)
{
	char part[PATH_MAX];

	if (!path)
		return GO_ON;
	if (!name_part(path, part)) {
		say("the name '%s' is too long", path);
		return EXIT_USAGE;
	}
	if (access(dirname(part), W_OK | X_OK) < 0) { /* dirname may have cut `part` */
		say("can't make '%s': %s", path, strerror(errno));
		return EXIT_USAGE;
	}
	return GO_ON;
}

typedef int (*draw_run)(const json_t *document, FILE *to, char *why, size_t why_size);

static int write_part(draw_run draw, const json_t *document, const char *part, char *why,
		      size_t why_size)
{
	FILE *file = fopen(part, "we");
	int r;

	if (!file) {
		snprintf(why, why_size, "%s", strerror(errno));
		return -errno;
	}
	r = draw(document, file, why, why_size);
	if (fclose(file) != 0 && r >= 0) {
		r = -errno;
		snprintf(why, why_size, "%s", strerror(errno));
	}
	return r;
}

static int write_picture(draw_run draw, const json_t *document, const char *path)
{
	char part[PATH_MAX], why[512] = "";
	int r;

	if (!path)
		return EXIT_DONE;
	if (!name_part(path, part))
		return EXIT_FAILED;
	r = write_part(draw, document, part, why, sizeof why);
	if (r >= 0 && rename(part, path) < 0) {
		r = -errno;
		snprintf(why, sizeof why, "%s", strerror(errno));
	}
	if (r >= 0)
		return EXIT_DONE;
	unlink(part);
	say("can't write '%s': %s", path, why);
	return EXIT_FAILED;
}

/* Beside JSON on stdout there is no room for a table. */
static int write_comparison(const json_t *old, const json_t *document)
{
	char why[512] = "";
	FILE *to = table_style.json ? stderr : stdout;
	int r;

	if (!old)
		return EXIT_DONE;
	r = compare_documents(old, document, to, why, sizeof why);
	if (r < 0)
		say("can't compare: %s", why);
	return r < 0 ? EXIT_FAILED : r > 0 ? EXIT_NO : EXIT_DONE;
}

/* ---- both -------------------------------------------------------------------------------- */

int outputs_begin(struct lab_outputs *outputs)
{
	int code = read_run(outputs->from, &outputs->run);

	if (code == GO_ON)
		code = read_run(outputs->compare, &outputs->old);
	if (code == GO_ON)
		code = check_place(outputs->html);
	if (code == GO_ON)
		code = check_place(outputs->svg);
	return code;
}

int outputs_make(const struct lab_outputs *outputs, const json_t *document)
{
	int html = write_picture(picture_html, document, outputs->html);
	int svg = write_picture(picture_svg, document, outputs->svg);
	int compared = write_comparison(outputs->old, document);

	if (html != EXIT_DONE || svg != EXIT_DONE)
		return EXIT_FAILED;
	return compared;
}

void outputs_free(struct lab_outputs *outputs)
{
	json_decref(outputs->run);
	json_decref(outputs->old);
}
