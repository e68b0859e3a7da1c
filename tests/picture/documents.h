/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of pictures and comparisons share: a small made-up run, and changes to it. */
#ifndef TESTS_PICTURE_DOCUMENTS_H
#define TESTS_PICTURE_DOCUMENTS_H

#include <jansson.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
/* cmocka.h wants those above before it. */
#include <setjmp.h>

#include <cmocka.h>

/* Fails the test with a sentence that names the place. */
#define CHECKF(condition, ...)                                                                     \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			print_error(__VA_ARGS__);                                                  \
			fail();                                                                    \
		}                                                                                  \
	} while (0)

/* tests/picture/run.json; the caller's. */
json_t *a_run(void);

/* What is at "machine.cpu" or "results.3.p50_ns" of it, or NULL. */
json_t *at_path(json_t *json, const char *path);

/* Puts `value` (taken over; NULL: nothing) there, where something is already. */
void put_path(json_t *json, const char *path, json_t *value);

/* What one of the functions wrote, and returned. */
struct written {
	int result;
	char why[512];
	char *text;
	size_t bytes;
};
typedef int picture_function(const json_t *document, FILE *to, char *why, size_t why_size);
struct written draw(picture_function *function, const json_t *document);
struct written compare(const json_t *old, const json_t *new);
void forget(struct written *written);

/* All of it is well-formed; else the test fails and says where. */
void check_well_formed(const struct written *written, const char *what);

#endif
