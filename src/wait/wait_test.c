/* SPDX-License-Identifier: Apache-2.0 */
/* Sleeping and waking; where it is about time, with a clock that only sleeping moves. */
#include "wait/wait.h"

#include "os/os.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NEVER_SPIN  1
#define MILLISECOND 1000000

/* A waiter whose every question is answered from here. */
struct script {
	_Atomic uint32_t word;
	_Atomic int there; /* what look answers */
	int looks;
	int there_after; /* looks; 0: never by itself */
	bool unsettled;
	int asked;
	/* what the os was asked for */
	int64_t now;
	int sleeps;
	int64_t last_sleep;
	int wake_at_sleep; /* the sleep that ends with the thing there; 0: none */
	int barrier;
	int yields;
};
static struct script *script;
static struct os_calls calls;

static int look(void *context)
{
	struct script *s = context;
	if (s->there_after && ++s->looks >= s->there_after)
		s->there = 1;
	return s->there;
}

static bool unsettled(void *context)
{
	return ((struct script *)context)->unsettled;
}

static void ask_kernel(void *context)
{
	((struct script *)context)->asked++;
}

static int fake_sleep(const void *word, uint32_t value, int64_t timeout_ns)
{
	assert_ptr_equal(word, &script->word);
	assert_int_equal(value, script->word);
	assert_int_equal(value & WAIT_SLEEPER, WAIT_SLEEPER);
	script->sleeps++;
	script->last_sleep = timeout_ns;
	script->now += timeout_ns < 0 ? 1000 * MILLISECOND : timeout_ns;
	if (script->sleeps == script->wake_at_sleep)
		script->there = 1;
	return 0;
}

static int64_t fake_now(void)
{
	return script->now += 100; /* spinning takes time too */
}

static int fake_barrier(void)
{
	return script->barrier;
}

static void fake_yield(void)
{
	script->yields++;
}

static int set_up(void **state)
{
	static struct script fresh;
	fresh = (struct script){.now = 1000000};
	script = &fresh;
	calls = os_linux;
	calls.futex_wait = fake_sleep;
	calls.now_ns = fake_now;
	calls.barrier = fake_barrier;
	calls.yield = fake_yield;
	os = &calls;
	*state = script;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	os = &os_linux;
	return 0;
}

static struct wait wait_for(struct script *s, int64_t timeout_ns, int64_t spin_ns)
{
	return (struct wait){
	    .word = &s->word,
	    .look = look,
	    .unsettled = unsettled,
	    .ask_kernel = ask_kernel,
	    .context = s,
	    .timeout_ns = timeout_ns,
	    .spin_ns = spin_ns,
	};
}

static void test_what_is_there_is_not_waited_for(void **state)
{
	struct script *s = *state;
	s->there = 1;
	struct wait wait = wait_for(s, -1, NEVER_SPIN);
	assert_int_equal(wait_until(&wait), 0);
	assert_int_equal(s->sleeps, 0);
	assert_int_equal(s->word, 0);
	assert_int_equal(s->now, 1000000); /* not even the clock was read */
}

static void test_a_timeout_of_0_tries(void **state)
{
	struct script *s = *state;
	struct wait wait = wait_for(s, 0, -1);
	assert_int_equal(wait_until(&wait), -EAGAIN);
	assert_int_equal(s->sleeps, 0);
	assert_int_equal(s->word, 0);
}

static void test_a_timeout_ends_the_wait(void **state)
{
	struct script *s = *state;
	struct wait wait = wait_for(s, 20 * MILLISECOND, NEVER_SPIN);
	int64_t begin = s->now;
	assert_int_equal(wait_until(&wait), -ETIMEDOUT);
	assert_true(s->now - begin >= 20 * MILLISECOND);
	assert_true(s->now - begin < 21 * MILLISECOND);
	assert_int_equal(s->sleeps, 2); /* a slice, and the rest */
}

static void test_a_timeout_ends_spinning_too(void **state)
{
	struct script *s = *state;
	struct wait wait = wait_for(s, MILLISECOND, -1);
	int64_t begin = s->now;
	assert_int_equal(wait_until(&wait), -ETIMEDOUT);
	assert_true(s->now - begin < 2 * MILLISECOND);
	assert_int_equal(s->sleeps, 0);
}

/* Who only tries must not be refused for ever for the sake of somebody dead. */
static void test_a_try_asks_whether_those_in_the_way_live(void **state)
{
	struct script *s = *state;
	s->unsettled = true;
	struct wait wait = wait_for(s, 0, NEVER_SPIN);
	assert_int_equal(wait_until(&wait), -EAGAIN);
	assert_int_equal(s->asked, 1);
	s->looks = 0;
	s->there_after = 2; /* the repair made it so */
	assert_int_equal(wait_until(&wait), 0);
	assert_int_equal(s->asked, 2);
	assert_int_equal(s->sleeps, 0);
}

static void test_the_longest_spin_is_for_ever(void **state)
{
	struct script *s = *state;
	struct wait wait = wait_for(s, MILLISECOND, INT64_MAX);
	assert_int_equal(wait_until(&wait), -ETIMEDOUT);
	assert_int_equal(s->sleeps, 0);
}

static void test_the_longest_timeout_is_for_ever(void **state)
{
	struct script *s = *state;
	s->wake_at_sleep = 3;
	struct wait wait = wait_for(s, INT64_MAX, NEVER_SPIN);
	assert_int_equal(wait_until(&wait), 0);
	assert_int_equal(s->last_sleep, -1);
}

static void test_errors_of_look_end_the_wait(void **state)
{
	struct script *s = *state;
	s->there = -EINTR;
	struct wait wait = wait_for(s, -1, NEVER_SPIN);
	assert_int_equal(wait_until(&wait), -EINTR);
	wait = wait_for(s, 0, NEVER_SPIN);
	assert_int_equal(wait_until(&wait), -EINTR);
}

static void test_what_comes_while_spinning_costs_no_sleep(void **state)
{
	struct script *s = *state;
	s->there_after = 200;
	struct wait wait = wait_for(s, -1, 20000);
	assert_int_equal(wait_until(&wait), 0);
	assert_int_equal(s->sleeps, 0);
	assert_int_equal(s->word, 0);
}

static void test_spinners_give_way(void **state)
{
	struct script *s = *state;
	struct wait wait = wait_for(s, 10 * MILLISECOND, -1);
	assert_int_equal(wait_until(&wait), -ETIMEDOUT);
	assert_true(s->yields > 100);
}

/* Zero CPU for who waits for nobody in particular. */
static void test_a_settled_wait_sleeps_without_slices(void **state)
{
	struct script *s = *state;
	s->wake_at_sleep = 2;
	struct wait wait = wait_for(s, -1, NEVER_SPIN);
	assert_int_equal(wait_until(&wait), 0);
	assert_int_equal(s->sleeps, 2); /* the first one is always a slice */
	assert_int_equal(s->last_sleep, -1);
	assert_int_equal(s->asked, 0);
}

static void test_a_wait_for_particular_seats_is_sliced(void **state)
{
	struct script *s = *state;
	s->unsettled = true;
	s->wake_at_sleep = 50;
	struct wait wait = wait_for(s, -1, NEVER_SPIN);
	assert_int_equal(wait_until(&wait), 0);
	assert_int_equal(s->sleeps, 50);
	assert_true(s->asked >= 50); /* before each sleep */
	assert_true(s->last_sleep > 0 && s->last_sleep <= 5 * MILLISECOND);
}

/* Nobody relies on a waker's look that no membarrier orders. */
static void test_without_membarrier_sleeps_are_sliced(void **state)
{
	struct script *s = *state;
	s->barrier = -ENOSYS;
	s->wake_at_sleep = 5;
	struct wait wait = wait_for(s, -1, NEVER_SPIN);
	assert_int_equal(wait_until(&wait), 0);
	assert_int_equal(s->last_sleep, WAIT_SLICE_NS);
	assert_int_equal(s->asked, 0);
}

static void test_a_slice_is_no_longer_than_the_timeout(void **state)
{
	struct script *s = *state;
	s->unsettled = true;
	struct wait wait = wait_for(s, WAIT_SLICE_NS / 4, NEVER_SPIN);
	assert_int_equal(wait_until(&wait), -ETIMEDOUT);
	assert_true(s->last_sleep <= WAIT_SLICE_NS / 4);
}

static void test_notify_wakes_only_sleepers(void **state)
{
	struct script *s = *state;
	for (int fences = 0; fences <= 1; fences++) {
		s->word = 8;
		assert_false(wait_notify(&s->word, fences));
		assert_int_equal(s->word, 8);
		s->word = 9;
		assert_true(wait_notify(&s->word, fences));
		assert_int_equal(s->word, 10); /* the bit is clear, and it counted */
	}
}

static int forbidden(const void *word, void *add, unsigned shift)
{
	(void)word;
	(void)add;
	(void)shift;
	return -ENOSYS;
}

static void test_waking_works_where_the_call_is_forbidden(void **state)
{
	struct script *s = *state;
	calls.futex_add_and_wake = forbidden;
	s->word = 9;
	assert_true(wait_notify(&s->word, false));
	assert_int_equal(s->word, 10);
}

static int wake_forbidden(const void *word, int count)
{
	(void)word;
	(void)count;
	return -EPERM;
}

static void test_who_can_wake_nobody_leaves_the_bit_to_others(void **state)
{
	struct script *s = *state;
	calls.futex_add_and_wake = forbidden;
	calls.futex_wake = wake_forbidden;
	s->word = 9;
	assert_true(wait_notify(&s->word, false));
	assert_int_equal(s->word & WAIT_SLEEPER, WAIT_SLEEPER);
	assert_int_not_equal(s->word, 9); /* who is about to sleep goes round again */
}

/* As if the alerter were killed in the call, before it wakes. */
static uint32_t word_at_the_call;

static int look_at_word(const void *word, void *add, unsigned shift)
{
	(void)add;
	(void)shift;
	word_at_the_call = atomic_load((const _Atomic uint32_t *)word);
	return 0;
}

static void test_an_alerter_that_dies_leaves_the_bit(void **state)
{
	struct script *s = *state;
	calls.futex_add_and_wake = look_at_word;
	s->word = 8;
	wait_alert(&s->word);
	assert_int_equal(word_at_the_call & WAIT_SLEEPER, WAIT_SLEEPER);
}

static void test_an_alert_leaves_the_bit_for_the_next_waker(void **state)
{
	struct script *s = *state;
	s->word = 9;
	wait_alert(&s->word);
	assert_int_equal(s->word & WAIT_SLEEPER, WAIT_SLEEPER);
	assert_int_not_equal(s->word, 9);
	assert_true(wait_notify(&s->word, false));
}

/* ---- with the real kernel ---------------------------------------------------------------- */

static void *wake_when_asleep(void *context)
{
	struct script *s = context;
	while (!(s->word & WAIT_SLEEPER))
		os_linux.yield();
	s->there = 1;
	wait_notify(&s->word, false);
	return NULL;
}

static void wait_for_thread(int64_t timeout_ns)
{
	for (int i = 0; i < 200; i++) {
		struct script s = {0};
		pthread_t waker;
		struct wait wait = wait_for(&s, timeout_ns, NEVER_SPIN);
		assert_int_equal(pthread_create(&waker, NULL, wake_when_asleep, &s), 0);
		assert_int_equal(wait_until(&wait), 0);
		assert_int_equal(pthread_join(waker, NULL), 0);
	}
}

static void test_a_waker_ends_a_sleep(void **state)
{
	(void)state;
	os = &os_linux;
	assert_int_equal(os->barrier_register(), 0);
	wait_for_thread(-1);
	wait_for_thread(10000 * (int64_t)MILLISECOND);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_what_is_there_is_not_waited_for),
	    TEST(test_a_timeout_of_0_tries),
	    TEST(test_a_timeout_ends_the_wait),
	    TEST(test_a_timeout_ends_spinning_too),
	    TEST(test_a_try_asks_whether_those_in_the_way_live),
	    TEST(test_the_longest_spin_is_for_ever),
	    TEST(test_the_longest_timeout_is_for_ever),
	    TEST(test_errors_of_look_end_the_wait),
	    TEST(test_what_comes_while_spinning_costs_no_sleep),
	    TEST(test_spinners_give_way),
	    TEST(test_a_settled_wait_sleeps_without_slices),
	    TEST(test_a_wait_for_particular_seats_is_sliced),
	    TEST(test_without_membarrier_sleeps_are_sliced),
	    TEST(test_a_slice_is_no_longer_than_the_timeout),
	    TEST(test_notify_wakes_only_sleepers),
	    TEST(test_waking_works_where_the_call_is_forbidden),
	    TEST(test_who_can_wake_nobody_leaves_the_bit_to_others),
	    TEST(test_an_alerter_that_dies_leaves_the_bit),
	    TEST(test_an_alert_leaves_the_bit_for_the_next_waker),
	    TEST(test_a_waker_ends_a_sleep),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
