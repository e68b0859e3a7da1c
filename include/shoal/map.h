/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain files in memory, and what may be asked of memory: for mappings made here, and for blocks
 * (shoal/block.h).
 *
 * shoal_map is mmap without its traps: any offset and any length, and each way to a SIGBUS that can
 * be seen beforehand is an error. What can't be seen beforehand stays: who may write the file can
 * truncate it while it is mapped, and touching what is gone is SIGBUS then.
 *
 * RANGES. Offsets and lengths are in bytes, at any byte; the kernel works in pages, so what is
 * asked for a range happens to all of the pages that it touches. SHOAL_REST as a length means up to
 * the end. A range of no bytes or one that reaches past the end is an error.
 *
 * THREADS. Any thread, at any time; a mapping that is being unmapped is used by nobody else.
 */
#ifndef SHOAL_MAP_H
#define SHOAL_MAP_H

#include <shoal/error.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Flags of shoal_map, shoal_block_open and shoal_block_protect; those of object.h lie below. */
#define SHOAL_READ      0x00010000u /* memory may be read. Block: and not written; takes no seat */
#define SHOAL_WRITE     0x00020000u /* memory may be written */
#define SHOAL_EXECUTE   0x00040000u /* what lies in it may be run */
#define SHOAL_NO_ACCESS 0x00080000u /* nothing of that: touching it is SIGSEGV */
#define SHOAL_PRIVATE   0x00100000u /* copy-on-write: changes stay here and are lost at the end */
#define SHOAL_LOCKED    0x00200000u /* locked in memory: never swapped out */
#define SHOAL_POPULATE  0x00400000u /* brought into memory now, not when it is touched */
#define SHOAL_HUGE      0x00800000u /* in huge pages, where they can be had */

#define SHOAL_REST UINT64_MAX /* as a length: up to the end */

/* What msync can do. Linux keeps one copy of a page for all, so other processes see a store at
 * once, whatever is called; these are about the disk. On memory that has none (posix:, memfd:,
 * anon:, sysv:) they succeed and do nothing. */
enum shoal_sync {
	SHOAL_SYNC = 1,           /* MS_SYNC: returns when it is on the disk */
	SHOAL_SYNC_START = 2,     /* MS_ASYNC: does nothing since Linux 2.6.19; the kernel writes
				   * changed pages by itself, within some 30 s */
	SHOAL_SYNC_INVALIDATE = 3 /* MS_INVALIDATE: only asks whether some of it is locked in
				   * memory, -EBUSY then */
};

enum shoal_advice {
	SHOAL_ADVICE_NORMAL = 1,
	SHOAL_ADVICE_SEQUENTIAL = 2, /* read ahead much, drop soon */
	SHOAL_ADVICE_RANDOM = 3,     /* read nothing ahead */
	SHOAL_ADVICE_WILL_NEED = 4,  /* begin to read it in */
	SHOAL_ADVICE_FREE = 5,       /* not needed soon: the memory may go to disk or swap. Nothing
				      * is lost, and what was reserved stays reserved */
	SHOAL_ADVICE_HUGE = 6,       /* huge pages, if they can be had; see shoal_memory */
	SHOAL_ADVICE_NO_HUGE = 7,    /* none from now on; those that are there stay */
	SHOAL_ADVICE_POPULATE = 8,   /* into memory now */
	SHOAL_ADVICE_LOCK = 9, /* locked in memory. -ENOMEM: more than RLIMIT_MEMLOCK allows */
	SHOAL_ADVICE_UNLOCK = 10
};

/* What was asked for, and what the kernel made of it. A plain value. */
struct shoal_memory {
	uint64_t bytes;          /* of data */
	uint64_t page_bytes;     /* of a small page */
	uint64_t resident_bytes; /* in memory, whoever brought it in; whole pages */
	uint64_t locked_bytes;   /* locked in memory by this mapping; whole pages */
	uint64_t huge_bytes;     /* in huge pages of 2 MiB, of what is mapped here */
	unsigned asked;          /* SHOAL_HUGE, SHOAL_LOCKED, SHOAL_POPULATE: what was asked for */
	unsigned had;            /* the same: what holds now for all of it. Huge pages: for all but
				  * the ends, as far as those fill none */
};

/* A part of a file in memory: `data` and `bytes` are what was asked for, exactly. Yours, but only
 * shoal_unmap ends it; a copy of it is not another mapping. */
struct shoal_mapping {
	void *data;
	size_t bytes;
	void *pages; /* the pages that it touches */
	size_t page_bytes;
	unsigned flags;
	unsigned reserved;
};

/*
 * Maps `bytes` bytes from byte `offset` on of the regular file behind `fd`, which may be closed
 * afterwards. `flags`: any of SHOAL_READ, SHOAL_WRITE, SHOAL_EXECUTE, or SHOAL_NO_ACCESS; with it
 * SHOAL_PRIVATE, SHOAL_LOCKED, SHOAL_POPULATE, SHOAL_HUGE. `address`: NULL, or where data must lie;
 * then as far from the beginning of a page as `offset` is. A child made by fork has the mapping,
 * too, as after mmap.
 * Bytes between the end of the file and that of its last page can't be reached: they would be lost.
 * Returns 0; -EINVAL (`bytes` is 0, an unknown flag, no access named, not a regular file, an
 * address that can't be), -ENODATA (the file is empty), -ERANGE (the range reaches past the end, or
 * past what a number can hold), -EACCES (the descriptor was not opened for that: shared writing
 * needs reading and writing, all else reading; or SHOAL_EXECUTE on a file system mounted noexec),
 * -EEXIST (there is something at `address`; the detail says what), -EISDIR, -EBADF, -ENOMEM (also:
 * more locked than RLIMIT_MEMLOCK allows), -EPERM (sealed), -ENODEV (the file system can't). On
 * failure *ret_mapping is zeroes.
 */
SHOAL_API int shoal_map(struct shoal_mapping *ret_mapping, int fd, uint64_t offset, uint64_t bytes,
			unsigned flags, void *address);

/* Unmaps it and makes it zeroes, so that a second time is -EINVAL. Returns 0, -EINVAL. */
SHOAL_API int shoal_unmap(struct shoal_mapping *mapping);

/* Writes to the disk what was changed in `bytes` bytes from `offset` of the mapping on. Returns 0,
 * -EINVAL, -ERANGE, -EBUSY (SHOAL_SYNC_INVALIDATE: some of it is locked), -EIO (or what else the
 * disk said: not all of it is written), -ENOMEM (some of it is not mapped any more). */
SHOAL_API int shoal_map_sync(const struct shoal_mapping *mapping, uint64_t offset, uint64_t bytes,
			     enum shoal_sync how);
/* Returns 0, -EINVAL, -ERANGE, -ENOMEM, -EBUSY (SHOAL_ADVICE_FREE: some of it is locked), -EPERM
 * (locking without permission), -EFAULT (populating what a truncation took away). */
SHOAL_API int shoal_map_advise(const struct shoal_mapping *mapping, uint64_t offset, uint64_t bytes,
			       enum shoal_advice advice);
/* What the kernel made of it. Reads /proc/self/smaps: some 50 us and more. Returns 0, -EINVAL, or
 * what reading it gave; *ret_memory is zeroes then. */
SHOAL_API int shoal_map_memory(const struct shoal_mapping *mapping,
			       struct shoal_memory *ret_memory);

#ifdef __cplusplus
}
#endif

#endif
