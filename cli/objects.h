/* SPDX-License-Identifier: Apache-2.0 */
/* Objects by name and by group, as ls, stat, rm and gc need them. */
#ifndef CLI_OBJECTS_H
#define CLI_OBJECTS_H

#include "json.h"
#include "options.h"

/* An object that a verb is about. */
struct target {
	char *name; /* as the library takes it */
	struct shoal_object object;
};

struct targets {
	struct target *list;
	size_t count;
};

/*
 * Adds what `argument` means: the object of that name if there is one; else, or with a '/' at the
 * end, the objects of that group. "file:PATH", "memfd:fd=N" and the like are that one object. None
 * is no error. Returns 0 or -errno.
 */
int targets_add(struct targets *targets, const char *argument, unsigned flags);
/* Is it one of those that shoal_list knows? */
bool is_listed(const char *name);
/* Is it one that others can't find by its name? */
bool is_nameless(const char *name);
/* Adds all the objects whose names begin with `prefix` (NULL: all). */
int targets_add_prefix(struct targets *targets, const char *prefix);
/* Adds what each of the arguments means, and says which mean nothing. Exit code: EXIT_NO when there
 * is one of these. */
int targets_find(struct targets *targets, const struct options *options, unsigned flags);
/* Says that nothing is called so. Returns EXIT_NO. */
int say_nothing_called(const char *argument);
void targets_free(struct targets *targets);

/* All that is known of an object, for a table or JSON. */
json_t *object_row(const char *name, const struct shoal_object *object);

/* "pid 7 (shoal, publisher), pid 8 (...)": who is in the topic. "" when that can't be told. */
void users_text(const char *name, unsigned flags, char *buffer, size_t size);

/* ---- removing (remove.c) --------------------------------------------------------------- */

extern const struct option remove_options[]; /* --yes */

/* Shows what would be removed, asks or wants --yes, removes, shows what was. Exit code. */
int remove_targets(const struct verb *verb, const struct targets *targets, unsigned flags);
/* Checks -o for the above. */
int remove_check(const struct verb *verb);

#endif
