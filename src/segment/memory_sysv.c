/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is a System V segment.
 *
 * Its size is fixed by the kernel: no peer can truncate it, so there is no SIGBUS but for want of
 * memory. There is no fallocate for it either. The kernel promises the size when it makes the
 * segment (against vm.overcommit_memory), and `reserve` then takes the pages, through the mapping,
 * in one call that answers -ENOMEM where a touch would be SIGBUS. What that can't protect from is
 * the limit of a memory cgroup: there the kernel may kill a process of the group, inside the call.
 *
 * Who looks from outside attaches for reading, copies, and detaches. A read of a page that has no
 * memory yet would give it some, so only those pages are copied that are in memory; the others are
 * zeroes, unless the kernel says that some are swapped out.
 */
#include "segment/sysv.h"

#include "base/error.h"

#include <errno.h>
#include <string.h>

/* An id that leads to nothing: the segment went since it was looked up. */
static int gone(int r)
{
	return r == -EINVAL ? -EIDRM : r;
}

/* What /proc/sysvipc/shm alone knows. */
static int find_usage(void *context, const struct os_shm *shm)
{
	struct os_shm *wanted = context;
	if (shm->id != wanted->id)
		return 0;
	wanted->resident = shm->resident;
	wanted->swapped = shm->swapped;
	return 1;
}

static int sysv_examine(const struct segment *segment, struct os_file *file)
{
	struct os_shm shm;
	int r = os->stat_fd(segment->fd, file);
	if (r < 0 || segment->sysv.id < 0)
		return r;
	r = os->shm_stat(segment->sysv.id, &shm);
	if (r < 0)
		return gone(r);
	file->bytes = shm.bytes;
	file->mode = shm.mode;
	if (file->uid == os->user()) /* both must be ours */
		file->uid = shm.uid;
	if (segment->sysv.looking && os->shm_each(find_usage, &shm) >= 0)
		file->bytes_used = shm.resident + shm.swapped;
	return 0;
}

/* ---- copies ------------------------------------------------------------------------------ */

static bool nothing_swapped(int id)
{
	struct os_shm shm = {.id = id};
	return os->shm_each(find_usage, &shm) == 1 && shm.swapped == 0;
}

static void copy_resident(uint8_t *to, const uint8_t *base, uint64_t offset, size_t bytes)
{
	enum { PAGES = 512 };
	uint8_t there[PAGES];
	while (bytes > 0) {
		uint64_t first = offset / PAGE_BYTES * PAGE_BYTES;
		uint64_t piece = min_u64(bytes, first + (uint64_t)PAGES * PAGE_BYTES - offset);
		bool known = os->pages_in_memory(base + first, offset + piece - first, there) == 0;
		for (uint64_t done = 0; done < piece;) {
			uint64_t at = offset + done;
			uint64_t step = min_u64(piece - done, PAGE_BYTES - at % PAGE_BYTES);
			if (!known || (there[(at - first) / PAGE_BYTES] & 1))
				memcpy(to + done, base + at, step);
			else
				memset(to + done, 0, step);
			done += step;
		}
		to += piece;
		offset += piece;
		bytes -= piece;
	}
}

static int64_t sysv_read(const struct segment *segment, void *buffer, size_t bytes, uint64_t offset)
{
	struct os_shm shm;
	void *base;
	int id = segment->sysv.id;
	int r = os->shm_stat(id, &shm);
	if (r < 0)
		return gone(r);
	if (offset >= shm.bytes)
		return 0;
	bytes = min_u64(bytes, shm.bytes - offset);
	r = os->shm_attach(id, NULL, OS_SHM_READ_ONLY, shm.bytes, &base);
	if (r < 0)
		return gone(r);
	/* The layout's pages are as large as the machine's, or smaller: then all is copied. */
	if (bytes > PAGE_BYTES && nothing_swapped(id))
		copy_resident(buffer, base, offset, bytes);
	else
		memcpy(buffer, (uint8_t *)base + offset, bytes);
	os->shm_detach(base);
	return (int64_t)bytes;
}

int sysv_read_header(const struct os_shm *shm, struct segment_header *ret)
{
	void *base;
	if (shm->bytes < sizeof(*ret))
		return -ENODATA;
	int r = os->shm_attach(shm->id, NULL, OS_SHM_READ_ONLY, shm->bytes, &base);
	if (r < 0)
		return r;
	memcpy(ret, base, sizeof(*ret));
	os->shm_detach(base);
	return 0;
}

/* ---- making ------------------------------------------------------------------------------ */

/* Its id goes into the companion at once: whoever finds us dead takes away what that says. */
static int sysv_set_size(struct segment *segment, uint64_t bytes)
{
	struct sysv_record record;
	const char *name = segment->name.text;
	uint32_t key = segment->name.sysv.key;
	int id = os->shm_get(key, bytes, OS_SHM_CREATE, SYSV_MAKING_MODE);
	if (id < 0)
		return sysv_fail_get(name, key, bytes, false, id);
	segment->sysv.id = id;
	int r = sysv_record_read(segment->fd, name, &record);
	if (r < 0)
		return r;
	record.id = id;
	r = sysv_record_write(segment->fd, &record);
	return r == 0 ? 0
		      : error_fail(-r, "can't write the lock file of '%s': %s", name, strerror(-r));
}

static int sysv_reserve(struct segment *segment, uint64_t offset, uint64_t bytes, const char *what)
{
	struct size_text need;
	uint8_t *base = segment->region.base;
	int r = os->populate(base + offset, bytes);
	if (r == 0)
		return 0;
	os->unpopulate(base + offset, bytes); /* what came before it failed is nobody's */
	return error_fail(-r,
			  "%s of '%s' needs %s of memory, and that is not to be had (%s): neither "
			  "the machine nor a limit of its group (memory.max) must be full; ask for "
			  "fewer slots and less payload",
			  what, segment->name.text, error_size(bytes, &need), strerror(-r));
}

/* The companion's too: who may attach must be able to take a seat. */
static int sysv_set_mode(struct segment *segment, uint32_t mode)
{
	struct os_shm shm;
	int r = os->shm_stat(segment->sysv.id, &shm);
	if (r == 0)
		r = os->shm_set(segment->sysv.id, shm.uid, shm.gid, mode);
	return r < 0 ? r : os->set_mode(segment->fd, mode);
}

static int sysv_map(const struct segment *segment, uint64_t bytes, enum os_map how, void **ret)
{
	unsigned flags = how == OS_MAP_WRITE ? 0 : OS_SHM_READ_ONLY;
	int r = os->shm_attach(segment->sysv.id, *ret, flags, bytes, ret);
	struct os_shm shm;
	/* Of an id that leads somewhere, only an address can be wrong. */
	if (r == -EINVAL && *ret && os->shm_stat(segment->sysv.id, &shm) == 0)
		return -EEXIST;
	return gone(r);
}

static int sysv_unmap(void *address, uint64_t bytes)
{
	(void)bytes;
	return os->shm_detach(address);
}

const struct memory_calls memory_sysv = {
    .fixed_size = true,
    .examine = sysv_examine,
    .read = sysv_read,
    .set_size = sysv_set_size,
    .reserve = sysv_reserve,
    .set_mode = sysv_set_mode,
    .map = sysv_map,
    .unmap = sysv_unmap,
};
