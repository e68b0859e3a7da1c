/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When what was stored is on the disk, and what it takes.
 *
 * Whether a page was written is seen without the privilege to look at the disk: the file is new and
 * has no blocks there, and the file system says which parts of it are still in memory only. The
 * kernel writes pages by itself too, some seconds later or when it needs memory; so that a store is
 * NOT there is tried a few times, and once must be seen.
 */
#include "trap.h"

#include <shoal/block.h>

#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

enum { TRIES = 10 };

/* Has the file system put the page at `offset` on the disk? */
static bool on_disk(int fd, uint64_t offset)
{
	union {
		struct fiemap map;
		char room[sizeof(struct fiemap) + sizeof(struct fiemap_extent)];
	} ask = {.map = {.fm_start = offset, .fm_length = PAGE, .fm_extent_count = 1}};
	if (ioctl(fd, FS_IOC_FIEMAP, &ask.map) < 0)
		skip("this file system does not say what it has written: %s", strerror(errno));
	return ask.map.fm_mapped_extents == 1 &&
	       !(ask.map.fm_extents[0].fe_flags &
		 (FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_UNWRITTEN));
}

/* A file of two pages, of which nothing is on the disk. */
static int new_hole(void)
{
	int fd = open("unwritten", O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && ftruncate(fd, 2 * PAGE) == 0);
	return fd;
}

/* Stores into a new file, does `then` with it, and says whether it was not on the disk. */
static bool stays_off_the_disk(int (*then)(char *p))
{
	for (int i = 0; i < TRIES; i++) {
		int fd = new_hole();
		char *p = map_shared(fd, 2 * PAGE);
		p[0] = 'b';
		CHECKF(then(p) == 0, "%s", strerror(errno));
		bool there = on_disk(fd, 0);
		unmap(p, 2 * PAGE);
		close(fd);
		if (!there)
			return true;
	}
	return false;
}

static int nothing(char *p)
{
	(void)p;
	return 0;
}

static void store_and_stay(void *context)
{
	store_byte(map_shared(new_hole(), 2 * PAGE));
	stay(context);
}

/* And no fear of a kill: what was stored is the kernel's, which keeps it for all. */
static void not_on_the_disk_before_msync_bare(void)
{
	struct signals *signals = shared_memory(sizeof(*signals));
	char c;
	CHECKF(stays_off_the_disk(nothing), "it is on the disk at once");
	pid_t pid = spawn(store_and_stay, signals);
	await_step(signals, 1);
	reap_killed(pid);
	int fd = open("unwritten", O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && pread(fd, &c, 1, 0) == 1 && c == 'b');
	close(fd);
	shared_free(signals, sizeof(*signals));
}

/* A block in a file: the same page, and one call that says which bytes, or all. */
static void not_on_the_disk_before_msync_shoal(void)
{
	struct shoal_block_options o = {.size = sizeof(o), .bytes = 2 * PAGE};
	struct shoal_mapping mapping;
	shoal_block *block;
	int fd = new_hole();
	CHECK_R(0, shoal_map(&mapping, fd, 0, SHOAL_REST, SHOAL_READ | SHOAL_WRITE, NULL));
	store_byte(mapping.data);
	CHECK_R(0, shoal_map_sync(&mapping, 0, SHOAL_REST, SHOAL_SYNC));
	CHECK(on_disk(fd, 0));
	CHECK_R(0, shoal_unmap(&mapping));
	close(fd);
	/* Memory without a disk takes the call and has nothing to do. */
	CHECK_R(1, shoal_block_open(&block, "trap", SHOAL_CREATE, &o));
	CHECK_R(0, shoal_block_sync(block, 0, SHOAL_REST, SHOAL_SYNC));
	shoal_block_close(block);
}

static int start(char *p)
{
	return msync(p, PAGE, MS_ASYNC);
}

static void ms_async_does_nothing_bare(void)
{
	CHECKF(stays_off_the_disk(start), "MS_ASYNC wrote it");
}

/* It does no more here, but its name and its page do not promise it. */
static void ms_async_does_nothing_shoal(void)
{
	struct shoal_mapping mapping;
	int fd = new_hole();
	CHECK_R(0, shoal_map(&mapping, fd, 0, PAGE, SHOAL_READ | SHOAL_WRITE, NULL));
	store_byte(mapping.data);
	CHECK_R(0, shoal_map_sync(&mapping, 0, SHOAL_REST, SHOAL_SYNC_START));
	CHECK_R(0, shoal_map_sync(&mapping, 0, SHOAL_REST, SHOAL_SYNC));
	CHECK(on_disk(fd, 0));
	CHECK_R(0, shoal_unmap(&mapping));
	close(fd);
}

static void ms_sync_writes_its_range_bare(void)
{
	int fd = new_hole();
	char *p = map_shared(fd, 2 * PAGE);
	p[0] = 'b';
	CHECK_ERRNO(EINVAL, msync(p + 100, 100, MS_SYNC) == 0); /* pages only */
	CHECK(msync(p, 1, MS_SYNC) == 0);
	CHECK(on_disk(fd, 0));
	unmap(p, 2 * PAGE);
	CHECK_ERRNO(ENOMEM, msync(p, PAGE, MS_SYNC) == 0); /* no map any more */
	close(fd);
}

static void ms_sync_writes_its_range_shoal(void)
{
	struct shoal_mapping mapping;
	int fd = new_hole();
	CHECK_R(0, shoal_map(&mapping, fd, 50, PAGE, SHOAL_READ | SHOAL_WRITE, NULL));
	store_byte((char *)mapping.data + 100);
	CHECK_R(0, shoal_map_sync(&mapping, 100, 1, SHOAL_SYNC)); /* at any byte */
	CHECK(on_disk(fd, 0));
	CHECK_R(-ERANGE, shoal_map_sync(&mapping, 0, PAGE + 1, SHOAL_SYNC));
	CHECK_R(-EINVAL, shoal_map_sync(&mapping, 0, 0, SHOAL_SYNC));
	CHECK_R(0, shoal_unmap(&mapping));
	CHECK_R(-EINVAL, shoal_map_sync(&mapping, 0, 1, SHOAL_SYNC));
	close(fd);
}

static int invalidate(char *p)
{
	return msync(p, PAGE, MS_INVALIDATE);
}

static void ms_invalidate_asks_for_locks_bare(void)
{
	int fd = new_hole();
	char *p = map_shared(fd, 2 * PAGE);
	char *other = map_shared(fd, 2 * PAGE);
	p[0] = 'b';
	CHECKF(other[0] == 'b', "the other map needs MS_INVALIDATE to see it");
	CHECK(msync(other, PAGE, MS_INVALIDATE) == 0);
	CHECK(other[0] == 'b' && p[0] == 'b');
	CHECK(mlock(p, PAGE) == 0);
	CHECK_ERRNO(EBUSY, msync(p, PAGE, MS_INVALIDATE) == 0);
	CHECK_ERRNO(EINVAL, msync(p, PAGE, MS_SYNC | MS_ASYNC) == 0);
	unmap(p, 2 * PAGE);
	unmap(other, 2 * PAGE);
	close(fd);
	CHECKF(stays_off_the_disk(invalidate), "MS_INVALIDATE wrote it");
}

static void ms_invalidate_asks_for_locks_shoal(void)
{
	struct shoal_mapping mapping, other;
	int fd = new_hole();
	CHECK_R(0, shoal_map(&mapping, fd, 0, SHOAL_REST, SHOAL_READ | SHOAL_WRITE, NULL));
	CHECK_R(0, shoal_map(&other, fd, 0, 1, SHOAL_READ, NULL));
	store_byte(mapping.data);
	CHECK(*(const char *)other.data == 'b'); /* at once, without a call */
	CHECK_R(0, shoal_map_sync(&mapping, 0, 1, SHOAL_SYNC_INVALIDATE));
	CHECK_R(0, shoal_map_advise(&mapping, 0, 1, SHOAL_ADVICE_LOCK));
	CHECK_SAYS(-EBUSY, "locked", shoal_map_sync(&mapping, 0, 1, SHOAL_SYNC_INVALIDATE));
	CHECK_R(0, shoal_unmap(&mapping));
	CHECK_R(0, shoal_unmap(&other));
	close(fd);
}

int main(int argc, char **argv)
{
	static const struct trap traps[] = {
	    TRAP(not_on_the_disk_before_msync),
	    TRAP(ms_async_does_nothing),
	    TRAP(ms_sync_writes_its_range),
	    TRAP(ms_invalidate_asks_for_locks),
	};
	return RUN_TRAPS(argc, argv, traps);
}
