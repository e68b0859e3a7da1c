/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/registry.h"

#include "base/error.h"
#include "segment/sysv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int registry_snapshot(struct snapshot *snapshot, const struct segment_name *name, bool foreign,
		      const struct kind *kind, uint64_t body_bytes)
{
	struct segment *segment = &snapshot->segment;
	memset(snapshot, 0, sizeof(*snapshot));
	int r = segment_peek(segment, name, foreign);
	if (r < 0)
		return r;
	/* Before anything is sized: what does not grow is no larger than its file. */
	r = kind ? object_check_kind(segment, kind) : 0;
	if (r < 0) {
		registry_drop(snapshot);
		return r;
	}
	segment_examine(segment, &snapshot->file);
	uint64_t wanted = segment->region.body_offset + body_bytes;
	uint64_t bytes = min_u64(wanted, segment->region.bytes);
	/* Sized by a checked header, but still by a stranger: calloc says no to nonsense. */
	uint8_t *copy = calloc(1, bytes);
	int64_t n = copy ? segment_read(segment, copy, bytes, 0) : -ENOMEM;
	if (n < 0) {
		free(copy);
		registry_drop(snapshot);
		return error_fail((int)-n, "can't read '%s': %s", name->text, strerror((int)-n));
	}
	segment->region.base = copy;
	return 0;
}

void registry_drop(struct snapshot *snapshot)
{
	free(snapshot->segment.region.base);
	snapshot->segment.region.base = NULL; /* it is no mapping */
	segment_close(&snapshot->segment);
}

/* Only the owner's own PID namespace numbers it as we do; and a pid may have been reused. */
static bool is_stopped(const struct seat_entry *entry)
{
	struct os_process process;
	return entry->pid_namespace == os->pid_namespace() &&
	       os->process(entry->pid, &process) == 0 && process.exists &&
	       process.start_time == entry->start_time && process.stopped;
}

/* Its byte is free: was it given back, or repaired, since the picture was taken? */
static bool has_changed(const struct snapshot *snapshot, uint32_t number)
{
	const struct segment *segment = &snapshot->segment;
	const struct seat_entry *entry = seat_entry(&segment->region, number);
	uint64_t offset = (uint64_t)((const uint8_t *)&entry->word - segment->region.base);
	uint64_t now;
	return segment_read(segment, &now, sizeof(now), offset) == (int64_t)sizeof(now) &&
	       now != atomic_load(&entry->word);
}

enum shoal_health registry_seat_health(struct snapshot *snapshot, uint32_t number)
{
	if (!seat_alive(&snapshot->segment, number))
		return has_changed(snapshot, number) ? REGISTRY_LEFT : SHOAL_DEAD;
	return is_stopped(seat_entry(&snapshot->segment.region, number)) ? SHOAL_STOPPED
									 : SHOAL_ALIVE;
}

static void count_seats(struct snapshot *snapshot, struct shoal_object *object)
{
	const struct region *region = &snapshot->segment.region;
	object->seats_max = region->seat_count - 1;
	for (uint32_t i = 0; i < region->seat_count; i++) {
		if (word_state(atomic_load(&seat_entry(region, i)->word)) == SEAT_FREE)
			continue;
		enum shoal_health health = registry_seat_health(snapshot, i);
		object->seats_taken += health != REGISTRY_LEFT;
		object->seats_alive += health == SHOAL_ALIVE || health == SHOAL_STOPPED;
	}
}

static void describe_file(struct shoal_object *object, const struct os_file *file)
{
	object->owner_uid = file->uid;
	object->mode = file->mode;
	object->bytes = file->bytes;
	object->bytes_used = file->bytes_used;
}

void registry_describe(struct snapshot *snapshot, const char *name, const struct kind *const *kinds,
		       struct shoal_object *object)
{
	const struct segment_fixed *fixed = &snapshot->segment.fixed;
	memset(object, 0, sizeof(*object));
	snprintf(object->name, sizeof(object->name), "%s", name);
	describe_file(object, &snapshot->file);
	object->created_ns = fixed->created_ns;
	object->kept = (fixed->flags & SEGMENT_KEEP) != 0;
	count_seats(snapshot, object);
	snprintf(object->kind, sizeof(object->kind), "kind-%u", fixed->kind);
	for (; *kinds; kinds++)
		if ((*kinds)->id == fixed->kind)
			snprintf(object->kind, sizeof(object->kind), "%s", (*kinds)->name);
	bool stays = (fixed->flags & SEGMENT_KEEP) && !snapshot->segment.doomed;
	object->health = object->seats_alive ? SHOAL_ALIVE : stays ? SHOAL_IDLE : SHOAL_LEFTOVER;
	if (snapshot->segment.doomed)
		snprintf(object->problem, sizeof(object->problem),
			 "its System V segment is marked for deletion (ipcrm)");
}

/* ---- listing ----------------------------------------------------------------------------- */

struct listing {
	const char *prefix;
	const struct kind *const *kinds;
	struct shoal_object *objects;
	size_t count;
	size_t room;
};

/* "g" and "g/" match "g/x"; "g" also matches "g" itself. So do "sysv:g" and its like. */
static bool matches(const char *name, const char *prefix)
{
	size_t length = strlen(prefix);
	if (length == 0)
		return true;
	if (strncmp(name, prefix, length) != 0)
		return false;
	return prefix[length - 1] == '/' || prefix[length - 1] == ':' || name[length] == '\0' ||
	       name[length] == '/';
}

static void describe_unreadable(struct shoal_object *object, const struct segment_name *name,
				int error)
{
	struct os_file file;
	snprintf(object->problem, sizeof(object->problem), "%s", shoal_error_detail());
	object->health = error == -EACCES || error == -EPERM ? SHOAL_FOREIGN_OWNER
			 : error == -EIDRM                   ? SHOAL_LEFTOVER
							     : SHOAL_DAMAGED;
	if (name->backend->place->look(name, &file) == 0)
		describe_file(object, &file);
}

static int examine(const char *name, const struct kind *const *kinds, struct shoal_object *object)
{
	struct segment_name parsed;
	struct snapshot snapshot;
	int r = segment_name_parse(name, &parsed);
	if (r < 0)
		return r;
	r = registry_snapshot(&snapshot, &parsed, true, NULL, 0);
	if (r == -ENOENT || r == -ENOMEM)
		return r;
	memset(object, 0, sizeof(*object));
	char title[sizeof(object->name)];
	snprintf(title, sizeof(title), "%s", name);
	if (r < 0)
		describe_unreadable(object, &parsed, r);
	if (parsed.backend == &backend_sysv)
		sysv_title(&snapshot.segment, title, sizeof(title));
	snprintf(object->name, sizeof(object->name), "%s", title);
	if (r < 0)
		return 0;
	registry_describe(&snapshot, title, kinds, object);
	registry_drop(&snapshot);
	return 0;
}

static int grow(struct listing *listing)
{
	if (listing->count < listing->room)
		return 0;
	size_t room = listing->room ? listing->room * 2 : 16;
	struct shoal_object *objects = realloc(listing->objects, room * sizeof(*objects));
	if (!objects)
		return -ENOMEM;
	listing->objects = objects;
	listing->room = room;
	return 0;
}

/* Adds the object `name` if, by the name that it is listed by, it is one of those wanted. */
static int add(struct listing *listing, const char *name, const char *prefix)
{
	int r = grow(listing);
	if (r < 0)
		return r;
	struct shoal_object *object = &listing->objects[listing->count];
	r = examine(name, listing->kinds, object);
	if (r == -ENOENT)
		return 0; /* it went while we looked */
	listing->count += r == 0 && matches(object->name, prefix);
	return r;
}

static int add_posix(void *context, const char *entry)
{
	struct listing *listing = context;
	char name[160];
	if (!backend_posix_name(entry, name, sizeof(name)) || !matches(name, listing->prefix))
		return 0;
	return add(listing, name, listing->prefix);
}

/* The names are in the files, not in their names. */
static int add_sysv(void *context, const char *entry)
{
	struct listing *listing = context;
	char name[160] = SYSV_SCHEME;
	const size_t scheme = strlen(SYSV_SCHEME);
	return sysv_entry(entry, name + scheme, sizeof(name) - scheme)
		   ? add(listing, name, listing->prefix)
		   : 0;
}

/* Half made ones; what has both names is in the list already. */
static int add_new_sysv(void *context, const char *entry)
{
	char name[160] = SYSV_SCHEME;
	const size_t scheme = strlen(SYSV_SCHEME);
	struct segment_name parsed;
	struct os_file file;
	if (!sysv_entry(entry, name + scheme, sizeof(name) - scheme) ||
	    segment_name_parse(name, &parsed) < 0 || os->stat_path(parsed.path, &file) == 0)
		return 0;
	return add_sysv(context, entry);
}

static int by_name(const void *a, const void *b)
{
	const struct shoal_object *left = a;
	const struct shoal_object *right = b;
	return strcmp(left->name, right->name);
}

/* A name, a group, or a group with its '/'. */
static int check_prefix(const char *prefix)
{
	char name[SEGMENT_NAME_PART * 2 + 3];
	size_t length = strlen(prefix);
	if (length == 0)
		return 0;
	if (prefix[length - 1] == '/')
		length--;
	if (length >= sizeof(name))
		return error_fail(ENAMETOOLONG, "a name has at most %zu bytes", sizeof(name) - 2);
	memcpy(name, prefix, length);
	name[length] = '\0';
	return backend_posix_check(name);
}

static int list_entries(struct listing *listing, const char *begin,
			int (*each)(void *context, const char *entry))
{
	const char *directory = backend_posix_directory();
	int r = os->each_entry(directory, begin, each, listing);
	return r == 0 ? 0 : error_fail(-r, "can't list %s: %s", directory, strerror(-r));
}

/* One that is not asked for by name, or a name or group. A half-made one is listed, too, once its
 * maker is dead. */
static int list_sysv(struct listing *listing)
{
	const char *rest = listing->prefix + (*listing->prefix ? strlen(SYSV_SCHEME) : 0);
	if (strchr(rest, '='))
		return add(listing, listing->prefix, "");
	int r = check_prefix(rest);
	if (r == 0)
		r = list_entries(listing, SYSV_PREFIX, add_sysv);
	return r < 0 ? r : list_entries(listing, SYSV_NEW_PREFIX, add_new_sysv);
}

int registry_list(const char *prefix, const struct kind *const *kinds,
		  struct shoal_object **ret_objects, size_t *ret_count)
{
	struct listing listing = {.prefix = prefix ? prefix : "", .kinds = kinds};
	bool sysv = strncmp(listing.prefix, SYSV_SCHEME, strlen(SYSV_SCHEME)) == 0;
	bool all = *listing.prefix == '\0';
	if (strncmp(listing.prefix, "posix:", 6) == 0)
		listing.prefix += 6;
	int r = sysv ? 0 : check_prefix(listing.prefix);
	if (r == 0 && !sysv)
		r = list_entries(&listing, BACKEND_POSIX_PREFIX, add_posix);
	if (r == 0 && (sysv || all))
		r = list_sysv(&listing);
	if (r < 0) {
		free(listing.objects);
		return r;
	}
	if (listing.count > 1)
		qsort(listing.objects, listing.count, sizeof(*listing.objects), by_name);
	*ret_objects = listing.objects;
	*ret_count = listing.count;
	return 0;
}
