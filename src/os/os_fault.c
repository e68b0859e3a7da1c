/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults: memory that fails under a thread (SIGBUS), caught, and passed on to whoever had the
 * signal before.
 *
 * WHAT IS INSTALLED. A handler is the process's, not ours, so ours asks nothing of the rest: it is
 * installed with the mask of the one before, its SA_NODEFER, SA_ONSTACK and SA_RESTART. So the
 * kernel itself makes for ours what it would have made for that one, and passing on is a call.
 * What the kernel does before the call, SA_RESETHAND, is done here, once (`spent`); and what it
 * does instead of one:
 *   default    restored, and the same signal sent to this thread again, which finds it on its way
 *              back at the instruction that failed: the core is that of the fault
 *   ignored    so is one that was sent; a fault can't be ignored and kills, as it would have
 * A thread that blocks SIGBUS never comes here: the kernel kills for a fault that is blocked.
 *
 * STATES, changed by catch and let alone, one at a time:
 *   OUT  our handler is not installed, though whoever saved it may still call it or install it
 *   IN   it is, or somebody installed another over it, who is expected to call it
 * OUT -> IN installs; who had the signal until then is `before`. IN -> OUT puts that back, but only
 * if ours is still there: under another one we stay IN, since it may call us, and taking its place
 * later would make the two call each other for ever. For the same reason OUT -> IN that finds
 * ours, installed by somebody who had saved it, keeps `before` as it is.
 *
 * HANDLERS RUN ALL THE WHILE, in any thread, so what they read is never changed: `before` points to
 * a record that is filled before it is stored (release), read after (acquire), and kept for ever.
 * A new one is made only where the action before ours is another than the last time.
 *
 * REPAIR runs with all signals blocked: a handler that came in the middle might wait for it
 * (guard/guard.c). The mask is put back before anything is passed on.
 */
#include "os/os_linux.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct record {
	struct sigaction action;
	_Atomic bool spent; /* SA_RESETHAND: it was called, so it is the default now */
	struct record *older;
};

static _Atomic(struct record *) before;
static _Atomic(bool (*)(uintptr_t address)) ask;
static bool caught; /* IN */

/* ---- the handler --------------------------------------------------------------------------- */

/* Does it come from what the thread itself did? Such a one comes again if nothing is done. */
static bool is_fault(const siginfo_t *info)
{
	return info->si_code > 0 && info->si_code != BUS_MCEERR_AO;
}

/* Memory that is not there (any more), or can't be read: not an address that was wrong. */
static bool is_lost_memory(const siginfo_t *info)
{
	return info->si_code == BUS_ADRERR || info->si_code == BUS_OBJERR ||
	       info->si_code == BUS_MCEERR_AR;
}

static bool repair(const siginfo_t *info)
{
	bool (*repair_there)(uintptr_t) = atomic_load(&ask);
	sigset_t all, mask;
	if (!is_lost_memory(info) || !repair_there)
		return false;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &mask);
	bool done = repair_there((uintptr_t)info->si_addr);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	return done;
}

/* If it can't be sent again, a fault comes again by itself when the handler returns. */
static void do_default(int number, siginfo_t *info)
{
	const struct sigaction action = {.sa_handler = SIG_DFL};
	sigaction(number, &action, NULL);
	syscall(SYS_rt_tgsigqueueinfo, getpid(), (pid_t)syscall(SYS_gettid), number, info);
}

static bool is_function(const struct sigaction *action)
{
	return action->sa_flags & SA_SIGINFO ||
	       (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

static void pass_on(int number, siginfo_t *info, void *context)
{
	struct record *record = atomic_load_explicit(&before, memory_order_acquire);
	const struct sigaction *action = &record->action;
	bool callable = is_function(action) && !(action->sa_flags & (int)SA_RESETHAND &&
						 atomic_exchange(&record->spent, true));
	if (callable && action->sa_flags & SA_SIGINFO)
		action->sa_sigaction(number, info, context);
	else if (callable)
		action->sa_handler(number);
	else if (is_function(action) || action->sa_handler == SIG_DFL || is_fault(info))
		do_default(number, info);
}

static void on_fault(int number, siginfo_t *info, void *context)
{
	int error = errno;
	bool repaired = repair(info);
	errno = error;
	if (!repaired)
		pass_on(number, info, context);
}

/* ---- catch and let ------------------------------------------------------------------------- */

static bool is_ours(const struct sigaction *action)
{
	return action->sa_flags & SA_SIGINFO && action->sa_sigaction == on_fault;
}

static bool same_action(const struct sigaction *a, const struct sigaction *b)
{
	if (a->sa_flags != b->sa_flags ||
	    (a->sa_flags & SA_SIGINFO ? a->sa_sigaction != b->sa_sigaction
				      : a->sa_handler != b->sa_handler))
		return false;
	for (int i = 1; i < NSIG; i++)
		if (sigismember(&a->sa_mask, i) != sigismember(&b->sa_mask, i))
			return false;
	return true;
}

static int remember(const struct sigaction *action)
{
	struct record *last = atomic_load(&before);
	if (last && same_action(&last->action, action) && !atomic_load(&last->spent))
		return 0;
	struct record *record = calloc(1, sizeof(*record));
	if (!record)
		return -ENOMEM;
	record->action = *action;
	record->older = last;
	atomic_store_explicit(&before, record, memory_order_release);
	return 0;
}

static int install(const struct sigaction *there)
{
	/* With nobody there: a stack of its own where the thread has one, which some runtimes
	 * demand, and no call broken off by a signal that would have been ignored. */
	struct sigaction ours = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	if (is_function(there)) {
		ours.sa_flags |= there->sa_flags & (SA_NODEFER | SA_ONSTACK | SA_RESTART);
		ours.sa_mask = there->sa_mask;
	} else {
		ours.sa_flags |= SA_ONSTACK | SA_RESTART;
		sigemptyset(&ours.sa_mask);
	}
	return sigaction(SIGBUS, &ours, NULL) < 0 ? -errno : 0;
}

int os_catch_faults(bool (*repair_there)(uintptr_t address))
{
	struct sigaction there;
	int r = 0;
	atomic_store(&ask, repair_there);
	if (caught)
		return 0;
	if (sigaction(SIGBUS, NULL, &there) < 0)
		return -errno;
	if (!is_ours(&there)) {
		r = remember(&there);
		if (r == 0)
			r = install(&there);
	}
	caught = r == 0;
	return r;
}

/* Somebody may come between the look and the exchange; then he gets his place back. */
void os_let_faults(void)
{
	struct sigaction there;
	const struct record *record = atomic_load(&before);
	struct sigaction action = record->action;
	if (atomic_load(&record->spent)) {
		action.sa_handler = SIG_DFL;
		action.sa_flags &= ~SA_SIGINFO;
	}
	if (sigaction(SIGBUS, NULL, &there) < 0 || !is_ours(&there))
		return;
	if (sigaction(SIGBUS, &action, &there) < 0)
		return;
	if (is_ours(&there))
		caught = false;
	else
		sigaction(SIGBUS, &there, NULL);
}

/* ---- memory in the place of memory --------------------------------------------------------- */

/* NORESERVE: most of it will never be touched. */
static void *map_zeroes(void *address, uint64_t bytes, int flags)
{
	void *p = mmap(address, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
	if (p != MAP_FAILED)
		madvise(p, bytes, MADV_DONTFORK);
	return p;
}

/*
 * Made elsewhere, filled, and moved: other threads see what was there or what is filled, nothing
 * between. Where there is no room for both (RLIMIT_AS), it is filled in its place.
 */
int os_map_over(void *address, uint64_t bytes, void (*fill)(const void *context, uint8_t *memory),
		const void *context)
{
	void *p = map_zeroes(NULL, bytes, 0);
	if (p != MAP_FAILED) {
		fill(context, p);
		if (mremap(p, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, address) == address)
			return 0;
		munmap(p, bytes);
	}
	if (map_zeroes(address, bytes, MAP_FIXED) == MAP_FAILED)
		return -errno;
	fill(context, address);
	return 0;
}
