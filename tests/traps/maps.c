/* SPDX-License-Identifier: Apache-2.0 */
/* Mappings: whose they are, where they lie, and how they end. */
#include "trap.h"

#include <shoal/block.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#define NAME "trap"

/* ---- how they end ------------------------------------------------------------------------ */

static void munmap_of_another_address_bare(void)
{
	int fd = new_file("some", 2 * PAGE);
	char *p = map_shared(fd, 2 * PAGE);
	CHECK_ERRNO(EINVAL, munmap(p + 100, PAGE) == 0);
	/* A page further: half of it goes, without a word. */
	CHECK(munmap(p + PAGE, PAGE) == 0);
	load_byte(p);
	dies_of(SIGSEGV, load_byte, p + PAGE);
	/* And where nothing of ours was: success, too. */
	CHECK(munmap(p + PAGE, PAGE) == 0);
	unmap(p, PAGE);
	close(fd);
}

/* There is no address to get wrong: what was mapped is unmapped, all of it and nothing else. */
static void munmap_of_another_address_shoal(void)
{
	struct shoal_mapping mapping, empty = {0};
	int fd = new_file("some", 2 * PAGE);
	CHECK_R(0, shoal_map(&mapping, fd, 100, PAGE, SHOAL_READ, NULL));
	char *p = mapping.data;
	CHECK_R(0, shoal_unmap(&mapping));
	CHECK(!mapping.data);
	dies_of(SIGSEGV, load_byte, p);
	dies_of(SIGSEGV, load_byte, p + PAGE - 1);
	CHECK_R(-EINVAL, shoal_unmap(&empty));
	CHECK_R(-EINVAL, shoal_unmap(NULL));
	close(fd);
}

static void munmap_twice_bare(void)
{
	int fd = new_file("some", PAGE);
	char *p = map_shared(fd, PAGE);
	unmap(p, PAGE);
	/* Meanwhile another part of the program gets memory there, as it may. */
	char *other = mmap(p, PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	CHECK(other == p);
	store_byte(other);
	CHECK(munmap(p, PAGE) == 0);
	dies_of(SIGSEGV, load_byte, other);
	close(fd);
}

static void munmap_twice_shoal(void)
{
	struct shoal_mapping mapping;
	int fd = new_file("some", PAGE);
	CHECK_R(0, shoal_map(&mapping, fd, 0, PAGE, SHOAL_READ, NULL));
	char *p = mapping.data;
	CHECK_R(0, shoal_unmap(&mapping));
	char *other = mmap(p, PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	CHECK(other == p);
	CHECK_R(-EINVAL, shoal_unmap(&mapping));
	store_byte(other);
	unmap(other, PAGE);
	close(fd);
}

static uint64_t free_bytes(void)
{
	struct statvfs st;
	CHECK(statvfs("/dev/shm", &st) == 0);
	return (uint64_t)st.f_bfree * st.f_frsize;
}

/* No descriptor and no name: and still it is there, and the file system has that much less. */
static void outlives_its_descriptor_bare(void)
{
	enum { MIB = 1 << 20 };
	uint64_t before = free_bytes();
	int fd = shm_open("/trap", O_CREAT | O_EXCL | O_RDWR, 0600);
	CHECK(fd >= 0 && ftruncate(fd, MIB) == 0);
	char *p = map_shared(fd, MIB);
	memset(p, 'b', MIB);
	CHECK(close(fd) == 0 && shm_unlink("/trap") == 0);
	CHECK(p[MIB - 1] == 'b');
	CHECKF(before - free_bytes() >= MIB, "it is gone");
	unmap(p, MIB);
	CHECK(before - free_bytes() < MIB);
}

/* It needs no descriptor, and nothing stays when it is closed. */
static void use_without_descriptors(void *context)
{
	struct shoal_block_options o = {.size = sizeof(o), .bytes = 1 << 20};
	uint64_t before = free_bytes();
	shoal_block *block;
	(void)context;
	CHECK_R(1, shoal_block_open(&block, NAME, SHOAL_CREATE, &o));
	CHECK(syscall(SYS_close_range, 3, ~0u, 0) == 0);
	memset(shoal_block_data(block), 'b', 1 << 20);
	CHECK_R(0, shoal_block_check(block));
	CHECK(before - free_bytes() >= 1 << 20);
	shoal_block_close(block);
	CHECKF(free_bytes() == before, "%llu bytes are not back",
	       (unsigned long long)(before - free_bytes()));
}

static void outlives_its_descriptor_shoal(void)
{
	reap_ok(spawn(use_without_descriptors, NULL));
}

/* ---- private ----------------------------------------------------------------------------- */

static void private_changes_are_lost_bare(void)
{
	char c;
	int fd = new_file("some", PAGE);
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(p != MAP_FAILED);
	p[0] = 'b';
	CHECK(msync(p, PAGE, MS_SYNC) == 0); /* "success" */
	CHECKF(pread(fd, &c, 1, 0) == 1 && c == 'a', "the file has it");
	unmap(p, PAGE);
	CHECKF(pread(fd, &c, 1, 0) == 1 && c == 'a', "the file has it");
	close(fd);
}

static void private_changes_are_lost_shoal(void)
{
	struct shoal_mapping mapping;
	char c;
	int fd = new_file("some", PAGE);
	/* Without a word about it, it is shared. */
	CHECK_R(0, shoal_map(&mapping, fd, 0, PAGE, SHOAL_READ | SHOAL_WRITE, NULL));
	*(char *)mapping.data = 'b';
	CHECK(pread(fd, &c, 1, 0) == 1 && c == 'b');
	CHECK_R(0, shoal_unmap(&mapping));
	CHECK_R(0,
		shoal_map(&mapping, fd, 0, PAGE, SHOAL_READ | SHOAL_WRITE | SHOAL_PRIVATE, NULL));
	*(char *)mapping.data = 'c';
	CHECK(pread(fd, &c, 1, 0) == 1 && c == 'b');
	CHECK_R(0, shoal_unmap(&mapping));
	close(fd);
}

static void store_and_see(void *context)
{
	char *p = context;
	CHECK(p[0] == 'a');
	p[0] = 'c';
}

static void fork_with_a_private_map_bare(void)
{
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	p[0] = 'a';
	reap_ok(spawn(store_and_see, p));
	CHECKF(p[0] == 'a', "the parent sees what its child stored");
	unmap(p, PAGE);
}

static void use_parents_block(void *context)
{
	shoal_block *block = context, *own;
	CHECK(!shoal_block_data(block) && shoal_block_bytes(block) == 0);
	CHECK_SAYS(-ECHILD, "fork", shoal_block_check(block));
	shoal_block_close(block);
	CHECK_R(0, shoal_block_open(&own, NAME, 0, NULL));
	char *p = shoal_block_data(own);
	CHECK(p[0] == 'a');
	p[0] = 'c';
	shoal_block_close(own);
}

static void fork_with_a_private_map_shoal(void)
{
	struct shoal_block_options o = {.size = sizeof(o), .bytes = PAGE};
	shoal_block *block;
	CHECK_R(1, shoal_block_open(&block, NAME, SHOAL_CREATE, &o));
	char *p = shoal_block_data(block);
	p[0] = 'a';
	reap_ok(spawn(use_parents_block, block));
	CHECKF(p[0] == 'c', "its child's store did not come");
	shoal_block_close(block);
}

/* ---- anonymous --------------------------------------------------------------------------- */

struct meeting {
	struct signals signals;
	char *_Atomic address;
};

/* It was forked before the map was made: the address means nothing to it. */
static void use_address(void *context)
{
	struct meeting *meeting = context;
	await_step(&meeting->signals, 1);
	dies_of(SIGSEGV, load_byte, atomic_load(&meeting->address));
}

static void anonymous_map_and_a_stranger_bare(void)
{
	struct meeting *meeting = shared_memory(sizeof(*meeting));
	pid_t pid = spawn(use_address, meeting);
	char *p = shared_memory(PAGE);
	strcpy(p, "for the children");
	atomic_store(&meeting->address, p);
	step_to(&meeting->signals, 1);
	reap_ok(pid);
	shared_free(p, PAGE);
	shared_free(meeting, sizeof(*meeting));
}

/* A stranger, too, is handed a descriptor. */
static void receive_object(void *context)
{
	int socket = *(const int *)context, fd;
	char name[32], text[32];
	shoal_sub *sub;
	CHECK_R(0, shoal_object_receive(socket, BOUND, &fd));
	snprintf(name, sizeof(name), "memfd:fd=%d", fd);
	CHECK_R(0, shoal_sub_open(&sub, name, SHOAL_FROM_OLDEST, NULL));
	close(fd);
	CHECK_R(0, shoal_sub_receive(sub, text, sizeof(text), BOUND, NULL));
	CHECK(strcmp(text, "for whom I choose") == 0);
	shoal_sub_close(sub);
}

static void anonymous_map_and_a_stranger_shoal(void)
{
	static const char text[] = "for whom I choose";
	struct shoal_topic_options o = options();
	shoal_pub *pub;
	int sockets[2];
	o.slots = 16;
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0);
	pid_t pid = spawn(receive_object, &sockets[1]); /* before there is an object */
	CHECK_R(1, shoal_pub_open(&pub, "memfd:trap", SHOAL_CREATE, &o));
	CHECK_R(0, shoal_pub_publish(pub, text, sizeof(text), BOUND));
	CHECK_R(0, shoal_object_send(sockets[0], shoal_pub_fd(pub), BOUND));
	reap_ok(pid);
	shoal_pub_close(pub);
	close(sockets[0]);
	close(sockets[1]);
}

/* ---- read-only ---------------------------------------------------------------------------- */

static void read_only_attached_and_written_bare(void)
{
	int id = shmget(IPC_PRIVATE, PAGE, 0600);
	CHECKF(id >= 0, "%s", strerror(errno));
	char *p = shmat(id, NULL, SHM_RDONLY); /* not const: the compiler says nothing */
	CHECK(p != (void *)-1);
	load_byte(p);
	dies_of(SIGSEGV, store_byte, p);
	CHECK(shmdt(p) == 0 && shmctl(id, IPC_RMID, NULL) == 0);
}

/* To the processor it is the same. But whoever asks is told, and asking for more is refused. */
static void read_only_attached_and_written_shoal(void)
{
	struct shoal_block_options o = {.size = sizeof(o), .bytes = PAGE};
	shoal_block *writer, *reader;
	CHECK_R(1, shoal_block_open(&writer, NAME, SHOAL_CREATE, &o));
	CHECK_R(0, shoal_block_open(&reader, NAME, SHOAL_READ, NULL));
	store_byte(shoal_block_data(writer));
	CHECK(*(const char *)shoal_block_data(reader) == 'b');
	dies_of(SIGSEGV, store_byte, shoal_block_data(reader));
	CHECK_SAYS(-EACCES, "SHOAL_READ", shoal_block_grow(reader, PAGE, 0));
	CHECK_SAYS(-EACCES, "SHOAL_READ",
		   shoal_block_protect(reader, 0, SHOAL_REST, SHOAL_READ | SHOAL_WRITE));
	shoal_block_close(reader);
	shoal_block_close(writer);
}

/* ---- flags ------------------------------------------------------------------------------- */

static void denywrite_is_ignored_bare(void)
{
	int fd = new_file("some", PAGE);
	char *p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_DENYWRITE, fd, 0);
	CHECK(p != MAP_FAILED);
	int other = open("some", O_RDWR | O_CLOEXEC);
	CHECKF(other >= 0 && pwrite(other, "b", 1, 0) == 1, "%s", strerror(errno));
	CHECK(p[0] == 'b');
	unmap(p, PAGE);
	close(other);
	close(fd);
}

/* A flag that does nothing is no flag. */
static void denywrite_is_ignored_shoal(void)
{
	struct shoal_mapping mapping;
	int fd = new_file("some", PAGE);
	CHECK_SAYS(-EINVAL, "flag",
		   shoal_map(&mapping, fd, 0, PAGE, SHOAL_READ | MAP_DENYWRITE, NULL));
	close(fd);
}

static void fixed_replaces_what_is_there_bare(void)
{
	int fd = new_file("some", PAGE);
	char *mine = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(mine != MAP_FAILED);
	strcpy(mine, "my work");
	char *p = mmap(mine, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);
	CHECK(p == mine);
	CHECKF(mine[0] == 'a', "it is still there");
	unmap(p, PAGE);
	close(fd);
}

static void fixed_replaces_what_is_there_shoal(void)
{
	struct shoal_block_options o = {.size = sizeof(o), .bytes = PAGE};
	struct shoal_mapping mapping;
	shoal_block *block;
	int fd = new_file("some", PAGE);
	char *mine = reserve_pages(1);
	CHECK(mprotect(mine, PAGE, PROT_READ | PROT_WRITE) == 0);
	strcpy(mine, "my work");
	CHECK_SAYS(-EEXIST, "anonymous", shoal_map(&mapping, fd, 0, PAGE, SHOAL_READ, mine));
	o.address = mine;
	CHECK_SAYS(-EEXIST, "anonymous", shoal_block_open(&block, NAME, SHOAL_CREATE, &o));
	CHECK(strcmp(mine, "my work") == 0);
	unmap(mine, PAGE);
	/* Where nothing is, there it lies. */
	CHECK_R(0, shoal_map(&mapping, fd, 0, PAGE, SHOAL_READ, mine));
	CHECK(mapping.data == mine);
	CHECK_R(0, shoal_unmap(&mapping));
	close(fd);
}

int main(int argc, char **argv)
{
	static const struct trap traps[] = {
	    TRAP(munmap_of_another_address),      TRAP(munmap_twice),
	    TRAP(outlives_its_descriptor),        TRAP(private_changes_are_lost),
	    TRAP(fork_with_a_private_map),        TRAP(anonymous_map_and_a_stranger),
	    TRAP(denywrite_is_ignored),           TRAP(fixed_replaces_what_is_there),
	    TRAP(read_only_attached_and_written),
	};
	return RUN_TRAPS(argc, argv, traps);
}
