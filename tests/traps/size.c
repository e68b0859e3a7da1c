/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is shorter than it was, than it will be, or than it says. */
#include "trap.h"

#include <shoal/block.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/shm.h>
#include <sys/stat.h>

#define SHM  "/trap"
#define NAME "trap"

static struct shoal_topic_options small(void)
{
	struct shoal_topic_options o = options();
	o.lanes = 2;
	o.slots = 16;
	o.payload_bytes = 4096;
	return o;
}

static const char *object_path(void)
{
	static char path[512];
	snprintf(path, sizeof(path), "%s/shoal:" NAME, objects_directory());
	return path;
}

/* ---- truncated ---------------------------------------------------------------------------- */

static void cut(void *context)
{
	CHECKF(truncate(context, PAGE) == 0, "%s", strerror(errno));
}

static void truncated_by_another_bare(void)
{
	static char path[] = "/dev/shm" SHM;
	int fd = shm_open(SHM, O_CREAT | O_RDWR, 0600);
	CHECK(fd >= 0 && ftruncate(fd, 2 * PAGE) == 0);
	char *p = map_shared(fd, 2 * PAGE);
	p[PAGE] = 'a';
	reap_ok(spawn(cut, path));
	load_byte(p);
	dies_of(SIGBUS, load_byte, p + PAGE);
	dies_of(SIGBUS, store_byte, p + PAGE);
	CHECK(ftruncate(fd, 2 * PAGE) == 0);
	CHECKF(p[PAGE] == '\0', "what was cut off is back");
	unmap(p, 2 * PAGE);
	close(fd);
}

/* Opens with the flags, and goes on after it was truncated. */
static void lose_it(unsigned flags)
{
	struct shoal_topic_options o = small();
	char path[512];
	shoal_pub *pub;
	int r;
	CHECK_R(1, shoal_pub_open(&pub, NAME, SHOAL_CREATE | flags, &o));
	strcpy(path, object_path());
	reap_ok(spawn(cut, path));
	do
		r = shoal_pub_publish(pub, "x", 1, 0);
	while (r == 0);
	CHECKF(r == -ESTALE && strstr(shoal_error_detail(), "'" NAME "' was truncated"), "%s; %s",
	       shoal_strerror(r), shoal_error_detail());
	shoal_pub_close(pub);
}

static void lose_it_guarded(void *context)
{
	(void)context;
	lose_it(SHOAL_GUARD_SIGBUS);
}

static void lose_it_unguarded(void *context)
{
	(void)context;
	lose_it(0);
}

static void truncated_by_another_shoal(void)
{
	reap_ok(spawn(lose_it_guarded, NULL));
	CHECK_R(0, shoal_remove(NAME, SHOAL_FORCE));
	dies_of(SIGBUS, lose_it_unguarded, NULL);
	CHECK_R(0, shoal_remove(NAME, SHOAL_FORCE));
}

/* ---- made again while it is in use ------------------------------------------------------- */

static void made_again_with_o_trunc_bare(void)
{
	int fd = shm_open(SHM, O_CREAT | O_RDWR, 0600);
	CHECK(fd >= 0 && ftruncate(fd, PAGE) == 0);
	char *p = map_shared(fd, PAGE);
	strcpy(p, "work");
	int second = shm_open(SHM, O_CREAT | O_TRUNC | O_RDWR, 0600);
	CHECK(second >= 0);
	dies_of(SIGBUS, load_byte, p); /* until it is given a size again */
	CHECK(ftruncate(second, PAGE) == 0);
	CHECKF(p[0] == '\0', "it kept what was in it");
	unmap(p, PAGE);
	close(fd);
	close(second);
}

static void made_again_with_o_trunc_shoal(void)
{
	struct shoal_topic_options o = small(), other = small();
	shoal_pub *pub, *second;
	shoal_sub *sub;
	char text[8];
	CHECK_R(1, shoal_pub_open(&pub, NAME, SHOAL_CREATE, &o));
	CHECK_R(0, shoal_pub_publish(pub, "work", 5, BOUND));
	other.slots = 1024; /* whatever size the second one has in mind */
	CHECK_R(0, shoal_pub_open(&second, NAME, SHOAL_CREATE, &other));
	CHECK_R(-EEXIST, shoal_topic_create(NAME, SHOAL_EXCLUSIVE, &other));
	CHECK_R(0, shoal_sub_open(&sub, NAME, SHOAL_FROM_OLDEST, NULL));
	CHECK_R(0, shoal_sub_receive(sub, text, sizeof(text), 0, NULL));
	CHECK(strcmp(text, "work") == 0);
	shoal_sub_close(sub);
	shoal_pub_close(second);
	shoal_pub_close(pub);
}

/* ---- found before it is whole ------------------------------------------------------------ */

static void mapped_before_its_size_bare(void)
{
	int maker = shm_open(SHM, O_CREAT | O_EXCL | O_RDWR, 0600);
	CHECK(maker >= 0);
	/* Here the maker loses the processor, and the reader comes. */
	int fd = shm_open(SHM, O_RDWR, 0);
	CHECK(fd >= 0 && size_of(fd) == 0);
	char *p = map_shared(fd, PAGE);
	dies_of(SIGBUS, load_byte, p);
	CHECK(ftruncate(maker, PAGE) == 0);
	load_byte(p);
	unmap(p, PAGE);
	close(fd);
	close(maker);
}

enum { MAKINGS = 100 };

static void make_over_and_over(void *context)
{
	struct signals *signals = context;
	struct shoal_topic_options o = small();
	for (int i = 0; i < MAKINGS; i++) {
		shoal_pub *pub;
		uint64_t met = atomic_load(&signals->value);
		CHECK_R(1, shoal_pub_open(&pub, NAME, SHOAL_CREATE | SHOAL_EXCLUSIVE, &o));
		WAIT_FOR(atomic_load(&signals->value) > met);
		shoal_pub_close(pub);
		/* The reader may be the last one in it. */
		WAIT_FOR(access(object_path(), F_OK) < 0);
	}
	step_to(signals, 1);
}

static void mapped_before_its_size_shoal(void)
{
	struct signals *signals = shared_memory(sizeof(*signals));
	int none = 0;
	pid_t pid = spawn(make_over_and_over, signals);
	while (atomic_load(&signals->step) == 0) {
		shoal_sub *sub;
		int r = shoal_sub_open(&sub, NAME, 0, NULL);
		CHECKF(r == 0 || r == -ENOENT, "half-made: %s, %s", shoal_strerror(r),
		       shoal_error_detail());
		none += r != 0;
		shoal_sub_close(sub);
		if (r == 0)
			atomic_fetch_add(&signals->value, 1);
	}
	reap_ok(pid);
	printf("  whole %d times, not there %d times\n", (int)signals->value, none);
	CHECKF(none > 0, "it was there all the time");
	shared_free(signals, sizeof(*signals));
}

/* ---- another size than it has ------------------------------------------------------------- */

static void asked_for_another_size_bare(void)
{
	static const key_t key = 0x7a9;
	struct shmid_ds state;
	int id = shmget(key, 100, IPC_CREAT | IPC_EXCL | 0600);
	CHECKF(id >= 0, "%s", strerror(errno));
	CHECK_ERRNO(EINVAL, shmget(key, 101, IPC_CREAT | 0600) >= 0);
	CHECK(shmget(key, 1, IPC_CREAT | 0600) == id); /* fine, and no word of the 100 */
	CHECK(shmctl(id, IPC_STAT, &state) == 0 && state.shm_segsz == 100);
	CHECK(shmctl(id, IPC_RMID, NULL) == 0);
}

static void asked_for_another_size_shoal(void)
{
	struct shoal_block_options o = {.size = sizeof(o), .bytes = 100};
	shoal_block *first, *second;
	CHECK_R(1, shoal_block_open(&first, NAME, SHOAL_CREATE, &o));
	for (o.bytes = 1; o.bytes <= 4 * PAGE; o.bytes += PAGE) {
		CHECK_R(0, shoal_block_open(&second, NAME, SHOAL_CREATE, &o));
		CHECK(shoal_block_bytes(second) == 100);
		shoal_block_close(second);
	}
	shoal_block_close(first);
}

/* ---- no room ----------------------------------------------------------------------------- */

static void fill_mapping(void *context)
{
	volatile char *p = context;
	for (size_t i = 0; i < (size_t)2 << 20; i += PAGE)
		p[i] = 'b';
}

static void mount_one_mib(void)
{
	CHECK(mkdir("tmpfs", 0700) == 0 || errno == EEXIST);
	CHECKF(mount("tmpfs", "tmpfs", "tmpfs", 0, "size=1m") == 0, "%s", strerror(errno));
}

static void full_tmpfs_bare(void)
{
	mount_one_mib();
	int fd = open("tmpfs/large", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && ftruncate(fd, 2 << 20) == 0); /* "success" */
	char *p = map_shared(fd, 2 << 20);             /* "success" */
	dies_of(SIGBUS, fill_mapping, p);
	unmap(p, 2 << 20);
	close(fd);
}

static void full_tmpfs_shoal(void)
{
	struct shoal_topic_options o = small();
	char folder[400], path[512];
	mount_one_mib();
	CHECK(getcwd(folder, sizeof(folder)));
	snprintf(path, sizeof(path), "%s/tmpfs", folder);
	CHECK(setenv("SHOAL_DIR", path, 1) == 0);
	shoal_pub *pub;
	o.payload_bytes = 2 << 20;
	CHECK_SAYS(-ENOSPC, path, shoal_pub_open(&pub, NAME, SHOAL_CREATE, &o));
	CHECK(strstr(shoal_error_detail(), "free") && strstr(shoal_error_detail(), "size="));
	CHECKF(directory_is_empty(), "what did not fit is left");
}

int main(int argc, char **argv)
{
	static const struct trap traps[] = {
	    TRAP(truncated_by_another),
	    TRAP(made_again_with_o_trunc),
	    TRAP(mapped_before_its_size),
	    TRAP(asked_for_another_size),
	    TRAP(full_tmpfs),
	};
	return RUN_TRAPS(argc, argv, traps);
}
