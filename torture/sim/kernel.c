/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel for actors: an os table. Each call that others can notice is one step. A description
 * keeps its locks until no descriptor and no mapping refers to it; a file lives while a name, a
 * description or a mapping does; and who dies leaves nothing open, nothing mapped, nothing locked.
 * Waiting and time are in kernel_wait.c.
 */
#include "kernel.h"

#include <errno.h>
#include <stdlib.h>

struct kernel kernel;
static struct kernel at_snapshot;

static void call(void)
{
	machine_step(STEP_CALL);
}

/* ---- files, names, descriptions ---------------------------------------------------------- */

static void drop_file(int file)
{
	struct file *f = &kernel.files[file];
	if (f->used && f->links == 0 && f->references == 0)
		f->used = false;
}

static int new_file(void)
{
	for (int i = 0; i < FILES; i++)
		if (!kernel.files[i].used) {
			kernel.files[i] = (struct file){.used = true, .inode = ++kernel.inodes};
			memory_clear((uint32_t)i);
			return i;
		}
	sim_fail("the harness has too few files");
}

static int find_name(const char *path)
{
	for (int i = 0; i < NAMES; i++)
		if (kernel.names[i].file >= 0 && strcmp(kernel.names[i].path, path) == 0)
			return i;
	return -1;
}

static int add_name(const char *path, int file)
{
	SIM_CHECK(strlen(path) < sizeof(kernel.names[0].path), "the harness has too short names");
	if (find_name(path) >= 0)
		return -EEXIST;
	for (int i = 0; i < NAMES; i++)
		if (kernel.names[i].file < 0) {
			memcpy(kernel.names[i].path, path, strlen(path) + 1);
			kernel.names[i].file = file;
			kernel.files[file].links++;
			return 0;
		}
	sim_fail("the harness has too few names");
}

static int new_description(int file)
{
	for (int i = 0; i < DESCRIPTIONS; i++)
		if (kernel.descriptions[i].references == 0) {
			kernel.descriptions[i] =
			    (struct description){.file = file, .actor = machine.current};
			return i;
		}
	sim_fail("the harness has too few descriptions");
}

static int open_file(int file)
{
	int description = new_description(file);
	for (int i = 0; i < DESCRIPTORS; i++)
		if (kernel.descriptors[machine.current][i] < 0) {
			kernel.descriptors[machine.current][i] = description;
			kernel.descriptions[description].references = 1;
			kernel.files[file].references++;
			return FIRST_FD + (int)machine.current * DESCRIPTORS + i;
		}
	sim_fail("descriptors leak: all %d are open", DESCRIPTORS);
}

int kernel_description(int fd)
{
	int at = fd - FIRST_FD - (int)machine.current * DESCRIPTORS;
	return at < 0 || at >= DESCRIPTORS ? -1 : kernel.descriptors[machine.current][at];
}

static struct file *file_of(int fd)
{
	int description = kernel_description(fd);
	return description < 0 ? NULL : &kernel.files[kernel.descriptions[description].file];
}

static void let_go(int description)
{
	struct description *d = &kernel.descriptions[description];
	if (--d->references > 0)
		return;
	for (int i = 0; i < LOCKS; i++)
		if (kernel.locks[i].description == description)
			kernel.locks[i].description = -1;
	kernel.files[d->file].references--;
	drop_file(d->file);
}

static int sim_open(const char *path, bool write)
{
	(void)write;
	call();
	int name = find_name(path);
	return name < 0 ? -ENOENT : open_file(kernel.names[name].file);
}

static int sim_create_unnamed(const char *directory)
{
	(void)directory;
	return open_file(new_file());
}

static int sim_create_named(const char *path)
{
	call();
	if (find_name(path) >= 0)
		return -EEXIST;
	int file = new_file();
	add_name(path, file);
	return open_file(file);
}

static int sim_reopen(int fd, bool write)
{
	(void)write;
	int description = kernel_description(fd);
	return description < 0 ? -EBADF : open_file(kernel.descriptions[description].file);
}

static int sim_link_fd(int fd, const char *path)
{
	call();
	memory_drain(machine.current); /* the directory has a lock */
	int description = kernel_description(fd);
	return description < 0 ? -EBADF : add_name(path, kernel.descriptions[description].file);
}

static int sim_link(const char *from, const char *to)
{
	call();
	memory_drain(machine.current);
	int name = find_name(from);
	return name < 0 ? -ENOENT : add_name(to, kernel.names[name].file);
}

static int sim_unlink(const char *path)
{
	call();
	memory_drain(machine.current);
	int name = find_name(path);
	if (name < 0)
		return -ENOENT;
	int file = kernel.names[name].file;
	kernel.names[name].file = -1;
	kernel.files[file].links--;
	drop_file(file);
	return 0;
}

static int sim_close(int fd)
{
	int description = kernel_description(fd);
	if (description < 0)
		return -EBADF;
	call(); /* it may drop a lock */
	memory_drain(machine.current);
	kernel.descriptors[machine.current][fd - FIRST_FD - (int)machine.current * DESCRIPTORS] =
	    -1;
	let_go(description);
	return 0;
}

static int fill_file(const struct file *f, struct os_file *file)
{
	*file = (struct os_file){
	    .device = 1,
	    .inode = f->inode,
	    .bytes = f->bytes,
	    .bytes_used = f->bytes,
	    .type = OS_REGULAR,
	    .mode = f->mode,
	    .uid = 1000,
	    .links = f->links,
	};
	return 0;
}

static int sim_stat_fd(int fd, struct os_file *file)
{
	const struct file *f = file_of(fd);
	return f ? fill_file(f, file) : -EBADF;
}

static int sim_stat_path(const char *path, struct os_file *file)
{
	call();
	int name = find_name(path);
	return name < 0 ? -ENOENT : fill_file(&kernel.files[kernel.names[name].file], file);
}

static int sim_room(int fd, struct os_room *room)
{
	*room = (struct os_room){.total = 1 << 30, .available = 1 << 30};
	return file_of(fd) ? 0 : -EBADF;
}

static int sim_set_mode(int fd, uint32_t mode)
{
	struct file *f = file_of(fd);
	if (!f)
		return -EBADF;
	f->mode = mode;
	return 0;
}

static int sim_set_size(int fd, uint64_t bytes)
{
	struct file *f = file_of(fd);
	SIM_CHECK(bytes <= FILE_MAX, "the harness has too small files");
	if (!f)
		return -EBADF;
	if (f->links > 0) { /* else nobody can notice */
		call();
		memory_drain(machine.current); /* the inode has a lock */
	}
	f->bytes = bytes;
	kernel_note_maps();
	return 0;
}

/* At its end a file gets longer by it; elsewhere outside it is a mistake. */
static int sim_reserve(int fd, uint64_t offset, uint64_t bytes)
{
	struct file *f = file_of(fd);
	if (!f)
		return -EBADF;
	if (offset == f->bytes && f->links > 0)
		return sim_set_size(fd, offset + bytes);
	SIM_CHECK(offset + bytes <= f->bytes, "reserved memory outside the file");
	return 0;
}

static int64_t sim_read_at(int fd, void *buffer, size_t bytes, uint64_t offset)
{
	int description = kernel_description(fd);
	if (description < 0)
		return -EBADF;
	call();
	uint32_t file = (uint32_t)kernel.descriptions[description].file;
	if (offset >= kernel.files[file].bytes)
		return 0;
	size_t n = (size_t)min_u64(bytes, kernel.files[file].bytes - offset);
	memcpy(buffer, &memory[file][offset], n);
	if (hostile_on)
		hostile_spoil(buffer, n);
	return (int64_t)n;
}

static int sim_each_entry(const char *directory, const char *prefix,
			  int (*each)(void *context, const char *name), void *context)
{
	size_t length = strlen(directory);
	for (int i = 0; i < NAMES; i++) {
		const char *path = kernel.names[i].path;
		if (kernel.names[i].file < 0 || strncmp(path, directory, length) != 0 ||
		    path[length] != '/' || strncmp(path + length + 1, prefix, strlen(prefix)) != 0)
			continue;
		int r = each(context, path + length + 1);
		if (r != 0)
			return r;
	}
	return 0;
}

/* ---- locks ------------------------------------------------------------------------------- */

static int holder(int file, uint64_t offset)
{
	for (int i = 0; i < LOCKS; i++)
		if (kernel.locks[i].description >= 0 && kernel.locks[i].offset == offset &&
		    kernel.descriptions[kernel.locks[i].description].file == file)
			return kernel.locks[i].description;
	return -1;
}

static int sim_lock(int fd, uint64_t offset)
{
	call();
	memory_drain(machine.current);
	int description = kernel_description(fd);
	if (description < 0)
		return -EBADF;
	int who = holder(kernel.descriptions[description].file, offset);
	if (who >= 0)
		return who == description ? 0 : -EAGAIN;
	for (int i = 0; i < LOCKS; i++)
		if (kernel.locks[i].description < 0) {
			kernel.locks[i].description = description;
			kernel.locks[i].offset = offset;
			return 0;
		}
	sim_fail("the harness has too few locks");
}

static int sim_unlock(int fd, uint64_t offset)
{
	call();
	memory_drain(machine.current);
	int description = kernel_description(fd);
	for (int i = 0; i < LOCKS; i++)
		if (description >= 0 && kernel.locks[i].description == description &&
		    kernel.locks[i].offset == offset)
			kernel.locks[i].description = -1;
	return 0;
}

static int sim_lock_held(int fd, uint64_t offset)
{
	call();
	int description = kernel_description(fd);
	if (description < 0)
		return -EBADF;
	int who = holder(kernel.descriptions[description].file, offset);
	return who >= 0 && who != description;
}

static int sim_lock_any(int fd, uint64_t offset)
{
	return sim_lock_held(fd, offset); /* nobody here has a lock for reading */
}

static int no_fork(void)
{
	return 0;
}

static void no_fork_either(void)
{
}

static int keep_across_fork(int fd)
{
	(void)fd;
	return 0;
}

static void forget_across_fork(int fd)
{
	(void)fd;
}

/* ---- memory ------------------------------------------------------------------------------ */

/* Lock pages are addresses that nobody may touch. */
static uint8_t *lock_page(int description)
{
	return memory_views + VIEWS_BYTES + (uintptr_t)description * 64;
}

static int sim_map(int fd, uint64_t bytes, enum os_map how, void **ret)
{
	int description = kernel_description(fd);
	if (description < 0)
		return -EBADF;
	int file = kernel.descriptions[description].file;
	if (how == OS_MAP_NONE) {
		kernel.descriptions[description].references++;
		*ret = lock_page(description);
		return 0;
	}
	SIM_CHECK(bytes <= FILE_MAX, "the harness has too small views");
	kernel.maps[machine.current][file]++;
	kernel.files[file].references++;
	kernel_note_maps();
	*ret = view_of(machine.current, (uint32_t)file);
	return 0;
}

static int unmap_view(const void *address)
{
	struct spot spot = spot_of(address);
	SIM_CHECK(spot.actor == machine.current && kernel.maps[spot.actor][spot.file] > 0,
		  "unmapped what is not mapped");
	kernel.maps[spot.actor][spot.file]--;
	kernel.files[spot.file].references--;
	drop_file((int)spot.file);
	kernel_note_maps();
	return 0;
}

static int sim_unmap(void *address, uint64_t bytes)
{
	(void)bytes;
	if (is_shared(address)) {
		sim_as(machine.current); /* what it stored there is stored */
		return unmap_view(address);
	}
	for (int i = 0; i < DESCRIPTIONS; i++)
		if (address == lock_page(i)) {
			call();
			memory_drain(machine.current);
			let_go(i);
			return 0;
		}
	return 0; /* private memory is the run's, and goes with it */
}

void kernel_note_maps(void)
{
	for (uint32_t actor = 0; actor < ACTORS; actor++)
		for (uint32_t file = 0; file < FILES; file++)
			machine.mapped[actor * FILES + file] =
			    kernel.maps[actor][file] > 0 ? (uint32_t)kernel.files[file].bytes : 0;
}

/* ---- the table --------------------------------------------------------------------------- */

void kernel_bury(uint32_t actor)
{
	for (int i = 0; i < DESCRIPTORS; i++)
		kernel.descriptors[actor][i] = -1;
	for (int i = 0; i < DESCRIPTIONS; i++)
		if (kernel.descriptions[i].references > 0 &&
		    kernel.descriptions[i].actor == actor) {
			kernel.descriptions[i].references = 1;
			let_go(i);
		}
	for (int file = 0; file < FILES; file++) {
		kernel.files[file].references -= kernel.maps[actor][file];
		kernel.maps[actor][file] = 0;
		drop_file(file);
	}
	kernel_note_maps();
}

uint32_t kernel_open_things(uint32_t actor)
{
	uint32_t count = 0;
	for (int i = 0; i < DESCRIPTORS; i++)
		count += kernel.descriptors[actor][i] >= 0;
	for (int i = 0; i < DESCRIPTIONS; i++)
		count += kernel.descriptions[i].references > 0 &&
			 kernel.descriptions[i].actor == actor;
	for (int i = 0; i < FILES; i++)
		count += (uint32_t)kernel.maps[actor][i];
	return count;
}

void sim_bury(uint32_t actor)
{
	kernel_bury(actor);
}

uint64_t sim_named_inode(void)
{
	for (int i = 0; i < NAMES; i++)
		if (kernel.names[i].file >= 0)
			return kernel.files[kernel.names[i].file].inode;
	return 0;
}

void kernel_reset(void)
{
	heap_reset();
	memset(&kernel, 0, sizeof(kernel));
	for (int i = 0; i < LOCKS; i++)
		kernel.locks[i].description = -1;
	for (int i = 0; i < NAMES; i++)
		kernel.names[i].file = -1;
	for (int i = 0; i < ACTORS; i++)
		for (int k = 0; k < DESCRIPTORS; k++)
			kernel.descriptors[i][k] = -1;
	kernel_note_maps();
}

void kernel_snapshot(void)
{
	heap_snapshot();
	at_snapshot = kernel;
}

void kernel_restore(void)
{
	kernel = at_snapshot;
	kernel_note_maps();
	heap_restore();
}

void kernel_open(void)
{
	static struct os_calls table;
	table = os_linux;
	table.open = sim_open;
	table.create_unnamed = sim_create_unnamed;
	table.create_named = sim_create_named;
	table.reopen = sim_reopen;
	table.link_fd = sim_link_fd;
	table.link = sim_link;
	table.unlink = sim_unlink;
	table.close = sim_close;
	table.stat_fd = sim_stat_fd;
	table.stat_path = sim_stat_path;
	table.room = sim_room;
	table.set_mode = sim_set_mode;
	table.set_size = sim_set_size;
	table.reserve = sim_reserve;
	table.release = sim_reserve;
	table.read_at = sim_read_at;
	table.each_entry = sim_each_entry;
	table.lock = sim_lock;
	table.unlock = sim_unlock;
	table.lock_held = sim_lock_held;
	table.lock_any = sim_lock_any;
	table.keep_across_fork = keep_across_fork;
	table.forget_across_fork = forget_across_fork;
	table.hold_forks = no_fork;
	table.let_forks = no_fork_either;
	table.map = sim_map;
	table.unmap = sim_unmap;
	kernel_open_waits(&table);
	os = &table;
}
