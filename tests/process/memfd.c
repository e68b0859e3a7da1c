/* SPDX-License-Identifier: Apache-2.0 */
/* Objects that have no name but the number of a descriptor: what leads to them, what does not, and
 * that they need no room in /dev/shm. */
#include "support.h"

#include "leak_check.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>

static struct shoal_topic_options narrow(void)
{
	struct shoal_topic_options o = options();
	o.slots = 8;
	o.lanes = 2;
	o.subscribers = 4;
	o.payload_bytes = 4096;
	return o;
}

static const char *by_number(int fd)
{
	static char text[4][32];
	static unsigned turn;
	char *name = text[turn++ % 4];
	snprintf(name, sizeof(text[0]), "memfd:fd=%d", fd);
	return name;
}

static shoal_pub *make(const char *name)
{
	struct shoal_topic_options o = narrow();
	shoal_pub *pub;
	CHECK_R(1, shoal_pub_open(&pub, name, SHOAL_CREATE, &o));
	return pub;
}

/* Every function that takes a name says the same about that one. */
static void expect_all(const char *name, int error, const char *words)
{
	struct shoal_topic_stat *stat;
	shoal_pub *pub;
	shoal_sub *sub;
	struct holdings before = holdings_now();
	CHECK_R(error, shoal_pub_open(&pub, name, 0, NULL));
	CHECKF(strstr(shoal_error_detail(), words), "the sentence: %s", shoal_error_detail());
	CHECK(!pub);
	CHECK_R(error, shoal_sub_open(&sub, name, 0, NULL));
	CHECKF(strstr(shoal_error_detail(), words), "the sentence: %s", shoal_error_detail());
	CHECK_R(error, shoal_remove(name, 0));
	CHECK_R(error, shoal_remove(name, SHOAL_FORCE));
	int r = shoal_topic_stat(name, 0, &stat);
	/* Looking maps nothing, so the seals do not matter to it. */
	CHECKF(r == error || (r == 0 && strstr(words, "sealed")), "stat: %d", r);
	if (r == 0)
		shoal_topic_stat_free(stat);
	holdings_check(&before, name);
}

/* ---- names ------------------------------------------------------------------------------- */

static void each_creation_makes_another(void)
{
	static const char *const names[] = {"memfd:same", "anon:same", "anon:", "memfd:group/same"};
	struct shoal_topic_options o = narrow();
	shoal_pub *a, *b;
	shoal_sub *sub;
	char c;
	for (int i = 0; i < 4; i++) {
		a = make(names[i]);
		CHECK_R(1, shoal_pub_open(&b, names[i], SHOAL_CREATE | SHOAL_EXCLUSIVE, &o));
		CHECK_R(0, shoal_sub_open(&sub, by_number(shoal_pub_fd(b)), 0, &o));
		CHECK_R(0, shoal_pub_publish(a, "a", 1, 0));
		CHECK_R(-EAGAIN, shoal_sub_receive(sub, &c, 1, 0, NULL));
		CHECK_R(0, shoal_pub_publish(b, "b", 1, 0));
		CHECK_R(0, shoal_sub_receive(sub, &c, 1, 0, NULL));
		CHECK(c == 'b');
		shoal_sub_close(sub);
		shoal_pub_close(b);
		shoal_pub_close(a);
		expect_all(names[i], -ENOENT, "SHOAL_CREATE");
		CHECK(strstr(shoal_error_detail(), "memfd:fd=N"));
	}
}

/* Nobody could find it: so it is not made, or not waited for. */
static void what_needs_a_name_is_refused(void)
{
	CHECK_R(-EINVAL, shoal_topic_create("memfd:x", 0, NULL));
	CHECK(strstr(shoal_error_detail(), "descriptor"));
	CHECK_R(-EINVAL, shoal_topic_create("anon:", 0, NULL));
	CHECK_R(-EINVAL, shoal_wait_exists("memfd:x", 0));
	CHECK_R(-EINVAL, shoal_wait_exists("memfd:fd=0", SHOAL_FOREVER));
	CHECK_R(-EINVAL, shoal_wait_exists("anon:", SHOAL_FOREVER));
}

static void the_caller_keeps_the_descriptor_and_may_close_it(void)
{
	struct shoal_topic_options o = narrow();
	shoal_pub *pub = make("memfd:x");
	shoal_sub *sub, *other;
	char c;
	int fd = dup(shoal_pub_fd(pub));
	const char *name = by_number(fd);
	CHECK_R(0, shoal_sub_open(&sub, name, SHOAL_CREATE, &o)); /* it is there already */
	CHECK_R(-EEXIST, shoal_sub_open(&other, name, SHOAL_CREATE | SHOAL_EXCLUSIVE, &o));
	CHECK(!other && fcntl(fd, F_GETFD) >= 0);
	CHECK_R(0, shoal_topic_create(name, 0, &o));
	CHECK(close(fd) == 0);
	CHECK_R(0, shoal_pub_publish(pub, "x", 1, 0));
	CHECK_R(0, shoal_sub_receive(sub, &c, 1, 0, NULL));
	CHECK(shoal_sub_fd(sub) != shoal_pub_fd(pub));
	CHECK(fcntl(shoal_sub_fd(sub), F_GETFD) == FD_CLOEXEC);
	shoal_sub_close(sub);
	shoal_pub_close(pub);
}

/* Where somebody closed the library's own: as others are found again by their names. */
static void it_is_found_again_by_the_descriptor_that_led_there(void)
{
	struct shoal_topic_options o = narrow();
	shoal_pub *pub = make("memfd:x");
	shoal_sub *sub;
	int fd = dup(shoal_pub_fd(pub));
	CHECK_R(0, shoal_sub_open(&sub, by_number(fd), 0, &o));
	CHECK(close(shoal_sub_fd(sub)) == 0);
	int again = shoal_sub_fd(sub);
	CHECKF(again >= 0 && again != fd, "%d, %s", again, shoal_error_detail());
	CHECK(close(again) == 0 && close(fd) == 0);
	CHECK_R(-ESTALE, shoal_sub_fd(sub));
	CHECK(strstr(shoal_error_detail(), "no name"));
	CHECK(close(shoal_pub_fd(pub)) == 0);
	CHECK_R(-ESTALE, shoal_pub_fd(pub)); /* it made the object: nothing else leads there */
	CHECK_R(0, shoal_pub_publish(pub, "x", 1, 0));
	shoal_sub_close(sub);
	shoal_pub_close(pub);
}

/* ---- what is no object ------------------------------------------------------------------- */

static void each_wrong_descriptor_has_its_sentence(void)
{
	int pipes[2], closed = dup(0);
	char path[512];
	CHECK(close(closed) == 0);
	expect_all(by_number(closed), -EBADF, "no descriptor");
	expect_all("memfd:fd=2147483647", -EBADF, "no descriptor 2147483647 open");
	CHECK(pipe2(pipes, O_CLOEXEC) == 0);
	expect_all(by_number(pipes[0]), -EINVAL, "no memfd");
	expect_all(by_number(pipes[1]), -EINVAL, "no memfd");
	close(pipes[0]);
	close(pipes[1]);
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	expect_all(by_number(fd), -EINVAL, "no memfd");
	close(fd);
	fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	shoal_sub *sub;
	CHECK(shoal_sub_open(&sub, by_number(fd), 0, NULL) < 0);
	close(fd);
	snprintf(path, sizeof(path), "%s/plain", objects_directory());
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	expect_all(by_number(fd), -EINVAL, "file with a name");
	CHECK(unlink(path) == 0);
	close(fd);
}

static int plain_memfd(const void *bytes, size_t count, size_t size)
{
	int fd = memfd_create("plain", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CHECK(fd >= 0 && pwrite(fd, bytes, count, 0) == (ssize_t)count);
	CHECK(ftruncate(fd, (off_t)size) == 0);
	return fd;
}

static void a_memfd_of_somebody_else_is_no_object(void)
{
	int fd = plain_memfd("", 0, 0);
	expect_all(by_number(fd), -ENODATA, "empty");
	close(fd);
	fd = plain_memfd("hello", 5, 65536);
	expect_all(by_number(fd), -EBADMSG, "magic");
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0);
	expect_all(by_number(fd), -EBADMSG, "magic");
	close(fd);
}

/* A copy, byte by byte: it has another inode, so its place says who it is not; and with that
 * corrected it lacks the seals. */
static void an_object_that_is_not_sealed_is_refused(void)
{
	shoal_pub *pub = make("memfd:original");
	struct stat st, copied;
	CHECK(fstat(shoal_pub_fd(pub), &st) == 0);
	size_t bytes = (size_t)st.st_size;
	uint8_t *copy = shared_memory(bytes);
	CHECK(pread(shoal_pub_fd(pub), copy, bytes, 0) == (ssize_t)bytes);
	int fd = plain_memfd(copy, bytes, bytes);
	expect_all(by_number(fd), -EXDEV, "copy");
	CHECK(fstat(fd, &copied) == 0);
	/* A place of another boot is adopted: it has no checksum then that could be wrong. */
	memset(copy + 192, 0, 64);
	CHECK(pwrite(fd, copy, bytes, 0) == (ssize_t)bytes);
	expect_all(by_number(fd), -EBADMSG, "not sealed");
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
	expect_all(by_number(fd), -EBADMSG, "not sealed");
	close(fd);
	shared_free(copy, bytes);
	shoal_pub_close(pub);
}

static void its_size_can_not_be_changed(void)
{
	shoal_pub *pub = make("memfd:sealed");
	int fd = shoal_pub_fd(pub);
	struct stat st;
	CHECK(fstat(fd, &st) == 0);
	CHECK(ftruncate(fd, 4096) < 0 && errno == EPERM);
	CHECK(ftruncate(fd, st.st_size + 4096) < 0 && errno == EPERM);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) < 0 && errno == EPERM);
	CHECK((fcntl(fd, F_GET_SEALS) & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) ==
	      (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
	CHECK((st.st_mode & 07777) == 0600);
	shoal_pub_close(pub);
}

/* ---- lifetime ---------------------------------------------------------------------------- */

static void it_lives_as_long_as_somebody_has_a_descriptor(void)
{
	struct shoal_topic_options o = narrow();
	struct shoal_topic_stat *stat;
	shoal_pub *pub = make("memfd:x");
	shoal_sub *sub;
	char c;
	int fd = dup(shoal_pub_fd(pub));
	CHECK_R(0, shoal_pub_publish(pub, "x", 1, 0));
	shoal_pub_close(pub);
	CHECK_R(0, shoal_topic_stat(by_number(fd), 0, &stat));
	CHECK(stat->object.kept && stat->object.health == SHOAL_IDLE && stat->ended);
	shoal_topic_stat_free(stat);
	CHECK_R(0, shoal_sub_open(&sub, by_number(fd), SHOAL_FROM_OLDEST, &o));
	CHECK_R(0, shoal_sub_receive(sub, &c, 1, 0, NULL));
	CHECK_R(-EBUSY, shoal_remove(by_number(fd), 0));
	shoal_sub_close(sub);
	CHECK_R(0, shoal_remove(by_number(fd), 0));
	close(fd);
}

/* No other can come in its place, so nobody looks for one. */
static void what_was_removed_is_stale_at_once(void)
{
	struct shoal_topic_options o = narrow();
	shoal_pub *pub = make("memfd:x"), *other;
	int fd = dup(shoal_pub_fd(pub));
	const char *name = by_number(fd);
	CHECK_R(0, shoal_remove(name, SHOAL_FORCE));
	int64_t start = now_ns();
	CHECK_R(-ESTALE, shoal_pub_open(&other, name, 0, &o));
	CHECK(strstr(shoal_error_detail(), "removed"));
	CHECK_R(-ESTALE, shoal_pub_open(&other, name, SHOAL_CREATE, &o));
	CHECKF(now_ns() - start < SECONDS, "it went round in circles");
	CHECK_R(0, shoal_remove(name, 0)); /* it is, again */
	CHECK_R(-ESTALE, shoal_pub_drain(pub, 0));
	shoal_pub_close(pub);
	close(fd);
}

/* ---- other processes --------------------------------------------------------------------- */

struct state {
	_Atomic int step;
	_Atomic int fd;
};

static void hold_one(void *context)
{
	struct state *state = context;
	shoal_pub *pub = make("memfd:held");
	CHECK_R(0, shoal_pub_publish(pub, "mine", 4, 0));
	atomic_store(&state->fd, shoal_pub_fd(pub));
	atomic_store(&state->step, 1);
	for (;;)
		pause();
}

static void another_process_can_be_looked_into(void)
{
	struct state *state = shared_memory(sizeof(*state));
	struct shoal_topic_options o = narrow();
	struct shoal_topic_stat *stat;
	char name[64], text[4];
	shoal_sub *sub;
	pid_t pid = spawn(hold_one, state);
	WAIT_FOR(atomic_load(&state->step));
	snprintf(name, sizeof(name), "memfd:pid=%d,fd=%d", (int)pid, atomic_load(&state->fd));
	CHECK_R(0, shoal_topic_stat(name, 0, &stat));
	CHECK(stat->object.seats_alive == 1 && strcmp(stat->object.name, name) == 0);
	CHECK(seat_of(stat, pid));
	shoal_topic_stat_free(stat);
	CHECK_R(0, shoal_topic_audit(name, 0));
	CHECK_R(0, shoal_sub_open(&sub, name, SHOAL_FROM_OLDEST, &o));
	CHECK_R(0, shoal_sub_receive(sub, text, 4, BOUND, NULL));
	shoal_sub_close(sub);
	CHECK_R(-EBUSY, shoal_remove(name, 0));
	CHECK_R(0, shoal_remove(name, SHOAL_FORCE));
	snprintf(name, sizeof(name), "memfd:pid=%d,fd=777", (int)pid);
	expect_all(name, -EBADF, "has no descriptor 777");
	reap_killed(pid);
	expect_all(name, -ESRCH, "no process");
	shared_free(state, sizeof(*state));
}

static void look_as_nobody(void *context)
{
	const char *name = context;
	struct shoal_topic_stat *stat;
	CHECK(setgid(65534) == 0 && setuid(65534) == 0);
	CHECK_R(-EACCES, shoal_topic_stat(name, SHOAL_FOREIGN, &stat));
	CHECK(strstr(shoal_error_detail(), "only its user and root"));
}

/* A descriptor that somebody of another user has: opening it again is by the object's mode. */
static void join_as_nobody(void *context)
{
	bool granted = context != NULL;
	struct shoal_topic_options o = narrow();
	shoal_sub *sub;
	CHECK(setgid(65534) == 0 && setuid(65534) == 0);
	CHECK_R(granted ? -EPERM : -EACCES, shoal_sub_open(&sub, "memfd:fd=800", 0, &o));
	CHECK(strstr(shoal_error_detail(), granted ? "--foreign" : "wider mode"));
	if (!granted)
		return;
	CHECK_R(0, shoal_sub_open(&sub, "memfd:fd=800", SHOAL_FOREIGN, &o));
	shoal_sub_close(sub);
}

static void users_are_told_apart(void)
{
	static char granted[] = "granted";
	struct shoal_topic_options o = narrow();
	char name[64];
	shoal_pub *pub;
	if (geteuid() != 0) {
		printf("  not root: left out\n");
		return;
	}
	for (int i = 0; i < 2; i++) {
		o.mode = i ? 0666 : 0600;
		CHECK_R(1, shoal_pub_open(&pub, "memfd:x", SHOAL_CREATE, &o));
		CHECK(dup3(shoal_pub_fd(pub), 800, O_CLOEXEC) == 800);
		snprintf(name, sizeof(name), "memfd:pid=%d,fd=800", (int)getpid());
		reap_ok(spawn(join_as_nobody, i ? granted : NULL));
		reap_ok(spawn(look_as_nobody, name));
		close(800);
		shoal_pub_close(pub);
	}
}

/* ---- namespaces -------------------------------------------------------------------------- */

static void enter_mounts(void)
{
	CHECKF(unshare(CLONE_NEWNS) == 0, "%s", strerror(errno));
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
}

static void live_without_proc(void *context)
{
	struct shoal_topic_options o = narrow();
	shoal_pub *pub = make("memfd:x"), *other;
	const char *name = by_number(shoal_pub_fd(pub));
	(void)context;
	enter_mounts();
	CHECK(mount("tmpfs", "/proc", "tmpfs", 0, "size=4k") == 0);
	CHECK_R(-ENOSYS, shoal_pub_open(&other, name, 0, &o));
	CHECK(strstr(shoal_error_detail(), "/proc"));
	CHECK_R(-ENOSYS, shoal_pub_open(&other, "memfd:another", SHOAL_CREATE, &o));
	CHECK(strstr(shoal_error_detail(), "/proc"));
	CHECK_R(-ENOSYS, shoal_pub_open(&other, "memfd:pid=1,fd=0", 0, &o));
	CHECK(strstr(shoal_error_detail(), "/proc"));
	CHECK_R(0, shoal_pub_publish(pub, "x", 1, 0)); /* who is in it goes on */
	shoal_pub_close(pub);
}

static void use_64_mib(void *context)
{
	const size_t bytes = 64u << 20;
	struct shoal_topic_options o = options();
	struct shoal_loan loan;
	struct shoal_view view;
	shoal_pub *pub;
	shoal_sub *sub;
	char folder[400];
	(void)context;
	enter_mounts();
	CHECK(getcwd(folder, sizeof(folder)));
	CHECK(mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=1m") == 0);
	CHECK(mkdir("/dev/shm/objects", 0700) == 0);
	CHECK(setenv("SHOAL_DIR", "/dev/shm/objects", 1) == 0);
	o.message_bytes = bytes;
	o.payload_bytes = bytes;
	CHECK_R(-ENOSPC, shoal_pub_open(&pub, "posix:large", SHOAL_CREATE, &o));
	CHECK_R(1, shoal_pub_open(&pub, context, SHOAL_CREATE, &o));
	CHECK_R(0, shoal_sub_open(&sub, by_number(shoal_pub_fd(pub)), 0, NULL));
	for (int i = 0; i < 2; i++) {
		CHECK_R(0, shoal_pub_claim(pub, bytes, BOUND, &loan));
		memset(loan.data, 'a' + i, bytes);
		CHECK_R(0, shoal_pub_commit(pub, &loan));
		CHECK_R(0, shoal_sub_borrow(sub, BOUND, &view));
		CHECK(view.bytes == bytes);
		CHECK(((const char *)view.data)[0] == 'a' + i);
		CHECK(((const char *)view.data)[bytes - 1] == 'a' + i);
		CHECK_R(0, shoal_sub_release(sub, &view));
	}
	shoal_sub_close(sub);
	shoal_pub_close(pub);
}

static void sixty_four_mib_fit_beside_a_dev_shm_of_one(void)
{
	static char memfd[] = "memfd:large", anon[] = "anon:large";
	if (geteuid() != 0) {
		printf("  not root: left out\n");
		return;
	}
	reap_ok(spawn(use_64_mib, memfd));
	reap_ok(spawn(use_64_mib, anon));
}

static void without_proc_it_says_so(void)
{
	if (geteuid() != 0) {
		printf("  not root: left out\n");
		return;
	}
	reap_ok(spawn(live_without_proc, NULL));
}

#define CASE(name)                                                                                 \
	{                                                                                          \
#name, name                                                                        \
	}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
	    CASE(each_creation_makes_another),
	    CASE(what_needs_a_name_is_refused),
	    CASE(the_caller_keeps_the_descriptor_and_may_close_it),
	    CASE(it_is_found_again_by_the_descriptor_that_led_there),
	    CASE(each_wrong_descriptor_has_its_sentence),
	    CASE(a_memfd_of_somebody_else_is_no_object),
	    CASE(an_object_that_is_not_sealed_is_refused),
	    CASE(its_size_can_not_be_changed),
	    CASE(it_lives_as_long_as_somebody_has_a_descriptor),
	    CASE(what_was_removed_is_stale_at_once),
	    CASE(another_process_can_be_looked_into),
	    CASE(users_are_told_apart),
	    CASE(without_proc_it_says_so),
	    CASE(sixty_four_mib_fit_beside_a_dev_shm_of_one),
	};
	return RUN_TESTS(argc, argv, tests);
}
