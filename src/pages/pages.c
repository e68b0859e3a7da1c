/* SPDX-License-Identifier: Apache-2.0 */
#include "pages/pages.h"

#include "base/error.h"
#include "os/os.h"

#include <errno.h>
#include <string.h>

#define ACCESS (SHOAL_READ | SHOAL_WRITE | SHOAL_EXECUTE)

int pages_access(unsigned flags)
{
	bool none = flags & SHOAL_NO_ACCESS;
	if (none == ((flags & ACCESS) != 0))
		return error_fail(EINVAL, "name what may be done with the memory: SHOAL_READ, "
					  "SHOAL_WRITE, SHOAL_EXECUTE, or SHOAL_NO_ACCESS alone");
	return (flags & SHOAL_READ ? OS_READ : 0) | (flags & SHOAL_WRITE ? OS_WRITE : 0) |
	       (flags & SHOAL_EXECUTE ? OS_EXECUTE : 0);
}

int pages_range(uint64_t size, uint64_t offset, uint64_t bytes, uint64_t *ret_bytes)
{
	if (bytes == 0)
		return error_fail(EINVAL, "a range of 0 bytes; SHOAL_REST means up to the end");
	if (offset < size && bytes == SHOAL_REST)
		bytes = size - offset;
	if (offset >= size || bytes > size - offset)
		return error_fail(ERANGE,
				  "%llu bytes from %llu on reach past the end, which is at %llu",
				  (unsigned long long)bytes, (unsigned long long)offset,
				  (unsigned long long)size);
	*ret_bytes = bytes;
	return 0;
}

struct pages pages_of(const void *data, uint64_t bytes)
{
	uint64_t page = os->page_bytes();
	uint64_t before = (uintptr_t)data % page;
	return (struct pages){(uint8_t *)(uintptr_t)data - before, align_up(before + bytes, page)};
}

int pages_sync(const void *data, uint64_t bytes, enum shoal_sync how)
{
	static const enum os_sync hows[] = {
	    [SHOAL_SYNC] = OS_SYNC_WAIT,
	    [SHOAL_SYNC_START] = OS_SYNC_START,
	    [SHOAL_SYNC_INVALIDATE] = OS_SYNC_INVALIDATE,
	};
	struct pages pages = pages_of(data, bytes);
	if (how < SHOAL_SYNC || how > SHOAL_SYNC_INVALIDATE)
		return error_fail(EINVAL, "there is no way %d to sync", (int)how);
	int r = os->sync(pages.first, pages.bytes, hows[how]);
	if (r == -EBUSY)
		return error_fail(EBUSY, "some of it is locked in memory (SHOAL_ADVICE_LOCK), so "
					 "it can't be invalidated");
	return r == 0 ? 0
		      : error_fail(-r, "can't write %llu bytes at %p to the disk: %s",
				   (unsigned long long)bytes, data, strerror(-r));
}

static int fail_lock(uint64_t bytes, int r)
{
	struct size_text size;
	return error_fail(-r,
			  "can't lock %s in memory: %s; RLIMIT_MEMLOCK says how much a process may "
			  "(ulimit -l, LimitMEMLOCK=)",
			  error_size(bytes, &size), strerror(-r));
}

static int advise(const void *data, uint64_t bytes, enum os_advice advice)
{
	struct pages pages = pages_of(data, bytes);
	int r = os->advise(pages.first, pages.bytes, advice);
	if (r < 0 && advice == OS_LOCK)
		return fail_lock(pages.bytes, r);
	if (r == -EINVAL && advice == OS_NOT_NEEDED)
		return error_fail(EBUSY,
				  "some of it is locked in memory (SHOAL_ADVICE_LOCK), so it "
				  "can't be freed");
	return r == 0 ? 0
		      : error_fail(-r, "can't advise %llu bytes at %p: %s",
				   (unsigned long long)bytes, data, strerror(-r));
}

/* The kernel makes huge pages where memory is first touched, if that is allowed, and of small ones
 * when it is asked to. That neither works is no failure: pages_memory tells. */
static void try_huge(const void *data, uint64_t bytes)
{
	struct pages pages = pages_of(data, bytes);
	os->advise(pages.first, pages.bytes, OS_HUGE);
	os->advise(pages.first, pages.bytes, OS_COLLAPSE);
}

int pages_advise(const void *data, uint64_t bytes, enum shoal_advice what)
{
	static const enum os_advice advices[] = {
	    [SHOAL_ADVICE_NORMAL] = OS_NORMAL,     [SHOAL_ADVICE_SEQUENTIAL] = OS_SEQUENTIAL,
	    [SHOAL_ADVICE_RANDOM] = OS_RANDOM,     [SHOAL_ADVICE_WILL_NEED] = OS_WILL_NEED,
	    [SHOAL_ADVICE_FREE] = OS_NOT_NEEDED,   [SHOAL_ADVICE_NO_HUGE] = OS_NO_HUGE,
	    [SHOAL_ADVICE_POPULATE] = OS_POPULATE, [SHOAL_ADVICE_LOCK] = OS_LOCK,
	    [SHOAL_ADVICE_UNLOCK] = OS_UNLOCK,
	};
	if (what < SHOAL_ADVICE_NORMAL || what > SHOAL_ADVICE_UNLOCK)
		return error_fail(EINVAL, "there is no advice %d", (int)what);
	if (what != SHOAL_ADVICE_HUGE)
		return advise(data, bytes, advices[what]);
	try_huge(data, bytes);
	return 0;
}

int pages_protect(const void *data, uint64_t bytes, unsigned access)
{
	struct pages pages = pages_of(data, bytes);
	int r = os->protect(pages.first, pages.bytes, access);
	if (r == -EACCES)
		return error_fail(EACCES,
				  access & OS_EXECUTE
				      ? "it can't be run: its file system is mounted noexec, or it "
					"was opened to be read only"
				      : "it can't be written: it was opened to be read only");
	return r == 0 ? 0
		      : error_fail(-r, "can't change the access to %llu bytes at %p: %s",
				   (unsigned long long)bytes, data, strerror(-r));
}

int pages_apply(const void *data, uint64_t bytes, unsigned flags)
{
	int r = 0;
	if (flags & SHOAL_HUGE)
		try_huge(data, bytes);
	if (flags & SHOAL_LOCKED)
		r = advise(data, bytes, OS_LOCK);
	if (r == 0 && (flags & SHOAL_POPULATE))
		r = advise(data, bytes, OS_POPULATE);
	return r;
}

/* All huge pages that have room between the two ends. */
static uint64_t huge_room(const void *data, uint64_t bytes)
{
	uint64_t first = align_up((uintptr_t)data, HUGE_BYTES);
	uint64_t end = ((uintptr_t)data + bytes) & ~(HUGE_BYTES - 1);
	return end > first ? end - first : 0;
}

int pages_memory(const void *data, uint64_t bytes, unsigned asked, struct shoal_memory *ret)
{
	struct pages pages = pages_of(data, bytes);
	struct os_mapped mapped = {0};
	uint64_t resident = 0;
	memset(ret, 0, sizeof(*ret));
	int r = os->resident(pages.first, pages.bytes, &resident);
	if (r == 0)
		r = os->mapped(pages.first, pages.bytes, &mapped);
	if (r < 0)
		return error_fail(-r, "can't ask what is in memory: %s", strerror(-r));
	uint64_t room = huge_room(data, bytes);
	*ret = (struct shoal_memory){
	    .bytes = bytes,
	    .page_bytes = os->page_bytes(),
	    .resident_bytes = resident * os->page_bytes(),
	    .locked_bytes = min_u64(mapped.locked_bytes, pages.bytes),
	    .huge_bytes = mapped.huge_bytes,
	    .asked = asked & (SHOAL_HUGE | SHOAL_LOCKED | SHOAL_POPULATE),
	};
	ret->had = (room > 0 && ret->huge_bytes >= room ? SHOAL_HUGE : 0) |
		   (ret->locked_bytes >= pages.bytes ? SHOAL_LOCKED : 0) |
		   (ret->resident_bytes >= pages.bytes ? SHOAL_POPULATE : 0);
	return 0;
}
