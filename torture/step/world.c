/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel as survivors see it: one file, which is a copy of the region. The locks that living
 * bystanders hold are held; all others went with their holders. What survivors lock themselves
 * follows the rules that seat/seat.h relies on: a description keeps its locks until it is closed
 * and unmapped.
 */
#include "step.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_FD = 1 << 20, FILES = 64, LOCKS = 64 };

static struct {
	struct region region;
	char path[256];
	bool named;
	bool living[SEATS_MAX];
	struct {
		bool open;
		bool mapped;
	} files[FILES];
	struct {
		uint64_t offset;
		int file; /* -1: nobody */
	} locks[LOCKS];
	_Alignas(4096) uint8_t pages[FILES][4096]; /* a lock page for each description */
	/* futex words of a topic; NULL: it is none */
	const void *wake, *gates[LANES];
	bool woken, gate_woken[LANES];
	int64_t clock_ns;
} world;

static int new_file(void)
{
	for (int i = 0; i < FILES; i++)
		if (!world.files[i].open && !world.files[i].mapped) {
			world.files[i].open = true;
			return FIRST_FD + i;
		}
	return -EMFILE;
}

static bool is_file(int fd)
{
	return fd >= FIRST_FD && fd < FIRST_FD + FILES && world.files[fd - FIRST_FD].open;
}

static void drop_locks(int file)
{
	if (world.files[file].open || world.files[file].mapped)
		return;
	for (int i = 0; i < LOCKS; i++)
		if (world.locks[i].file == file)
			world.locks[i].file = -1;
}

static int world_open(const char *path, bool write)
{
	(void)write;
	return world.named && strcmp(path, world.path) == 0 ? new_file() : -ENOENT;
}

static int refuse_path(const char *path)
{
	(void)path;
	return -EROFS;
}

static int world_reopen(int fd, bool write)
{
	(void)write;
	return is_file(fd) ? new_file() : -EBADF;
}

/* The kernel's way to what has no name. */
static int world_reopen_of(uint32_t pid, int fd, bool write)
{
	(void)write;
	return backend_nameless() && pid == 0 && fd == NAMELESS_FD ? new_file() : -ENOENT;
}

static int world_seals(int fd)
{
	return is_file(fd) ? OS_SEAL_SEALS | OS_SEAL_SHRINK | OS_SEAL_GROW : -EBADF;
}

static int world_unlink(const char *path)
{
	if (!world.named || strcmp(path, world.path) != 0)
		return -ENOENT;
	world.named = false;
	trap_note();
	return 0;
}

static int world_close(int fd)
{
	if (!is_file(fd))
		return -EBADF;
	world.files[fd - FIRST_FD].open = false;
	drop_locks(fd - FIRST_FD);
	return 0;
}

static int fill_file(struct os_file *file)
{
	const struct segment_place *place = &segment_header(&world.region)->place;
	*file = (struct os_file){
	    .device = place->device,
	    .inode = place->inode,
	    .bytes = world.region.bytes,
	    .bytes_used = world.region.bytes,
	    .type = OS_REGULAR,
	    .mode = 0600,
	    .uid = os->user(),
	    .links = world.named && !backend_nameless(),
	};
	return 0;
}

static int world_stat_fd(int fd, struct os_file *file)
{
	bool known = is_file(fd) || (backend_nameless() && fd == NAMELESS_FD);
	return known ? fill_file(file) : -EBADF;
}

static int world_stat_path(const char *path, struct os_file *file)
{
	return world.named && strcmp(path, world.path) == 0 ? fill_file(file) : -ENOENT;
}

static int world_room(int fd, struct os_room *room)
{
	*room = (struct os_room){.total = 1 << 30, .available = 1 << 30};
	return is_file(fd) ? 0 : -EBADF;
}

static int world_reserve(int fd, uint64_t offset, uint64_t bytes)
{
	if (!is_file(fd))
		return -EBADF;
	return offset + bytes <= world.region.bytes ? 0 : -EINVAL;
}

static int64_t world_read_at(int fd, void *buffer, size_t bytes, uint64_t offset)
{
	if (!is_file(fd))
		return -EBADF;
	if (offset >= world.region.bytes)
		return 0;
	size_t n = (size_t)min_u64(bytes, world.region.bytes - offset);
	memcpy(buffer, world.region.base + offset, n);
	return (int64_t)n;
}

/* Who holds that byte: a file, -1: nobody, -2: a bystander. */
static int holder(uint64_t offset)
{
	if (offset >= SEGMENT_SEAT_LOCK && offset - SEGMENT_SEAT_LOCK < SEATS_MAX &&
	    world.living[offset - SEGMENT_SEAT_LOCK])
		return -2;
	for (int i = 0; i < LOCKS; i++)
		if (world.locks[i].file >= 0 && world.locks[i].offset == offset)
			return world.locks[i].file;
	return -1;
}

static int world_lock(int fd, uint64_t offset)
{
	if (!is_file(fd))
		return -EBADF;
	int who = holder(offset);
	if (who != -1)
		return who == fd - FIRST_FD ? 0 : -EAGAIN;
	for (int i = 0; i < LOCKS; i++)
		if (world.locks[i].file < 0) {
			world.locks[i].file = fd - FIRST_FD;
			world.locks[i].offset = offset;
			return 0;
		}
	return -ENOLCK;
}

static int world_unlock(int fd, uint64_t offset)
{
	for (int i = 0; i < LOCKS; i++)
		if (world.locks[i].file == fd - FIRST_FD && world.locks[i].offset == offset)
			world.locks[i].file = -1;
	return 0;
}

static int world_lock_held(int fd, uint64_t offset)
{
	if (!is_file(fd))
		return -EBADF;
	int who = holder(offset);
	return who != -1 && who != fd - FIRST_FD;
}

static int world_map(int fd, uint64_t bytes, enum os_map how, void **ret)
{
	if (!is_file(fd) || bytes > world.region.bytes)
		return -EBADF;
	if (how == OS_MAP_NONE) {
		world.files[fd - FIRST_FD].mapped = true;
		*ret = world.pages[fd - FIRST_FD];
	} else {
		*ret = world.region.base;
	}
	return 0;
}

/* ---- private memory: kept from world to world, since making it costs more than all the rest ---
 */

enum { BLOCKS = 64 };

static struct block {
	void *memory;
	uint64_t bytes;
	bool used;
} blocks[BLOCKS];

static int world_map_private(uint64_t bytes, void **ret)
{
	struct block *block = blocks;
	while (block < blocks + BLOCKS && block->memory && (block->used || block->bytes != bytes))
		block++;
	if (block == blocks + BLOCKS)
		give_up("more than %d private mappings", BLOCKS);
	if (!block->memory) {
		block->memory = aligned_alloc(PAGE_BYTES, align_up(bytes, PAGE_BYTES));
		block->bytes = bytes;
	}
	if (!block->memory)
		return -ENOMEM;
	trap_pause(); /* not round by round */
	memset(block->memory, 0, bytes);
	trap_resume();
	block->used = true;
	*ret = block->memory;
	return 0;
}

static int world_map_handle(uint64_t wiped, uint64_t bytes, void **ret)
{
	(void)wiped;
	return world_map_private(bytes, ret);
}

static bool unmap_private(const void *address)
{
	for (int i = 0; i < BLOCKS; i++)
		if (blocks[i].used && blocks[i].memory == address) {
			blocks[i].used = false;
			return true;
		}
	return false;
}

static int world_unmap(void *address, uint64_t bytes)
{
	if (unmap_private(address))
		return 0;
	if (address == world.region.base)
		return 0;
	for (int i = 0; i < FILES; i++)
		if (address == world.pages[i]) {
			world.files[i].mapped = false;
			drop_locks(i);
			return 0;
		}
	return os_linux.unmap(address, bytes);
}

/* ---- waiting and time -------------------------------------------------------------------- */

/* Nobody else runs here: a sleep is one to its end. */
static int world_futex_wait(const void *word, uint32_t value, int64_t timeout_ns)
{
	(void)word;
	(void)value;
	world.clock_ns += timeout_ns > 0 ? timeout_ns : 0;
	return -ETIMEDOUT;
}

static void note_wake(const void *word)
{
	world.woken |= word == world.wake;
	for (int i = 0; i < LANES; i++)
		world.gate_woken[i] |= word == world.gates[i];
}

static int world_futex_wake(const void *word, int count)
{
	(void)count;
	note_wake(word);
	trap_note();
	return 0;
}

/* In one piece: whoever dies has done both, or neither. */
static int world_futex_add_and_wake(const void *word, void *add, unsigned shift)
{
	trap_pause();
	atomic_fetch_add((_Atomic uint32_t *)add, (uint32_t)1 << shift);
	note_wake(word);
	trap_resume();
	return 0;
}

static int nothing(void)
{
	return 0;
}

static void do_nothing(void)
{
}

/* Time and names are the same each time, so that what is done in two orders comes out equal. */
static int64_t world_now_ns(void)
{
	return world.clock_ns += 1000;
}

static int64_t world_realtime_ns(void)
{
	return 1000000000000000000;
}

static uint64_t world_number(void)
{
	return 4026531836;
}

static uint32_t world_user(void)
{
	return 1000;
}

static uint32_t world_pid(void)
{
	return 4711;
}

static void world_process_name(char name[16])
{
	memcpy(name, "a survivor\0\0\0\0\0", 16);
}

static int world_boot_id(uint8_t id[16])
{
	static uint8_t known[16];
	static bool is_known;
	if (!is_known && os_linux.boot_id(known) < 0)
		return -EIO;
	is_known = true;
	memcpy(id, known, sizeof(known));
	return 0;
}

static void find_futexes(const struct region *region)
{
	struct topic_map map;
	world.wake = NULL;
	world.woken = false;
	memset(world.gates, 0, sizeof(world.gates));
	memset(world.gate_woken, 0, sizeof(world.gate_woken));
	if (topic_map(&map, region) < 0)
		return;
	world.wake = &map.body->wake;
	for (uint32_t i = 0; i < LANES && i < map.lane_count; i++)
		world.gates[i] = &map.controls[i].gate;
}

void world_tell(struct moment *moment)
{
	moment->named = world_named();
	moment->woken = world.woken;
	memcpy(moment->gate_woken, world.gate_woken, sizeof(world.gate_woken));
}

int world_descriptor(void)
{
	return new_file();
}

static struct os_calls table;

void world_begin(const struct region *region, const char *path, bool named, const bool *living)
{
	memset(&world.files, 0, sizeof(world.files));
	for (int i = 0; i < LOCKS; i++)
		world.locks[i].file = -1;
	world.region = *region;
	world.named = named;
	memcpy(world.living, living, sizeof(world.living));
	snprintf(world.path, sizeof(world.path), "%s", path);
	table = os_linux;
	table.open = world_open;
	table.create_unnamed = refuse_path;
	table.create_named = refuse_path;
	table.reopen = world_reopen;
	table.reopen_of = world_reopen_of;
	table.seals = world_seals;
	table.unlink = world_unlink;
	table.close = world_close;
	table.stat_fd = world_stat_fd;
	table.stat_path = world_stat_path;
	table.room = world_room;
	table.reserve = world_reserve;
	table.read_at = world_read_at;
	table.lock = world_lock;
	table.unlock = world_unlock;
	table.lock_held = world_lock_held;
	table.map = world_map;
	table.unmap = world_unmap;
	table.map_private = world_map_private;
	table.map_handle = world_map_handle;
	table.user = world_user;
	table.futex_wait = world_futex_wait;
	table.futex_wake = world_futex_wake;
	table.futex_add_and_wake = world_futex_add_and_wake;
	table.barrier_register = nothing;
	table.barrier = nothing;
	table.hold_forks = nothing;
	table.let_forks = do_nothing;
	table.yield = do_nothing;
	table.now_ns = world_now_ns;
	table.realtime_ns = world_realtime_ns;
	table.pid_namespace = world_number;
	table.start_time = world_number;
	table.pid = world_pid;
	table.process_name = world_process_name;
	table.boot_id = world_boot_id;
	find_futexes(region);
	world.clock_ns = 1000000000;
	os = &table;
}

void world_kill_all(void)
{
	memset(world.living, 0, sizeof(world.living));
}

bool world_named(void)
{
	return backend_nameless() ? lifetime_state(&world.region) != LIFETIME_REMOVED : world.named;
}

int world_end(void)
{
	int left = 0;
	for (int i = 0; i < FILES; i++)
		left += world.files[i].open + world.files[i].mapped;
	for (int i = 0; i < LOCKS; i++)
		left += world.locks[i].file >= 0;
	for (int i = 0; i < BLOCKS; i++) {
		left += blocks[i].used;
		blocks[i].used = false;
	}
	os = &os_linux;
	return left;
}
