/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each call may fail with, by its manual page (man-pages 6.03, section 2 where no other is
 * named). Left out is what only a wrong argument of ours gives (EBADF, EFAULT, ENOTSOCK...): the
 * unit tests and -D_FORTIFY_SOURCE are there for those. ENOSYS and EPERM stand where a sandbox's
 * filter is known to forbid a call. The entries of the os table give EINTR and EAGAIN only where
 * os.h says so.
 */
#include "failing.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>

/* O_NONBLOCK makes a lease (fcntl F_SETLEASE) EWOULDBLOCK. */
#define OPEN_ERRNOS                                                                                \
	EACCES, EISDIR, ELOOP, EMFILE, ENAMETOOLONG, ENFILE, ENODEV, ENOENT, ENOMEM, ENOTDIR,      \
	    ENXIO, EOVERFLOW, EPERM, EROFS, ETXTBSY
#define CREATE_ERRNOS                                                                              \
	EACCES, EDQUOT, EINVAL, EISDIR, ELOOP, EMFILE, ENAMETOOLONG, ENFILE, ENOENT, ENOMEM,       \
	    ENOSPC, ENOTDIR, EPERM, EROFS
#define MEMFD_ERRNOS EMFILE, ENFILE, ENOMEM, ENOSYS, EPERM
#define LINK_ERRNOS                                                                                \
	EACCES, EDQUOT, EEXIST, EIO, ELOOP, EMLINK, ENAMETOOLONG, ENOENT, ENOMEM, ENOSPC, ENOTDIR, \
	    EPERM, EROFS, EXDEV
#define UNLINK_ERRNOS EACCES, EBUSY, EIO, EISDIR, ELOOP, ENAMETOOLONG, ENOMEM, EPERM, EROFS
/* Not ENOENT and ENOTDIR, here and for unlink: no failure, but a lie about the name. */
#define STAT_ERRNOS     EACCES, ELOOP, ENAMETOOLONG, ENOMEM, EOVERFLOW
#define CLOSE_ERRNOS    EBADF, EINTR, EIO, ENOSPC, EDQUOT
#define STATFS_ERRNOS   EINTR, EIO, ENOMEM, ENOSYS, EOVERFLOW
#define CHMOD_ERRNOS    EIO, EPERM, EROFS, ENOMEM
#define TRUNCATE_ERRNOS EACCES, EFBIG, EINVAL, EIO, EISDIR, EPERM, EROFS, ETXTBSY
#define RESERVE_ERRNOS  EFBIG, EIO, ENODEV, ENOSPC, ENOSYS, EOPNOTSUPP, EPERM, ETXTBSY
#define MAP_ERRNOS      EACCES, EINVAL, ENFILE, ENODEV, ENOMEM, EOVERFLOW, EPERM, ETXTBSY
#define ADVISE_ERRNOS   EACCES, EAGAIN, EINVAL, EIO, ENOMEM, EPERM
#define LOCK_ERRNOS     EAGAIN, EINVAL, ENOLCK, EIO
#define READ_ERRNOS     EINVAL, EIO, EISDIR
#define BARRIER_ERRNOS  EINVAL, ENOSYS, EPERM
#define PROC_ERRNOS     EACCES, EMFILE, ENFILE, ENOENT, ENOMEM, EIO

const struct fault_row fault_entries[CALLS] = {
    [CALL_open] = {"open", "open", {OPEN_ERRNOS, EBUSY}},
    [CALL_create_unnamed] = {"create_unnamed", "open", {CREATE_ERRNOS, EBUSY, EOPNOTSUPP}},
    [CALL_create_named] = {"create_named", "open", {CREATE_ERRNOS, EBUSY, EEXIST}},
    [CALL_reopen] = {"reopen", "open", {OPEN_ERRNOS, EBUSY}},
    [CALL_reopen_of] = {"reopen_of", "open", {OPEN_ERRNOS, EBUSY}},
    [CALL_create_memory] = {"create_memory", "memfd_create", {MEMFD_ERRNOS}},
    [CALL_seal] = {"seal", "fcntl, F_ADD_SEALS", {EBUSY, EPERM}},
    [CALL_seals] = {"seals", "fcntl, F_GET_SEALS", {EINVAL}},
    [CALL_link_fd] = {"link_fd", "linkat", {LINK_ERRNOS}},
    [CALL_link] = {"link", "link", {LINK_ERRNOS}},
    [CALL_unlink] = {"unlink", "unlink", {UNLINK_ERRNOS}},
    [CALL_close] = {"close", "close", {CLOSE_ERRNOS}},
    [CALL_stat_fd] = {"stat_fd", "fstat", {ENOMEM, EOVERFLOW}},
    [CALL_stat_path] = {"stat_path", "lstat", {STAT_ERRNOS}},
    [CALL_room] = {"room", "fstatfs", {STATFS_ERRNOS}},
    [CALL_set_mode] = {"set_mode", "fchmod", {CHMOD_ERRNOS}},
    [CALL_set_size] = {"set_size", "ftruncate", {TRUNCATE_ERRNOS}},
    [CALL_reserve] = {"reserve", "fallocate", {RESERVE_ERRNOS, EBUSY}},
    [CALL_release] = {"release", "fallocate", {RESERVE_ERRNOS, EBUSY}},
    [CALL_read_at] = {"read_at", "pread", {READ_ERRNOS}},
    [CALL_each_entry] = {"each_entry",
			 "opendir(3), getdents",
			 {EACCES, EMFILE, ENFILE, ENOENT, ENOMEM, ENOTDIR}},
    [CALL_lock] = {"lock", "fcntl, F_OFD_SETLK", {LOCK_ERRNOS}},
    [CALL_unlock] = {"unlock", "fcntl, F_OFD_SETLK", {LOCK_ERRNOS}},
    [CALL_lock_held] = {"lock_held", "fcntl, F_OFD_GETLK", {EINVAL, ENOLCK, EIO}},
    [CALL_keep_across_fork] = {"keep_across_fork", "pthread_atfork(3)", {ENOMEM, EMFILE}},
    [CALL_hold_forks] = {"hold_forks", "pthread_atfork(3)", {ENOMEM}},
    [CALL_map] = {"map", "mmap, madvise", {MAP_ERRNOS, EIO}},
    [CALL_map_private] = {"map_private", "mmap, madvise", {EINVAL, ENOMEM, EPERM}},
    [CALL_map_handle] = {"map_handle", "mmap, madvise", {EINVAL, ENOMEM, EPERM}},
    [CALL_futex_wait] = {"futex_wait", "futex", {EAGAIN, EINTR, ENOSYS, EPERM, ENOMEM}},
    [CALL_futex_wake] = {"futex_wake", "futex", {EINVAL, ENOSYS, EPERM}},
    [CALL_futex_add_and_wake] = {"futex_add_and_wake", "futex", {EINVAL, ENOSYS, EPERM, ENOMEM}},
    [CALL_barrier_register] = {"barrier_register", "membarrier", {BARRIER_ERRNOS}},
    [CALL_barrier] = {"barrier", "membarrier", {BARRIER_ERRNOS}},
    [CALL_wait_entry] = {"wait_entry", "poll, read", {EINTR, EINVAL, ENOMEM}},
    [CALL_random] = {"random", "getrandom", {EINVAL, ENOSYS, EIO}},
    [CALL_boot_id] = {"boot_id", "open, read of /proc", {PROC_ERRNOS}},
    [CALL_pid_namespace] = {"pid_namespace", "stat of /proc", {EACCES}},
    [CALL_start_time] = {"start_time", "open, read of /proc", {EACCES}},
    [CALL_process] = {"process", "open, read of /proc", {PROC_ERRNOS}},
};

static const struct kernel_row {
	long number;
	struct fault_row row;
} kernel_rows[] = {
    {SYS_openat,
     {"openat(2)", "open", {CREATE_ERRNOS, ENODEV, ENXIO, EOVERFLOW, ETXTBSY, EINTR, EWOULDBLOCK}}},
    {SYS_memfd_create, {"memfd_create(2)", "memfd_create", {MEMFD_ERRNOS}}},
    {SYS_close, {"close(2)", "close", {CLOSE_ERRNOS}}},
    {SYS_newfstatat, {"newfstatat(2)", "fstatat", {STAT_ERRNOS}}},
    {SYS_fstatfs, {"fstatfs(2)", "fstatfs", {STATFS_ERRNOS, EINTR}}},
    {SYS_fchmod, {"fchmod(2)", "fchmod", {CHMOD_ERRNOS}}},
    {SYS_ftruncate, {"ftruncate(2)", "ftruncate", {TRUNCATE_ERRNOS, EINTR}}},
    {SYS_fallocate, {"fallocate(2)", "fallocate", {RESERVE_ERRNOS, EINTR}}},
    {SYS_pread64, {"pread(2)", "pread", {READ_ERRNOS, EAGAIN, EINTR}}},
    {SYS_read, {"read(2)", "read", {READ_ERRNOS, EAGAIN, EINTR}}},
    {SYS_getdents64, {"getdents(2)", "getdents", {EINVAL, ENOENT, ENOTDIR}}},
    {SYS_linkat, {"linkat(2)", "linkat", {LINK_ERRNOS}}},
    {SYS_link, {"link(2)", "link", {LINK_ERRNOS}}},
    {SYS_unlink, {"unlink(2)", "unlink", {UNLINK_ERRNOS}}},
    {SYS_fcntl, {"fcntl(2) to lock", "fcntl, F_OFD_SETLK", {LOCK_ERRNOS, EACCES, EINTR}}},
    {SYS_mmap, {"mmap(2)", "mmap", {MAP_ERRNOS, EAGAIN}}},
    {SYS_madvise, {"madvise(2)", "madvise", {ADVISE_ERRNOS, EAGAIN}}},
    {SYS_brk, {"brk(2)", "brk", {ENOMEM}}},
    {SYS_futex, {"futex(2)", "futex", {EAGAIN, EINTR, EINVAL, ENOSYS, EPERM, ENOMEM}}},
    {SYS_membarrier, {"membarrier(2)", "membarrier", {BARRIER_ERRNOS}}},
    {SYS_getrandom, {"getrandom(2)", "getrandom", {EINTR, EINVAL, ENOSYS}}},
    {SYS_inotify_init1, {"inotify_init1(2)", "inotify_init", {EINVAL, EMFILE, ENFILE, ENOMEM}}},
    {SYS_inotify_add_watch,
     {"inotify_add_watch(2)", "inotify_add_watch", {EACCES, ENOENT, ENOMEM, ENOSPC, ENOTDIR}}},
    {SYS_ppoll, {"ppoll(2)", "poll", {EINTR, EINVAL, ENOMEM}}},
};

/* Calls that are several, by an argument. */
static const struct fault_row probe_row = {
    "fcntl(2) to probe", "fcntl, F_OFD_GETLK", {EINVAL, ENOLCK, EIO, EINTR}};
static const struct fault_row fstat_row = {"fstat(2)", "fstat", {ENOMEM, EOVERFLOW}};

/*
 * Can't fail, by their manuals, or can't be made to fail without lying about what a kernel does:
 * munmap of a whole mapping of ours gives ENOMEM only where it must split a neighbour that the
 * kernel had merged, and then nothing can be done but to keep the address space.
 */
static const long never[] = {SYS_munmap,      SYS_getpid,         SYS_geteuid,
			     SYS_sched_yield, SYS_gettid,         SYS_exit_group,
			     SYS_prctl,       SYS_rt_sigprocmask, SYS_clock_gettime};

static bool is_never(long number, const long *arguments)
{
	/* opendir's questions: only locks are of interest. */
	if (number == SYS_fcntl && arguments[1] != F_OFD_SETLK && arguments[1] != F_OFD_GETLK)
		return true;
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		if (never[i] == number)
			return true;
	return false;
}

const struct fault_row *fault_kernel_row(long number, const long *arguments, bool *ret_never)
{
	*ret_never = is_never(number, arguments);
	if (number == SYS_fcntl && arguments[1] == F_OFD_GETLK)
		return &probe_row;
	/* libc's fstat: of a descriptor, and an empty path */
	if (number == SYS_fstat)
		return &fstat_row;
	if (number == SYS_newfstatat && ((const char *)arguments[1])[0] == '\0')
		return &fstat_row;
	for (size_t i = 0; i < sizeof(kernel_rows) / sizeof(kernel_rows[0]); i++)
		if (kernel_rows[i].number == number)
			return &kernel_rows[i].row;
	return NULL;
}
