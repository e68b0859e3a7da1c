/* SPDX-License-Identifier: Apache-2.0 */
/* shoal_map: see shoal/map.h for the contract. */
#include "base/error.h"
#include "os/os.h"
#include "pages/pages.h"

#include <errno.h>
#include <string.h>

#define MAP_FLAGS                                                                                  \
	(SHOAL_READ | SHOAL_WRITE | SHOAL_EXECUTE | SHOAL_NO_ACCESS | SHOAL_PRIVATE |              \
	 SHOAL_LOCKED | SHOAL_POPULATE | SHOAL_HUGE)

static int check_descriptor(int fd, unsigned flags)
{
	int access = fd < 0 ? -EBADF : os->access(fd);
	if (access < 0)
		return error_fail(-access, "%d is no open descriptor: %s", fd, strerror(-access));
	if (!(access & OS_READ))
		return error_fail(EACCES,
				  "descriptor %d was not opened for reading, which every mapping "
				  "needs: open the file with O_RDWR",
				  fd);
	if ((flags & SHOAL_WRITE) && !(flags & SHOAL_PRIVATE) && !(access & OS_WRITE))
		return error_fail(EACCES,
				  "descriptor %d was opened to be read only: open the file with "
				  "O_RDWR, or map it with SHOAL_PRIVATE",
				  fd);
	return 0;
}

static int check_file(int fd, struct os_file *file)
{
	int r = os->stat_fd(fd, file);
	if (r < 0)
		return error_fail(-r, "can't examine descriptor %d: %s", fd, strerror(-r));
	if (file->type == OS_DIRECTORY)
		return error_fail(EISDIR, "descriptor %d is a directory", fd);
	if (file->type != OS_REGULAR)
		return error_fail(EINVAL, "descriptor %d is not a regular file", fd);
	if (file->bytes == 0)
		return error_fail(
		    ENODATA, "the file is empty: there is nothing to map; give it a size first");
	return 0;
}

static int check_address(const void *address, uint64_t before)
{
	uint64_t page = os->page_bytes();
	if (!address || ((uintptr_t)address % page == before && (uintptr_t)address > before))
		return 0;
	return error_fail(EINVAL,
			  "data can't lie at %p: its offset in the file lies %llu bytes behind the "
			  "beginning of a page, so the address must, too",
			  address, (unsigned long long)before);
}

static int fail_map(const struct os_part *part, int fd, int r)
{
	char there[OS_OCCUPANT_BYTES];
	if (r == -EEXIST) {
		os->occupant(part->address, part->bytes, there);
		return error_fail(EEXIST, "%p can't be used: there is %s", part->address, there);
	}
	if (r == -EPERM && (part->access & OS_EXECUTE))
		return error_fail(EACCES,
				  "descriptor %d can't be mapped to be run: its file "
				  "system is mounted noexec",
				  fd);
	return error_fail(-r, "can't map %llu bytes of descriptor %d: %s",
			  (unsigned long long)part->bytes, fd, strerror(-r));
}

static int map(struct shoal_mapping *ret, int fd, uint64_t offset, uint64_t bytes, unsigned flags,
	       void *address)
{
	uint64_t before = offset % os->page_bytes();
	int access = pages_access(flags);
	int r = access < 0 ? access : check_address(address, before);
	if (r < 0)
		return r;
	struct os_part part = {
	    .address = address ? (uint8_t *)address - before : NULL,
	    .offset = offset - before,
	    .bytes = align_up(before + bytes, os->page_bytes()),
	    .access = (unsigned)access,
	    .copy = flags & SHOAL_PRIVATE,
	    .inherit = true,
	};
	void *pages = NULL;
	r = os->map_part(fd, &part, &pages);
	if (r < 0)
		return fail_map(&part, fd, r);
	*ret = (struct shoal_mapping){
	    .data = (uint8_t *)pages + before,
	    .bytes = bytes,
	    .pages = pages,
	    .page_bytes = part.bytes,
	    .flags = flags,
	};
	r = pages_apply(ret->data, bytes, flags);
	if (r < 0) {
		os->unmap(pages, part.bytes);
		memset(ret, 0, sizeof(*ret));
	}
	return r;
}

int shoal_map(struct shoal_mapping *ret_mapping, int fd, uint64_t offset, uint64_t bytes,
	      unsigned flags, void *address)
{
	struct os_file file;
	if (!ret_mapping)
		return error_fail(EINVAL, "ret_mapping is NULL");
	memset(ret_mapping, 0, sizeof(*ret_mapping));
	if (flags & ~MAP_FLAGS)
		return error_fail(EINVAL, "flags 0x%x have no meaning here", flags & ~MAP_FLAGS);
	int r = check_descriptor(fd, flags);
	if (r == 0)
		r = check_file(fd, &file);
	if (r == 0)
		r = pages_range(file.bytes, offset, bytes, &bytes);
	return r < 0 ? r : map(ret_mapping, fd, offset, bytes, flags, address);
}

static int check_mapping(const struct shoal_mapping *mapping)
{
	if (!mapping)
		return error_fail(EINVAL, "the mapping is NULL");
	if (!mapping->pages)
		return error_fail(EINVAL, "nothing is mapped there: it was unmapped already, or "
					  "never mapped");
	return 0;
}

int shoal_unmap(struct shoal_mapping *mapping)
{
	int r = check_mapping(mapping);
	if (r < 0)
		return r;
	r = os->unmap(mapping->pages, mapping->page_bytes);
	if (r < 0)
		return error_fail(EINVAL, "can't unmap %p: %s", mapping->pages, strerror(-r));
	memset(mapping, 0, sizeof(*mapping));
	return 0;
}

static int part_of(const struct shoal_mapping *mapping, uint64_t offset, uint64_t *bytes)
{
	int r = check_mapping(mapping);
	return r < 0 ? r : pages_range(mapping->bytes, offset, *bytes, bytes);
}

int shoal_map_sync(const struct shoal_mapping *mapping, uint64_t offset, uint64_t bytes,
		   enum shoal_sync how)
{
	int r = part_of(mapping, offset, &bytes);
	return r < 0 ? r : pages_sync((const uint8_t *)mapping->data + offset, bytes, how);
}

int shoal_map_advise(const struct shoal_mapping *mapping, uint64_t offset, uint64_t bytes,
		     enum shoal_advice advice)
{
	int r = part_of(mapping, offset, &bytes);
	return r < 0 ? r : pages_advise((const uint8_t *)mapping->data + offset, bytes, advice);
}

int shoal_map_memory(const struct shoal_mapping *mapping, struct shoal_memory *ret_memory)
{
	if (!ret_memory)
		return error_fail(EINVAL, "ret_memory is NULL");
	memset(ret_memory, 0, sizeof(*ret_memory));
	int r = check_mapping(mapping);
	return r < 0 ? r : pages_memory(mapping->data, mapping->bytes, mapping->flags, ret_memory);
}
