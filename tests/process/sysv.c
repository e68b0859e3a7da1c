/* SPDX-License-Identifier: Apache-2.0 */
/* Objects in System V segments: how they are named and found, who may have a key, what ipcrm does
 * to them. Deaths are in sysv_kill.c, limits and strangers in sysv_limits.c. */
#include "segment/sysv.h"
#include "sysv_support.h"
#include "topic/handle.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static bool detail_has(const char *text)
{
	if (strstr(shoal_error_detail(), text))
		return true;
	printf("'%s' is not in: %s\n", text, shoal_error_detail());
	return false;
}

/* An open that must fail, for that reason. */
static void check_open(int expected, const char *name, unsigned flags, const char *reason)
{
	shoal_pub *pub = NULL;
	int r = open_small(&pub, name, flags);
	shoal_pub_close(pub);
	CHECKF(r == expected, "%s: %d and not %d: %s", name, r, expected, shoal_error_detail());
	CHECK(detail_has(reason));
}

static void one_message(shoal_pub *pub, const char *reader_name)
{
	shoal_sub *sub;
	char buffer[8] = "";
	CHECK_R(0, shoal_sub_open(&sub, reader_name, 0, NULL));
	CHECK_R(0, shoal_pub_publish(pub, "hello", 5, 0));
	CHECK_R(0, shoal_sub_receive(sub, buffer, sizeof(buffer), BOUND, NULL));
	CHECK(strcmp(buffer, "hello") == 0);
	shoal_sub_close(sub);
}

/* ---- names ------------------------------------------------------------------------------- */

static void a_file(char path[512], const char *name)
{
	snprintf(path, 512, "%s/%s", objects_directory(), name);
	int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	CHECKF(fd >= 0, "%s", strerror(errno));
	close(fd);
}

static void lives_under(const char *name)
{
	char by_id[32], key_text[32];
	struct shoal_sysv_stat stat = {.size = sizeof(stat)};
	shoal_pub *pub = must_open(name, SHOAL_CREATE | SHOAL_EXCLUSIVE);
	CHECK(segment_count() == 1);
	one_message(pub, name);
	CHECK_R(0, shoal_sysv_stat(name, &stat));
	CHECK(stat.id == shoal_pub_sysv_id(pub) && stat.key != 0 && stat.attached == 1);
	CHECK(stat.creator_pid == (uint32_t)getpid() && stat.mode == 0600 && !stat.doomed);
	snprintf(by_id, sizeof(by_id), "sysv:id=%d", stat.id);
	one_message(pub, by_id);
	snprintf(key_text, sizeof(key_text), "sysv:key=%u", stat.key);
	one_message(pub, key_text);
	check_open(-EEXIST, name, SHOAL_CREATE | SHOAL_EXCLUSIVE, "already");
	shoal_pub_close(pub);
	CHECKF(segment_count() == 0, "%s stays", name);
	check_open(-ENOENT, name, 0, "there is no object");
	check_open(-ENOENT, by_id, SHOAL_CREATE, "no System V segment with the id");
}

static void each_kind_of_name(void)
{
	char path[512], name[600];
	lives_under("sysv:a");
	lives_under("sysv:g/a");
	lives_under("sysv:key=0x1234");
	lives_under("sysv:key=4294967294");
	a_file(path, "with,proj=comma");
	snprintf(name, sizeof(name), "sysv:path=%s,proj=65", path);
	lives_under(name);
	snprintf(name, sizeof(name), "sysv:path=%s,proj=0xffffffff", path);
	lives_under(name);
	CHECK(unlink(path) == 0);
	check_open(-ENOENT, name, SHOAL_CREATE, "can't be examined");
}

/* The id is all that a child needs. It goes through a pipe. */
static void reads_by_id(void *context)
{
	const int *pipe_fds = context;
	shoal_sub *sub;
	char name[32], buffer[8] = "";
	int id;
	CHECK(read(pipe_fds[0], &id, sizeof(id)) == sizeof(id));
	snprintf(name, sizeof(name), "sysv:id=%d", id);
	CHECK_R(0, shoal_sub_open(&sub, name, 0, NULL));
	CHECK(shoal_sub_sysv_id(sub) == id);
	CHECK_R(0, shoal_sub_receive(sub, buffer, sizeof(buffer), BOUND, NULL));
	CHECK(strcmp(buffer, "handed") == 0);
	shoal_sub_close(sub);
}

static void a_private_one_is_handed_on_by_its_id(void)
{
	int pipe_fds[2];
	CHECK(pipe2(pipe_fds, O_CLOEXEC) == 0);
	pid_t pid = spawn(reads_by_id, pipe_fds);
	shoal_pub *pub = must_open("sysv:private", SHOAL_CREATE);
	shoal_pub *other = must_open("sysv:private", SHOAL_CREATE | SHOAL_EXCLUSIVE);
	int id = shoal_pub_sysv_id(pub);
	CHECK(id >= 0 && id != shoal_pub_sysv_id(other));
	CHECK(write(pipe_fds[1], &id, sizeof(id)) == sizeof(id));
	CHECK_R(0, shoal_pub_wait_subscribers(pub, 1, BOUND));
	CHECK_R(0, shoal_pub_publish(pub, "handed", 6, 0));
	reap_ok(pid);
	shoal_pub_close(other);
	shoal_pub_close(pub);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	check_open(-ENOENT, "sysv:private", 0, "always a new one");
	CHECK_R(-EINVAL, shoal_topic_create("sysv:private", 0, NULL));
	CHECK(segment_count() == 0);
}

/* ---- keys -------------------------------------------------------------------------------- */

struct candidate {
	uint32_t key;
	uint32_t number;
};

static int by_key(const void *a, const void *b)
{
	uint32_t left = ((const struct candidate *)a)->key;
	uint32_t right = ((const struct candidate *)b)->key;
	return left < right ? -1 : left > right;
}

/* Two names with one key: among 300,000 there are some ten such pairs. */
static void colliding_names(char one[32], char other[32])
{
	enum { COUNT = 300000 };
	struct candidate *all = calloc(COUNT, sizeof(*all));
	CHECK(all);
	for (uint32_t i = 0; i < COUNT; i++) {
		snprintf(one, 32, "n%u", i);
		all[i] = (struct candidate){sysv_key(one, strlen(one)), i};
	}
	qsort(all, COUNT, sizeof(*all), by_key);
	uint32_t i = 1;
	while (i < COUNT && all[i].key != all[i - 1].key)
		i++;
	CHECK(i < COUNT);
	snprintf(one, 32, "sysv:n%u", all[i].number);
	snprintf(other, 32, "sysv:n%u", all[i - 1].number);
	free(all);
}

static void two_names_with_one_key_are_two_names(void)
{
	char one[32], other[32];
	colliding_names(one, other);
	shoal_pub *pub = must_open(one, SHOAL_CREATE);
	check_open(-EEXIST, other, SHOAL_CREATE, one);
	CHECK(detail_has(other));
	check_open(-EEXIST, other, 0, one);
	CHECK_R(-EEXIST, shoal_remove(other, SHOAL_FORCE));
	CHECK_R(0, shoal_pub_publish(pub, "x", 1, 0));
	shoal_pub_close(pub);
	lives_under(other);
}

/* ftok keeps 16 bits of the inode: two files of one directory, found by making many. */
static void colliding_files(char one[512], char other[512])
{
	struct stat first, second;
	a_file(one, "one");
	CHECK(stat(one, &first) == 0);
	for (int i = 0; i < 1 << 20; i++) {
		a_file(other, "other");
		CHECK(stat(other, &second) == 0);
		if ((second.st_ino & 0xffff) == (first.st_ino & 0xffff))
			return;
		CHECK(unlink(other) == 0);
	}
	CHECKF(false, "no two files whose inodes end alike");
}

static void what_collides_in_ftok_does_not_here(void)
{
	char one[512], other[512], name[600];
	struct stat first, second;
	colliding_files(one, other);
	CHECK(stat(one, &first) == 0 && stat(other, &second) == 0);
	CHECK(ftok(one, 65) == ftok(other, 65) && ftok(one, 65) != -1);
	CHECK(ftok(one, 1) == ftok(one, 257));
	CHECK(sysv_file_key(first.st_dev, first.st_ino, 65) !=
	      sysv_file_key(second.st_dev, second.st_ino, 65));
	CHECK(sysv_file_key(first.st_dev, first.st_ino, 1) !=
	      sysv_file_key(first.st_dev, first.st_ino, 257));
	shoal_pub *pubs[3];
	snprintf(name, sizeof(name), "sysv:path=%s,proj=1", one);
	pubs[0] = must_open(name, SHOAL_CREATE | SHOAL_EXCLUSIVE);
	snprintf(name, sizeof(name), "sysv:path=%s,proj=1", other);
	pubs[1] = must_open(name, SHOAL_CREATE | SHOAL_EXCLUSIVE);
	snprintf(name, sizeof(name), "sysv:path=%s,proj=257", one);
	pubs[2] = must_open(name, SHOAL_CREATE | SHOAL_EXCLUSIVE);
	CHECK(segment_count() == 3);
	for (int i = 0; i < 3; i++)
		shoal_pub_close(pubs[i]);
	CHECK(unlink(one) == 0 && unlink(other) == 0);
}

static void a_failed_ftok_is_no_key(void)
{
	CHECK(ftok("/no/such/file", 65) == -1);
	check_open(-EINVAL, "sysv:key=0xffffffff", SHOAL_CREATE, "failed ftok");
	check_open(-ENOENT, "sysv:path=/no/such/file,proj=65", SHOAL_CREATE, "has no key");
	CHECK(segment_count() == 0);
}

static void a_strangers_segment_is_left_alone(void)
{
	char pid[64], size[] = "made by process";
	int id = shmget(0x1234, 12288, IPC_CREAT | 0600);
	CHECK(id >= 0);
	snprintf(pid, sizeof(pid), "process %d", (int)getpid());
	check_open(-EEXIST, "sysv:key=0x1234", SHOAL_CREATE, pid);
	CHECK(detail_has("12 KiB") && detail_has("ipcrm -m") && detail_has(size));
	check_open(-ENOENT, "sysv:key=0x1234", 0, "not Shoal's");
	CHECK_R(-ENOENT, shoal_remove("sysv:key=0x1234", 0));
	CHECK(segment_count() == 1 && directory_is_empty());
	CHECK_R(0, shoal_remove("sysv:key=0x1234", SHOAL_FORCE));
	CHECK(segment_count() == 0);
}

/* ---- what others do ---------------------------------------------------------------------- */

static void after_ipcrm_those_in_it_go_on_until_the_next_one_comes(void)
{
	shoal_sub *sub;
	char buffer[8];
	shoal_pub *old = must_open("sysv:a", SHOAL_CREATE);
	CHECK_R(0, shoal_sub_open(&sub, "sysv:a", 0, NULL));
	CHECK(shmctl(shoal_pub_sysv_id(old), IPC_RMID, NULL) == 0);
	CHECK_R(0, shoal_pub_publish(old, "x", 1, 0));
	CHECK_R(0, shoal_sub_receive(sub, buffer, sizeof(buffer), BOUND, NULL));
	struct shoal_sysv_stat stat = {.size = sizeof(stat)};
	CHECK_R(0, shoal_sysv_stat("sysv:a", &stat));
	CHECK(stat.doomed && stat.attached == 2 && stat.key == 0);
	shoal_pub *fresh = must_open("sysv:a", SHOAL_CREATE | SHOAL_EXCLUSIVE);
	CHECK(shoal_pub_sysv_id(fresh) != shoal_pub_sysv_id(old) && segment_count() == 2);
	CHECK_R(-ESTALE, shoal_pub_publish(old, "x", 1, 0));
	int r = 0; /* what was sent before it was told is there to be read */
	for (int i = 0; i < 3 && r == 0; i++)
		r = shoal_sub_receive(sub, buffer, sizeof(buffer), BOUND, NULL);
	CHECK_R(-ESTALE, r);
	one_message(fresh, "sysv:a");
	shoal_sub_close(sub);
	shoal_pub_close(old);
	one_message(fresh, "sysv:a");
	shoal_pub_close(fresh);
}

static void without_its_segment_it_is_a_leftover(void)
{
	struct shoal_object *objects;
	struct shoal_topic_options o = options();
	size_t count;
	o.lanes = 1;
	CHECK_R(0, shoal_topic_create("sysv:g/kept", 0, &o));
	struct shoal_sysv_stat stat = {.size = sizeof(stat)};
	CHECK_R(0, shoal_sysv_stat("sysv:g/kept", &stat));
	CHECK(shmctl(stat.id, IPC_RMID, NULL) == 0);
	CHECK_R(0, shoal_list("sysv:g", &objects, &count));
	CHECK(count == 1 && objects[0].health == SHOAL_LEFTOVER);
	CHECK(strcmp(objects[0].name, "sysv:g/kept") == 0);
	shoal_list_free(objects);
	check_open(-ENOENT, "sysv:g/kept", 0, "there is no object");
	CHECK(directory_is_empty());
}

static void elsewhere(void *context)
{
	(void)context;
	CHECK(unshare(CLONE_NEWIPC) == 0);
	check_open(-EXDEV, "sysv:a", SHOAL_CREATE, "another IPC namespace");
}

static void who_shares_half_of_it_is_refused(void)
{
	char other[] = "/dev/shm/shoal-other-XXXXXX", before[256], by_id[32];
	snprintf(before, sizeof(before), "%s", objects_directory());
	CHECK(mkdtemp(other));
	shoal_pub *pub = must_open("sysv:a", SHOAL_CREATE);
	snprintf(by_id, sizeof(by_id), "sysv:id=%d", shoal_pub_sysv_id(pub));
	setenv("SHOAL_DIR", other, 1);
	check_open(-EXDEV, "sysv:a", 0, "SHOAL_DIR");
	check_open(-EXDEV, "sysv:a", SHOAL_CREATE, "SHOAL_DIR");
	check_open(-EXDEV, by_id, 0, "SHOAL_DIR");
	CHECK(directory_is_empty());
	setenv("SHOAL_DIR", before, 1);
	CHECK(rmdir(other) == 0);
	reap_ok(spawn(elsewhere, NULL));
	one_message(pub, "sysv:a");
	shoal_pub_close(pub);
}

/* ---- makers that do not go on ------------------------------------------------------------ */

static void make_it(void)
{
	shoal_pub_close(must_open("sysv:slow", SHOAL_CREATE));
}

static void a_stopped_maker_holds_up_nobody_but_makers(void)
{
	struct shoal_object *objects;
	size_t count;
	pid_t pid = stopped_behind(SYS_shmget, make_it);
	check_open(-ENOENT, "sysv:slow", 0, "there is no object");
	CHECK_R(-EAGAIN, shoal_wait_exists("sysv:slow", 0));
	CHECK_R(0, shoal_list("sysv:", &objects, &count));
	CHECK(count == 0);
	shoal_list_free(objects);
	check_open(-EBUSY, "sysv:slow", SHOAL_CREATE, "does not go on");
	CHECK(segment_count() == 1);
	reap_killed(pid);
	CHECK_R(0, shoal_list("sysv:slow", &objects, &count));
	CHECK(count == 1 && objects[0].health == SHOAL_LEFTOVER);
	CHECK(strcmp(objects[0].name, "sysv:slow") == 0);
	shoal_list_free(objects);
	collect();
	check_nothing_left("slow");
}

static void waits_for_it(void *context)
{
	(void)context;
	shoal_sub *sub;
	CHECK_R(0, shoal_wait_exists("sysv:late", BOUND));
	CHECK_R(0, shoal_sub_open(&sub, "sysv:late", 0, NULL));
	shoal_sub_close(sub);
}

static void waiting_for_one(void)
{
	pid_t pid = spawn(waits_for_it, NULL);
	WAIT_FOR(process_state(pid) == 'S');
	shoal_pub *pub = must_open("sysv:late", SHOAL_CREATE);
	reap_ok(pid);
	shoal_pub_close(pub);
}

/* ---- many at once ------------------------------------------------------------------------ */

enum { RACERS = 4, RACE_ROUNDS = 1000 };

/* The object that one of these has a handle of is the one that the name leads to. */
static void race(void *context)
{
	(void)context;
	for (uint64_t i = rounds("SHOAL_SYSV_ROUNDS", RACE_ROUNDS); i > 0; i--) {
		struct shoal_topic_options o = options();
		shoal_sub *sub;
		o.lanes = 1;
		o.slots = 2;
		o.subscribers = RACERS;
		o.payload_bytes = 4096;
		int r = shoal_sub_open(&sub, "sysv:race", SHOAL_CREATE, &o);
		CHECKF(r >= 0, "%d: %s", r, shoal_error_detail());
		struct shoal_sysv_stat stat = {.size = sizeof(stat)};
		CHECK_R(0, shoal_sysv_stat("sysv:race", &stat));
		CHECKF(stat.id == shoal_sub_sysv_id(sub), "it is %d, and we have %d", stat.id,
		       shoal_sub_sysv_id(sub));
		shoal_sub_close(sub);
	}
}

static void many_make_and_remove_it_at_once(void)
{
	pid_t pids[RACERS];
	for (int i = 0; i < RACERS; i++)
		pids[i] = spawn(race, NULL);
	for (int i = 0; i < RACERS; i++)
		reap_ok(pids[i]);
	check_nothing_left("the race");
}

/* ---- memory ------------------------------------------------------------------------------ */

static void child_looks(void *context)
{
	unsigned char there;
	void *const *address = context;
	CHECK(mincore(*address, 4096, &there) == -1 && errno == ENOMEM);
}

static uint64_t used(const char *name)
{
	struct shoal_object *objects;
	size_t count;
	CHECK_R(0, shoal_list(name, &objects, &count));
	CHECK(count == 1);
	uint64_t bytes = objects[0].bytes_used;
	shoal_list_free(objects);
	return bytes;
}

static void memory_is_taken_when_it_is_reserved_and_not_when_it_is_read(void)
{
	struct shoal_topic_options o = options();
	shoal_pub *pub;
	o.lanes = 4;
	o.payload_bytes = 1 << 20;
	CHECK_R(0, shoal_topic_create("sysv:m", 0, &o));
	uint64_t empty = used("sysv:m");
	CHECKF(empty < 1 << 20, "%llu", (unsigned long long)empty);
	CHECK_R(0, shoal_topic_audit("sysv:m", 0));
	CHECK(used("sysv:m") == empty);
	CHECK_R(0, shoal_pub_open(&pub, "sysv:m", 0, NULL));
	uint64_t one = used("sysv:m");
	CHECKF(one >= empty + (1 << 20), "%llu", (unsigned long long)one);
	void *address = ((struct handle *)pub)->map.region.base;
	reap_ok(spawn(child_looks, &address));
	shoal_pub_close(pub);
	CHECK_R(0, shoal_remove("sysv:m", 0));
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
	    {"each_kind_of_name", each_kind_of_name},
	    {"a_private_one_is_handed_on_by_its_id", a_private_one_is_handed_on_by_its_id},
	    {"two_names_with_one_key_are_two_names", two_names_with_one_key_are_two_names},
	    {"what_collides_in_ftok_does_not_here", what_collides_in_ftok_does_not_here},
	    {"a_failed_ftok_is_no_key", a_failed_ftok_is_no_key},
	    {"a_strangers_segment_is_left_alone", a_strangers_segment_is_left_alone},
	    {"after_ipcrm_those_in_it_go_on_until_the_next_one_comes",
	     after_ipcrm_those_in_it_go_on_until_the_next_one_comes},
	    {"without_its_segment_it_is_a_leftover", without_its_segment_it_is_a_leftover},
	    {"who_shares_half_of_it_is_refused", who_shares_half_of_it_is_refused},
	    {"a_stopped_maker_holds_up_nobody_but_makers",
	     a_stopped_maker_holds_up_nobody_but_makers},
	    {"waiting_for_one", waiting_for_one},
	    {"many_make_and_remove_it_at_once", many_make_and_remove_it_at_once},
	    {"memory_is_taken_when_it_is_reserved_and_not_when_it_is_read",
	     memory_is_taken_when_it_is_reserved_and_not_when_it_is_read},
	};
	own_ipc_namespace();
	return RUN_TESTS(argc, argv, tests);
}
