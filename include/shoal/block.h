/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks: memory of your own, shared. Put a struct into it.
 *
 * A block is as fast as memory: there is nothing of ours between you and it, and nothing that keeps
 * two writers apart; agree on that among yourselves (C11 atomics work in it). Store no pointers in
 * it: others have it at another address. Store offsets.
 *
 * SIZE. A block has `bytes` bytes now, and may grow up to `max_bytes`, which is fixed when it is
 * made. Whoever has it open has address space for all of that, so its pointer stays valid when it
 * grows: ask shoal_block_bytes how much there is. Memory is reserved when a block is made and when
 * it grows, so a full /dev/shm is -ENOSPC there and no crash later. New bytes are zero. A block can
 * shrink while nobody else has it open, or by force; then touching what is gone is SIGBUS.
 *
 * USERS. Who opens a block to write takes a seat in it, and the block lives while seats are held
 * (LIFETIME in object.h). Who opens it with SHOAL_READ takes none and changes nothing, so
 * permission to read the file is enough; the data is his until he closes, but he does not keep the
 * block: shoal_block_check tells him when it was removed. With SHOAL_PRIVATE, with or without
 * SHOAL_READ, what is written stays private to this handle: a page is copied when it is first
 * written, and shows what others write until then.
 *
 * ACCESS. Data can be read and written; with SHOAL_READ, read. SHOAL_EXECUTE lets it be run as
 * well, which /dev/shm often forbids (-EACCES). SHOAL_NO_ACCESS only holds the seat and the
 * addresses: touching data is SIGSEGV, until shoal_block_protect allows it.
 *
 * DEATH. A process may be killed at any instruction: what it stored stays as it is, and a growing
 * or shrinking that it was in the middle of happened or did not. Your own data is yours: a store of
 * up to 8 aligned bytes is there or not; of more, a part may be there.
 *
 * FORK. A child has no part in it: its copy of a handle answers -ECHILD, shoal_block_data there is
 * NULL, and the memory is not mapped there. It opens its own.
 *
 * THREADS. shoal_block_data and shoal_block_bytes: any thread. Else a handle is used by one thread
 * at a time.
 */
#ifndef SHOAL_BLOCK_H
#define SHOAL_BLOCK_H

#include <shoal/map.h>
#include <shoal/object.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct shoal_block shoal_block;

/*
 * Zero means default. All but `address` is fixed when the block is made and ignored when it exists
 * already. Set `size = sizeof(struct shoal_block_options)`.
 */
struct shoal_block_options {
	size_t size;
	uint64_t bytes;     /* of a new block; needed to make one. Up to 64 TiB */
	uint64_t max_bytes; /* that it may grow to, 64 TiB at most. Default: `bytes`, no growing.
			     * Costs address space in each process, and no memory */
	uint32_t users;     /* with a seat, at a time, 1 to 4,096. Default 56 */
	uint32_t mode;      /* permission bits of the object. Default 0600 */
	void *address;      /* where data must lie in this process; a multiple of the page size.
			     * NULL: anywhere */
};

/*
 * Opens the block `name`. `flags`: SHOAL_CREATE, SHOAL_EXCLUSIVE, SHOAL_KEEP, SHOAL_FOREIGN;
 * SHOAL_READ, SHOAL_EXECUTE, SHOAL_NO_ACCESS, SHOAL_PRIVATE, SHOAL_LOCKED, SHOAL_POPULATE,
 * SHOAL_HUGE. SHOAL_LOCKED and SHOAL_POPULATE are for the bytes that there are, and, when this
 * handle lets it grow, for the new ones.
 * SHOAL_HUGE: huge pages are tried for and not promised; shoal_block_memory and shoal_block_stat
 * tell. Returns 0 (1 when the block was made by this call) or: -ENOENT, -EEXIST (there is one; or
 * there is something at `address`, and the detail says what), -ENOSPC, -EUSERS, -EPERM, -EACCES,
 * -EBADMSG, -ENOTSUP (also: SHOAL_PRIVATE on memory that has none, or pages larger than 4 KiB),
 * -ESTALE, -EPROTOTYPE, -EISDIR, -ELOOP, -ENODATA, -EXDEV, -EINVAL, -E2BIG, -ENAMETOOLONG, -ENOMEM
 * (also: more locked than RLIMIT_MEMLOCK allows), -EMFILE, -EBUSY, or what the kernel said
 * (error.h). On failure *ret_block is NULL. Cost: some 20 system calls; to make one, reserving its
 * memory.
 */
SHOAL_API int shoal_block_open(shoal_block **ret_block, const char *name, unsigned flags,
			       const struct shoal_block_options *options);
/* Makes a block and leaves it: implies SHOAL_CREATE and SHOAL_KEEP. `flags`: SHOAL_EXCLUSIVE,
 * SHOAL_FOREIGN, SHOAL_HUGE (asked for it: see shoal_block_stat). Returns 0 (also when it was there
 * already, unless SHOAL_EXCLUSIVE) or what shoal_block_open returns. */
SHOAL_API int shoal_block_create(const char *name, unsigned flags,
				 const struct shoal_block_options *options);
/* Unmaps it, gives back the seat, and removes the block if that was the last one. NULL is fine. */
SHOAL_API void shoal_block_close(shoal_block *block);

/* Where it lies here: aligned to 4,096 bytes, the same until close, also when the block grows. NULL
 * in a forked child, and for NULL. Costs a load. */
SHOAL_API void *shoal_block_data(const shoal_block *block);
/* How many bytes there are now. What it says stays true unless the block shrinks; a growth that is
 * seen here is there. 0 in a forked child, and for NULL. Costs two loads. */
SHOAL_API uint64_t shoal_block_bytes(const shoal_block *block);

/*
 * Lets the block have at least `bytes` bytes; it has when this returns 0. What is there stays, what
 * is new is zero. One at a time grows or shrinks; waits for another one while that is alive.
 * Returns 0, -EAGAIN, -ETIMEDOUT, -EMSGSIZE (more than max_bytes), -ENOSPC (then nothing changed),
 * -EACCES (the handle only reads), -EINVAL (NULL), -ESTALE, -EBADMSG, -ECHILD, or what the kernel
 * said; if -ENOMEM, it may have grown and SHOAL_LOCKED failed.
 */
SHOAL_API int shoal_block_grow(shoal_block *block, uint64_t bytes, int64_t timeout_ns);
/*
 * Lets the block have at most `bytes` bytes, at least 1; the rest is gone. `flags`: SHOAL_FORCE.
 * Without it -EBUSY when anybody else has the block open, read-only or not; with it these must not
 * touch what is gone (SIGBUS). Returns as shoal_block_grow, and -EBUSY, and -ENOTSUP (memory that
 * is sealed against shrinking).
 */
SHOAL_API int shoal_block_shrink(shoal_block *block, uint64_t bytes, unsigned flags,
				 int64_t timeout_ns);

/* As shoal_map_sync, shoal_map_advise and shoal_map_memory, of data; and -ECHILD. */
SHOAL_API int shoal_block_sync(shoal_block *block, uint64_t offset, uint64_t bytes,
			       enum shoal_sync how);
SHOAL_API int shoal_block_advise(shoal_block *block, uint64_t offset, uint64_t bytes,
				 enum shoal_advice advice);
SHOAL_API int shoal_block_memory(const shoal_block *block, struct shoal_memory *ret_memory);
/*
 * Allows what `access` says, and nothing else, in a range of data, in this handle: any of
 * SHOAL_READ, SHOAL_WRITE, SHOAL_EXECUTE, or SHOAL_NO_ACCESS. `offset` is a multiple of the page
 * size; SHOAL_REST includes what is still to grow. Returns 0, -EINVAL, -ERANGE, -EACCES
 * (SHOAL_WRITE in a handle that only reads and is not private; SHOAL_EXECUTE where the file system
 * is mounted noexec), -ENOMEM, -ENOTSUP, -ECHILD.
 */
SHOAL_API int shoal_block_protect(shoal_block *block, uint64_t offset, uint64_t bytes,
				  unsigned access);

/* Is it still the block of that name? Returns 0, -ESTALE (it was removed; data stays until close),
 * -EINVAL, -ECHILD. Costs a load. */
SHOAL_API int shoal_block_check(const shoal_block *block);

struct shoal_block_seat {
	uint32_t seat;
	int32_t pid;              /* as its own PID namespace numbers it */
	int same_pid_namespace;   /* 1: `pid` means the same to the caller */
	enum shoal_health health; /* SHOAL_ALIVE, SHOAL_STOPPED or SHOAL_DEAD */
	char name[16];            /* of the process, as it was when it joined */
	int64_t joined_ns;        /* CLOCK_REALTIME */
	int resizes;              /* 1: it is growing or shrinking the block */
};

/* A snapshot of a block, seen from outside. Free it with shoal_block_stat_free. */
struct shoal_block_stat {
	struct shoal_object object;
	uint64_t bytes;
	uint64_t max_bytes;
	unsigned asked;      /* SHOAL_HUGE: whoever made it asked for huge pages */
	unsigned had;        /* SHOAL_HUGE: and got them, for all but the ends */
	uint64_t huge_bytes; /* that it got, when it was made or last grown by one who asked */
	int readers;         /* 1: somebody has it open with SHOAL_READ */
	uint32_t seat_count; /* elements of `seats`: those that are taken */
	struct shoal_block_seat *seats;
};

/* Reads the block without mapping it: takes no seat and changes nothing. `flags`: SHOAL_FOREIGN.
 * Returns 0, or as shoal_block_open; *ret_stat is NULL on failure. */
SHOAL_API int shoal_block_stat(const char *name, unsigned flags,
			       struct shoal_block_stat **ret_stat);
SHOAL_API void shoal_block_stat_free(struct shoal_block_stat *stat);

/* Checks every invariant of the block's shared bytes but data, in a copy. Returns 0, or -EBADMSG
 * with the first broken one in shoal_error_detail(), or as shoal_block_stat. */
SHOAL_API int shoal_block_audit(const char *name, unsigned flags);

#ifdef __cplusplus
}
#endif

#endif
