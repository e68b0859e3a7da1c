/* SPDX-License-Identifier: Apache-2.0 */
#include "outputs.h"

#include "compare.h"
#include "picture.h"
#include "table.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

/* Where a picture goes. */
struct place {
	char path[PATH_MAX]; /* no link */
	char part[PATH_MAX]; /* a file gets its name when it is complete; "": there is no file to
				replace */
};

__attribute__((format(printf, 2, 3))) static int refuse(const char *path, const char *format, ...)
{
	char why[128];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, sizeof why, format, arguments);
	va_end(arguments);
	say("can't make '%s': %s", path, why);
	return EXIT_USAGE;
}

static int check_folder(const char *path, const struct place *place)
{
	char folder[PATH_MAX];

	snprintf(folder, sizeof folder, "%s", place->path);
	if (access(dirname(folder), W_OK | X_OK) < 0)
		return refuse(path, "%s", strerror(errno));
	return GO_ON;
}

static bool is_stdout(const struct stat *file)
{
	struct stat out;

	return fstat(STDOUT_FILENO, &out) == 0 && out.st_dev == file->st_dev &&
	       out.st_ino == file->st_ino;
}

/* A file is replaced by a whole one, and its folder must allow that. Into a device or a FIFO one
 * writes: it is not ours to replace. */
static int find_kind(const char *path, const struct stat *there, struct place *place)
{
	if (S_ISDIR(there->st_mode))
		return refuse(path, "it is a folder");
	if (S_ISCHR(there->st_mode) || S_ISFIFO(there->st_mode)) {
		place->part[0] = '\0';
		return access(path, W_OK) < 0 ? refuse(path, "%s", strerror(errno)) : GO_ON;
	}
	if (!S_ISREG(there->st_mode))
		return refuse(path, "it is no file, FIFO or character device");
	if (is_stdout(there))
		return refuse(path, "it is standard output, which has the figures");
	if (!realpath(path, place->path))
		return refuse(path, "%s", strerror(errno));
	return GO_ON;
}

static int find_place(const char *path, struct place *place)
{
	struct stat there;
	int code = GO_ON;

	place->part[0] = 'x';
	if (path[0] == '\0')
		return refuse(path, "that is no name of a file");
	if (snprintf(place->path, sizeof place->path, "%s", path) >= PATH_MAX)
		return refuse(path, "%s", strerror(ENAMETOOLONG));
	if (stat(path, &there) == 0)
		code = find_kind(path, &there, place);
	else if (errno != ENOENT)
		return refuse(path, "%s", strerror(errno));
	else if (lstat(path, &there) == 0)
		return refuse(path, "it is a link that leads nowhere");
	if (code != GO_ON || place->part[0] == '\0')
		return code;
	if (snprintf(place->part, sizeof place->part, "%s.part", place->path) >= PATH_MAX)
		return refuse(path, "%s", strerror(ENAMETOOLONG));
	return check_folder(path, place);
}

static int check_place(const char *path)
{
	struct place place;

	return path ? find_place(path, &place) : GO_ON;
}

typedef int (*draw_run)(const json_t *document, FILE *to, char *why, size_t why_size);

static int write_file(draw_run draw, const json_t *document, const char *name, char *why,
		      size_t why_size)
{
	FILE *file = fopen(name, "we");
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
	struct place place;
	char why[512] = "";
	int r;

	if (!path)
		return EXIT_DONE;
	if (find_place(path, &place) != GO_ON) /* again: much can happen in a run */
		return EXIT_FAILED;
	r = write_file(draw, document, place.part[0] ? place.part : place.path, why, sizeof why);
	if (r >= 0 && place.part[0] && rename(place.part, place.path) < 0) {
		r = -errno;
		snprintf(why, sizeof why, "%s", strerror(errno));
	}
	if (r >= 0)
		return EXIT_DONE;
	if (place.part[0])
		unlink(place.part);
	say("can't write '%s': %s", path, why);
	return EXIT_FAILED;
}

/* Beside JSON on stdout there is no room for a table. */
static int write_comparison(const json_t *old, const json_t *document)
{
	char why[512] = "";
	FILE *to = table_style.json ? stderr : stdout;
	struct compare_count count = {0};
	int r;

	if (!old)
		return EXIT_DONE;
	r = compare_documents(old, document, to, &count, why, sizeof why);
	if (r < 0) {
		say("can't compare: %s", why);
		return EXIT_FAILED;
	}
	if (count.judged == 0) {
		say("nothing could be compared: no result of these runs has a verdict");
		return EXIT_FAILED;
	}
	if (count.not_judged > 0)
		say("%zu of %zu results have no verdict", count.not_judged,
		    count.judged + count.not_judged);
	return r > 0 ? EXIT_NO : EXIT_DONE;
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
