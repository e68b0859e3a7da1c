/* SPDX-License-Identifier: Apache-2.0 */
/* What went wrong with a System V segment: the limit, and where to change it. */
#include "segment/sysv.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool is_shoals(const struct os_shm *shm)
{
	struct segment_header header;
	return sysv_read_header(shm, &header) == 0 && header.fixed.magic == SEGMENT_MAGIC;
}

/* The segment that stands in our way. */
static int fail_exists(const char *name, uint32_t key)
{
	struct os_shm shm;
	struct size_text size;
	int id = os->shm_get(key, 0, 0, 0);
	if (id < 0 || os->shm_stat(id, &shm) < 0)
		return error_fail(EEXIST,
				  "the System V key 0x%08x of '%s' belongs to a segment that you "
				  "may not look at; use another name or key",
				  key, name);
	if (is_shoals(&shm))
		return error_fail(EEXIST,
				  "'%s' is there as System V segment %d, but its lock file is not "
				  "in %s; set SHOAL_DIR as its maker did (or remove the segment: "
				  "ipcrm -m %d)",
				  name, id, backend_posix_directory(), id);
	return error_fail(EEXIST,
			  "the System V key 0x%08x of '%s' belongs to segment %d, which is not "
			  "Shoal's: %s, made by process %u of user %u; use another name or key, "
			  "or remove it (ipcrm -m %d)",
			  key, name, id, error_size(shm.bytes, &size), shm.creator_pid,
			  shm.creator_uid, id);
}

static int fail_room(const char *name, uint64_t bytes)
{
	struct os_shm_limits limits;
	struct size_text need, have, max;
	int r = os->shm_limits(&limits);
	if (r == 0 && limits.segments >= limits.segments_max)
		return error_fail(ENOSPC,
				  "no System V segment for '%s': there are %llu, and kernel.shmmni "
				  "allows %llu; raise it (sysctl -w kernel.shmmni=N) or remove "
				  "some (ipcs -m, ipcrm)",
				  name, (unsigned long long)limits.segments,
				  (unsigned long long)limits.segments_max);
	if (r < 0)
		return error_fail(ENOSPC,
				  "no System V segment for '%s': a limit is reached "
				  "(kernel.shmmni or kernel.shmall)",
				  name);
	return error_fail(ENOSPC,
			  "'%s' needs %s, but all System V segments together have %s and "
			  "kernel.shmall allows %s; raise it (sysctl -w kernel.shmall=PAGES), "
			  "remove some (ipcs -m, ipcrm), or ask for less",
			  name, error_size(bytes, &need), error_size(limits.total, &have),
			  error_size(limits.total_max, &max));
}

static int fail_size(const char *name, uint64_t bytes)
{
	struct os_shm_limits limits;
	struct size_text need, limit;
	int r = os->shm_limits(&limits);
	if (r == 0 && bytes > limits.bytes_max)
		return error_fail(EINVAL,
				  "'%s' needs %s, more than a System V segment may have here "
				  "(kernel.shmmax: %s); raise it (sysctl -w kernel.shmmax=BYTES) "
				  "or ask for less",
				  name, error_size(bytes, &need),
				  error_size(limits.bytes_max, &limit));
	if (r == 0 && bytes < limits.bytes_min)
		return error_fail(EINVAL,
				  "'%s' asks for %llu bytes, and a System V segment has at least "
				  "%llu (SHMMIN)",
				  name, (unsigned long long)bytes,
				  (unsigned long long)limits.bytes_min);
	return error_fail(EINVAL, "'%s' asks for %s, more than the System V segment of its key has",
			  name, error_size(bytes, &need));
}

static int fail_huge(const char *name, uint64_t bytes, int r)
{
	struct size_text need;
	if (r == -EPERM)
		return error_fail(EPERM,
				  "you may not make System V segments of huge pages, as for '%s'; "
				  "put your group into vm.hugetlb_shm_group",
				  name);
	return error_fail(-r,
			  "no huge pages for the %s of '%s': %s; set some aside (sysctl -w "
			  "vm.nr_hugepages=N), or do without",
			  error_size(bytes, &need), name, strerror(-r));
}

int sysv_fail_get(const char *name, uint32_t key, uint64_t bytes, bool huge, int r)
{
	struct size_text need;
	if (huge && (r == -EPERM || r == -ENOMEM || r == -ENOSYS))
		return fail_huge(name, bytes, r);
	switch (r) {
	case -EEXIST:
		return fail_exists(name, key);
	case -ENOSPC:
		return fail_room(name, bytes);
	case -EINVAL:
		return fail_size(name, bytes);
	case -ENOENT:
		return error_fail(ENOENT, "no System V segment has the key 0x%08x of '%s'", key,
				  name);
	case -EACCES:
		return error_fail(EACCES,
				  "no permission to use the System V segment of '%s': ask its "
				  "owner to make it with a wider mode",
				  name);
	case -ENOMEM:
		return error_fail(ENOMEM,
				  "no memory for the %s of '%s': vm.overcommit_memory forbids it, "
				  "or the machine is full; ask for less",
				  error_size(bytes, &need), name);
	default:
		return error_fail(-r, "can't make a System V segment for '%s': %s", name,
				  strerror(-r));
	}
}

int sysv_fail_call(const char *name, int id, const char *what, int r)
{
	switch (r) {
	case -EIDRM:
	case -EINVAL: /* the id leads to nothing (any more) */
		return error_fail(EIDRM,
				  "the System V segment %d of '%s' was removed (ipcrm), and nobody "
				  "is attached to it",
				  id, name);
	case -EACCES:
		return error_fail(EACCES,
				  "no permission to use '%s' (System V segment %d): ask its owner "
				  "to make it with a wider mode",
				  name, id);
	case -EPERM:
		return error_fail(EPERM,
				  "only the owner of '%s' (System V segment %d), its maker and "
				  "root may %s it",
				  name, id, what);
	case -ENOMEM:
		return error_fail(ENOMEM,
				  "no memory or address space to %s '%s' (System V segment %d); "
				  "see ulimit -v and vm.max_map_count",
				  what, name, id);
	default:
		return error_fail(-r, "can't %s '%s' (System V segment %d): %s", what, name, id,
				  strerror(-r));
	}
}

int sysv_fail_absent(const struct segment_name *name, const struct os_shm *shm)
{
	struct size_text size;
	if (!shm)
		return error_fail(ENOENT, "there is no object '%s'", name->text);
	if (is_shoals(shm))
		return error_fail(EXDEV,
				  "'%s' is there as System V segment %d, but its lock file is not "
				  "in %s, so nobody here can tell who uses it; set SHOAL_DIR as "
				  "its maker did",
				  name->text, shm->id, backend_posix_directory());
	/* What is asked for by its id is there, and is no object; a name or key may be made. */
	return error_fail(name->sysv.form == SYSV_ID ? EBADMSG : ENOENT,
			  "there is no object '%s': System V segment %d (%s, made by process %u of "
			  "user %u, %llu attached) is not Shoal's",
			  name->text, shm->id, error_size(shm->bytes, &size), shm->creator_pid,
			  shm->creator_uid, (unsigned long long)shm->attached);
}
