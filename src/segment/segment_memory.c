/* SPDX-License-Identifier: Apache-2.0 */
/* Where a segment is mapped and how much of it there is: for kinds whose memory is the user's. */
#include "segment/segment.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Somebody else's thread may take the room between our look and our mapping. */
enum { ROOM_TRIES = 16 };

static const struct memory_calls *memory_of(const struct segment *segment)
{
	return segment->name.backend->memory;
}

static int fail_occupied(const struct segment *segment, const void *address)
{
	char there[OS_OCCUPANT_BYTES];
	os->occupant(address, segment->region.bytes, there);
	return error_fail(EEXIST,
			  "'%s' can't lie at %p, its %llu bytes of address space are not free: "
			  "there is %s",
			  segment->name.text, address, (unsigned long long)segment->region.bytes,
			  there);
}

static int map_aligned(const struct segment *segment, uint64_t alignment, enum os_map how,
		       void **ret)
{
	int r = -EEXIST;
	for (int i = 0; i < ROOM_TRIES && r == -EEXIST; i++) {
		r = os->find_room(segment->region.bytes, alignment, ret);
		if (r == 0)
			r = memory_of(segment)->map(segment, segment->region.bytes, how, ret);
	}
	return r;
}

int segment_move(struct segment *segment, void *address, uint64_t alignment, enum os_map how)
{
	void *base = address;
	int r = address ? memory_of(segment)->map(segment, segment->region.bytes, how, &base)
			: map_aligned(segment, alignment, how, &base);
	if (r == -EEXIST && address)
		return fail_occupied(segment, address);
	if (r < 0)
		return error_fail(-r, "can't map '%s' at %p: %s", segment->name.text, address,
				  strerror(-r));
	memory_of(segment)->unmap(segment->region.base, segment->region.bytes);
	segment->region.base = base;
	return 0;
}

int segment_copy_on_write(struct segment *segment, uint64_t offset, unsigned access)
{
	const struct memory_calls *memory = memory_of(segment);
	if (!memory->map_copy)
		return error_fail(ENOTSUP, "'%s' is memory that can't be mapped copy-on-write",
				  segment->name.text);
	int r = memory->map_copy(segment, segment->region.base + offset, offset,
				 segment->region.bytes - offset, access);
	return r == 0 ? 0
		      : error_fail(-r, "can't map '%s' copy-on-write: %s", segment->name.text,
				   strerror(-r));
}

int segment_size(const struct segment *segment, uint64_t *ret)
{
	struct os_file file;
	int r = segment_examine(segment, &file);
	if (r < 0)
		return error_fail(-r, "can't examine '%s': %s", segment->name.text, strerror(-r));
	*ret = file.bytes;
	return 0;
}

/* Also one that ends there: tmpfs shows what was written behind the end of a file, in its last
 * page, when the file gets longer, unless it was cut between. */
int segment_cut(struct segment *segment, uint64_t to)
{
	uint64_t bytes = 0;
	int r = segment_fd(segment);
	if (r >= 0 && memory_of(segment)->fixed_size)
		return 0;
	if (r >= 0)
		r = segment_size(segment, &bytes);
	if (r < 0 || bytes < to)
		return r < 0 ? r : 0;
	r = memory_of(segment)->set_size(segment, to);
	if (r == -EPERM)
		return error_fail(ENOTSUP, "'%s' is sealed against shrinking", segment->name.text);
	return r == 0 ? 0
		      : error_fail(-r, "can't cut '%s' down: %s", segment->name.text, strerror(-r));
}

/* Through a mapping of its own: the one that there is may be private, or not to be written. */
static int clear(struct segment *segment, uint64_t from, uint64_t to)
{
	const struct memory_calls *memory = memory_of(segment);
	uint64_t bytes = 0;
	void *base = NULL;
	int r = segment_size(segment, &bytes);
	uint64_t end = min_u64(bytes, to);
	if (r < 0 || end <= from)
		return r;
	r = memory->map(segment, segment->region.bytes, OS_MAP_WRITE, &base);
	if (r < 0)
		return error_fail(-r, "can't map '%s' once more: %s", segment->name.text,
				  strerror(-r));
	memset((uint8_t *)base + from, 0, end - from);
	memory->unmap(base, segment->region.bytes);
	return 0;
}

/*
 * Zero first: behind `from` there may be what one who died in shrinking or growing left. Cutting a
 * file clears the rest of the page as well.
 */
int segment_grow(struct segment *segment, uint64_t from, uint64_t to)
{
	if (memory_of(segment)->fixed_size)
		return clear(segment, from, to);
	int r = segment_cut(segment, from);
	if (r == -ENOTSUP)
		r = clear(segment, from, to);
	if (r == 0)
		r = segment_reserve(segment, from, to - from, "the growth");
	if (r < 0) { /* what was taken before it failed goes, and the file ends as it did */
		char why[512];
		snprintf(why, sizeof(why), "%s", shoal_error_detail());
		segment_cut(segment, from);
		error_set("%s", why);
	}
	return r;
}
