/* SPDX-License-Identifier: Apache-2.0 */
/* Whose memory it is: what a memory cgroup is charged for. */
#include "trap.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define SHM   "/trap"
#define NAME  "trap"
#define BYTES ((size_t)8 << 20)

/* ---- two cgroups ------------------------------------------------------------------------- */

struct groups {
	struct signals signals;
	char path[2][128]; /* of the maker, of the one who touches first */
	uint64_t charged[2];
};

static const char *usage_name;

static bool try_groups(struct groups *groups, const char *parent, const char *usage)
{
	char path[256];
	for (int i = 0; i < 2; i++) {
		snprintf(groups->path[i], sizeof(groups->path[i]), "%s/shoal-traps-%d-%d", parent,
			 (int)getpid(), i);
		snprintf(path, sizeof(path), "%s/%s", groups->path[i], usage);
		if (mkdir(groups->path[i], 0700) == 0 && access(path, R_OK) == 0)
			continue;
		for (int k = 0; k <= i; k++)
			rmdir(groups->path[k]);
		return false;
	}
	usage_name = usage;
	return true;
}

static void enter_group(const struct groups *groups, int which)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/cgroup.procs", groups->path[which]);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	CHECKF(fd >= 0 && write(fd, "0", 1) == 1, "%s: %s", path, strerror(errno));
	close(fd);
}

static uint64_t usage_of(const struct groups *groups, int which)
{
	char path[256], text[32] = "";
	snprintf(path, sizeof(path), "%s/%s", groups->path[which], usage_name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECKF(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0, "%s: %s", path, strerror(errno));
	close(fd);
	return strtoull(text, NULL, 10);
}

/* One makes it and stays, then another uses it and stays; then we look. In a child, because the
 * groups have to go whatever comes of it. */
struct pair {
	struct groups *groups;
	void (*make)(struct signals *signals);
	void (*use)(struct signals *signals);
};

static void maker(void *context)
{
	const struct pair *pair = context;
	enter_group(pair->groups, 0);
	pair->make(&pair->groups->signals);
}

static void user(void *context)
{
	const struct pair *pair = context;
	enter_group(pair->groups, 1);
	pair->use(&pair->groups->signals);
}

static void run_pair(void *context)
{
	const struct pair *pair = context;
	struct groups *groups = pair->groups;
	pid_t pids[2];
	for (int i = 0; i < 2; i++) {
		step_to(&groups->signals, 0);
		pids[i] = spawn(i ? user : maker, context);
		await_step(&groups->signals, 1);
	}
	for (int i = 0; i < 2; i++)
		groups->charged[i] = usage_of(groups, i);
	for (int i = 0; i < 2; i++)
		reap_killed(pids[i]);
}

static void charge(uint64_t charged[2], void (*make)(struct signals *),
		   void (*use)(struct signals *))
{
	struct groups *groups = shared_memory(sizeof(*groups));
	struct pair pair = {groups, make, use};
	if (!try_groups(groups, "/sys/fs/cgroup/memory", "memory.usage_in_bytes") &&
	    !try_groups(groups, "/sys/fs/cgroup", "memory.current"))
		skip("no memory cgroup can be made here");
	int status = reap_status(spawn(run_pair, &pair));
	for (int i = 0; i < 2; i++)
		WAIT_FOR(rmdir(groups->path[i]) == 0 || errno != EBUSY);
	CHECKF(status == 0, "status 0x%x", (unsigned)status);
	memcpy(charged, groups->charged, sizeof(groups->charged));
	printf("  charged: %llu KiB to the maker, %llu KiB to the other\n",
	       (unsigned long long)charged[0] / 1024, (unsigned long long)charged[1] / 1024);
	shared_free(groups, sizeof(*groups));
}

/* ---- who pays ---------------------------------------------------------------------------- */

static void make_file(struct signals *signals)
{
	int fd = shm_open(SHM, O_CREAT | O_EXCL | O_RDWR, 0600);
	CHECK(fd >= 0 && ftruncate(fd, (off_t)BYTES) == 0);
	map_shared(fd, BYTES);
	stay(signals);
}

static void touch_file(struct signals *signals)
{
	int fd = shm_open(SHM, O_RDWR, 0);
	CHECK(fd >= 0);
	volatile char *p = map_shared(fd, BYTES);
	for (size_t i = 0; i < BYTES; i += PAGE)
		p[i] = 'b';
	stay(signals);
}

static void charged_to_who_touches_first_bare(void)
{
	uint64_t charged[2];
	charge(charged, make_file, touch_file);
	CHECKF(charged[0] < BYTES / 2 && charged[1] >= BYTES, "the maker pays");
}

/* The lane is the publisher's: it has the memory before it has a handle. */
static void make_topic(struct signals *signals)
{
	struct shoal_topic_options o = options();
	shoal_pub *pub;
	o.slots = 16;
	o.payload_bytes = BYTES;
	CHECK_R(1, shoal_pub_open(&pub, NAME, SHOAL_CREATE | SHOAL_HOLD, &o));
	for (int i = 0; i < 4; i++) {
		struct shoal_loan loan;
		CHECK_R(0, shoal_pub_claim(pub, BYTES / 8, BOUND, &loan));
		memset(loan.data, 'b', loan.bytes);
		CHECK_R(0, shoal_pub_commit(pub, &loan));
	}
	stay(signals);
}

static void read_topic(struct signals *signals)
{
	struct shoal_view view;
	shoal_sub *sub;
	unsigned sum = 0;
	CHECK_R(0, shoal_sub_open(&sub, NAME, SHOAL_FROM_OLDEST, NULL));
	for (int i = 0; i < 4; i++) {
		CHECK_R(0, shoal_sub_borrow(sub, BOUND, &view));
		for (size_t k = 0; k < view.bytes; k += PAGE)
			sum += ((const unsigned char *)view.data)[k];
		CHECK_R(0, shoal_sub_release(sub, &view));
	}
	CHECK(sum == 'b' * 4 * BYTES / 8 / PAGE);
	stay(signals);
}

static void charged_to_who_touches_first_shoal(void)
{
	uint64_t charged[2];
	charge(charged, make_topic, read_topic);
	CHECKF(charged[0] >= BYTES && charged[1] < BYTES / 2, "the other one pays");
	CHECK_R(0, shoal_remove(NAME, 0)); /* both were killed */
}

int main(int argc, char **argv)
{
	static const struct trap traps[] = {
	    TRAP(charged_to_who_touches_first),
	};
	return RUN_TRAPS(argc, argv, traps);
}
