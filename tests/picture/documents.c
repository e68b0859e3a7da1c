/* SPDX-License-Identifier: Apache-2.0 */
#include "documents.h"

#include "compare.h"
#include "well_formed.h"

#include <stdlib.h>
#include <string.h>

json_t *a_run(void)
{
	char path[4096];
	json_error_t error;
	json_t *json;

	snprintf(path, sizeof path, "%s/tests/picture/run.json", getenv("SHOAL_SRC"));
	json = json_load_file(path, 0, &error);
	CHECKF(json != NULL, "%s, line %d: %s\n", path, error.line, error.text);
	return json;
}

static json_t *step(json_t *json, const char *part)
{
	if (json_is_array(json))
		return json_array_get(json, strtoul(part, NULL, 10));
	return json_object_get(json, part);
}

json_t *at_path(json_t *json, const char *path)
{
	while (json != NULL && *path != '\0') {
		size_t length = strcspn(path, ".");
		char part[64];

		snprintf(part, sizeof part, "%.*s", (int)length, path);
		json = step(json, part);
		path += length + (path[length] == '.');
	}
	return json;
}

void put_path(json_t *json, const char *path, json_t *value)
{
	const char *dot = strrchr(path, '.');
	const char *last = dot != NULL ? dot + 1 : path;
	char parent[128];
	json_t *object;

	snprintf(parent, sizeof parent, "%.*s", dot != NULL ? (int)(dot - path) : 0, path);
	object = at_path(json, parent);
	CHECKF(step(object, last) != NULL, "nothing is at %s: this test is broken\n", path);
	if (json_is_array(object) && value != NULL)
		json_array_set_new(object, strtoul(last, NULL, 10), value);
	else if (json_is_array(object))
		json_array_remove(object, strtoul(last, NULL, 10));
	else if (value != NULL)
		json_object_set_new(object, last, value);
	else
		json_object_del(object, last);
}

struct written draw(picture_function *function, const json_t *document)
{
	struct written written = {.result = 0};
	FILE *to = open_memstream(&written.text, &written.bytes);

	assert_non_null(to);
	written.result = function(document, to, written.why, sizeof written.why);
	fclose(to);
	return written;
}

struct written compare(const json_t *old, const json_t *new)
{
	struct written written = {.result = 0};
	FILE *to = open_memstream(&written.text, &written.bytes);

	assert_non_null(to);
	written.result = compare_documents(old, new, to, NULL, written.why, sizeof written.why);
	fclose(to);
	return written;
}

void forget(struct written *written)
{
	free(written->text);
	written->text = NULL;
}

void check_well_formed(const struct written *written, const char *what)
{
	size_t at;
	const char *wrong = well_formed(written->text, written->bytes, &at);
	size_t from = at > 60 ? at - 60 : 0;

	CHECKF(wrong == NULL, "%s: %s, after: %.*s\n", what, wrong, (int)(at - from),
	       written->text + from);
}
