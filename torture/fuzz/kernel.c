/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include "base/checksum.h"

#include <stdio.h>
#include <stdlib.h>

enum { FIRST_FD = 1 << 20, FILES = 64, LOCKS = 128, MEMORIES = 64 };
enum { DEVICE = 7, INODE = 4711, USER = 1000 };

static const uint8_t boot[16] = "this very boot!";

static struct {
	uint8_t *memory;
	size_t bytes;
	uint32_t living;
	bool named;
	int64_t clock_ns;
	bool open[FILES];
	void *page[FILES]; /* a lock page: it holds the description */
	struct {
		bool held;
		uint64_t offset;
		int file;
	} locks[LOCKS];
	void *memories[MEMORIES];
} kernel;

static int new_file(void)
{
	for (int i = 0; i < FILES; i++)
		if (!kernel.open[i] && !kernel.page[i]) {
			kernel.open[i] = true;
			return FIRST_FD + i;
		}
	return -EMFILE;
}

static bool is_file(int fd)
{
	return fd >= FIRST_FD && fd < FIRST_FD + FILES && kernel.open[fd - FIRST_FD];
}

static void drop_locks(int file)
{
	if (kernel.open[file] || kernel.page[file])
		return;
	for (int i = 0; i < LOCKS; i++)
		if (kernel.locks[i].file == file)
			kernel.locks[i].held = false;
}

static bool is_path(const char *path)
{
	struct segment_name name;
	return segment_name_parse(OBJECT_NAME, &name) == 0 && strcmp(path, name.path) == 0;
}

/* ---- files ------------------------------------------------------------------------------- */

static int kernel_open(const char *path, bool write)
{
	(void)write;
	return kernel.named && is_path(path) ? new_file() : -ENOENT;
}

static int refuse_path(const char *path)
{
	(void)path;
	return -EROFS;
}

static int refuse_link(int fd, const char *path)
{
	(void)fd;
	(void)path;
	return -EROFS;
}

static int kernel_reopen(int fd, bool write)
{
	(void)write;
	return is_file(fd) ? new_file() : -EBADF;
}

static int kernel_unlink(const char *path)
{
	if (!kernel.named || !is_path(path))
		return -ENOENT;
	kernel.named = false;
	return 0;
}

static int kernel_close(int fd)
{
	if (!is_file(fd))
		wrong("descriptor %d is closed, and not open", fd);
	kernel.open[fd - FIRST_FD] = false;
	drop_locks(fd - FIRST_FD);
	return 0;
}

static int fill_file(struct os_file *file)
{
	*file = (struct os_file){
	    .device = DEVICE,
	    .inode = INODE,
	    .bytes = kernel.bytes,
	    .bytes_used = kernel.bytes,
	    .type = OS_REGULAR,
	    .mode = 0600,
	    .uid = USER,
	    .links = kernel.named,
	};
	return 0;
}

static int kernel_stat_fd(int fd, struct os_file *file)
{
	return is_file(fd) ? fill_file(file) : -EBADF;
}

static int kernel_stat_path(const char *path, struct os_file *file)
{
	return kernel.named && is_path(path) ? fill_file(file) : -ENOENT;
}

static int kernel_room(int fd, struct os_room *room)
{
	*room = (struct os_room){.total = 1 << 30, .available = 1 << 30};
	return is_file(fd) ? 0 : -EBADF;
}

static int kernel_reserve(int fd, uint64_t offset, uint64_t bytes)
{
	if (!is_file(fd))
		return -EBADF;
	if (offset > kernel.bytes || bytes > kernel.bytes - offset)
		wrong("memory is reserved behind the end of the file");
	return 0;
}

static int64_t kernel_read_at(int fd, void *buffer, size_t bytes, uint64_t offset)
{
	if (!is_file(fd))
		return -EBADF;
	if (offset >= kernel.bytes)
		return 0;
	size_t n = (size_t)min_u64(bytes, kernel.bytes - offset);
	memcpy(buffer, kernel.memory + offset, n);
	return (int64_t)n;
}

static int kernel_each_entry(const char *directory, const char *prefix,
			     int (*each)(void *context, const char *name), void *context)
{
	(void)directory;
	(void)prefix;
	return kernel.named ? each(context, BACKEND_POSIX_PREFIX OBJECT_NAME) : 0;
}

/* ---- locks ------------------------------------------------------------------------------- */

/* -1: nobody, -2: somebody else who lives, else a file. */
static int holder(uint64_t offset)
{
	uint64_t seat = offset - SEGMENT_SEAT_LOCK;
	if (seat < 32 && (kernel.living >> seat & 1))
		return -2;
	for (int i = 0; i < LOCKS; i++)
		if (kernel.locks[i].held && kernel.locks[i].offset == offset)
			return kernel.locks[i].file;
	return -1;
}

static int kernel_lock(int fd, uint64_t offset)
{
	if (!is_file(fd))
		return -EBADF;
	int who = holder(offset);
	if (who != -1)
		return who == fd - FIRST_FD ? 0 : -EAGAIN;
	for (int i = 0; i < LOCKS; i++)
		if (!kernel.locks[i].held) {
			kernel.locks[i].held = true;
			kernel.locks[i].offset = offset;
			kernel.locks[i].file = fd - FIRST_FD;
			return 0;
		}
	return -ENOLCK;
}

static int kernel_unlock(int fd, uint64_t offset)
{
	for (int i = 0; i < LOCKS; i++)
		if (kernel.locks[i].file == fd - FIRST_FD && kernel.locks[i].offset == offset)
			kernel.locks[i].held = false;
	return 0;
}

static int kernel_lock_held(int fd, uint64_t offset)
{
	if (!is_file(fd))
		return -EBADF;
	int who = holder(offset);
	return who != -1 && who != fd - FIRST_FD;
}

/* ---- memory ------------------------------------------------------------------------------ */

/* Exactly as long as asked for, so that a byte too far is seen. */
static int kernel_map_private(uint64_t bytes, void **ret)
{
	for (int i = 0; i < MEMORIES; i++)
		if (!kernel.memories[i]) {
			if (bytes > (uint64_t)1 << 30 ||
			    posix_memalign(&kernel.memories[i], PAGE_BYTES, bytes) != 0)
				return -ENOMEM;
			memset(kernel.memories[i], 0, bytes);
			*ret = kernel.memories[i];
			return 0;
		}
	return -ENOMEM;
}

static int kernel_map_handle(uint64_t wiped, uint64_t bytes, void **ret)
{
	(void)wiped;
	return kernel_map_private(bytes, ret);
}

static int kernel_map(int fd, uint64_t bytes, enum os_map how, void **ret)
{
	if (!is_file(fd))
		return -EBADF;
	if (how == OS_MAP_NONE) {
		int r = kernel_map_private(bytes, ret);
		kernel.page[fd - FIRST_FD] = r < 0 ? NULL : *ret;
		return r;
	}
	/* What grows is mapped as far as it may: what it touches behind its end is seen. */
	const struct segment_fixed *fixed = (const void *)kernel.memory;
	if (bytes < kernel.bytes ||
	    (bytes > kernel.bytes && !(fixed->incompatible & SEGMENT_GROWS)))
		wrong("%llu bytes are mapped of a file of %zu", (unsigned long long)bytes,
		      kernel.bytes);
	*ret = kernel.memory;
	return 0;
}

static int kernel_unmap(void *address, uint64_t bytes)
{
	(void)bytes;
	if (address == kernel.memory)
		return 0;
	for (int i = 0; i < FILES; i++)
		if (kernel.page[i] == address) {
			kernel.page[i] = NULL;
			drop_locks(i);
		}
	for (int i = 0; i < MEMORIES; i++)
		if (kernel.memories[i] == address) {
			free(address);
			kernel.memories[i] = NULL;
			return 0;
		}
	wrong("what is unmapped was not mapped");
}

/* ---- waiting and time -------------------------------------------------------------------- */

static int kernel_futex_wait(const void *word, uint32_t value, int64_t timeout_ns)
{
	(void)word;
	(void)value;
	if (timeout_ns < 0)
		wrong("a call with a timeout sleeps for ever");
	kernel.clock_ns += timeout_ns;
	return -ETIMEDOUT;
}

static int kernel_futex_wake(const void *word, int count)
{
	(void)word;
	(void)count;
	return 0;
}

static int kernel_futex_add_and_wake(const void *word, void *add, unsigned shift)
{
	(void)word;
	atomic_fetch_add((_Atomic uint32_t *)add, (uint32_t)1 << shift);
	return 0;
}

static int nothing(void)
{
	return 0;
}

static int nothing_with(int fd)
{
	(void)fd;
	return 0;
}

static void forget(int fd)
{
	(void)fd;
}

static void do_nothing(void)
{
}

static int64_t kernel_now_ns(void)
{
	return kernel.clock_ns += 1000;
}

static int kernel_boot_id(uint8_t id[16])
{
	memcpy(id, boot, sizeof(boot));
	return 0;
}

static uint32_t kernel_user(void)
{
	return USER;
}

static bool no(void)
{
	return false;
}

static uint32_t kernel_pid(void)
{
	return 4711;
}

static uint64_t kernel_number(void)
{
	return 4026531836;
}

static void kernel_process_name(char name[16])
{
	memset(name, 'x', 15);
	name[15] = '\0';
}

static int kernel_process(uint32_t pid, struct os_process *process)
{
	*process = (struct os_process){.exists = pid & 1, .stopped = pid & 2, .start_time = pid};
	return 0;
}

static const struct os_calls table = {
    .open = kernel_open,
    .create_unnamed = refuse_path,
    .create_named = refuse_path,
    .reopen = kernel_reopen,
    .link_fd = refuse_link,
    .unlink = kernel_unlink,
    .close = kernel_close,
    .stat_fd = kernel_stat_fd,
    .stat_path = kernel_stat_path,
    .room = kernel_room,
    .reserve = kernel_reserve,
    .read_at = kernel_read_at,
    .each_entry = kernel_each_entry,
    .lock = kernel_lock,
    .unlock = kernel_unlock,
    .lock_held = kernel_lock_held,
    .keep_across_fork = nothing_with,
    .forget_across_fork = forget,
    .hold_forks = nothing,
    .let_forks = do_nothing,
    .map = kernel_map,
    .map_private = kernel_map_private,
    .map_handle = kernel_map_handle,
    .unmap = kernel_unmap,
    .futex_wait = kernel_futex_wait,
    .futex_wake = kernel_futex_wake,
    .futex_add_and_wake = kernel_futex_add_and_wake,
    .barrier_register = nothing,
    .barrier = nothing,
    .yield = do_nothing,
    .now_ns = kernel_now_ns,
    .realtime_ns = kernel_now_ns,
    .boot_id = kernel_boot_id,
    .user = kernel_user,
    .privileged_exec = no,
    .pid = kernel_pid,
    .pid_namespace = kernel_number,
    .process_name = kernel_process_name,
    .start_time = kernel_number,
    .process = kernel_process,
};

/* ---- for the target ---------------------------------------------------------------------- */

void kernel_begin(const uint8_t *image, size_t bytes, uint32_t living)
{
	void *memory = NULL;
	memset(&kernel, 0, sizeof(kernel));
	if (posix_memalign(&memory, PAGE_BYTES, bytes ? bytes : 1) != 0)
		abort();
	if (bytes)
		memcpy(memory, image, bytes);
	kernel.memory = memory;
	kernel.bytes = bytes;
	kernel.living = living;
	kernel.named = true;
	os = &table;
}

uint8_t *kernel_memory(void)
{
	return kernel.memory;
}

size_t kernel_bytes(void)
{
	return kernel.bytes;
}

void kernel_end(void)
{
	for (int i = 0; i < FILES; i++)
		if (kernel.open[i] || kernel.page[i])
			wrong("a descriptor or a lock page was left");
	for (int i = 0; i < LOCKS; i++)
		if (kernel.locks[i].held)
			wrong("a lock was left");
	for (int i = 0; i < MEMORIES; i++)
		if (kernel.memories[i])
			wrong("private memory was left");
	free(kernel.memory);
	kernel.memory = NULL;
}

void kernel_place(struct segment_place *place)
{
	*place = (struct segment_place){.device = DEVICE, .inode = INODE};
	memcpy(place->boot_id, boot, sizeof(boot));
	place->checksum = checksum(place, offsetof(struct segment_place, checksum));
}
