/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is the bytes of the very file on which seats are locked. */
#include "segment/segment.h"

#include "base/error.h"

#include <errno.h>
#include <string.h>

static int file_examine(const struct segment *segment, struct os_file *file)
{
	return os->stat_fd(segment->fd, file);
}

static int64_t file_read(const struct segment *segment, void *buffer, size_t bytes, uint64_t offset)
{
	return os->read_at(segment->fd, buffer, bytes, offset);
}

static int file_set_size(struct segment *segment, uint64_t bytes)
{
	int r = os->set_size(segment->fd, bytes);
	struct size_text size;
	return r == 0 ? 0
		      : error_fail(-r, "can't give '%s' its %s: %s", segment->name.text,
				   error_size(bytes, &size), strerror(-r));
}

static int fail_reserve(const struct segment *segment, uint64_t bytes, const char *what, int r)
{
	struct os_room room = {0};
	struct size_text need, total, free_now;
	os->room(segment->fd, &room);
	char directory[SEGMENT_PATH_BYTES];
	backend_directory(segment->name.path, directory);
	if (r == -ENOSPC && room.total == 0) /* a file system without a limit of its own */
		return error_fail(ENOSPC,
				  "%s of '%s' needs %s, and the kernel does not promise so much "
				  "memory; free some, let it promise more (vm.overcommit_memory), "
				  "or ask for fewer slots and less payload",
				  what, segment->name.text, error_size(bytes, &need));
	if (r == -ENOSPC)
		return error_fail(ENOSPC,
				  "%s of '%s' needs %s, but %s has %s free of %s; make "
				  "that larger (mount -o remount,size=..., docker --shm-size=...) "
				  "or ask for less",
				  what, segment->name.text, error_size(bytes, &need), directory,
				  error_size(room.available, &free_now),
				  error_size(room.total, &total));
	if (r == -EOPNOTSUPP)
		return error_fail(ENOTSUP,
				  "the file system of '%s' can't reserve memory "
				  "(fallocate), so a full disk would kill its users; use another",
				  segment->name.text);
	return error_fail(-r, "can't reserve %s for '%s': %s", error_size(bytes, &need),
			  segment->name.text, strerror(-r));
}

static int file_reserve(struct segment *segment, uint64_t offset, uint64_t bytes, const char *what)
{
	int r = os->reserve(segment->fd, offset, bytes);
	if (r == 0)
		return 0;
	os->release(segment->fd, offset, bytes); /* what came before it failed is nobody's */
	return fail_reserve(segment, bytes, what, r);
}

static int file_set_mode(struct segment *segment, uint32_t mode)
{
	return os->set_mode(segment->fd, mode);
}

static int file_map(const struct segment *segment, uint64_t bytes, enum os_map how, void **ret)
{
	return os->map(segment->fd, bytes, how, ret);
}

static int file_unmap(void *address, uint64_t bytes)
{
	return os->unmap(address, bytes);
}

static int file_map_copy(const struct segment *segment, void *address, uint64_t offset,
			 uint64_t bytes, unsigned access)
{
	struct os_part part = {
	    .address = address,
	    .offset = offset,
	    .bytes = bytes,
	    .access = access,
	    .replace = true,
	    .copy = true,
	};
	return os->map_part(segment->fd, &part, &address);
}

const struct memory_calls memory_file = {
    .examine = file_examine,
    .read = file_read,
    .set_size = file_set_size,
    .reserve = file_reserve,
    .set_mode = file_set_mode,
    .map = file_map,
    .unmap = file_unmap,
    .map_copy = file_map_copy,
};
