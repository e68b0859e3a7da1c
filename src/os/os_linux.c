/* SPDX-License-Identifier: Apache-2.0 */
/* The table for Linux: files, memory and identity. Waiting is in os_wait.c. */
#include "os/os_linux.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

const struct os_calls *os = &os_linux;

static int result(int r)
{
	return r < 0 ? -errno : r;
}

/* Was the call broken off by a signal, and is it to be made again? Signals may come for ever. */
static bool again(int r, int *tries)
{
	return r < 0 && errno == EINTR && ++*tries < 10000;
}

/* With -EBUSY for what leaves no other name: a lease on the file, or signals without end. */
static int result_busy(int r)
{
	return r < 0 ? (errno == EAGAIN || errno == EINTR ? -EBUSY : -errno) : r;
}

/* In a program whose standard descriptors are closed, an object must not become one of them: what
 * is printed would be written into it. */
int os_above_standard(int fd)
{
	if (fd < 0 || fd > STDERR_FILENO)
		return result_busy(fd);
	int r = result(fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
	close(fd);
	return r;
}

int os_open_path(const char *path, int flags)
{
	int r, tries = 0;
	do
		r = open(path, flags, 0600);
	while (again(r, &tries));
	return os_above_standard(r);
}

/* O_NONBLOCK: opening a FIFO or a device by mistake must not hang. */
static int os_open(const char *path, bool write)
{
	int flags = (write ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	return os_open_path(path, flags);
}

static int os_create_unnamed(const char *directory)
{
	return os_open_path(directory, O_TMPFILE | O_RDWR | O_CLOEXEC);
}

static int os_create_named(const char *path)
{
	return os_open_path(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW);
}

static void fd_path(int fd, char path[32])
{
	snprintf(path, 32, "/proc/self/fd/%d", fd);
}

static int os_reopen(int fd, bool write)
{
	char path[32];
	fd_path(fd, path);
	return os_open_path(path, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC);
}

/* AT_EMPTY_PATH wants CAP_DAC_READ_SEARCH before Linux 6.10; /proc does for everybody else. */
static int os_link_fd(int fd, const char *to)
{
	if (linkat(fd, "", AT_FDCWD, to, AT_EMPTY_PATH) == 0)
		return 0;
	if (errno == EEXIST)
		return -EEXIST;
	char path[32];
	fd_path(fd, path);
	return result(linkat(AT_FDCWD, path, AT_FDCWD, to, AT_SYMLINK_FOLLOW));
}

static int os_link(const char *from, const char *to)
{
	return result(link(from, to));
}

static int os_unlink(const char *path)
{
	return result(unlink(path));
}

static int os_close(int fd)
{
	return result(close(fd));
}

static int fill_file(const struct stat *st, struct os_file *file)
{
	*file = (struct os_file){
	    .device = st->st_dev,
	    .inode = st->st_ino,
	    .bytes = (uint64_t)st->st_size,
	    .bytes_used = (uint64_t)st->st_blocks * 512,
	    .type = S_ISREG(st->st_mode)   ? OS_REGULAR
		    : S_ISDIR(st->st_mode) ? OS_DIRECTORY
		    : S_ISLNK(st->st_mode) ? OS_SYMLINK
					   : OS_OTHER,
	    .mode = st->st_mode & 07777,
	    .uid = st->st_uid,
	    .links = (uint32_t)st->st_nlink,
	};
	return 0;
}

static int os_stat_fd(int fd, struct os_file *file)
{
	struct stat st;
	return fstat(fd, &st) < 0 ? -errno : fill_file(&st, file);
}

static int os_stat_path(const char *path, struct os_file *file)
{
	struct stat st;
	return lstat(path, &st) < 0 ? -errno : fill_file(&st, file);
}

static bool is_remote(uint32_t type)
{
	switch (type) {
	case 0x6969:     /* NFS */
	case 0x65735546: /* FUSE */
	case 0x01021997: /* 9p */
	case 0x517B:     /* SMB */
	case 0xFE534D42: /* SMB2 */
	case 0xFF534D42: /* CIFS */
	case 0x00C36400: /* CephFS */
	case 0x73757245: /* Coda */
		return true;
	default:
		return false;
	}
}

static int os_room(int fd, struct os_room *room)
{
	struct statfs fs;
	int r, tries = 0;
	do
		r = fstatfs(fd, &fs);
	while (again(r, &tries));
	if (r < 0)
		return result_busy(r);
	uint64_t unit = fs.f_bsize > 0 ? (uint64_t)fs.f_bsize : 1;
	*room = (struct os_room){
	    .total = fs.f_blocks * unit,
	    .available = (geteuid() == 0 ? fs.f_bfree : fs.f_bavail) * unit,
	    .remote = is_remote((uint32_t)fs.f_type),
	};
	return 0;
}

static int os_access(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0)
		return -errno;
	if (flags & O_PATH)
		return 0;
	int mode = flags & O_ACCMODE;
	return (mode != O_WRONLY ? OS_READ : 0) | (mode != O_RDONLY ? OS_WRITE : 0);
}

static int os_set_mode(int fd, uint32_t mode)
{
	return result(fchmod(fd, mode & 07777));
}

static int os_set_size(int fd, uint64_t bytes)
{
	int r, tries = 0;
	do
		r = ftruncate(fd, (off_t)bytes);
	while (again(r, &tries));
	return result_busy(r);
}

/*
 * fallocate(2) itself: glibc's posix_fallocate may fall back to writing. In pieces, since on
 * tmpfs a signal undoes the whole call (EINTR) and a periodic timer would starve a large one.
 */
static int os_reserve(int fd, uint64_t offset, uint64_t bytes)
{
	const uint64_t piece = 32u << 20;
	int tries = 0;
	while (bytes > 0) {
		uint64_t step = bytes < piece ? bytes : piece;
		int r = fallocate(fd, 0, (off_t)offset, (off_t)step);
		if (r == 0) {
			offset += step;
			bytes -= step;
		} else if (!again(r, &tries)) {
			return result_busy(r);
		}
	}
	return 0;
}

static int os_release(int fd, uint64_t offset, uint64_t bytes)
{
	const int how = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	int r, tries = 0;
	do
		r = fallocate(fd, how, (off_t)offset, (off_t)bytes);
	while (again(r, &tries));
	return result_busy(r);
}

static int64_t os_read_at(int fd, void *buffer, size_t bytes, uint64_t offset)
{
	size_t done = 0;
	int tries = 0;
	while (done < bytes) {
		ssize_t n = pread(fd, (char *)buffer + done, bytes - done, (off_t)(offset + done));
		if (again(n < 0 ? -1 : 0, &tries))
			continue;
		if (n < 0)
			return result_busy(-1);
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (int64_t)done;
}

static int os_write_at(int fd, const void *buffer, size_t bytes, uint64_t offset)
{
	size_t done = 0;
	int tries = 0;
	while (done < bytes) {
		ssize_t n =
		    pwrite(fd, (const char *)buffer + done, bytes - done, (off_t)(offset + done));
		if (again(n < 0 ? -1 : 0, &tries))
			continue;
		if (n < 0)
			return result_busy(-1);
		done += (size_t)n;
	}
	return 0;
}

static int os_each_entry(const char *directory, const char *prefix,
			 int (*each)(void *context, const char *name), void *context)
{
	DIR *dir;
	int r = 0, tries = 0;
	do
		dir = opendir(directory);
	while (again(dir ? 0 : -1, &tries));
	if (!dir)
		return result_busy(-1);
	size_t length = strlen(prefix);
	const struct dirent *entry;
	while (r == 0 && (errno = 0, entry = readdir(dir)))
		if (strncmp(entry->d_name, prefix, length) == 0)
			r = each(context, entry->d_name);
	if (r == 0 && errno)
		r = -errno;
	closedir(dir);
	return r;
}

static int lock_call(int fd, int command, short type, uint64_t offset, struct flock *ret)
{
	*ret = (struct flock){
	    .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)offset, .l_len = 1};
	int r, tries = 0;
	do
		r = fcntl(fd, command, ret);
	while (again(r, &tries));
	if (r < 0 && (errno == EACCES || errno == EAGAIN))
		return -EAGAIN;
	return result_busy(r);
}

static int os_lock_shared(int fd, uint64_t offset)
{
	struct flock lock;
	return lock_call(fd, F_OFD_SETLK, F_RDLCK, offset, &lock);
}

static int os_lock(int fd, uint64_t offset)
{
	struct flock lock;
	return lock_call(fd, F_OFD_SETLK, F_WRLCK, offset, &lock);
}

static int os_unlock(int fd, uint64_t offset)
{
	struct flock lock;
	return lock_call(fd, F_OFD_SETLK, F_UNLCK, offset, &lock);
}

/* Asks for a read lock: a read lock that a read-only opener holds can't fake life. */
static int os_lock_held(int fd, uint64_t offset)
{
	struct flock lock;
	int r = lock_call(fd, F_OFD_GETLK, F_RDLCK, offset, &lock);
	return r < 0 ? r : lock.l_type != F_UNLCK;
}

static int os_lock_any(int fd, uint64_t offset)
{
	struct flock lock;
	int r = lock_call(fd, F_OFD_GETLK, F_WRLCK, offset, &lock);
	return r < 0 ? r : lock.l_type != F_UNLCK;
}

/* mmap and madvise say EAGAIN when too much is locked, or the kernel is out of something. */
static int no_memory(void)
{
	return errno == EAGAIN ? -ENOMEM : -errno;
}

static int map_anonymous(uint64_t bytes, uint64_t advised, int advice, void **ret)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return no_memory();
	if (madvise(p, advised, advice) < 0) {
		int r = no_memory();
		munmap(p, bytes);
		return r;
	}
	*ret = p;
	return 0;
}

static int os_map_private(uint64_t bytes, void **ret)
{
	return map_anonymous(bytes, bytes, MADV_DONTFORK, ret);
}

static int os_map_handle(uint64_t wiped, uint64_t bytes, void **ret)
{
	return map_anonymous(bytes, wiped, MADV_WIPEONFORK, ret);
}

static int os_unmap(void *address, uint64_t bytes)
{
	return result(munmap(address, bytes));
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;
	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int64_t os_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static int64_t os_realtime_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

static int os_random(void *buffer, size_t bytes)
{
	ssize_t n;
	int tries = 0;
	do
		n = getrandom(buffer, bytes, 0);
	while (again(n < 0 ? -1 : 0, &tries));
	return n < 0 ? result_busy(-1) : n == (ssize_t)bytes ? 0 : -EIO;
}

/* Reads a small file whole, as text. Returns its length, or -errno. */
static int read_text(const char *path, char *text, size_t room)
{
	int fd = os_open_path(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fd;
	ssize_t n;
	int tries = 0;
	do
		n = read(fd, text, room - 1);
	while (again(n < 0 ? -1 : 0, &tries));
	int r = n < 0 ? result_busy(-1) : (int)n;
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return r;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int os_boot_id(uint8_t id[16])
{
	char text[64] = "";
	memset(id, 0, 16);
	int r = read_text("/proc/sys/kernel/random/boot_id", text, sizeof(text));
	if (r < 0)
		return r;
	int nibble = 0;
	for (const char *p = text; *p && nibble < 32; p++) {
		int digit = hex_digit(*p);
		if (digit >= 0) {
			id[nibble / 2] = (uint8_t)(id[nibble / 2] << 4 | digit);
			nibble++;
		}
	}
	return nibble == 32 ? 0 : -EIO;
}

static uint32_t os_user(void)
{
	return geteuid();
}

static bool os_privileged_exec(void)
{
	return getauxval(AT_SECURE) != 0;
}

static uint32_t os_pid(void)
{
	return (uint32_t)getpid();
}

static uint64_t os_pid_namespace(void)
{
	struct stat st;
	return stat("/proc/self/ns/pid", &st) < 0 ? 0 : st.st_ino;
}

static void os_process_name(char name[16])
{
	memset(name, 0, 16);
	int r = read_text("/proc/self/comm", name, 16); /* the process's, not this thread's */
	if (r <= 0)
		prctl(PR_GET_NAME, name);
	name[15] = '\0';
	name[strcspn(name, "\n")] = '\0';
}

/* /proc/PID/stat: "pid (name) state ... starttime(22nd)"; the name may hold anything. */
static int read_stat(const char *path, struct os_process *process)
{
	char text[1024];
	*process = (struct os_process){0};
	int r = read_text(path, text, sizeof(text));
	if (r < 0)
		return r == -ENOENT || r == -ESRCH ? 0 : r;
	const char *p = strrchr(text, ')');
	if (!p || p[1] != ' ')
		return -EIO;
	p += 2;
	process->stopped = *p == 'T' || *p == 't';
	process->exists = *p != 'Z' && *p != 'X';
	for (int field = 3; field < 22 && p; field++) {
		p = strchr(p, ' ');
		p = p ? p + 1 : NULL;
	}
	if (!p)
		return -EIO;
	process->start_time = strtoull(p, NULL, 10);
	return 0;
}

static int os_process(uint32_t pid, struct os_process *process)
{
	char path[32];
	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	return read_stat(path, process);
}

static uint64_t os_start_time(void)
{
	struct os_process self;
	return read_stat("/proc/self/stat", &self) < 0 ? 0 : self.start_time;
}

const struct os_calls os_linux = {
    .open = os_open,
    .create_unnamed = os_create_unnamed,
    .create_named = os_create_named,
    .reopen = os_reopen,
    .reopen_of = os_reopen_of,
    .create_memory = os_create_memory,
    .seal = os_seal,
    .seals = os_seals,
    .link_fd = os_link_fd,
    .link = os_link,
    .unlink = os_unlink,
    .close = os_close,
    .stat_fd = os_stat_fd,
    .stat_path = os_stat_path,
    .room = os_room,
    .access = os_access,
    .set_mode = os_set_mode,
    .set_size = os_set_size,
    .reserve = os_reserve,
    .release = os_release,
    .read_at = os_read_at,
    .write_at = os_write_at,
    .each_entry = os_each_entry,
    .lock = os_lock,
    .unlock = os_unlock,
    .lock_shared = os_lock_shared,
    .lock_held = os_lock_held,
    .lock_any = os_lock_any,
    .keep_across_fork = os_keep_across_fork,
    .forget_across_fork = os_forget_across_fork,
    .hold_forks = os_hold_forks,
    .let_forks = os_let_forks,
    .map = os_map,
    .map_part = os_map_part,
    .map_private = os_map_private,
    .map_handle = os_map_handle,
    .unmap = os_unmap,
    .map_over = os_map_over,
    .catch_faults = os_catch_faults,
    .let_faults = os_let_faults,
    .find_room = os_find_room,
    .protect = os_protect,
    .sync = os_sync,
    .advise = os_advise,
    .resident = os_resident,
    .mapped = os_mapped,
    .occupant = os_occupant,
    .page_bytes = os_page_bytes,
    .populate = os_populate,
    .unpopulate = os_unpopulate,
    .pages_in_memory = os_pages_in_memory,
    .shm_get = os_shm_get,
    .shm_attach = os_shm_attach,
    .shm_detach = os_shm_detach,
    .shm_stat = os_shm_stat,
    .shm_set = os_shm_set,
    .shm_remove = os_shm_remove,
    .shm_lock = os_shm_lock,
    .shm_limits = os_shm_limits,
    .shm_each = os_shm_each,
    .futex_wait = os_futex_wait,
    .futex_wake = os_futex_wake,
    .futex_add_and_wake = os_futex_add_and_wake,
    .barrier_register = os_barrier_register,
    .barrier = os_barrier,
    .wait_entry = os_wait_entry,
    .yield = os_yield,
    .socket_kind = os_socket_kind,
    .send_descriptor = os_send_descriptor,
    .receive_descriptor = os_receive_descriptor,
    .wait_socket = os_wait_socket,
    .now_ns = os_now_ns,
    .realtime_ns = os_realtime_ns,
    .random = os_random,
    .boot_id = os_boot_id,
    .user = os_user,
    .privileged_exec = os_privileged_exec,
    .pid = os_pid,
    .pid_namespace = os_pid_namespace,
    .ipc_namespace = os_ipc_namespace,
    .process_name = os_process_name,
    .start_time = os_start_time,
    .process = os_process,
};
