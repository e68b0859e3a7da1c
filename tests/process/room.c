/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Little room: a tmpfs of 1 MiB, one of 2 MiB, and an overlay, mounted in a namespace of the test's
 * own. A full file system is an error with a sentence, never a SIGBUS, and costs nobody who is
 * already in.
 */
#include "support.h"

#include "leak_check.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define NAME "room"

/* ---- places ------------------------------------------------------------------------------ */

struct place {
	const char *size;
	void (*run)(void);
};

static void enter_mounts(void)
{
	CHECKF(unshare(CLONE_NEWNS) == 0, "%s", strerror(errno));
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
}

static void run_in_tmpfs(void *context)
{
	const struct place *place = context;
	char folder[400], path[512], size[64];
	enter_mounts();
	CHECK(getcwd(folder, sizeof(folder)));
	snprintf(path, sizeof(path), "%s/tmpfs", folder);
	CHECK(mkdir(path, 0700) == 0 || errno == EEXIST);
	snprintf(size, sizeof(size), "size=%s", place->size);
	CHECKF(mount("tmpfs", path, "tmpfs", 0, size) == 0, "%s", strerror(errno));
	CHECK(setenv("SHOAL_DIR", path, 1) == 0);
	struct holdings before = holdings_now();
	place->run();
	holdings_check(&before, place->size);
	children_check(place->size);
	CHECKF(directory_is_empty(), "something is left");
}

/* In a child, so that the mount goes with it, and a SIGBUS would be seen. */
static void run_in(const char *size, void (*run)(void))
{
	struct place place = {size, run};
	reap_ok(spawn(run_in_tmpfs, &place));
}

/* Takes all that is left; the file's name has no meaning to the library. */
static void fill_up(void)
{
	char path[512];
	static char block[4096];
	snprintf(path, sizeof(path), "%s/filler", objects_directory());
	int fd = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
	CHECKF(errno == ENOSPC, "%s", strerror(errno));
	close(fd);
}

static void free_up(void)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/filler", objects_directory());
	CHECK(unlink(path) == 0);
}

/* The sentence names what is full, how much it has, and a remedy. */
static void check_sentence(void)
{
	const char *detail = shoal_error_detail();
	CHECKF(strstr(detail, objects_directory()) && strstr(detail, "free") &&
		   strstr(detail, "MiB") && strstr(detail, "size="),
	       "the sentence: %s", detail);
}

static void expect_no_room(const struct shoal_topic_options *o, unsigned flags)
{
	shoal_pub *pub;
	struct holdings before = holdings_now();
	CHECK_R(-ENOSPC, shoal_pub_open(&pub, NAME, flags, o));
	check_sentence();
	CHECK(!pub);
	holdings_check(&before, "no room");
}

/* Goes round the lane several times, through every slot and all of the payload area. */
static void use_everything(shoal_pub *pub, shoal_sub *sub, enum sizes sizes, int count)
{
	struct shoal_view view;
	uint64_t sequence = shoal_pub_sequence(pub);
	for (int i = 0; i < count; i++, sequence++) {
		CHECK_R(0, message_publish(pub, sizes, sequence, BOUND));
		CHECK_R(0, shoal_sub_borrow(sub, BOUND, &view));
		CHECK(view.sequence == sequence);
		message_check(sizes, &view);
		CHECK_R(0, shoal_sub_release(sub, &view));
	}
}

/* ---- tests ------------------------------------------------------------------------------- */

static void fixed_part_too_large(void)
{
	struct shoal_topic_options o = options();
	shoal_sub *sub;
	o.lanes = 1024;
	o.subscribers = 4096;
	expect_no_room(&o, SHOAL_CREATE);
	CHECK(directory_is_empty());
	CHECK_R(-ENOSPC, shoal_sub_open(&sub, NAME, SHOAL_CREATE, &o));
	CHECK_R(-ENOSPC, shoal_topic_create(NAME, 0, &o));
	check_sentence();
	CHECK(directory_is_empty());
	fill_up();
	o = options();
	expect_no_room(&o, SHOAL_CREATE);
	free_up();
	CHECK_R(1, shoal_sub_open(&sub, NAME, SHOAL_CREATE, &o));
	shoal_sub_close(sub);
}

static void a_topic_that_does_not_fit_is_refused(void)
{
	run_in("1m", fixed_part_too_large);
	run_in("2m", fixed_part_too_large);
}

/* Memory is left, but no inode: the sentence says which limit it is. */
static void no_inode_left(void)
{
	struct shoal_topic_options o = options();
	shoal_sub *first, *second;
	CHECK_R(1, shoal_sub_open(&first, NAME, SHOAL_CREATE, &o));
	CHECK_R(-ENOSPC, shoal_sub_open(&second, "another", SHOAL_CREATE, &o));
	CHECKF(strstr(shoal_error_detail(), "nr_inodes"), "%s", shoal_error_detail());
	CHECKF(strstr(shoal_error_detail(), "'another'"), "%s", shoal_error_detail());
	shoal_sub_close(first);
	CHECK_R(1, shoal_sub_open(&second, "another", SHOAL_CREATE, &o));
	shoal_sub_close(second);
}

static void without_an_inode_left_the_limit_is_named(void)
{
	run_in("8m,nr_inodes=2", no_inode_left);
}

/* The default lane has 3 MiB: subscribers fit in, a publisher does not. */
static void lane_too_large(void)
{
	struct shoal_topic_options o = options();
	shoal_sub *sub, *other;
	struct shoal_topic_stat *stat;
	char c;
	expect_no_room(&o, SHOAL_CREATE);
	CHECKF(directory_is_empty(), "the topic of a publisher that found no room is left");
	CHECK_R(1, shoal_sub_open(&sub, NAME, SHOAL_CREATE, &o));
	for (int i = 0; i < 20; i++) { /* more often than there are lanes */
		expect_no_room(&o, 0);
		CHECK_R(-EAGAIN, shoal_sub_receive(sub, &c, 1, 0, NULL));
	}
	CHECK_R(0, shoal_sub_open(&other, NAME, 0, NULL));
	CHECK_R(-ETIMEDOUT, shoal_sub_receive(other, &c, 1, SECONDS / 100, NULL));
	CHECK_R(0, shoal_topic_stat(NAME, 0, &stat));
	CHECKF(stat->publishers == 0 && stat->subscribers == 2 && stat->seat_count == 2,
	       "%u publishers, %u subscribers, %u seats", stat->publishers, stat->subscribers,
	       stat->seat_count);
	shoal_topic_stat_free(stat);
	CHECK_R(0, shoal_topic_audit(NAME, 0));
	shoal_sub_close(other);
	shoal_sub_close(sub);
}

static void a_lane_that_does_not_fit_is_refused_and_subscribers_go_on(void)
{
	run_in("1m", lane_too_large);
	run_in("2m", lane_too_large);
}

/* Lanes of 640 KiB: one fits into 1 MiB, two don't, until there is more room. */
static void second_lane(void)
{
	struct shoal_topic_options o = options();
	shoal_pub *pub, *second;
	shoal_sub *sub, *late;
	o.slots = 2048;
	o.payload_bytes = 512u << 10;
	CHECK_R(1, shoal_pub_open(&pub, NAME, SHOAL_CREATE, &o));
	CHECK_R(0, shoal_sub_open(&sub, NAME, 0, NULL));
	fill_up();
	for (int i = 0; i < 10; i++)
		expect_no_room(NULL, 0);
	use_everything(pub, sub, MIXED, 5000);
	use_everything(pub, sub, SMALL, 5000);
	shoal_sub_close(sub);
	CHECK_R(0, shoal_sub_open(&late, NAME, 0, NULL)); /* needs no room */
	use_everything(pub, late, LARGE, 500);
	shoal_sub_close(late);
	free_up();
	if (shoal_pub_open(&second, NAME, 0, NULL) == 0) { /* of 2 MiB there is enough now */
		CHECK_R(0, shoal_sub_open(&sub, NAME, 0, NULL));
		use_everything(second, sub, MIXED, 2000);
		use_everything(pub, sub, MIXED, 2000);
		shoal_sub_close(sub);
		shoal_pub_close(second);
	} else {
		check_sentence();
	}
	shoal_pub_close(pub);
}

static void in_a_full_file_system_who_is_in_goes_on(void)
{
	run_in("1m", second_lane);
	run_in("2m", second_lane);
}

/* The lane that did not fit does once there is room: the same topic, the same subscriber. */
static void room_comes(void)
{
	struct shoal_topic_options o = options();
	shoal_pub *pub;
	shoal_sub *sub;
	o.slots = 1024;
	o.payload_bytes = 512u << 10;
	CHECK_R(1, shoal_sub_open(&sub, NAME, SHOAL_CREATE, &o));
	fill_up();
	for (int i = 0; i < 20; i++)
		expect_no_room(NULL, 0);
	free_up();
	for (int i = 0; i < 20; i++) {
		CHECK_R(0, shoal_pub_open(&pub, NAME, 0, NULL));
		use_everything(pub, sub, MIXED, 200);
		shoal_pub_close(pub);
	}
	CHECK_R(0, shoal_topic_audit(NAME, 0));
	shoal_sub_close(sub);
}

static void once_there_is_room_the_topic_works(void)
{
	run_in("1m", room_comes);
	run_in("2m", room_comes);
}

/* ---- overlay ----------------------------------------------------------------------------- */

static void hold_seat(void *context)
{
	shoal_sub *sub;
	CHECK_R(0, shoal_sub_open(&sub, context, 0, NULL));
	for (;;)
		pause();
}

static uint32_t seats_alive(const char *name)
{
	struct shoal_topic_stat *stat;
	CHECK_R(0, shoal_topic_stat(name, 0, &stat));
	uint32_t alive = stat->object.seats_alive;
	shoal_topic_stat_free(stat);
	return alive;
}

static void check_liveness(const char *name)
{
	shoal_pub *pub;
	CHECK_R(0, shoal_pub_open(&pub, name, 0, NULL));
	CHECK(seats_alive(name) == 1);
	pid_t pid = spawn(hold_seat, (void *)(uintptr_t)name);
	WAIT_FOR(seats_alive(name) == 2);
	while (shoal_pub_publish(pub, "x", 1, 0) == 0)
		;
	CHECK_R(-ETIMEDOUT, shoal_pub_publish(pub, "x", 1, SECONDS / 50));
	CHECKF(seats_alive(name) == 2, "a live seat was taken for dead");
	reap_killed(pid);
	CHECKF(seats_alive(name) == 1, "a dead seat is taken for alive");
	CHECK_R(0, shoal_pub_publish(pub, "x", 1, BOUND));
	shoal_pub_close(pub);
	CHECKF(seats_alive(name) == 0, "a seat that was left is taken for alive");
	CHECK_R(0, shoal_remove(name, 0));
}

static void run_in_overlay(void *context)
{
	static const char *const folders[] = {"ovl", "ovl/lower", "ovl/upper", "ovl/work",
					      "ovl/merged"};
	char base[400], data[1400], name[600];
	(void)context;
	enter_mounts();
	CHECK(getcwd(base, sizeof(base)));
	CHECK(mkdir(folders[0], 0700) == 0 || errno == EEXIST);
	/* The layers on a tmpfs: the test's own folder may be on an overlay already. */
	CHECKF(mount("tmpfs", folders[0], "tmpfs", 0, "size=64m") == 0, "%s", strerror(errno));
	for (int i = 1; i < 5; i++)
		CHECK(mkdir(folders[i], 0700) == 0);
	snprintf(data, sizeof(data), "lowerdir=%s/ovl/lower,upperdir=%s/ovl/upper,workdir=%s/%s",
		 base, base, base, folders[3]);
	if (mount("overlay", folders[4], "overlay", 0, data) < 0) {
		printf("  no overlay here (%s): left out\n", strerror(errno));
		return;
	}
	snprintf(name, sizeof(name), "file:%s/ovl/merged/topic", base);
	struct holdings before = holdings_now();
	struct shoal_topic_options o = options();
	o.slots = 16;
	int r = shoal_topic_create(name, 0, &o);
	printf("  file: on an overlay: %d, %s\n", r, r < 0 ? shoal_error_detail() : "works");
	if (r == 0)
		check_liveness(name);
	else
		CHECKF(strlen(shoal_error_detail()) > 20, "refused, but not clearly: %s",
		       shoal_error_detail());
	holdings_check(&before, "overlay");
}

static void on_an_overlay_liveness_is_right_or_it_is_refused(void)
{
	reap_ok(spawn(run_in_overlay, NULL));
}

#define CASE(name)                                                                                 \
	{                                                                                          \
#name, name                                                                        \
	}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
	    CASE(a_topic_that_does_not_fit_is_refused),
	    CASE(without_an_inode_left_the_limit_is_named),
	    CASE(a_lane_that_does_not_fit_is_refused_and_subscribers_go_on),
	    CASE(in_a_full_file_system_who_is_in_goes_on),
	    CASE(once_there_is_room_the_topic_works),
	    CASE(on_an_overlay_liveness_is_right_or_it_is_refused),
	};
	if (geteuid() != 0) {
		printf("mounting a file system needs root: skipped\n");
		return 77;
	}
	return RUN_TESTS(argc, argv, tests);
}
