/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is not guarded goes to whoever had SIGBUS before, exactly as the kernel would have done it:
 * each case runs twice, in a process without a guard and in one with a guard over other memory, and
 * both must see the same and end the same way.
 */
#include "guard/guard_rig.h"

#include <stdio.h>

/* What the handler saw, in memory that parent and child share. Without padding: it is compared. */
struct seen {
	volatile int64_t calls;
	struct {
		int64_t code;
		int64_t address; /* of a fault: from the beginning of the memory */
		uint64_t mask;
		uint64_t on_other_stack;
		uint64_t has_context;
	} call[4];
};

enum trigger { FAULT, SENT, FAULT_BLOCKED, FAULT_IN_HANDLER, SENT_THEN_FAULT, TRIGGERS };
enum before { DEFAULT, IGNORED, ONE_ARGUMENT, THREE_ARGUMENTS, BEFORES };

struct trial {
	enum before before;
	int flags;
	enum trigger trigger;
	bool guard;
	struct seen *seen;
};

static struct trial trial;
static uint8_t *bad;
static char other_stack[65536];

static uint64_t mask_now(void)
{
	uint64_t mask = 0;
	sigset_t set;
	pthread_sigmask(SIG_BLOCK, NULL, &set);
	for (int i = 1; i < 65; i++)
		mask |= (uint64_t)(sigismember(&set, i) == 1) << (i - 1);
	return mask;
}

static void note(const siginfo_t *info, const void *context)
{
	struct seen *seen = trial.seen;
	char here;
	int64_t i = seen->calls < 3 ? seen->calls : 3;
	seen->calls++;
	seen->call[i].mask = mask_now();
	seen->call[i].on_other_stack = &here > other_stack &&
				       &here < other_stack + sizeof(other_stack);
	seen->call[i].code = info ? info->si_code : 0;
	seen->call[i].has_context = context != NULL;
	if (info && info->si_code > 0)
		seen->call[i].address = (uint8_t *)info->si_addr - bad;
	mend_page(bad);
}

static void with_one(int number)
{
	(void)number;
	note(NULL, NULL);
}

static void with_three(int number, siginfo_t *info, void *context)
{
	(void)number;
	note(info, context);
}

static void touch_bad(void)
{
	uint8_t *cut = map_cut_file(1);
	if (bad)
		mremap(cut, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, bad);
	else
		bad = cut;
	look(bad + 123);
}

static void touch_bad_inside(int number)
{
	(void)number;
	touch_bad();
}

static void pull_trigger(void)
{
	sigset_t bus;
	switch (trial.trigger) {
	case FAULT_BLOCKED:
		sigemptyset(&bus);
		sigaddset(&bus, SIGBUS);
		pthread_sigmask(SIG_BLOCK, &bus, NULL);
		touch_bad();
		break;
	case FAULT_IN_HANDLER:
		signal(SIGUSR2, touch_bad_inside);
		raise(SIGUSR2);
		break;
	case SENT:
		raise(SIGBUS);
		break;
	case SENT_THEN_FAULT:
		raise(SIGBUS);
		touch_bad();
		break;
	default:
		touch_bad();
	}
}

static void install_before(void)
{
	struct sigaction action = {.sa_flags = trial.flags};
	sigaddset(&action.sa_mask, SIGWINCH);
	sigaddset(&action.sa_mask, SIGRTMIN + 3);
	if (trial.before == THREE_ARGUMENTS) {
		action.sa_flags |= SA_SIGINFO;
		action.sa_sigaction = with_three;
	} else {
		action.sa_handler = trial.before == DEFAULT   ? SIG_DFL
				    : trial.before == IGNORED ? SIG_IGN
							      : with_one;
	}
	sigaction(SIGBUS, &action, NULL);
}

static void run_trial(void *context)
{
	(void)context;
	const stack_t stack = {.ss_sp = other_stack, .ss_size = sizeof(other_stack)};
	sigset_t some;
	sigaltstack(&stack, NULL);
	sigemptyset(&some);
	sigaddset(&some, SIGURG);
	pthread_sigmask(SIG_BLOCK, &some, NULL);
	install_before();
	if (trial.guard)
		guarded(map_file(2, 1, NULL), 2);
	bad = NULL;
	pull_trigger();
	pull_trigger();
}

static int run_one(bool guard, struct seen *ret_seen)
{
	trial.guard = guard;
	memset(trial.seen, 0, sizeof(*trial.seen));
	int status = status_of(run_trial, NULL);
	*ret_seen = *trial.seen;
	return status;
}

static void compare_trials(void)
{
	struct seen without, with;
	int status_without = run_one(false, &without);
	int status_with = run_one(true, &with);
	if (status_with == status_without && memcmp(&with, &without, sizeof(with)) == 0)
		return;
	print_error("before %d, flags %x, trigger %d: status %x with the guard, %x without; "
		    "calls %lld and %lld; mask %llx and %llx\n",
		    trial.before, (unsigned)trial.flags, trial.trigger, status_with, status_without,
		    (long long)with.calls, (long long)without.calls,
		    (unsigned long long)with.call[0].mask,
		    (unsigned long long)without.call[0].mask);
	fail();
}

static void test_others_get_it_as_the_kernel_would_have_given_it(void **state)
{
	(void)state;
	trial.seen = mmap(NULL, sizeof(*trial.seen), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(trial.seen != MAP_FAILED);
	for (int i = 0; i < BEFORES * 16 * TRIGGERS; i++) {
		int flags = i / TRIGGERS % 16;
		trial.trigger = (enum trigger)(i % TRIGGERS);
		trial.before = (enum before)(i / TRIGGERS / 16);
		trial.flags = (flags & 1 ? SA_NODEFER : 0) | (flags & 2 ? SA_ONSTACK : 0) |
			      (flags & 4 ? (int)SA_RESETHAND : 0) | (flags & 8 ? SA_RESTART : 0);
		compare_trials();
	}
	munmap(trial.seen, sizeof(*trial.seen));
}

/* ---- coming and going ---------------------------------------------------------------------- */

static void mend(int number, siginfo_t *info, void *context)
{
	trial.seen->calls++;
	(void)number;
	(void)context;
	mend_page((void *)((uintptr_t)info->si_addr & ~(uintptr_t)(PAGE - 1)));
}

static struct sigaction now(void)
{
	struct sigaction action;
	sigaction(SIGBUS, NULL, &action);
	return action;
}

static bool has_signal(const struct sigaction *action)
{
	struct sigaction there = now();
	const int flags = SA_SIGINFO | SA_NODEFER;
	return there.sa_sigaction == action->sa_sigaction &&
	       (there.sa_flags & flags) == (action->sa_flags & flags) &&
	       sigismember(&there.sa_mask, SIGWINCH) == sigismember(&action->sa_mask, SIGWINCH);
}

static struct sigaction own_action(void)
{
	struct sigaction action = {.sa_sigaction = mend, .sa_flags = SA_SIGINFO | SA_NODEFER};
	sigaddset(&action.sa_mask, SIGWINCH);
	return action;
}

static void test_it_comes_with_the_first_and_goes_with_the_last(void **state)
{
	(void)state;
	struct sigaction before = now(), mine = own_action();
	uint8_t *a = map_file(1, 1, NULL), *b = map_file(1, 1, NULL);
	sigaction(SIGBUS, &mine, NULL);
	for (int i = 0; i < 3; i++) {
		struct guard *first = guarded(a, 1);
		assert_false(has_signal(&mine));
		assert_int_equal(now().sa_flags & SA_NODEFER, SA_NODEFER);
		struct guard *second = guarded(b, 1);
		guard_remove(first);
		assert_false(has_signal(&mine));
		guard_remove(second);
		assert_true(has_signal(&mine));
	}
	/* Another one meanwhile: that is the one before us now. */
	mine.sa_flags = SA_SIGINFO;
	sigaction(SIGBUS, &mine, NULL);
	struct guard *guard = guarded(a, 1);
	guard_remove(guard);
	assert_true(has_signal(&mine));
	sigaction(SIGBUS, &before, NULL);
	unmap(a, 1);
	unmap(b, 1);
}

static struct sigaction found;
static uint8_t *known;

/* As a handler should that is put over another one: what it does not know, it passes on. */
static void mend_known(int number, siginfo_t *info, void *context)
{
	if ((uint8_t *)info->si_addr >= known && (uint8_t *)info->si_addr < known + PAGE)
		mend(number, info, context);
	else if (found.sa_flags & SA_SIGINFO)
		found.sa_sigaction(number, info, context);
	else
		_exit(7);
}

static void expect_both_work(int calls)
{
	uint8_t *cut = map_cut_file(2);
	struct guard *guard = guarded(cut, 2);
	assert_int_equal(look(cut + PAGE), 0);
	assert_true(guard_is_lost(guard));
	known = map_cut_file(1);
	trial.seen->calls = 0;
	look(known);
	assert_int_equal(trial.seen->calls, calls);
	guard_remove(guard);
	unmap(cut, 2);
	unmap(known, 1);
}

/* It found ours and calls it. When the last guard goes, it stays, and ours below it; so the next
 * one needs no place on top, where the two would call each other. */
static void test_a_handler_that_is_put_over_ours_stays(void **state)
{
	(void)state;
	struct seen seen = {0};
	struct sigaction before = now(), mine = own_action();
	struct sigaction over = {.sa_sigaction = mend_known, .sa_flags = SA_SIGINFO};
	uint8_t *memory = map_file(1, 1, NULL);
	trial.seen = &seen;
	sigaction(SIGBUS, &mine, NULL);
	struct guard *guard = guarded(memory, 1);
	sigaction(SIGBUS, &over, &found);
	expect_both_work(1);
	guard_remove(guard);
	assert_true(has_signal(&over));
	for (int i = 0; i < 3; i++) {
		expect_both_work(1);
		assert_true(has_signal(&over));
	}
	/* What neither knows reaches whoever was there first. */
	uint8_t *nobodys = map_cut_file(1);
	seen.calls = 0;
	look(nobodys);
	assert_int_equal(seen.calls, 1);
	unmap(nobodys, 1);
	/* It goes, and puts back what it found: ours, which then goes with the last. */
	sigaction(SIGBUS, &found, NULL);
	guard = guarded(memory, 1);
	guard_remove(guard);
	assert_true(has_signal(&mine));
	/* Ours comes back by another's hand while nothing is guarded: still no circle. */
	sigaction(SIGBUS, &found, NULL);
	expect_both_work(1);
	assert_true(has_signal(&mine));
	sigaction(SIGBUS, &before, NULL);
	unmap(memory, 1);
}

static sigjmp_buf out;

static void jump_out(int number)
{
	siglongjmp(out, number);
}

/* The usual way to survive such faults: nothing of ours may be left behind by the jump. */
static void test_a_handler_that_jumps_out_may_do_so_for_ever(void **state)
{
	(void)state;
	const struct sigaction action = {.sa_handler = jump_out};
	struct sigaction before;
	sigaction(SIGBUS, &action, &before);
	uint8_t *memory = map_cut_file(1), *cut = map_cut_file(1);
	volatile int jumps = 0;
	struct guard *guard = guarded(memory, 1);
	for (volatile int i = 0; i < 1000; i++) {
		if (sigsetjmp(out, 1) == 0) {
			look(cut);
			fail();
		}
		jumps++;
	}
	assert_int_equal(jumps, 1000);
	assert_int_equal(look(memory), 0);
	guard_remove(guard);
	sigaction(SIGBUS, &before, NULL);
	unmap(memory, 1);
	unmap(cut, 1);
}

/* ---- when the kernel has no memory for it -------------------------------------------------- */

static int no_map_over(void *address, uint64_t bytes,
		       void (*fill)(const void *context, uint8_t *memory), const void *context)
{
	(void)address;
	(void)bytes;
	(void)fill;
	(void)context;
	return -ENOMEM;
}

static void test_what_cant_be_replaced_is_passed_on(void **state)
{
	(void)state;
	struct seen seen = {0};
	struct sigaction before, mine = own_action();
	struct os_calls table = os_linux;
	trial.seen = &seen;
	sigaction(SIGBUS, &mine, &before);
	uint8_t *memory = map_cut_file(1);
	struct guard *guard = guarded(memory, 1);
	table.map_over = no_map_over;
	os = &table;
	look(memory);
	assert_int_equal(guard_lose(guard), -ENOMEM);
	os = &os_linux;
	assert_int_equal(seen.calls, 1);
	assert_false(guard_is_lost(guard));
	guard_remove(guard);
	sigaction(SIGBUS, &before, NULL);
	unmap(memory, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_others_get_it_as_the_kernel_would_have_given_it),
	    cmocka_unit_test(test_it_comes_with_the_first_and_goes_with_the_last),
	    cmocka_unit_test(test_a_handler_that_is_put_over_ours_stays),
	    cmocka_unit_test(test_a_handler_that_jumps_out_may_do_so_for_ever),
	    cmocka_unit_test(test_what_cant_be_replaced_is_passed_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
