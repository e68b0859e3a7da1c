/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's limits on System V segments, and who may use one: each error, with the name of the
 * limit and where to change it. By itself: it needs root, or else is skipped. */
#include "segment/sysv.h"
#include "sysv_support.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/shm.h>

static void set_limit(const char *name, const char *value)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/sys/kernel/%s", name);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	CHECKF(fd >= 0 && write(fd, value, strlen(value)) > 0, "%s: %s", path, strerror(errno));
	close(fd);
}

/* Each in a namespace of its own, which takes the limit along. */
struct limited {
	const char *limit, *value;
	int expected;
	const char *reason, *remedy;
};

static void meets_limit(void *context)
{
	const struct limited *limited = context;
	shoal_pub *pub = NULL;
	CHECK(unshare(CLONE_NEWIPC) == 0);
	set_limit(limited->limit, limited->value);
	int r = open_small(&pub, "sysv:limited", SHOAL_CREATE);
	CHECKF(r == limited->expected, "%s: %d, %s", limited->limit, r, shoal_error_detail());
	CHECKF(strstr(shoal_error_detail(), limited->reason), "%s", shoal_error_detail());
	CHECKF(strstr(shoal_error_detail(), limited->remedy), "%s", shoal_error_detail());
	CHECK(segment_count() == 0);
}

static void limits_are_named(void)
{
	static struct limited all[] = {
	    {"shmmax", "8192", -EINVAL, "kernel.shmmax: 8 KiB", "sysctl -w kernel.shmmax="},
	    {"shmall", "2", -ENOSPC, "kernel.shmall allows 8 KiB", "sysctl -w kernel.shmall="},
	    {"shmmni", "0", -ENOSPC, "kernel.shmmni allows 0", "sysctl -w kernel.shmmni="},
	};
	need_other_users(); /* and may therefore change limits */
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		reap_ok(spawn(meets_limit, &all[i]));
}

/* What a topic can't ask for, straight from the table of sentences. */
static void sentences(void)
{
	sysv_fail_get("n", 1, 0, false, -EINVAL);
	CHECKF(strstr(shoal_error_detail(), "SHMMIN"), "%s", shoal_error_detail());
	sysv_fail_get("n", 1, 4096, false, -EINVAL);
	CHECKF(strstr(shoal_error_detail(), "more than the System V segment of its key"), "%s",
	       shoal_error_detail());
	sysv_fail_get("n", 1, 4096, false, -ENOMEM);
	CHECKF(strstr(shoal_error_detail(), "vm.overcommit_memory"), "%s", shoal_error_detail());
	sysv_fail_get("n", 1, 4096, true, -ENOMEM);
	CHECKF(strstr(shoal_error_detail(), "vm.nr_hugepages"), "%s", shoal_error_detail());
	sysv_fail_get("n", 1, 4096, true, -EPERM);
	CHECKF(strstr(shoal_error_detail(), "vm.hugetlb_shm_group"), "%s", shoal_error_detail());
	CHECK(sysv_fail_call("n", 1, "attach", -EINVAL) == -EIDRM);
	CHECK(sysv_fail_call("n", 1, "attach", -EACCES) == -EACCES);
	CHECK(sysv_fail_call("n", 1, "attach", -ENOMEM) == -ENOMEM);
}

/* ---- other users ------------------------------------------------------------------------- */

#define NOBODY 65534

static void check_refused(const char *name, unsigned flags, int expected)
{
	shoal_pub *pub = NULL;
	int r = open_small(&pub, name, flags);
	shoal_pub_close(pub);
	CHECKF(r == expected, "%s: %d, %s", name, r, shoal_error_detail());
}

static void as_nobody(void *context)
{
	(void)context;
	struct shoal_sysv_stat stat = {.size = sizeof(stat)};
	CHECK(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
	check_refused("sysv:mine", 0, -EACCES);
	check_refused("sysv:mine", SHOAL_CREATE | SHOAL_FOREIGN, -EACCES);
	CHECK_R(-EACCES, shoal_remove("sysv:mine", SHOAL_FORCE | SHOAL_FOREIGN));
	CHECK_R(-EACCES, shoal_sysv_stat("sysv:mine", &stat));
	check_refused("sysv:shared", 0, -EPERM);
	shoal_pub *pub = must_open("sysv:shared", SHOAL_FOREIGN);
	shoal_pub_close(pub);
	CHECK_R(-EPERM, shoal_remove("sysv:shared", SHOAL_FORCE));
	/* What it owns lives and goes as root's does. */
	pub = must_open("sysv:ours", SHOAL_CREATE);
	shoal_pub_close(pub);
}

static void others_get_what_the_mode_says(void)
{
	struct shoal_topic_options o = options();
	need_other_users();
	o.lanes = 2;
	o.mode = 0600;
	CHECK_R(0, shoal_topic_create("sysv:mine", 0, &o));
	o.mode = 0666;
	CHECK_R(0, shoal_topic_create("sysv:shared", 0, &o));
	struct shoal_sysv_stat stat = {.size = sizeof(stat)};
	CHECK_R(0, shoal_sysv_stat("sysv:shared", &stat));
	CHECK(stat.mode == 0666);
	reap_ok(spawn(as_nobody, NULL));
	CHECK(segment_count() == 2);
	CHECK_R(0, shoal_remove("sysv:mine", 0));
	CHECK_R(0, shoal_remove("sysv:shared", 0));
}

/* A lock file of his must not lead root to a segment of somebody else. */
static void plants_lock_file(void *context)
{
	const int *id = context;
	struct sysv_record record = {.magic = SYSV_MAGIC,
				     .layout = SYSV_LAYOUT,
				     .form = SYSV_NAME,
				     .key = sysv_key("bait", 4),
				     .bytes = 4096,
				     .id = *id,
				     .ipc_namespace = os->ipc_namespace(),
				     .text = "bait"};
	char path[SEGMENT_PATH_BYTES];
	CHECK(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
	CHECK(os->boot_id(record.boot_id) == 0);
	for (int stage = SYSV_MADE; stage <= SYSV_MAKING; stage++) {
		CHECK(sysv_path(path, record.key, 0, (enum sysv_stage)stage));
		int fd = os->create_named(path);
		CHECK(fd >= 0 && sysv_record_write(fd, &record) == 0);
		os->close(fd);
	}
}

static void a_planted_lock_file_harms_nobody(void)
{
	need_other_users();
	int id = shmget((key_t)sysv_key("bait", 4), 4096, IPC_CREAT | 0600);
	CHECK(id >= 0);
	reap_ok(spawn(plants_lock_file, &id));
	check_refused("sysv:bait", 0, -EPERM);
	check_refused("sysv:bait", SHOAL_CREATE, -EPERM);
	check_refused("sysv:bait", SHOAL_FOREIGN, -EBADMSG);
	CHECK_R(-EPERM, shoal_remove("sysv:bait", SHOAL_FORCE));
	CHECK(segment_count() == 1);
	CHECK_R(0, shoal_remove("sysv:bait", SHOAL_FORCE | SHOAL_FOREIGN));
	CHECKF(segment_count() == 1, "the victim's segment is gone");
	/* What it left where makers work is only a file, too. */
	check_refused("sysv:bait", SHOAL_CREATE, -EPERM);
	check_refused("sysv:bait", SHOAL_CREATE | SHOAL_FOREIGN, -EEXIST);
	CHECK(segment_count() == 1);
	CHECK(shmctl(id, IPC_RMID, NULL) == 0);
	shoal_pub_close(must_open("sysv:bait", SHOAL_CREATE));
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
	    {"sentences", sentences},
	    {"limits_are_named", limits_are_named},
	    {"others_get_what_the_mode_says", others_get_what_the_mode_says},
	    {"a_planted_lock_file_harms_nobody", a_planted_lock_file_harms_nobody},
	};
	own_ipc_namespace();
	return RUN_TESTS(argc, argv, tests);
}
