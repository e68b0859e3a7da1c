/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor: starts lives, ends them, and stops the world now and then. It is the parent of
 * all workers, in whichever PID namespace they are, and reaps what these leave behind.
 */
#include "soak.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct slot {
	pid_t pid; /* 0: none */
	enum role role;
	bool stopped;
	int64_t resume_at;
	int64_t resumed_at;
};
static struct slot slots[WORKERS];
static bool twins;

#define TWINS       6 /* slots whose lives are in two PID namespaces, in turn */
#define PAUSE_NS    (600 * 1000)
#define STOP_NS     (30 * MS)
#define CHECK_EVERY (400 * MS)

static const unsigned char weights[ROLE_COUNT] = {
    [ROLE_PUBLISHER] = 30, [ROLE_READER] = 24, [ROLE_MIXER] = 22,
    [ROLE_FORKER] = 8,     [ROLE_CLOSER] = 6,  [ROLE_UNMAPPER] = 4,
    [ROLE_THREADER] = 6,   [ROLE_EXECER] = 3,  [ROLE_HOG] = 3,
};

static enum role choose_role(void)
{
	unsigned sum = 0;
	for (int i = 0; i < ROLE_COUNT; i++)
		sum += weights[i];
	unsigned dice = (unsigned)roll(sum);
	int role = 0;
	if (place_cgroup && roll(12) == 0)
		return ROLE_SQUEEZED;
	while (dice >= weights[role])
		dice -= weights[role++];
	return (enum role)role;
}

static void be_worker(uint32_t number, uint32_t life, enum role role)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	me = number;
	my_life = life;
	random_state = mix(book->seed ^ mix((uint64_t)number << 32 | life));
	live(role);
}

static void start(struct plan *plan, uint32_t number)
{
	struct slot *slot = &slots[number];
	struct worker_log *worker = &book->workers[number];
	uint32_t life = atomic_load(&worker->life) + 1;
	enum role role = choose_role();
	memset(worker->held, 0, sizeof(worker->held));
	atomic_store(&worker->forcing, 0);
	atomic_store(&worker->op_until, 0);
	atomic_store(&worker->role, role);
	atomic_store(&worker->life, life);
	pid_t pid = place_fork(twins && number < TWINS ? (int)number % 2 : -1);
	if (pid == 0)
		be_worker(number, life, role);
	if (pid < 0)
		violate(UINT32_MAX, "fork: %s", strerror(errno));
	*slot = (struct slot){.pid = pid > 0 ? pid : 0, .role = role, .resumed_at = now_ns()};
	plan->totals.lives++;
}

/* ---- ends ---------------------------------------------------------------------------------- */

static void check_status(uint32_t number, int status)
{
	bool doomed = atomic_load(&book->workers[number].doomed) ==
		      atomic_load(&book->workers[number].life);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 3)
		return; /* it has said why */
	if (doomed && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return;
	violate(number, "worker %u (%s) ended with status 0x%x", number,
		role_names[slots[number].role], (unsigned)status);
}

static void ended(struct plan *plan, uint32_t number, int status)
{
	check_status(number, status);
	slots[number].pid = 0;
	plan->totals.ended++;
	atomic_store(&book->workers[number].doomed, atomic_load(&book->workers[number].life));
	atomic_store(&book->workers[number].forcing, 0);
}

static uint32_t slot_of(pid_t pid)
{
	uint32_t number = 0;
	while (number < WORKERS && slots[number].pid != pid)
		number++;
	return number;
}

/* Everybody who has ended: workers, and children that outlived theirs. False: nobody is left. */
static bool reap(struct plan *plan)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		uint32_t number = slot_of(pid);
		if (number < WORKERS && slots[number].role == ROLE_SQUEEZED)
			plan->totals.squeezed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
		if (number < WORKERS)
			ended(plan, number, status);
		else if (!WIFEXITED(status) || (WEXITSTATUS(status) & ~3))
			violate(UINT32_MAX, "a worker's child ended with status 0x%x",
				(unsigned)status);
	}
	return pid == 0;
}

static void kill_one(struct plan *plan, uint32_t number)
{
	int status = 0;
	struct slot *slot = &slots[number];
	if (slot->pid == 0)
		return;
	atomic_store(&book->workers[number].doomed, atomic_load(&book->workers[number].life));
	kill(slot->pid, SIGKILL);
	if (waitpid(slot->pid, &status, 0) != slot->pid)
		return;
	plan->totals.kills += WIFSIGNALED(status);
	ended(plan, number, status);
}

/* ---- stops --------------------------------------------------------------------------------- */

static void stop_one(struct plan *plan, uint32_t number, int64_t for_ns)
{
	struct slot *slot = &slots[number];
	if (slot->pid == 0 || slot->stopped)
		return;
	kill(slot->pid, SIGSTOP);
	slot->stopped = true;
	slot->resume_at = now_ns() + for_ns;
	plan->totals.stops++;
}

static void resume(struct slot *slot)
{
	if (!slot->stopped)
		return;
	slot->stopped = false;
	slot->resumed_at = now_ns();
	if (slot->pid)
		kill(slot->pid, SIGCONT);
}

static void resume_due(void)
{
	int64_t now = now_ns();
	for (int i = 0; i < WORKERS; i++)
		if (slots[i].stopped && now >= slots[i].resume_at)
			resume(&slots[i]);
}

/* Waits until the kernel says that each is stopped; who ends instead has ended. */
static void stop_all(struct plan *plan)
{
	for (uint32_t i = 0; i < WORKERS; i++)
		if (slots[i].pid)
			kill(slots[i].pid, SIGSTOP);
	for (uint32_t i = 0; i < WORKERS; i++) {
		siginfo_t info = {0};
		int status;
		if (slots[i].pid == 0)
			continue;
		if (waitid(P_PID, (id_t)slots[i].pid, &info, WSTOPPED | WEXITED | WNOWAIT) < 0)
			continue;
		slots[i].stopped = true;
		if (info.si_code != CLD_STOPPED && waitpid(slots[i].pid, &status, 0) > 0)
			ended(plan, i, status);
	}
}

static void stop_the_world(struct plan *plan)
{
	stop_all(plan);
	check_stopped();
	plan->totals.checks++;
	for (int i = 0; i < WORKERS; i++)
		resume(&slots[i]);
}

/* ---- stuck --------------------------------------------------------------------------------- */

static void look_for_stuck(void)
{
	int64_t now = now_ns();
	for (uint32_t i = 0; i < WORKERS; i++) {
		int64_t until = atomic_load(&book->workers[i].op_until);
		if (slots[i].pid == 0 || slots[i].stopped || until == 0 || now < until ||
		    now < slots[i].resumed_at + BOUND)
			continue;
		violate(i, "stuck: worker %u is in %s for 10 s longer than it may", i,
			op_names[atomic_load(&book->workers[i].op)]);
	}
}

static bool all_is_well(void)
{
	return atomic_load(&book->violations) == 0;
}

/* ---- a round ------------------------------------------------------------------------------- */

/* Up to three die at a time: one while another repairs what a third left. */
static void do_harm(struct plan *plan)
{
	uint64_t dice = roll(100);
	if (dice < 85)
		for (uint64_t left = 1 + roll(3); left > 0; left--)
			kill_one(plan, (uint32_t)roll(SPARED));
	uint32_t victim = (uint32_t)roll(WORKERS);
	if (dice > 92)
		stop_one(plan, victim, (int64_t)roll(STOP_NS));
	else if (dice > 85 && slots[victim].pid && slots[victim].role == ROLE_FORKER)
		kill(slots[victim].pid, SIGUSR2);
}

/* Waits until nobody of that sort is left; the bound is generous, since calls have their own. */
static void wait_until_ended(struct plan *plan, bool readers_too)
{
	int64_t limit = now_ns() + 5 * BOUND;
	bool left = true;
	while (left && all_is_well() && now_ns() < limit) {
		left = false;
		reap(plan);
		look_for_stuck();
		for (int i = 0; i < WORKERS; i++) {
			left |= slots[i].pid && (readers_too || slots[i].role != ROLE_READER);
			if (readers_too && slots[i].pid)
				kill(slots[i].pid, SIGUSR1);
		}
		nap_ns(MS / 2);
	}
	if (left && all_is_well())
		violate(UINT32_MAX, "stuck: workers do not end");
}

static void wait_until_read(struct plan *plan)
{
	int64_t limit = now_ns() + BOUND;
	while (!all_is_read(false) && all_is_well() && now_ns() < limit) {
		reap(plan);
		nap_ns(MS / 2);
	}
	if (all_is_well())
		all_is_read(true);
}

/* Children of workers end by themselves. */
static void wait_until_alone(struct plan *plan)
{
	int64_t limit = now_ns() + BOUND;
	place_close_twins();
	while (reap(plan) && now_ns() < limit)
		nap_ns(MS / 2);
}

static void end_round(struct plan *plan)
{
	for (int i = 0; i < WORKERS; i++)
		resume(&slots[i]);
	atomic_store(&book->stop, 1);
	wait_until_ended(plan, false);
	wait_until_read(plan);
	atomic_store(&book->stop, 2);
	wait_until_ended(plan, true);
	for (uint32_t i = 0; i < WORKERS; i++) /* only after a violation */
		kill_one(plan, i);
	wait_until_alone(plan);
}

bool run_round(struct plan *plan)
{
	int64_t end = now_ns() + plan->round_ns;
	int64_t check_at = now_ns() + CHECK_EVERY;
	book_new_round();
	twins = place_open_twins();
	while (all_is_well() && now_ns() < end) {
		for (uint32_t i = 0; i < WORKERS; i++)
			if (slots[i].pid == 0)
				start(plan, i);
		nap_ns((int64_t)roll(PAUSE_NS));
		do_harm(plan);
		reap(plan);
		resume_due();
		look_for_stuck();
		if (now_ns() >= check_at) {
			stop_the_world(plan);
			check_at = now_ns() + CHECK_EVERY;
		}
	}
	end_round(plan);
	plan->totals.rounds++;
	return all_is_well();
}
