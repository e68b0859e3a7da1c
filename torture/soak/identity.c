/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is who, and who is alive. Not a number of a process or thread, which others may have as well
 * or later, but a lock that the kernel drops with the memory of the process. So:
 *
 *   twins      two seats with the same process and thread number in two PID namespaces: killing
 *              one does nothing to what the other owns
 *   exec       a seat whose process has executed another program is dead, at once
 *   fork       one whose forked child lives on after it is dead, at once, wherever in opening the
 *              child was made
 *   stopped    one that is stopped is alive, whoever asks, and however often
 *
 * `At once` is no assertion on time: the kernel has said that the process is gone before we look.
 */
#include "soak.h"

#include "os/os.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME "identity"
enum { SLOTS = 4, FREE_LANES = 3, ACTORS = 4, ASKERS = 3 };

struct actor {
	_Atomic int ready;
	_Atomic int pid, tid; /* as it knows itself */
	_Atomic uint32_t lane;
	_Atomic uint64_t asked, done;
	_Atomic uint64_t published, received;
	_Atomic pid_t child;
};
struct stage {
	_Atomic int end;
	_Atomic uint64_t looks, dead; /* by those who ask */
	struct actor actors[ACTORS];
};
static struct stage *stage;
static struct shoal_topic_options options;

static bool wait_for(bool (*is_true)(const void *), const void *context, const char *what)
{
	int64_t limit = now_ns() + BOUND;
	while (!is_true(context)) {
		if (now_ns() > limit || atomic_load(&book->violations)) {
			violate(UINT32_MAX, "not within 10 s: %s", what);
			return false;
		}
		nap_ns(20000);
	}
	return true;
}

static void expect(const char *what, int64_t r)
{
	if (r < 0)
		violate(UINT32_MAX, "%s: %" PRId64 ", %s", what, r, shoal_error_detail());
}

/* ---- an actor ------------------------------------------------------------------------------ */

static shoal_pub *actor_pub;
static shoal_sub *actor_sub;

static void open_both(struct actor *actor)
{
	expect("pub_open", shoal_pub_open(&actor_pub, NAME, 0, &options));
	expect("sub_open", shoal_sub_open(&actor_sub, NAME, SHOAL_FOLLOW, &options));
	atomic_store(&actor->lane, shoal_pub_lane(actor_pub));
	atomic_store(&actor->pid, getpid());
	atomic_store(&actor->tid, (int)syscall(SYS_gettid));
}

/* Publishes one, and reads all there is. */
static void do_something(struct actor *actor)
{
	struct shoal_view view;
	int r;
	if (shoal_pub_lane(actor_pub) != atomic_load(&actor->lane))
		violate(UINT32_MAX, "the lane changed");
	r = shoal_pub_publish(actor_pub, "x", 1, 0);
	if (r != -EAGAIN) /* the other one has not read yet */
		expect("publish", r);
	actor->published += r == 0;
	while ((r = shoal_sub_borrow(actor_sub, 0, &view)) == 0) {
		actor->received++;
		expect("release", shoal_sub_release(actor_sub, &view));
	}
	if (r != -EAGAIN)
		expect("borrow", r);
}

static void *open_in_thread(void *context)
{
	struct actor *actor = context;
	open_both(actor);
	atomic_store(&actor->ready, 1);
	while (!atomic_load(&stage->end)) {
		uint64_t asked = atomic_load(&actor->asked);
		if (asked == atomic_load(&actor->done)) {
			nap_ns(20000);
			continue;
		}
		do_something(actor);
		atomic_store(&actor->done, asked);
	}
	return NULL;
}

__attribute__((noreturn)) static void be_actor(uint32_t number)
{
	pthread_t thread;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	me = number;
	my_life = 1;
	if (pthread_create(&thread, NULL, open_in_thread, &stage->actors[number]) != 0)
		violate(UINT32_MAX, "pthread_create");
	pthread_join(thread, NULL);
	shoal_sub_close(actor_sub);
	shoal_pub_close(actor_pub);
	_exit(0);
}

static bool is_ready(const void *context)
{
	return atomic_load(&((const struct actor *)context)->ready);
}

static bool has_done(const void *context)
{
	const struct actor *actor = context;
	return atomic_load(&actor->done) == atomic_load(&actor->asked);
}

static void ask(struct actor *actor)
{
	atomic_fetch_add(&actor->asked, 1);
	wait_for(has_done, actor, "an actor does what it is asked to");
}

static pid_t start_actor(uint32_t number, int twin)
{
	memset(&stage->actors[number], 0, sizeof(stage->actors[number]));
	pid_t pid = place_fork(twin);
	if (pid == 0)
		be_actor(number);
	if (pid < 0)
		violate(UINT32_MAX, "fork: %s", strerror(errno));
	else
		wait_for(is_ready, &stage->actors[number], "an actor is there");
	return pid;
}

static void kill_and_reap(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- what a survivor sees ------------------------------------------------------------------ */

struct census {
	unsigned alive, dead;
};

static struct census census(void)
{
	struct shoal_topic_stat *stat = NULL;
	struct census found = {0, 0};
	int r = shoal_topic_stat(NAME, 0, &stat);
	expect("stat", r);
	for (uint32_t i = 0; r == 0 && i < stat->seat_count; i++) {
		bool dead = stat->seats[i].health == SHOAL_DEAD;
		found.dead += dead;
		found.alive += !dead;
	}
	shoal_topic_stat_free(stat);
	return found;
}

static void expect_alive(unsigned alive, const char *when)
{
	struct census found = census();
	if (found.alive != alive)
		violate(UINT32_MAX, "%s: %u seats alive and %u dead, and %u should be alive", when,
			found.alive, found.dead, alive);
}

/* A newcomer gets a free lane and goes round in it: no dead subscriber holds it up. */
static void go_round(struct actor *living)
{
	shoal_pub *pub = NULL;
	int r = shoal_pub_open(&pub, NAME, 0, &options);
	expect("a newcomer's pub_open", r);
	if (r < 0)
		return;
	if (living && shoal_pub_lane(pub) == atomic_load(&living->lane))
		violate(UINT32_MAX, "lane %u was given away while its holder lives",
			shoal_pub_lane(pub));
	for (int i = 0; i < 3 * SLOTS; i++) {
		expect("a newcomer's publish", shoal_pub_publish(pub, "y", 1, BOUND));
		if (living)
			ask(living);
	}
	shoal_pub_close(pub);
}

/* ---- twins --------------------------------------------------------------------------------- */

static void kill_one_twin(void)
{
	pid_t pids[2];
	uint32_t victim = (uint32_t)roll(2);
	struct actor *other = &stage->actors[!victim];
	for (uint32_t i = 0; i < 2; i++)
		pids[i] = start_actor(i, (int)i);
	if (stage->actors[0].pid != stage->actors[1].pid ||
	    stage->actors[0].tid != stage->actors[1].tid)
		violate(UINT32_MAX, "no twins: processes %d and %d, threads %d and %d",
			stage->actors[0].pid, stage->actors[1].pid, stage->actors[0].tid,
			stage->actors[1].tid);
	for (int i = 0; i < 2 * SLOTS; i++)
		ask(&stage->actors[i % 2]);
	expect_alive(4, "before a twin is killed");
	kill_and_reap(pids[victim]);
	expect_alive(2, "after a twin was killed");
	uint64_t received = atomic_load(&other->received);
	go_round(other);
	if (atomic_load(&other->received) < received + 3 * SLOTS)
		violate(UINT32_MAX, "the other twin has read %" PRIu64 " of %d messages",
			atomic_load(&other->received) - received, 3 * SLOTS);
	expect_alive(2, "after the dead twin was repaired");
	kill_and_reap(pids[!victim]);
}

static uint64_t run_twins(uint64_t rounds)
{
	uint64_t done = 0;
	for (; done < rounds && !atomic_load(&book->violations); done++) {
		if (!place_open_twins())
			break;
		kill_one_twin();
		place_close_twins();
		go_round(NULL);
	}
	return done;
}

/* ---- exec ---------------------------------------------------------------------------------- */

/* The new program says that it runs: then the kernel is done with what the old one had. */
static void run_exec(void)
{
	int ends[2];
	char byte;
	if (pipe(ends) < 0) {
		violate(UINT32_MAX, "pipe: %s", strerror(errno));
		return;
	}
	pid_t pid = fork();
	if (pid == 0) {
		char number[16];
		char *arguments[] = {(char[]){"torture-soak"}, (char[]){"--linger"}, number, NULL};
		snprintf(number, sizeof(number), "%d", ends[1]);
		me = 0;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		open_both(&stage->actors[0]);
		execv("/proc/self/exe", arguments);
		violate(UINT32_MAX, "exec: %s", strerror(errno));
	}
	close(ends[1]);
	if (read(ends[0], &byte, 1) != 1)
		violate(UINT32_MAX, "the new program did not begin");
	close(ends[0]);
	expect_alive(0, "after an exec");
	go_round(NULL);
	kill_and_reap(pid);
}

/* ---- fork ---------------------------------------------------------------------------------- */

static const struct os_calls *real_os;
static uint64_t calls_left;
static bool forked_in_opening;

/* The child touches nothing and lives on. */
static void fork_in_handler(int number)
{
	(void)number;
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, 0);
		while (!atomic_load(&stage->end))
			nap_ns(20000);
		_exit(0);
	}
	atomic_store(&stage->actors[0].child, pid);
	forked_in_opening = true;
}

/* As soon as the library lets a signal through. */
static void fork_when_due(void)
{
	if (calls_left > 0 && --calls_left == 0)
		raise(SIGUSR1);
}

static int lock_and_fork(int fd, uint64_t offset)
{
	int r = real_os->lock(fd, offset);
	fork_when_due();
	return r;
}

static int map_and_fork(int fd, uint64_t bytes, enum os_map how, void **ret)
{
	int r = real_os->map(fd, bytes, how, ret);
	fork_when_due();
	return r;
}

static int reopen_and_fork(int fd, bool write)
{
	int r = real_os->reopen(fd, write);
	fork_when_due();
	return r;
}

static int close_and_fork(int fd)
{
	int r = real_os->close(fd);
	fork_when_due();
	return r;
}

static int held_and_fork(int fd, uint64_t offset)
{
	int r = real_os->lock_held(fd, offset);
	fork_when_due();
	return r;
}

static void fork_at_call(uint64_t number)
{
	static struct os_calls calls;
	real_os = os;
	calls = *os;
	calls.lock = lock_and_fork;
	calls.map = map_and_fork;
	calls.reopen = reopen_and_fork;
	calls.close = close_and_fork;
	calls.lock_held = held_and_fork;
	calls_left = number;
	os = &calls;
	signal(SIGUSR1, fork_in_handler);
}

/* False: opening has no such many calls. */
static bool fork_in_opening(uint64_t number)
{
	struct actor *actor = &stage->actors[0];
	memset(actor, 0, sizeof(*actor));
	pid_t pid = fork();
	if (pid == 0) {
		me = 0;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fork_at_call(number);
		open_both(actor);
		atomic_store(&actor->ready, forked_in_opening ? 1 : 2);
		for (;;)
			pause();
	}
	wait_for(is_ready, actor, "it has forked in opening");
	bool forked = atomic_load(&actor->ready) == 1;
	kill_and_reap(pid);
	char when[96];
	snprintf(when, sizeof(when),
		 "after its death, with a child alive that was forked at call %" PRIu64
		 " of opening",
		 number);
	expect_alive(0, when);
	go_round(NULL);
	if (forked)
		kill_and_reap(atomic_load(&actor->child));
	return forked;
}

static uint64_t run_forks(void)
{
	uint64_t number = 1;
	while (!atomic_load(&book->violations) && number < 200 && fork_in_opening(number))
		number++;
	return number - 1;
}

/* ---- stopped ------------------------------------------------------------------------------- */

/* Asks in its own way until the end: with stat; by joining and leaving, which repairs all who are
 * dead; and at the gate, which repairs who holds it up. */
__attribute__((noreturn)) static void be_asker(uint32_t way)
{
	shoal_pub *pub = NULL;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	me = ACTORS + way;
	my_life = 1;
	if (way == 2)
		expect("an asker's pub_open", shoal_pub_open(&pub, NAME, 0, &options));
	while (!atomic_load(&stage->end)) {
		shoal_sub *sub = NULL;
		nap_ns((int64_t)roll(300) * 1000); /* who is to be stopped needs a core, too */
		atomic_fetch_add(&stage->looks, 1);
		if (way == 0) {
			atomic_fetch_add(&stage->dead, census().dead);
		} else if (way == 1) {
			expect("an asker's sub_open", shoal_sub_open(&sub, NAME, 0, &options));
			shoal_sub_close(sub);
		} else {
			int r = shoal_pub_publish(pub, "z", 1, MS);
			if (r != -ETIMEDOUT)
				expect("an asker's publish", r);
		}
	}
	shoal_pub_close(pub);
	_exit(0);
}

static pid_t start_asker(uint32_t way)
{
	pid_t pid = fork();
	if (pid == 0)
		be_asker(way);
	return pid;
}

static void stop_and_go(pid_t pid)
{
	siginfo_t info;
	kill(pid, SIGSTOP);
	if (waitid(P_PID, (id_t)pid, &info, WSTOPPED | WEXITED) < 0 ||
	    info.si_code != CLD_STOPPED) {
		violate(0, "a process that was to be stopped ended: code %d, status %d",
			info.si_code, info.si_status);
		return;
	}
	struct census found = census();
	atomic_fetch_add(&stage->looks, 1);
	if (found.dead > 0 || found.alive < 4)
		violate(0, "while it is stopped: %u seats alive, %u dead", found.alive, found.dead);
	kill(pid, SIGCONT);
}

static uint64_t run_stops(uint64_t cycles)
{
	pid_t pids[2], askers[ASKERS];
	uint64_t done = 0;
	for (uint32_t i = 0; i < 2; i++)
		pids[i] = start_actor(i, -1);
	for (uint32_t i = 0; i < ASKERS; i++)
		askers[i] = start_asker(i);
	for (; done < cycles && !atomic_load(&book->violations); done++) {
		atomic_fetch_add(&stage->actors[done % 2].asked, 1);
		stop_and_go(pids[done % 2]);
		if (done % 16 == 15)
			for (int i = 0; i < 2; i++)
				ask(&stage->actors[i]);
	}
	atomic_store(&stage->end, 1);
	for (uint32_t i = 0; i < ASKERS; i++)
		waitpid(askers[i], NULL, 0);
	for (uint32_t i = 0; i < 2; i++) {
		int status = 0;
		waitpid(pids[i], &status, 0);
		if (status != 0)
			violate(i, "it ended with status 0x%x", (unsigned)status);
	}
	if (atomic_load(&stage->dead) > 0)
		violate(UINT32_MAX, "%" PRIu64 " times a seat looked dead",
			atomic_load(&stage->dead));
	return done;
}

void linger(const char *descriptor)
{
	if (write((int)strtol(descriptor, NULL, 10), "!", 1) == 1)
		for (;;)
			pause();
}

/* ---- all of it ----------------------------------------------------------------------------- */

int run_identity(uint64_t cycles, const char *counts)
{
	stage =
	    mmap(NULL, sizeof(*stage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	options = (struct shoal_topic_options){.size = sizeof(options),
					       .slots = SLOTS,
					       .lanes = FREE_LANES,
					       .subscribers = ACTORS,
					       .spin_ns = SHOAL_SPIN_NEVER};
	expect("create", shoal_topic_create(NAME, SHOAL_EXCLUSIVE, &options));
	uint64_t rounds = run_twins(10 + cycles / 500);
	run_exec();
	uint64_t forks = run_forks();
	uint64_t stops = run_stops(cycles);
	expect("audit", shoal_topic_audit(NAME, 0));
	if (!atomic_load(&book->violations))
		expect_alive(0, "at the end");
	expect("remove", shoal_remove(NAME, atomic_load(&book->violations) ? SHOAL_FORCE : 0));
	printf("%" PRIu64 " twins killed, 1 exec, %" PRIu64 " forks in opening, %" PRIu64
	       " stopped and resumed, asked %" PRIu64
	       " times, %u false deaths or other violations\n",
	       rounds, forks, stops, atomic_load(&stage->looks), atomic_load(&book->violations));
	FILE *file = counts ? fopen(counts, "ae") : NULL;
	if (file) {
		fprintf(file,
			"identity.twins %" PRIu64 "\nidentity.forks_in_opening %" PRIu64
			"\nidentity.stops %" PRIu64 "\nidentity.looks %" PRIu64
			"\nidentity.violations %u\n",
			rounds, forks, stops, atomic_load(&stage->looks),
			atomic_load(&book->violations));
		fclose(file);
	}
	return print_violations();
}
