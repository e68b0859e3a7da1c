/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing an object by name. A remover takes the last seat, which joiners never do, so it finds
 * a place even when all others are taken; then it is a REMOVER as object.c describes.
 */
#include "object/object.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- for objects whose body can't be understood: only their header is used ------------- */

static int nothing_to_check(const struct region *region)
{
	(void)region;
	return 0;
}

static void nothing_to_roll(const struct region *region, struct tag tag, bool orderly)
{
	(void)region;
	(void)tag;
	(void)orderly;
}

static void nobody_to_alert(const struct region *region)
{
	(void)region;
}

static const struct kind unknown_kind = {
    .name = "object",
    .validate = nothing_to_check,
    .repair = nothing_to_roll,
    .alert = nobody_to_alert,
    .audit = nothing_to_check,
};

static const struct kind *find_kind(const struct kind *const *kinds, const struct region *region,
				    const struct segment_fixed *fixed)
{
	for (; *kinds; kinds++)
		if (object_fits(fixed, *kinds))
			return (*kinds)->validate(region) == 0 ? *kinds : &unknown_kind;
	return &unknown_kind;
}

/* "12 (shoal), 14 (reader)": who is in it. */
static int fail_in_use(struct object *object)
{
	const struct region *region = &object->segment.region;
	char users[256] = "";
	size_t length = 0;
	for (uint32_t i = 0; i < region->seat_count; i++) {
		const struct seat_entry *entry = seat_entry(region, i);
		if (i == object->seat.tag.seat || length > sizeof(users) - 64)
			continue;
		uint64_t word = atomic_load(&entry->word);
		if (word_state(word) == SEAT_FREE || !seat_alive(&object->segment, i))
			continue;
		char name[16];
		memcpy(name, entry->name, sizeof(name));
		for (size_t k = 0; k < sizeof(name) - 1 && name[k]; k++)
			if ((unsigned char)name[k] < 0x20 || name[k] == 0x7f)
				name[k] = '?';
		length += (size_t)snprintf(users + length, sizeof(users) - length, "%s%u (%.15s)",
					   length ? ", " : "", entry->pid, name);
	}
	return error_fail(EBUSY,
			  "'%s' is in use by process %s; end it first, or use SHOAL_FORCE "
			  "(--force)",
			  object->segment.name.text, length ? users : "(unknown)");
}

static bool is_damage(int r)
{
	return r == -EBADMSG || r == -ENOTSUP || r == -ESTALE || r == -EXDEV || r == -ENODATA;
}

static int remove_open(struct object *object, bool force)
{
	struct segment *segment = &object->segment;
	int r = seat_lock(segment, segment->region.seat_count - 1, 1, &object->seat);
	if (r == -EUSERS)
		return error_fail(EBUSY, "'%s' is being removed by somebody else",
				  segment->name.text);
	if (r < 0)
		return r;
	object_enter_seat(object, 0);
	r = object_retire(object, force);
	if (r == -EBUSY)
		r = fail_in_use(object);
	object_undo_seat(object);
	return r;
}

int object_remove(const struct segment_name *name, unsigned flags, const struct kind *const *kinds)
{
	bool force = flags & SHOAL_FORCE;
	bool foreign = flags & SHOAL_FOREIGN;
	struct object object = {.seat.kept_fd = -1};
	int r = segment_open(&object.segment, name, foreign);
	/* A leftover without memory is nobody's; and what was never an object stays unless it is
	 * meant by its number. */
	if ((is_damage(r) && force) || r == -EIDRM || (r == -ENOENT && force))
		return name->backend->place->discard(name, foreign, r);
	if (r < 0)
		return r;
	if ((flags & SHOAL_IF_LEFTOVER) && (object.segment.fixed.flags & SEGMENT_KEEP)) {
		segment_close(&object.segment);
		return error_fail(EBUSY, "'%s' is no leftover: it was made to stay", name->text);
	}
	object.kind = find_kind(kinds, &object.segment.region, &object.segment.fixed);
	r = remove_open(&object, force);
	segment_close(&object.segment);
	return r;
}
