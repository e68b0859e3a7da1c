/* SPDX-License-Identifier: Apache-2.0 */
#include "trap.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define NOBODY 65534

/* ---- running ----------------------------------------------------------------------------- */

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	CHECKF(fd >= 0 && write(fd, text, strlen(text)) > 0, "%s: %s", path, strerror(errno));
	close(fd);
}

/* Without privileges there are namespaces only in a user namespace, and in that we are nobody until
 * it is said who we are. */
static void enter_user_namespace(void)
{
	char map[64];
	unsigned uid = geteuid(), gid = getegid();
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC) < 0)
		skip("no namespaces of its own here: %s", strerror(errno));
	snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	write_text("/proc/self/uid_map", map);
	write_text("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	write_text("/proc/self/gid_map", map);
}

/* The folder of objects lies on /dev/shm, which is now another one. */
static void enter_namespaces(void)
{
	if (unshare(CLONE_NEWNS | CLONE_NEWIPC) < 0)
		enter_user_namespace();
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHECKF(mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=64m,mode=1777") == 0, "%s",
	       strerror(errno));
	CHECK(mkdir(objects_directory(), 0700) == 0 || errno == EEXIST);
	CHECK(chmod(objects_directory(), 01777) == 0);
}

static void run_half(void *context)
{
	void (*const *half)(void) = context;
	enter_namespaces();
	struct holdings before = holdings_now();
	(*half)();
	holdings_check(&before, "this half");
	children_check("this half");
	CHECKF(directory_is_empty(), "it left an object");
}

int run_apart(const char *name, void (*run)(void))
{
	int status = reap_status(spawn(run_half, &run));
	bool skipped = WIFEXITED(status) && WEXITSTATUS(status) == 77;
	CHECKF(skipped || (WIFEXITED(status) && WEXITSTATUS(status) == 0), "%s: status 0x%x", name,
	       (unsigned)status);
	return skipped ? 77 : 0;
}

/* False: it was left out. */
static bool ran(const char *name, const char *which, void (*half)(void))
{
	int64_t start = now_ns();
	printf("%s, %s ...\n", name, which);
	bool skipped = run_apart(name, half) == 77;
	printf("%s, %s: %s, %.1f s\n", name, which, skipped ? "LEFT OUT" : "ok",
	       (double)(now_ns() - start) / 1e9);
	return !skipped;
}

int run_traps(int argc, char **argv, const struct trap *traps, size_t count)
{
	size_t halves = 0, wanted = 0;
	if (!getenv("SHOAL_DIR")) {
		fprintf(stderr, "run this through scripts/in-scratch\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	seed();
	for (size_t i = 0; i < count; i++) {
		if (argc > 1 && !strstr(traps[i].name, argv[1]))
			continue;
		wanted += 2;
		halves += ran(traps[i].name, "bare", traps[i].bare);
		halves += ran(traps[i].name, "shoal", traps[i].shoal);
	}
	if (wanted == 0) {
		fprintf(stderr, "no trap has that name\n");
		return 2;
	}
	return halves == wanted ? 0 : 77;
}

/* ---- dying ------------------------------------------------------------------------------- */

struct death {
	void (*body)(void *context);
	void *context;
};

/* No dump, and no handler of a sanitizer that would turn a signal into an exit code. */
static void run_to_death(void *context)
{
	const struct death *death = context;
	struct rlimit none = {0, 0};
	setrlimit(RLIMIT_CORE, &none);
	signal(SIGBUS, SIG_DFL);
	signal(SIGSEGV, SIG_DFL);
	death->body(death->context);
}

void dies_of(int signal, void (*body)(void *context), void *context)
{
	struct death death = {body, context};
	reap_died_of(spawn(run_to_death, &death), signal);
}

void store_byte(void *address)
{
	*(volatile char *)address = 'b';
}

void load_byte(void *address)
{
	(void)*(volatile const char *)address;
}

/* ---- two sides --------------------------------------------------------------------------- */

void step_to(struct signals *signals, int step)
{
	atomic_store(&signals->step, step);
}

void await_step(struct signals *signals, int step)
{
	WAIT_FOR(atomic_load(&signals->step) == step);
}

void stay(struct signals *signals)
{
	step_to(signals, 1);
	for (;;)
		pause();
}

/* ---- files and maps ---------------------------------------------------------------------- */

int new_file(const char *name, size_t bytes)
{
	static char block[PAGE];
	memset(block, 'a', sizeof(block));
	int fd = open(name, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
	CHECKF(fd >= 0, "%s: %s", name, strerror(errno));
	while (bytes > 0) {
		size_t now = bytes < sizeof(block) ? bytes : sizeof(block);
		CHECK(write(fd, block, now) == (ssize_t)now);
		bytes -= now;
	}
	return fd;
}

uint64_t size_of(int fd)
{
	struct stat st;
	CHECK(fstat(fd, &st) == 0);
	return (uint64_t)st.st_size;
}

char *map_shared(int fd, size_t bytes)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECKF(p != MAP_FAILED, "%s", strerror(errno));
	return p;
}

void unmap(void *address, size_t bytes)
{
	CHECK(munmap(address, bytes) == 0);
}

char *reserve_pages(size_t pages)
{
	char *p = mmap(NULL, pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECKF(p != MAP_FAILED, "%s", strerror(errno));
	return p;
}

/* In a user namespace of one's own one has all privileges, whoever one is. */
static void drop_privileges(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};
	CHECK(syscall(SYS_capset, &header, none) == 0);
}

void become_nobody(void)
{
	if (geteuid() != 0)
		drop_privileges();
	else if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
		skip("can't become another user: %s", strerror(errno));
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* which a change of user takes away */
}
