/* SPDX-License-Identifier: Apache-2.0 */
/* Objects on this host, seen from outside: nothing here maps, joins or changes an object. */
#ifndef SHOAL_REGISTRY_REGISTRY_H
#define SHOAL_REGISTRY_REGISTRY_H

#include "object/object.h"

#include <shoal/object.h>

/* A private copy of the object's first bytes, to be looked at in peace. */
struct snapshot {
	struct segment segment; /* open for reading; region.base is the copy */
	struct os_file file;
};

/*
 * Reads the object, which must be of that kind (NULL: of any), up to `body_bytes` of its body (or
 * to its end). Holes read as zeroes, and a peer that truncates the file can't hurt. Free it with
 * registry_drop, also after -ENOMEM.
 */
int registry_snapshot(struct snapshot *snapshot, const struct segment_name *name, bool foreign,
		      const struct kind *kind, uint64_t body_bytes);
void registry_drop(struct snapshot *snapshot);

/* Fills what is common to all kinds; `kind_name` by id. */
void registry_describe(struct snapshot *snapshot, const char *name, const struct kind *const *kinds,
		       struct shoal_object *object);

/* The state of a seat that is taken: alive, stopped or dead; or it was given back since the copy
 * was made, and whoever left in order must not look dead. */
#define REGISTRY_LEFT ((enum shoal_health)0)
enum shoal_health registry_seat_health(struct snapshot *snapshot, uint32_t number);

/* shoal_list, for the kinds given. */
int registry_list(const char *prefix, const struct kind *const *kinds,
		  struct shoal_object **ret_objects, size_t *ret_count);

#endif
