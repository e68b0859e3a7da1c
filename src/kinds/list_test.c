/* SPDX-License-Identifier: Apache-2.0 */
/* What is seen of objects from outside: lists, health, pictures, removal. */
#include "base/checksum.h"
#include "kinds/kinds.h"
#include "topic/topic.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <shoal/shoal.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static const struct shoal_topic_options small = {
    .size = sizeof(small), .lanes = 2, .subscribers = 2, .slots = 8, .payload_bytes = 4096};

/* The names that a prefix gives, with commas between. */
static const char *names(const char *prefix)
{
	static char text[1000];
	struct shoal_object *objects;
	size_t count;
	assert_int_equal(shoal_list(prefix, &objects, &count), 0);
	text[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(text);
		snprintf(text + length, sizeof(text) - length, "%s%s", i ? "," : "",
			 objects[i].name);
	}
	shoal_list_free(objects);
	return text;
}

static struct shoal_object one(const char *name)
{
	struct shoal_object *objects, object;
	size_t count;
	assert_int_equal(shoal_list(name, &objects, &count), 0);
	assert_int_equal(count, 1);
	object = objects[0];
	assert_string_equal(object.name, name);
	shoal_list_free(objects);
	return object;
}

static void write_file(const char *file, const char *text)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/%s", getenv("SHOAL_DIR"), file);
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void remove_file(const char *file)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/%s", getenv("SHOAL_DIR"), file);
	assert_int_equal(unlink(path), 0);
}

static void test_prefixes(void **state)
{
	(void)state;
	static const char *const all[] = {"a", "ab", "a/x", "a/y", "ab/x", "b"};
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(shoal_topic_create(all[i], 0, &small), 0);
	write_file("other", "not ours");
	write_file("shoal:bad name", "nor this");
	assert_string_equal(names(NULL), "a,a/x,a/y,ab,ab/x,b");
	assert_string_equal(names(""), "a,a/x,a/y,ab,ab/x,b");
	assert_string_equal(names("a"), "a,a/x,a/y");
	assert_string_equal(names("a/"), "a/x,a/y");
	assert_string_equal(names("a/x"), "a/x");
	assert_string_equal(names("posix:a/x"), "a/x");
	assert_string_equal(names("b"), "b");
	assert_string_equal(names("c"), "");
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(shoal_remove(all[i], 0), 0);
	assert_string_equal(names(NULL), "");
	remove_file("other");
	remove_file("shoal:bad name");
}

static void test_a_prefix_that_no_name_can_have(void **state)
{
	(void)state;
	static const char *const wrong[] = {"a/b/c", "../x", ".", "/", "a b", "\033[2J", "g//"};
	struct shoal_object *objects;
	size_t count;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (shoal_list(wrong[i], &objects, &count) != -EINVAL)
			fail_msg("'%s' is taken for a prefix", wrong[i]);
}

static void test_health(void **state)
{
	(void)state;
	shoal_pub *pub;
	assert_int_equal(shoal_topic_create("kept", 0, &small), 0);
	struct shoal_object object = one("kept");
	assert_int_equal(object.health, SHOAL_IDLE);
	assert_true(object.kept);
	assert_string_equal(object.kind, "topic");
	assert_int_equal(object.seats_taken, 0);
	assert_int_equal(object.owner_uid, geteuid());
	assert_int_equal(object.mode, 0600);
	assert_true(object.bytes_used > 0 && object.bytes_used <= object.bytes);
	assert_true(object.created_ns > 0);
	assert_int_equal(shoal_pub_open(&pub, "kept", 0, NULL), 0);
	object = one("kept");
	assert_int_equal(object.health, SHOAL_ALIVE);
	assert_int_equal(object.seats_taken, 1);
	assert_int_equal(object.seats_alive, 1);
	assert_int_equal(object.seats_max, 2 + 2 + TOPIC_SPARE_SEATS - 1);
	assert_int_equal(shoal_remove("kept", 0), -EBUSY);
	shoal_pub_close(pub);
	assert_int_equal(shoal_remove("kept", 0), 0);
}

/* A process with a publisher, waiting to be killed. */
static pid_t publisher(const char *name)
{
	int pipes[2];
	char ready;
	assert_int_equal(pipe(pipes), 0);
	pid_t pid = fork();
	if (pid == 0) {
		shoal_pub *pub;
		if (shoal_pub_open(&pub, name, SHOAL_CREATE, &small) == 1 &&
		    shoal_pub_publish(pub, "x", 1, 0) == 0 && write(pipes[1], "r", 1) == 1)
			pause();
		_exit(0);
	}
	assert_int_equal(read(pipes[0], &ready, 1), 1);
	close(pipes[0]);
	close(pipes[1]);
	return pid;
}

static enum shoal_health seat_health(const char *name, pid_t pid)
{
	struct shoal_topic_stat *stat;
	assert_int_equal(shoal_topic_stat(name, 0, &stat), 0);
	assert_int_equal(stat->seat_count, 1);
	assert_int_equal(stat->seats[0].pid, pid);
	assert_string_equal(stat->seats[0].role, "publisher");
	assert_int_equal(stat->seats[0].position, 1);
	enum shoal_health health = stat->seats[0].health;
	shoal_topic_stat_free(stat);
	return health;
}

static void test_alive_stopped_and_killed(void **state)
{
	(void)state;
	int status;
	shoal_sub *sub;
	pid_t pid = publisher("killed");
	assert_int_equal(seat_health("killed", pid), SHOAL_ALIVE);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_int_equal(seat_health("killed", pid), SHOAL_STOPPED);
	assert_int_equal(one("killed").health, SHOAL_ALIVE);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(seat_health("killed", pid), SHOAL_DEAD);
	assert_int_equal(one("killed").health, SHOAL_LEFTOVER);
	assert_int_equal(one("killed").seats_taken, 1);
	assert_int_equal(one("killed").seats_alive, 0);
	assert_int_equal(shoal_topic_audit("killed", 0), 0);
	/* To whoever opens it, it is gone; and by that it goes. */
	assert_int_equal(shoal_sub_open(&sub, "killed", 0, NULL), -ENOENT);
	assert_string_equal(names(NULL), "");
}

static shoal_pub *leaver;

static int leave_then_ask(int fd, uint64_t offset)
{
	os = &os_linux;
	shoal_pub_close(leaver);
	return os->lock_held(fd, offset);
}

/* The picture has its seat still, and the kernel says that nobody holds it. */
static void test_who_leaves_while_others_look_does_not_look_dead(void **state)
{
	(void)state;
	struct os_calls calls = os_linux;
	struct shoal_topic_stat *stat;
	calls.lock_held = leave_then_ask;
	assert_int_equal(shoal_topic_create("left", 0, &small), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(shoal_pub_open(&leaver, "left", 0, NULL), 0);
		os = &calls;
		if (i == 0) {
			struct shoal_object object = one("left");
			assert_int_equal(object.seats_taken, 0);
			assert_int_equal(object.health, SHOAL_IDLE);
		} else {
			assert_int_equal(shoal_topic_stat("left", 0, &stat), 0);
			assert_int_equal(stat->seat_count, 0);
			shoal_topic_stat_free(stat);
		}
		assert_ptr_equal(os, &os_linux);
	}
	assert_int_equal(shoal_remove("left", 0), 0);
}

static void test_damage_is_listed_and_removed_by_force_only(void **state)
{
	(void)state;
	write_file("shoal:damaged", "this was never an object, but it lies where objects lie");
	struct shoal_object object = one("damaged");
	assert_int_equal(object.health, SHOAL_DAMAGED);
	assert_non_null(strstr(object.problem, "magic"));
	assert_string_equal(object.kind, "");
	assert_int_equal(shoal_remove("damaged", 0), -EBADMSG);
	assert_int_equal(shoal_remove("damaged", SHOAL_FORCE), 0);
	write_file("shoal:empty", "");
	assert_int_equal(one("empty").health, SHOAL_DAMAGED);
	assert_int_equal(shoal_remove("empty", SHOAL_FORCE), 0);
	assert_string_equal(names(NULL), "");
}

static int next_descriptor(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(fd);
	return fd;
}

static void test_what_is_damaged_is_closed_again(void **state)
{
	(void)state;
	write_file("shoal:damaged", "this was never an object, but it lies where objects lie");
	write_file("shoal:empty", "");
	int before = next_descriptor();
	assert_int_equal(one("damaged").health, SHOAL_DAMAGED);
	assert_int_equal(one("empty").health, SHOAL_DAMAGED);
	assert_int_equal(next_descriptor(), before);
	remove_file("shoal:damaged");
	remove_file("shoal:empty");
}

static void test_a_file_that_was_never_an_object_is_never_removed(void **state)
{
	(void)state;
	char name[600];
	write_file("letter", "dear reader");
	snprintf(name, sizeof(name), "file:%s/letter", getenv("SHOAL_DIR"));
	assert_int_equal(shoal_remove(name, 0), -EBADMSG);
	assert_int_equal(shoal_remove(name, SHOAL_FORCE), -EBADMSG);
	remove_file("letter");
}

/* A header may claim that its file grows to any size: that is no reason to take so much memory. */
static void test_a_topic_that_says_it_grows_is_damaged(void **state)
{
	(void)state;
	char path[512];
	struct segment_fixed fixed;
	struct shoal_topic_stat *stat;
	assert_int_equal(shoal_topic_create("grown", 0, &small), 0);
	snprintf(path, sizeof(path), "%s/shoal:grown", getenv("SHOAL_DIR"));
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, &fixed, sizeof(fixed), 0), sizeof(fixed));
	fixed.incompatible = SEGMENT_GROWS;
	fixed.total_bytes = (uint64_t)1 << 42;
	fixed.checksum = checksum(&fixed, offsetof(struct segment_fixed, checksum));
	assert_int_equal(pwrite(fd, &fixed, sizeof(fixed), 0), sizeof(fixed));
	close(fd);
	assert_int_equal(shoal_topic_audit("grown", 0), -EBADMSG);
	assert_non_null(strstr(shoal_error_detail(), "grows"));
	assert_int_equal(shoal_topic_stat("grown", 0, &stat), -EBADMSG);
	assert_int_equal(shoal_remove("grown", SHOAL_FORCE), 0);
}

/* Between a list of leftovers and their removal another may have got the name, and be kept. */
static void test_only_a_leftover_is_removed_as_one(void **state)
{
	(void)state;
	assert_int_equal(shoal_topic_create("kept", 0, &small), 0);
	assert_int_equal(shoal_remove("kept", SHOAL_IF_LEFTOVER), -EBUSY);
	assert_non_null(strstr(shoal_error_detail(), "'kept'"));
	assert_int_equal(one("kept").health, SHOAL_IDLE);
	assert_int_equal(shoal_remove("kept", SHOAL_IF_LEFTOVER | SHOAL_FORCE), -EINVAL);
	assert_int_equal(shoal_remove("kept", 0), 0);

	pid_t pid = publisher("left");
	assert_int_equal(shoal_remove("left", SHOAL_IF_LEFTOVER), -EBUSY);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(one("left").health, SHOAL_LEFTOVER);
	assert_int_equal(shoal_remove("left", SHOAL_IF_LEFTOVER), 0);
	assert_int_equal(shoal_remove("left", SHOAL_IF_LEFTOVER), -ENOENT);
}

static void test_flags_without_meaning(void **state)
{
	(void)state;
	struct shoal_topic_stat *stat;
	assert_int_equal(shoal_remove("x", SHOAL_CREATE), -EINVAL);
	assert_int_equal(shoal_topic_create("x", SHOAL_LOSSY, NULL), -EINVAL);
	assert_int_equal(shoal_topic_stat("x", SHOAL_FORCE, &stat), -EINVAL);
	assert_null(stat);
	assert_int_equal(shoal_topic_stat("x", 0, &stat), -ENOENT);
	assert_int_equal(shoal_topic_audit("x", 0), -ENOENT);
	assert_int_equal(shoal_remove("x", 0), -ENOENT);
}

static void test_waiting_for_a_name(void **state)
{
	(void)state;
	assert_int_equal(shoal_wait_exists("later", 0), -EAGAIN);
	assert_int_equal(shoal_wait_exists("later", 1000000), -ETIMEDOUT);
	assert_int_equal(shoal_wait_exists("../later", 0), -EINVAL);
	pid_t pid = fork();
	if (pid == 0)
		_exit(shoal_topic_create("later", 0, &small) != 0);
	assert_int_equal(shoal_wait_exists("later", (int64_t)10 * 1000000000), 0);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(shoal_remove("later", 0), 0);
}

/* Processor time of a picture, the least of some, and how many it says hold up publishers. */
static int64_t picture_ns(const char *name, uint32_t *ret_holding)
{
	int64_t least = INT64_MAX;
	for (int i = 0; i < 5; i++) {
		struct timespec before, after;
		struct shoal_topic_stat *stat;
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
		assert_int_equal(shoal_topic_stat(name, 0, &stat), 0);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
		int64_t ns = (after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec -
			     before.tv_nsec;
		least = ns < least ? ns : least;
		*ret_holding = 0;
		for (uint32_t k = 0; k < stat->seat_count; k++)
			*ret_holding += stat->seats[k].holds_up == 1;
		shoal_topic_stat_free(stat);
	}
	return least;
}

static int all_alive(int fd, uint64_t offset)
{
	(void)fd;
	(void)offset;
	return 1;
}

static uint64_t one_namespace(void)
{
	return 1;
}

static int no_process(uint32_t pid, struct os_process *process)
{
	(void)pid;
	process->exists = false;
	return 0;
}

/* Whoever is the slowest holds up the others: a comparison with all, which must not be made anew
 * for each. What the kernel is asked about each seat would hide the difference. */
static void test_a_picture_of_many_that_lag_costs_no_more(void **state)
{
	(void)state;
	enum { LANES = 128, SUBSCRIBERS = 192, SLOTS = 8 };
	const struct shoal_topic_options options = {.size = sizeof(options),
						    .lanes = LANES,
						    .subscribers = SUBSCRIBERS,
						    .slots = SLOTS,
						    .payload_bytes = 4096};
	static shoal_pub *pubs[LANES];
	static shoal_sub *subs[SUBSCRIBERS];
	struct os_calls calls = os_linux;
	uint32_t holding;
	for (int i = 0; i < LANES; i++)
		assert_true(shoal_pub_open(&pubs[i], "many", SHOAL_CREATE, &options) >= 0);
	for (int i = 0; i < SUBSCRIBERS; i++)
		assert_int_equal(shoal_sub_open(&subs[i], "many", 0, NULL), 0);
	calls.lock_held = all_alive;
	calls.process = no_process;
	calls.pid_namespace = one_namespace;
	os = &calls;
	int64_t quiet_ns = picture_ns("many", &holding);
	assert_int_equal(holding, 0);
	for (int i = 0; i < LANES; i++)
		for (int k = 0; k < SLOTS; k++)
			assert_int_equal(shoal_pub_publish(pubs[i], "x", 1, 0), 0);
	int64_t lagging_ns = picture_ns("many", &holding);
	os = &os_linux;
	assert_int_equal(holding, SUBSCRIBERS);
	assert_true(lagging_ns < 4 * quiet_ns);
	for (int i = 0; i < LANES; i++)
		shoal_pub_close(pubs[i]);
	for (int i = 0; i < SUBSCRIBERS; i++)
		shoal_sub_close(subs[i]);
}

static void test_every_health_has_a_name(void **state)
{
	(void)state;
	assert_string_equal(shoal_health_name(SHOAL_ALIVE), "alive");
	for (int i = SHOAL_ALIVE; i <= (int)SHOAL_DAMAGED; i++)
		assert_string_not_equal(shoal_health_name((enum shoal_health)i), "unknown");
	assert_string_equal(shoal_health_name((enum shoal_health)99), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_prefixes),
	    cmocka_unit_test(test_a_prefix_that_no_name_can_have),
	    cmocka_unit_test(test_health),
	    cmocka_unit_test(test_alive_stopped_and_killed),
	    cmocka_unit_test(test_who_leaves_while_others_look_does_not_look_dead),
	    cmocka_unit_test(test_damage_is_listed_and_removed_by_force_only),
	    cmocka_unit_test(test_what_is_damaged_is_closed_again),
	    cmocka_unit_test(test_a_file_that_was_never_an_object_is_never_removed),
	    cmocka_unit_test(test_a_topic_that_says_it_grows_is_damaged),
	    cmocka_unit_test(test_only_a_leftover_is_removed_as_one),
	    cmocka_unit_test(test_flags_without_meaning),
	    cmocka_unit_test(test_waiting_for_a_name),
	    cmocka_unit_test(test_a_picture_of_many_that_lag_costs_no_more),
	    cmocka_unit_test(test_every_health_has_a_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
