/* SPDX-License-Identifier: Apache-2.0 */
/* The table for Linux: System V shared memory, and what else its segments need. */
#include "os/os_linux.h"

#include "base/bits.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* -EAGAIN has a meaning of ours: here the kernel is out of something, or too much is locked. */
static int result(int r)
{
	return r < 0 ? (errno == EAGAIN || errno == EINTR ? -ENOMEM : -errno) : r;
}

int os_shm_get(uint32_t key, uint64_t bytes, unsigned flags, uint32_t mode)
{
	int how = (int)(mode & 0777);
	if (flags & OS_SHM_CREATE)
		how |= IPC_CREAT | IPC_EXCL;
	if (flags & OS_SHM_HUGE)
		how |= SHM_HUGETLB;
	return result(shmget((key_t)key, bytes, how));
}

int os_shm_attach(int id, void *address, unsigned flags, uint64_t bytes, void **ret)
{
	int how = (flags & OS_SHM_READ_ONLY ? SHM_RDONLY : 0) |
		  (flags & OS_SHM_ROUND ? SHM_RND : 0);
	void *p = shmat(id, address, how);
	if (p == (void *)-1) /* NOLINT(performance-no-int-to-ptr): shmat's own */
		return result(-1);
	if (madvise(p, bytes, MADV_DONTFORK) < 0) {
		int r = result(-1);
		shmdt(p);
		return r;
	}
	*ret = p;
	return 0;
}

int os_shm_detach(void *address)
{
	return result(shmdt(address));
}

static void fill_shm(int id, const struct shmid_ds *ds, struct os_shm *shm)
{
	*shm = (struct os_shm){
	    .id = id,
	    .key = (uint32_t)ds->shm_perm.__key,
	    .bytes = ds->shm_segsz,
	    .mode = ds->shm_perm.mode & 0777,
	    .uid = ds->shm_perm.uid,
	    .gid = ds->shm_perm.gid,
	    .creator_uid = ds->shm_perm.cuid,
	    .creator_pid = (uint32_t)ds->shm_cpid,
	    .last_pid = (uint32_t)ds->shm_lpid,
	    .attached = ds->shm_nattch,
	    .attach_time = ds->shm_atime,
	    .detach_time = ds->shm_dtime,
	    .change_time = ds->shm_ctime,
	    .doomed = ds->shm_perm.mode & SHM_DEST,
	    .locked = ds->shm_perm.mode & SHM_LOCKED,
	};
}

int os_shm_stat(int id, struct os_shm *shm)
{
	struct shmid_ds ds;
	if (shmctl(id, IPC_STAT, &ds) < 0)
		return result(-1);
	fill_shm(id, &ds, shm);
	return 0;
}

int os_shm_set(int id, uint32_t uid, uint32_t gid, uint32_t mode)
{
	struct shmid_ds ds;
	memset(&ds, 0, sizeof(ds));
	ds.shm_perm.uid = uid;
	ds.shm_perm.gid = gid;
	ds.shm_perm.mode = (unsigned short)(mode & 0777);
	return result(shmctl(id, IPC_SET, &ds));
}

int os_shm_remove(int id)
{
	return result(shmctl(id, IPC_RMID, NULL));
}

int os_shm_lock(int id, bool lock)
{
	return result(shmctl(id, lock ? SHM_LOCK : SHM_UNLOCK, NULL));
}

int os_shm_limits(struct os_shm_limits *limits)
{
	struct shminfo info;
	struct shm_info used;
	/* The kernel fills in what the command says, whatever the declared type. */
	if (shmctl(0, IPC_INFO, (struct shmid_ds *)(void *)&info) < 0 ||
	    shmctl(0, SHM_INFO, (struct shmid_ds *)(void *)&used) < 0)
		return result(-1);
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	bool all = info.shmall > UINT64_MAX / page;
	*limits = (struct os_shm_limits){
	    .bytes_max = info.shmmax,
	    .bytes_min = info.shmmin,
	    .segments_max = info.shmmni,
	    .segments = (uint64_t)used.used_ids,
	    .total_max = all ? UINT64_MAX : info.shmall * page,
	    .total = used.shm_tot * page,
	};
	return 0;
}

/* key shmid perms size cpid lpid nattch uid gid cuid cgid atime dtime ctime rss swap */
enum {
	KEY,
	ID,
	PERMS,
	SIZE,
	CPID,
	LPID,
	NATTCH,
	UID,
	GID,
	CUID,
	ATIME = 11,
	DTIME,
	CTIME,
	RSS,
	SWAP
};

static bool parse_line(const char *line, struct os_shm *shm)
{
	long long n[SWAP + 1];
	for (int i = 0; i <= SWAP; i++) {
		char *end;
		n[i] = strtoll(line, &end, i == PERMS ? 8 : 10);
		if (end == line)
			return false; /* the line of headings */
		line = end;
	}
	*shm = (struct os_shm){
	    .id = (int32_t)n[ID],
	    .key = (uint32_t)n[KEY],
	    .bytes = (uint64_t)n[SIZE],
	    .mode = (uint32_t)n[PERMS] & 0777,
	    .uid = (uint32_t)n[UID],
	    .gid = (uint32_t)n[GID],
	    .creator_uid = (uint32_t)n[CUID],
	    .creator_pid = (uint32_t)n[CPID],
	    .last_pid = (uint32_t)n[LPID],
	    .attached = (uint64_t)n[NATTCH],
	    .attach_time = n[ATIME],
	    .detach_time = n[DTIME],
	    .change_time = n[CTIME],
	    .doomed = n[PERMS] & SHM_DEST,
	    .locked = n[PERMS] & SHM_LOCKED,
	    .resident = (uint64_t)n[RSS],
	    .swapped = (uint64_t)n[SWAP],
	};
	return true;
}

int os_shm_each(int (*each)(void *context, const struct os_shm *shm), void *context)
{
	FILE *file = fopen("/proc/sysvipc/shm", "re");
	char line[512];
	struct os_shm shm;
	int r = 0;
	if (!file)
		return result(-1);
	while (r == 0 && fgets(line, sizeof(line), file))
		if (parse_line(line, &shm))
			r = each(context, &shm);
	fclose(file);
	return r;
}

uint64_t os_ipc_namespace(void)
{
	struct stat st;
	return stat("/proc/self/ns/ipc", &st) < 0 ? 0 : st.st_ino;
}

static uint8_t *page_of(void *address, uint64_t bytes, uint64_t page, uint64_t *ret_bytes)
{
	uint64_t within = (uintptr_t)address % page;
	*ret_bytes = (within + bytes + page - 1) / page * page;
	return (uint8_t *)address - within;
}

/* One atomic step a page that changes nothing, even while others write: what kernels before 5.14
 * offer. A page that is not to be had is SIGBUS or the out-of-memory killer then. */
static void touch(uint8_t *first, uint64_t bytes, uint64_t page)
{
	for (uint64_t i = 0; i < bytes; i += page)
		atomic_fetch_or_explicit((_Atomic uint8_t *)(first + i), 0, memory_order_relaxed);
}

int os_populate(void *address, uint64_t bytes)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), whole;
	uint8_t *first = page_of(address, bytes, page, &whole);
	if (bytes == 0 || madvise(first, whole, MADV_POPULATE_WRITE) == 0)
		return 0;
	if (errno == EFAULT) /* where touching it would be SIGBUS */
		return -ENOMEM;
	if (errno != EINVAL)
		return result(-1);
	touch(first, whole, page);
	return 0;
}

/* Whole pages of the part only: what a page holds besides is not ours to give back. */
int os_unpopulate(void *address, uint64_t bytes)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t skip = (page - (uintptr_t)address % page) % page;
	uint64_t whole = bytes > skip ? (bytes - skip) / page * page : 0;
	return whole ? result(madvise((uint8_t *)address + skip, whole, MADV_REMOVE)) : 0;
}

int os_pages_in_memory(const void *address, uint64_t bytes, uint8_t *pages)
{
	uint64_t large = (uint64_t)sysconf(_SC_PAGESIZE) / PAGE_BYTES;
	int r = result(mincore((void *)(uintptr_t)address, bytes, pages));
	for (uint64_t i = (bytes + PAGE_BYTES - 1) / PAGE_BYTES; r == 0 && large > 1 && i > 0; i--)
		pages[i - 1] = pages[(i - 1) / large];
	return r;
}
