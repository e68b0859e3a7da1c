/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_check [-l] [CHECK...]: reads JSON from stdin (-l: one value a line, as an array) and wants
 * it to be valid and every CHECK to hold:
 *
 *     PATH=VALUE   the value there is VALUE, itself JSON: 0.name="a", seats=[]
 *     PATH:TYPE    it is an integer, real, string, boolean, null, array or object
 *     PATH#COUNT   it has so many elements or members
 *
 * A PATH is "." or indexes and member names with dots between: 0.seats.1.pid
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *find(json_t *value, const char *path, size_t length)
{
	char part[64];

	if (length == 1 && path[0] == '.')
		return value;
	while (value && length) {
		size_t here = strcspn(path, ".:=#");
		if (here > length)
			here = length;
		snprintf(part, sizeof part, "%.*s", (int)here, path);
		if (json_is_array(value))
			value = json_array_get(value, strtoul(part, NULL, 10));
		else
			value = json_object_get(value, part);
		path += here + (here < length);
		length -= here + (here < length);
	}
	return value;
}

static const char *type_name(const json_t *value)
{
	static const char *const names[] = {"object", "array",   "string",  "integer",
					    "real",   "boolean", "boolean", "null"};

	return value ? names[json_typeof(value)] : "missing";
}

static int equals(const json_t *value, const char *text)
{
	json_t *wanted = json_loads(text, JSON_DECODE_ANY, NULL);
	int equal = wanted && value && json_equal(value, wanted);

	json_decref(wanted);
	return equal;
}

static int holds(json_t *root, const char *check)
{
	size_t length = strcspn(check, "=:#");
	json_t *value = find(root, check, length);
	const char *wanted = check + length + 1;

	switch (check[length]) {
	case '=':
		return equals(value, wanted);
	case ':':
		return strcmp(type_name(value), wanted) == 0;
	case '#':
		return value &&
		       (json_is_array(value) ? json_array_size(value) : json_object_size(value)) ==
			   strtoul(wanted, NULL, 10);
	default:
		return 0;
	}
}

static json_t *read_lines(void)
{
	json_t *all = json_array();
	char *line = NULL;
	size_t size = 0;
	json_error_t error;

	while (getline(&line, &size, stdin) > 0) {
		json_t *value = json_loads(line, JSON_ALLOW_NUL, &error);
		if (!value) {
			fprintf(stderr, "not JSON: %s\n    %s", error.text, line);
			json_decref(all);
			all = NULL;
			break;
		}
		json_array_append_new(all, value);
	}
	free(line);
	return all;
}

int main(int argc, char **argv)
{
	json_error_t error = {.text = "no lines of JSON"};
	int lines = argc > 1 && strcmp(argv[1], "-l") == 0;
	json_t *root = lines ? read_lines() : json_loadf(stdin, JSON_ALLOW_NUL, &error);
	int failures = 0;

	if (!root) {
		fprintf(stderr, "not JSON: %s\n", error.text);
		return 1;
	}
	for (int i = 1 + lines; i < argc; i++) {
		if (holds(root, argv[i]))
			continue;
		fprintf(stderr, "does not hold: %s\n", argv[i]);
		failures++;
	}
	if (failures)
		json_dumpf(root, stderr, JSON_INDENT(1));
	json_decref(root);
	return failures ? 1 : 0;
}
