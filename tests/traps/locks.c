/* SPDX-License-Identifier: Apache-2.0 */
/* Locks: whose they are after a death, a close and a fork. */
#include "trap.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <time.h>

#define NAME "trap"

static struct shoal_topic_options small(void)
{
	struct shoal_topic_options o = options();
	o.lanes = 1;
	o.slots = 16;
	o.payload_bytes = 4096;
	return o;
}

static uint32_t seats_alive(void)
{
	struct shoal_topic_stat *stat;
	CHECK_R(0, shoal_topic_stat(NAME, 0, &stat));
	uint32_t alive = stat->object.seats_alive;
	shoal_topic_stat_free(stat);
	return alive;
}

/* ---- the owner died ---------------------------------------------------------------------- */

struct shared_lock {
	struct signals signals;
	pthread_mutex_t mutex;
};

static void lock_and_stay(void *context)
{
	struct shared_lock *lock = context;
	CHECK(pthread_mutex_lock(&lock->mutex) == 0);
	stay(&lock->signals);
}

static void owner_died_bare(void)
{
	struct shared_lock *lock = shared_memory(sizeof(*lock));
	pthread_mutexattr_t attributes;
	struct timespec soon;
	CHECK(pthread_mutexattr_init(&attributes) == 0);
	CHECK(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) == 0);
	CHECK(pthread_mutex_init(&lock->mutex, &attributes) == 0);
	pid_t pid = spawn(lock_and_stay, lock);
	await_step(&lock->signals, 1);
	reap_killed(pid);
	CHECK(clock_gettime(CLOCK_REALTIME, &soon) == 0);
	soon.tv_nsec += 100000000;
	soon.tv_sec += soon.tv_nsec / 1000000000;
	soon.tv_nsec %= 1000000000;
	int r = pthread_mutex_timedlock(&lock->mutex, &soon); /* and without a limit, for ever */
	CHECKF(r == ETIMEDOUT, "the dead one's lock: %s", strerror(r));
	shared_free(lock, sizeof(*lock));
}

/* A lane is what a publisher holds alone, and there is one. The one who holds it dies between claim
 * and commit. */
static void claim_and_stay(void *context)
{
	struct shoal_loan loan;
	shoal_pub *pub;
	CHECK_R(0, shoal_pub_open(&pub, NAME, 0, NULL));
	CHECK_R(0, shoal_pub_publish(pub, "whole", 6, BOUND));
	CHECK_R(0, shoal_pub_claim(pub, 6, BOUND, &loan));
	memcpy(loan.data, "hal", 3);
	stay(context);
}

static void owner_died_shoal(void)
{
	struct signals *signals = shared_memory(sizeof(*signals));
	struct shoal_topic_options o = small();
	shoal_sub *sub;
	shoal_pub *pub;
	char text[8];
	CHECK_R(1, shoal_sub_open(&sub, NAME, SHOAL_CREATE, &o));
	pid_t pid = spawn(claim_and_stay, signals);
	await_step(signals, 1);
	CHECK_R(-EUSERS, shoal_pub_open(&pub, NAME, 0, NULL)); /* alive: nobody robs it */
	reap_killed(pid);
	CHECK_R(0, shoal_pub_open(&pub, NAME, 0, NULL));
	CHECK_R(0, shoal_pub_publish(pub, "next", 5, BOUND));
	CHECK_R(0, shoal_sub_receive(sub, text, sizeof(text), 0, NULL));
	CHECK(strcmp(text, "whole") == 0);
	CHECK_R(0, shoal_sub_receive(sub, text, sizeof(text), 0, NULL));
	CHECK(strcmp(text, "next") == 0);
	shoal_pub_close(pub);
	shoal_sub_close(sub);
	shared_free(signals, sizeof(*signals));
}

/* ---- locks of files ---------------------------------------------------------------------- */

static struct flock whole_file(void)
{
	return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
}

/* What another process gets that wants the lock: its body. */
static void find_free(void *context)
{
	const char *path = context;
	struct flock lock = whole_file();
	int fd = open(path, O_RDWR | O_CLOEXEC);
	CHECKF(fd >= 0 && fcntl(fd, F_SETLK, &lock) == 0, "it is locked");
}

static void find_taken(void *context)
{
	const char *path = context;
	struct flock lock = whole_file();
	int fd = open(path, O_RDWR | O_CLOEXEC);
	CHECKF(fd >= 0 && fcntl(fd, F_SETLK, &lock) < 0 && errno == EAGAIN, "it is free");
}

static void fcntl_lost_by_any_close_bare(void)
{
	static char path[] = "locked";
	int fd = new_file(path, PAGE);
	struct flock lock = whole_file();
	CHECK(fcntl(fd, F_SETLK, &lock) == 0);
	reap_ok(spawn(find_taken, path));
	int other = open(path, O_RDONLY | O_CLOEXEC); /* a library reads the file, say */
	CHECK(other >= 0 && close(other) == 0);
	reap_ok(spawn(find_free, path));
	close(fd);
}

static void count_one_alive(void *context)
{
	(void)context;
	CHECKF(seats_alive() == 1, "%u are alive", seats_alive());
}

static void fcntl_lost_by_any_close_shoal(void)
{
	struct shoal_topic_options o = small();
	shoal_sub *sub;
	char path[512];
	CHECK_R(1, shoal_sub_open(&sub, NAME, SHOAL_CREATE, &o));
	snprintf(path, sizeof(path), "%s/shoal:" NAME, objects_directory());
	for (int i = 0; i < 3; i++) {
		int other = open(path, O_RDWR | O_CLOEXEC);
		CHECK(other >= 0 && close(other) == 0);
		reap_ok(spawn(count_one_alive, NULL));
	}
	shoal_sub_close(sub);
}

/* A parent that locks, forks, and dies; its child knows nothing of a lock, and lives. */
static void locking_parent(struct signals *signals, int (*lock)(int fd))
{
	int fd = open("locked", O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0 && lock(fd) == 0);
	pid_t child = fork(); /* not by spawn: it must outlive us */
	CHECK(child >= 0);
	if (child > 0)
		_exit(0);
	atomic_store(&signals->result, getpid());
	stay(signals);
}

static int lock_flock(int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB);
}

static int lock_ofd(int fd)
{
	struct flock lock = whole_file();
	return fcntl(fd, F_OFD_SETLK, &lock);
}

static void flock_parent(void *context)
{
	locking_parent(context, lock_flock);
}

static void ofd_parent(void *context)
{
	locking_parent(context, lock_ofd);
}

/* Its parent is dead, its owner as everybody sees it; and the lock is held until it is, too. */
static void check_kept_by_child(void (*parent)(void *), int (*lock)(int fd))
{
	struct signals *signals = shared_memory(sizeof(*signals));
	int fd = new_file("locked", PAGE);
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	reap_ok(spawn(parent, signals));
	await_step(signals, 1);
	CHECKF(lock(fd) < 0 && (errno == EWOULDBLOCK || errno == EAGAIN), "it is free");
	reap_killed(signals->result);
	WAIT_FOR(lock(fd) == 0);
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);
	close(fd);
	shared_free(signals, sizeof(*signals));
}

static void kept_by_forked_child_bare(void)
{
	check_kept_by_child(flock_parent, lock_flock);
	check_kept_by_child(ofd_parent, lock_ofd);
}

static void seated_parent(void *context)
{
	struct signals *signals = context;
	shoal_sub *sub;
	CHECK_R(0, shoal_sub_open(&sub, NAME, 0, NULL));
	pid_t child = fork();
	CHECK(child >= 0);
	if (child > 0)
		_exit(0);
	atomic_store(&signals->result, getpid());
	stay(signals);
}

static void kept_by_forked_child_shoal(void)
{
	struct signals *signals = shared_memory(sizeof(*signals));
	struct shoal_topic_options o = small();
	shoal_pub *pub;
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	CHECK_R(1, shoal_pub_open(&pub, NAME, SHOAL_CREATE, &o));
	reap_ok(spawn(seated_parent, signals));
	await_step(signals, 1);
	CHECKF(seats_alive() == 1, "the child keeps its dead parent's seat");
	for (int i = 0; i < 100; i++) /* more than fit: it holds up nobody */
		CHECK_R(0, shoal_pub_publish(pub, "x", 1, BOUND));
	reap_killed(signals->result);
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);
	shoal_pub_close(pub);
	shared_free(signals, sizeof(*signals));
}

int main(int argc, char **argv)
{
	static const struct trap traps[] = {
	    TRAP(owner_died),
	    TRAP(fcntl_lost_by_any_close),
	    TRAP(kept_by_forked_child),
	};
	return RUN_TRAPS(argc, argv, traps);
}
