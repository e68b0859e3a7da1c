/* SPDX-License-Identifier: Apache-2.0 */
/* Publisher and subscriber handles, held against the contract in shoal/topic.h. */
#include "topic/handle.h"

#include <errno.h>
#include <setjmp.h>
#include <shoal/shoal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MILLISECOND ((int64_t)1000000)

struct pair {
	shoal_pub *pub;
	shoal_sub *sub;
};

static const struct shoal_topic_options small = {
    .size = sizeof(small),
    .lanes = 2,
    .subscribers = 3,
    .slots = 8,
    .payload_bytes = 4096,
    .spin_ns = SHOAL_SPIN_NEVER,
};

/* Each test runs over each backend: `maker` makes the topic, `name` leads to it from there on. */
static const char *maker;
static char name[300];
static int descriptor = -1; /* of one without a name */

static int set_up(void **state)
{
	static struct pair pair;
	assert_int_equal(shoal_pub_open(&pair.pub, maker, SHOAL_CREATE, &small), 1);
	snprintf(name, sizeof(name), "%s", maker);
	if (strncmp(maker, "memfd:", 6) == 0 || strncmp(maker, "anon:", 5) == 0) {
		descriptor = dup(shoal_pub_fd(pair.pub));
		snprintf(name, sizeof(name), "memfd:fd=%d", descriptor);
	}
	assert_int_equal(shoal_sub_open(&pair.sub, name, 0, &small), 0);
	*state = &pair;
	return 0;
}

static int tear_down(void **state)
{
	struct pair *pair = *state;
	shoal_pub_close(pair->pub);
	shoal_sub_close(pair->sub);
	if (strncmp(maker, "file:", 5) == 0) {
		int r = shoal_remove(name, 0);
		assert_true(r == 0 || r == -ENOENT);
	}
	if (descriptor >= 0)
		close(descriptor);
	descriptor = -1;
	return 0;
}

static void test_one_loan_at_a_time(void **state)
{
	struct pair *pair = *state;
	struct shoal_loan loan, none;
	struct shoal_view view;
	assert_int_equal(shoal_pub_claim(pair->pub, 8, 0, &loan), 0);
	assert_int_equal(loan.sequence, 0);
	assert_int_equal((uintptr_t)loan.data % 8, 0);
	assert_int_equal(shoal_pub_claim(pair->pub, 8, 0, &none), -EBUSY);
	assert_int_equal(shoal_pub_publish(pair->pub, "x", 1, 0), -EBUSY);
	struct shoal_loan larger = loan;
	larger.bytes = 9;
	assert_int_equal(shoal_pub_commit(pair->pub, &larger), -EINVAL); /* the loan goes on */
	memcpy(loan.data, "shorter", 7);
	loan.bytes = 7;
	assert_int_equal(shoal_pub_commit(pair->pub, &loan), 0);
	assert_int_equal(shoal_pub_commit(pair->pub, &loan), -EINVAL);
	assert_int_equal(shoal_pub_abort(pair->pub, &loan), -EINVAL);
	assert_int_equal(shoal_sub_borrow(pair->sub, 0, &view), 0);
	assert_int_equal(view.bytes, 7);
	assert_memory_equal(view.data, "shorter", 7);
	assert_int_equal(shoal_sub_release(pair->sub, &view), 0);
}

static void test_an_aborted_loan_was_never_there(void **state)
{
	struct pair *pair = *state;
	struct shoal_view view;
	static const size_t sizes[] = {0, 8, 56, 57, 4096};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct shoal_loan loan;
		assert_int_equal(shoal_pub_claim(pair->pub, sizes[i], 0, &loan), 0);
		memset(loan.data, 'x', sizes[i]);
		assert_int_equal(shoal_pub_abort(pair->pub, &loan), 0);
		assert_int_equal(shoal_pub_sequence(pair->pub), 0);
		assert_int_equal(shoal_sub_borrow(pair->sub, 0, &view), -EAGAIN);
	}
}

static void test_large_loans_are_aligned_and_read_in_place(void **state)
{
	struct pair *pair = *state;
	struct shoal_view view;
	struct shoal_loan loan;
	assert_int_equal(shoal_pub_claim(pair->pub, 4097, 0, &loan), -EMSGSIZE);
	assert_non_null(strstr(shoal_error_detail(), "payload"));
	for (int i = 0; i < 20; i++) {
		size_t bytes = 57 + (size_t)i * 200;
		assert_int_equal(shoal_pub_claim(pair->pub, bytes, 0, &loan), 0);
		assert_int_equal((uintptr_t)loan.data % 64, 0);
		memset(loan.data, i, bytes);
		assert_int_equal(shoal_pub_commit(pair->pub, &loan), 0);
		assert_int_equal(shoal_sub_borrow(pair->sub, 0, &view), 0);
		assert_int_equal(view.sequence, i);
		assert_int_equal(view.bytes, bytes);
		assert_int_equal(((const char *)view.data)[bytes - 1], i);
		assert_int_equal(shoal_sub_release(pair->sub, &view), 0);
	}
}

static void test_one_view_at_a_time(void **state)
{
	struct pair *pair = *state;
	struct shoal_view view, none = {.data = "x"};
	char buffer[8];
	assert_int_equal(shoal_pub_publish(pair->pub, "a", 1, 0), 0);
	assert_int_equal(shoal_pub_publish(pair->pub, "b", 1, 0), 0);
	assert_int_equal(shoal_sub_release(pair->sub, &none), -EINVAL);
	assert_int_equal(shoal_sub_borrow(pair->sub, 0, &view), 0);
	assert_int_equal(shoal_sub_borrow(pair->sub, 0, &none), -EBUSY);
	assert_int_equal(shoal_sub_receive(pair->sub, buffer, 8, 0, NULL), -EBUSY);
	assert_int_equal(shoal_sub_receivev(pair->sub, &none, 1, buffer, 8, 0), -EBUSY);
	assert_int_equal(shoal_sub_release(pair->sub, &none), -EINVAL);
	assert_int_equal(shoal_sub_release(pair->sub, &view), 0);
	assert_int_equal(shoal_sub_release(pair->sub, &view), -EINVAL);
	assert_int_equal(shoal_sub_receive(pair->sub, buffer, 8, 0, NULL), 0);
	assert_int_equal(buffer[0], 'b');
}

static void test_a_buffer_too_small_loses_nothing(void **state)
{
	struct pair *pair = *state;
	struct shoal_view view;
	char buffer[100];
	memset(buffer, 'x', sizeof(buffer));
	assert_int_equal(shoal_pub_publish(pair->pub, buffer, 100, 0), 0);
	assert_int_equal(shoal_sub_receive(pair->sub, buffer, 99, 0, &view), -EMSGSIZE);
	assert_int_equal(view.bytes, 100);
	assert_int_equal(shoal_sub_receivev(pair->sub, &view, 1, buffer, 99, 0), -EMSGSIZE);
	assert_int_equal(shoal_sub_receive(pair->sub, buffer, view.bytes, 0, &view), 0);
	assert_ptr_equal(view.data, buffer);
	assert_int_equal(shoal_sub_receive(pair->sub, buffer, 100, 0, &view), -EAGAIN);
}

static void test_batches(void **state)
{
	struct pair *pair = *state;
	struct iovec messages[12];
	struct shoal_view views[12];
	uint64_t buffer[16];
	char text[12][16];
	for (int i = 0; i < 12; i++) {
		memset(text[i], 'a' + i, sizeof(text[i]));
		messages[i] = (struct iovec){text[i], (size_t)i};
	}
	assert_int_equal(shoal_pub_publishv(pair->pub, messages, 0, 0), 0);
	/* Eight slots, and somebody reads: what does not fit is not published. */
	assert_int_equal(shoal_pub_publishv(pair->pub, messages, 12, 0), 8);
	assert_int_equal(shoal_pub_publishv(pair->pub, messages + 8, 4, 0), -EAGAIN);
	assert_int_equal(shoal_pub_publishv(pair->pub, messages + 8, 4, MILLISECOND), -ETIMEDOUT);
	assert_int_equal(shoal_sub_receivev(pair->sub, views, 3, buffer, sizeof(buffer), 0), 3);
	assert_int_equal(shoal_sub_receivev(pair->sub, views + 3, 9, buffer + 4, 24, 0), 3);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(views[i].sequence, i);
		assert_int_equal(views[i].bytes, i);
		assert_int_equal((uintptr_t)views[i].data % 8, 0);
		assert_memory_equal(views[i].data, text[i], (size_t)i);
	}
	assert_int_equal(shoal_pub_publishv(pair->pub, messages + 8, 4, 0), 4);
	assert_int_equal(shoal_sub_receivev(pair->sub, views, 12, buffer, sizeof(buffer), 0), 6);
	assert_int_equal(views[5].sequence, 11);
	assert_int_equal(shoal_sub_receivev(pair->sub, views, 12, buffer, sizeof(buffer), 0),
			 -EAGAIN);
}

static void test_timeouts_and_interrupts(void **state)
{
	struct pair *pair = *state;
	struct shoal_view view;
	assert_int_equal(shoal_sub_borrow(pair->sub, 0, &view), -EAGAIN);
	assert_int_equal(shoal_sub_borrow(pair->sub, MILLISECOND, &view), -ETIMEDOUT);
	shoal_sub_interrupt(pair->sub);
	assert_int_equal(shoal_sub_borrow(pair->sub, SHOAL_FOREVER, &view), -EINTR);
	assert_int_equal(shoal_sub_borrow(pair->sub, 0, &view), -EAGAIN); /* once */
	for (int i = 0; i < 8; i++)
		assert_int_equal(shoal_pub_publish(pair->pub, "x", 1, 0), 0);
	assert_int_equal(shoal_pub_publish(pair->pub, "x", 1, 0), -EAGAIN);
	assert_int_equal(shoal_pub_publish(pair->pub, "x", 1, MILLISECOND), -ETIMEDOUT);
	assert_int_equal(shoal_pub_drain(pair->pub, MILLISECOND), -ETIMEDOUT);
	shoal_pub_interrupt(pair->pub);
	assert_int_equal(shoal_pub_publish(pair->pub, "x", 1, SHOAL_FOREVER), -EINTR);
	shoal_pub_interrupt(pair->pub);
	assert_int_equal(shoal_pub_wait_subscribers(pair->pub, 5, SHOAL_FOREVER), -EINTR);
	assert_int_equal(shoal_pub_wait_subscribers(pair->pub, 1, 0), 0);
	assert_int_equal(shoal_pub_wait_subscribers(pair->pub, 2, 0), -EAGAIN);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(shoal_sub_borrow(pair->sub, 0, &view), 0);
		assert_int_equal(shoal_sub_release(pair->sub, &view), 0);
	}
	assert_int_equal(shoal_pub_drain(pair->pub, 0), 0);
}

static void test_an_interrupt_behind_a_part_of_a_batch_is_for_the_next_call(void **state)
{
	struct pair *pair = *state;
	struct iovec messages[10];
	for (int i = 0; i < 10; i++)
		messages[i] = (struct iovec){"x", 1};
	shoal_pub_interrupt(pair->pub);
	assert_int_equal(shoal_pub_publishv(pair->pub, messages, 10, SHOAL_FOREVER), 8);
	assert_int_equal(shoal_pub_publishv(pair->pub, messages, 2, SHOAL_FOREVER), -EINTR);
	assert_int_equal(shoal_pub_publishv(pair->pub, messages, 2, 0), -EAGAIN); /* once */
}

/* Turns, the end of the slots and the end of the buffer fall together in every possible way. */
static void test_batches_of_any_length_keep_the_order(void **state)
{
	struct pair *pair = *state;
	struct shoal_view views[9];
	uint64_t sent = 0, read = 0, words[9];
	for (size_t round = 0; round < 2000; round++) {
		struct iovec messages[8];
		uint64_t numbers[8];
		size_t count = round % 8 + 1;
		for (size_t i = 0; i < count; i++) {
			numbers[i] = sent + i;
			messages[i] = (struct iovec){&numbers[i], 8};
		}
		int64_t n = shoal_pub_publishv(pair->pub, messages, count, 0);
		sent += n > 0 ? (uint64_t)n : 0;
		size_t room = round % 7 + 1;
		n = shoal_sub_receivev(pair->sub, views, round % 9 + 1, words, room * 8, 0);
		for (int64_t i = 0; i < n; i++) {
			assert_ptr_equal(views[i].data, &words[i]);
			assert_int_equal(views[i].sequence, read);
			assert_int_equal(words[i], read++);
		}
		assert_true(n > 0 || read == sent);
	}
	assert_true(read > 2000);
}

static void test_the_end(void **state)
{
	struct pair *pair = *state;
	struct shoal_view view;
	shoal_sub *follower;
	assert_int_equal(shoal_sub_open(&follower, name, SHOAL_FOLLOW, &small), 0);
	assert_int_equal(shoal_pub_publish(pair->pub, "last", 4, 0), 0);
	shoal_pub_close(pair->pub);
	pair->pub = NULL;
	assert_int_equal(shoal_sub_borrow(pair->sub, SHOAL_FOREVER, &view),
			 0); /* first all that is left */
	assert_int_equal(shoal_sub_release(pair->sub, &view), 0);
	assert_int_equal(shoal_sub_borrow(pair->sub, SHOAL_FOREVER, &view), -EPIPE);
	assert_int_equal(shoal_sub_borrow(pair->sub, 0, &view), -EPIPE);
	assert_int_equal(shoal_sub_borrow(follower, 0, &view), 0);
	assert_int_equal(shoal_sub_release(follower, &view), 0);
	assert_int_equal(shoal_sub_borrow(follower, 0, &view), -EAGAIN);
	assert_int_equal(shoal_pub_open(&pair->pub, name, 0, &small), 0);
	assert_int_equal(shoal_pub_sequence(pair->pub), 1); /* it goes on behind the last one's */
	assert_int_equal(shoal_sub_borrow(pair->sub, 0, &view), -EAGAIN);
	shoal_sub_close(follower);
}

static void test_all_places_taken(void **state)
{
	(void)state;
	shoal_pub *second, *third;
	shoal_sub *subs[3];
	assert_int_equal(shoal_pub_open(&second, name, 0, NULL), 0);
	assert_int_equal(shoal_pub_lane(second), 1);
	assert_int_equal(shoal_pub_open(&third, name, 0, NULL), -EUSERS);
	assert_null(third);
	for (int i = 0; i < 2; i++)
		assert_int_equal(shoal_sub_open(&subs[i], name, i ? SHOAL_LOSSY : 0, NULL), 0);
	assert_int_equal(shoal_sub_open(&subs[2], name, 0, NULL), -EUSERS);
	assert_null(subs[2]);
	shoal_sub_close(subs[0]);
	assert_int_equal(shoal_sub_open(&subs[2], name, 0, NULL), 0);
	shoal_sub_close(subs[1]);
	shoal_sub_close(subs[2]);
	shoal_pub_close(second);
}

static void test_removed_under_us(void **state)
{
	struct pair *pair = *state;
	struct shoal_loan loan;
	struct shoal_view view;
	assert_int_equal(shoal_remove(name, SHOAL_FORCE), 0);
	assert_int_equal(shoal_sub_borrow(pair->sub, SHOAL_FOREVER, &view), -ESTALE);
	assert_int_equal(shoal_sub_borrow(pair->sub, 0, &view), -ESTALE);
	assert_int_equal(shoal_pub_publish(pair->pub, "x", 1, 0), -ESTALE);
	assert_int_equal(shoal_pub_claim(pair->pub, 8, 0, &loan), -ESTALE);
	assert_int_equal(shoal_pub_drain(pair->pub, SHOAL_FOREVER), -ESTALE);
}

/* Another publisher took the bit away, and died before it put it back. */
static void test_a_removal_is_noticed_within_a_ring(void **state)
{
	struct pair *pair = *state;
	struct handle *handle = (struct handle *)(void *)pair->pub;
	shoal_sub_close(pair->sub); /* nobody holds us up */
	pair->sub = NULL;
	assert_int_equal(shoal_remove(name, SHOAL_FORCE), 0);
	handle->map.body->wake = 0;
	int r = 0;
	for (uint32_t i = 0; r == 0 && i <= small.slots; i++)
		r = shoal_pub_publish(pair->pub, "x", 1, 0);
	assert_int_equal(r, -ESTALE);
	assert_int_equal(handle->map.body->wake & WAIT_SLEEPER, WAIT_SLEEPER);
	assert_int_equal(shoal_pub_publish(pair->pub, "x", 1, 0), -ESTALE);
}

static int use_in_child(struct pair *pair)
{
	struct shoal_loan loan = {0};
	struct shoal_view view = {.data = "x"};
	struct iovec message = {"x", 1};
	char buffer[64];
	int wrong = 0;
	wrong += shoal_pub_publish(pair->pub, "x", 1, 0) != -ECHILD;
	wrong += shoal_pub_publishv(pair->pub, &message, 1, 0) != -ECHILD;
	wrong += shoal_pub_claim(pair->pub, 1, 0, &loan) != -ECHILD;
	wrong += shoal_pub_commit(pair->pub, &loan) != -ECHILD;
	wrong += shoal_pub_abort(pair->pub, &loan) != -ECHILD;
	wrong += shoal_pub_drain(pair->pub, 0) != -ECHILD;
	wrong += shoal_pub_wait_subscribers(pair->pub, 0, 0) != -ECHILD;
	wrong += shoal_sub_borrow(pair->sub, 0, &view) != -ECHILD;
	wrong += shoal_sub_release(pair->sub, &view) != -ECHILD;
	wrong += shoal_sub_receive(pair->sub, buffer, 64, 0, NULL) != -ECHILD;
	wrong += shoal_sub_receivev(pair->sub, &view, 1, buffer, 64, 0) != -ECHILD;
	shoal_pub_interrupt(pair->pub);
	shoal_sub_interrupt(pair->sub);
	shoal_pub_close(pair->pub);
	shoal_sub_close(pair->sub);
	shoal_sub *own;
	wrong += shoal_sub_open(&own, name, 0, &small) != 0;
	shoal_sub_close(own);
	return wrong;
}

/* The word is looked at once: what it says later is nobody's message. */
static void test_once_removed_stays_removed_whatever_a_stranger_writes(void **state)
{
	struct pair *pair = *state;
	char buffer[64];
	struct shoal_view view;
	const struct handle *handle = (const struct handle *)pair->sub;
	_Atomic uint64_t *lifetime = &segment_header(&handle->map.region)->lifetime;
	uint64_t live = atomic_load(lifetime);
	assert_int_equal(shoal_remove(name, SHOAL_FORCE), 0);
	assert_int_equal(shoal_sub_borrow(pair->sub, 0, &view), -ESTALE);
	assert_int_equal(shoal_pub_drain(pair->pub, 0), -ESTALE);
	atomic_store(lifetime, live);
	assert_int_equal(shoal_sub_borrow(pair->sub, 0, &view), -ESTALE);
	assert_int_equal(shoal_sub_receive(pair->sub, buffer, sizeof(buffer), 0, &view), -ESTALE);
	assert_int_equal(shoal_sub_receivev(pair->sub, &view, 1, buffer, sizeof(buffer), 0),
			 -ESTALE);
	assert_int_equal(shoal_pub_publish(pair->pub, "x", 1, 0), -ESTALE);
}

static void test_a_child_has_no_part_in_them(void **state)
{
	struct pair *pair = *state;
	struct shoal_view view;
	int status;
	pid_t pid = fork();
	if (pid == 0)
		_exit(use_in_child(pair));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(shoal_pub_publish(pair->pub, "still mine", 10, 0), 0);
	assert_int_equal(shoal_sub_borrow(pair->sub, 0, &view), 0);
	assert_int_equal(shoal_sub_release(pair->sub, &view), 0);
}

static void test_a_lossy_subscriber_counts(void **state)
{
	struct pair *pair = *state;
	struct shoal_view view;
	shoal_sub *lossy;
	shoal_sub_close(pair->sub);
	assert_int_equal(shoal_sub_open(&lossy, name, SHOAL_LOSSY, &small), 0);
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(shoal_pub_publish(pair->pub, &i, 8, 0), 0);
	uint64_t lost = 0, next = 0;
	while (shoal_sub_borrow(lossy, 0, &view) == 0) {
		lost += view.lost;
		assert_int_equal(view.sequence, next + view.lost);
		assert_int_equal(*(const uint64_t *)view.data, view.sequence);
		next = view.sequence + 1;
		assert_int_equal(shoal_sub_release(lossy, &view), 0);
	}
	assert_int_equal(next, 100);
	assert_true(lost >= 92);
	assert_int_equal(shoal_sub_lost(lossy), lost);
	pair->sub = lossy;
}

/* It jumps over what was overwritten, finds nothing there, and comes back. */
static void test_a_lossy_subscriber_that_jumped_still_copies(void **state)
{
	struct pair *pair = *state;
	struct shoal_view view;
	struct shoal_loan loan;
	shoal_sub *lossy;
	static const char large[3000];
	shoal_sub_close(pair->sub);
	assert_int_equal(shoal_sub_open(&lossy, name, SHOAL_LOSSY, &small), 0);
	pair->sub = lossy;
	assert_int_equal(shoal_pub_publish(pair->pub, large, sizeof(large), 0), 0);
	assert_int_equal(shoal_pub_claim(pair->pub, sizeof(large), 0, &loan), 0);
	assert_int_equal(shoal_sub_borrow(lossy, 0, &view), -EAGAIN);
	assert_int_equal(shoal_pub_abort(pair->pub, &loan), 0);
	assert_int_equal(shoal_pub_publish(pair->pub, "first", 6, 0), 0);
	assert_int_equal(shoal_sub_borrow(lossy, 0, &view), 0);
	for (int i = 0; i < 16; i++)
		assert_int_equal(shoal_pub_publish(pair->pub, "other", 6, 0), 0);
	assert_string_equal(view.data, "first");
	assert_int_equal(view.sequence, 1);
	assert_int_equal(view.lost, 1);
	assert_int_equal(shoal_sub_release(lossy, &view), 0);
	assert_int_equal(shoal_sub_lost(lossy), 1);
}

/* Each batch ends with a message that does not fit any more, and the next begins with it. */
static void test_an_interrupt_comes_through_when_buffers_are_full(void **state)
{
	struct pair *pair = *state;
	struct shoal_view views[4];
	char buffer[48];
	for (int i = 0; i < 5; i++)
		assert_int_equal(shoal_pub_publish(pair->pub, "0123456789abcdef0123456789", 27, 0),
				 0);
	assert_int_equal(shoal_sub_receivev(pair->sub, views, 4, buffer, 48, 0), 1);
	shoal_sub_interrupt(pair->sub);
	assert_int_equal(shoal_sub_receivev(pair->sub, views, 4, buffer, 48, 0), -EINTR);
	for (uint64_t i = 1; i < 5; i++) {
		assert_int_equal(shoal_sub_receivev(pair->sub, views, 4, buffer, 48, 0), 1);
		assert_int_equal(views[0].sequence, i);
	}
}

/* As many messages are there as are asked for, whatever that has to do with the length of a turn.
 */
static void test_an_interrupt_comes_through_when_there_is_always_more(void **state)
{
	struct pair *pair = *state;
	struct shoal_view views[8];
	char buffer[64];
	for (unsigned count = 1; count <= 8; count++) {
		int64_t r = count;
		for (int calls = 0; calls < 200 && r > 0; calls++) {
			if (calls == 100)
				shoal_sub_interrupt(pair->sub);
			for (unsigned i = 0; i < count; i++)
				shoal_pub_publish(pair->pub, "x", 1, 0);
			r = shoal_sub_receivev(pair->sub, views, count, buffer, 64, SHOAL_FOREVER);
		}
		assert_int_equal(r, -EINTR);
		while (shoal_sub_receivev(pair->sub, views, 8, buffer, 64, 0) > 0)
			;
	}
}

static void test_an_interrupt_does_not_end_what_need_not_wait(void **state)
{
	struct pair *pair = *state;
	char buffer[8];
	shoal_pub_interrupt(pair->pub);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(shoal_pub_publish(pair->pub, "x", 1, SHOAL_FOREVER), 0);
		assert_int_equal(shoal_sub_receive(pair->sub, buffer, 8, 0, NULL), 0);
	}
	for (int i = 0; i < 8; i++)
		assert_int_equal(shoal_pub_publish(pair->pub, "x", 1, SHOAL_FOREVER), 0);
	assert_int_equal(shoal_pub_publish(pair->pub, "x", 1, SHOAL_FOREVER), -EINTR);
}

/* The first slot of the first lane, as a peer with write permission sees it. */
static struct lane_slot *first_slot(struct pair *pair, uint64_t position)
{
	const struct handle *handle = (const void *)pair->pub;
	struct lane_map lane = topic_lane(&handle->map, 0);
	return lane_slot(&lane, position);
}

static void test_a_message_that_is_nonsense_is_said_and_skipped(void **state)
{
	struct pair *pair = *state;
	struct shoal_view views[4];
	char buffer[64];
	for (int i = 0; i < 5; i++)
		assert_int_equal(shoal_pub_publish(pair->pub, "good", 4, 0), 0);
	first_slot(pair, 1)->word = lane_word(1, 60);
	first_slot(pair, 3)->word = lane_word(3, LANE_OUTSIDE);
	first_slot(pair, 3)->data[1] = UINT64_MAX;
	assert_int_equal(shoal_sub_receive(pair->sub, buffer, 64, 0, views), 0);
	assert_int_equal(shoal_sub_receive(pair->sub, buffer, 64, 0, views), -EBADMSG);
	/* In a batch it comes behind those before it. */
	assert_int_equal(shoal_sub_receivev(pair->sub, views, 4, buffer, 64, 0), 1);
	assert_int_equal(views[0].sequence, 2);
	assert_int_equal(shoal_sub_receivev(pair->sub, views, 4, buffer, 64, 0), -EBADMSG);
	assert_int_equal(shoal_sub_receivev(pair->sub, views, 4, buffer, 64, 0), 1);
	assert_int_equal(views[0].sequence, 4);
	assert_int_equal(shoal_sub_receive(pair->sub, buffer, 64, 0, views), -EAGAIN);
}

static struct handle *told;
static int tellings;

static int look_at_interrupted(const void *word, void *add, unsigned shift)
{
	assert_int_equal(told->interrupted, 1);
	tellings++;
	return os_linux.futex_add_and_wake(word, add, shift);
}

/* Who is woken looks once, and may sleep on for ever if it is too early. */
static void test_an_interrupt_is_there_before_its_sleeper_wakes(void **state)
{
	struct pair *pair = *state;
	struct os_calls calls = os_linux;
	char buffer[8];
	calls.futex_add_and_wake = look_at_interrupted;
	os = &calls;
	tellings = 0;
	told = (struct handle *)pair->pub;
	shoal_pub_interrupt(pair->pub);
	assert_int_equal(tellings, 1);
	told = (struct handle *)pair->sub;
	shoal_sub_interrupt(pair->sub);
	assert_int_equal(tellings, 2);
	os = &os_linux;
	assert_int_equal(shoal_sub_receive(pair->sub, buffer, 8, SHOAL_FOREVER, NULL), -EINTR);
}

static int no_memory_for_lanes(int fd, uint64_t offset, uint64_t bytes)
{
	(void)fd;
	(void)offset;
	(void)bytes;
	return -ENOSPC;
}

/* It took a lane, and there was no memory for it: as if it had never come, and not as if it had
 * come and gone. */
static void test_a_publisher_without_memory_ends_nothing(void **state)
{
	(void)state;
	shoal_sub *sub;
	shoal_pub *pub;
	char buffer[8];
	struct os_calls calls = os_linux;
	assert_int_equal(shoal_sub_open(&sub, "m", SHOAL_CREATE, &small), 1);
	calls.reserve = no_memory_for_lanes;
	os = &calls;
	assert_int_equal(shoal_pub_open(&pub, "m", 0, NULL), -ENOSPC);
	assert_non_null(strstr(shoal_error_detail(), "lane"));
	os = &os_linux;
	assert_int_equal(shoal_sub_receive(sub, buffer, 8, 0, NULL), -EAGAIN);
	assert_int_equal(shoal_pub_open(&pub, "m", 0, NULL), 0);
	assert_int_equal(shoal_pub_lane(pub), 0);
	shoal_pub_close(pub);
	assert_int_equal(shoal_sub_receive(sub, buffer, 8, 0, NULL), -EPIPE);
	shoal_sub_close(sub);
}

static void test_null_is_an_argument_like_any_other(void **state)
{
	(void)state;
	struct shoal_loan loan = {0};
	struct shoal_view view = {0};
	shoal_pub *pub;
	shoal_pub_close(NULL);
	shoal_sub_close(NULL);
	shoal_pub_interrupt(NULL);
	shoal_sub_interrupt(NULL);
	shoal_topic_stat_free(NULL);
	assert_int_equal(shoal_pub_publish(NULL, "x", 1, 0), -EINVAL);
	assert_int_equal(shoal_pub_commit(NULL, &loan), -EINVAL);
	assert_int_equal(shoal_sub_borrow(NULL, 0, &view), -EINVAL);
	assert_int_equal(shoal_sub_release(NULL, &view), -EINVAL);
	assert_int_equal(shoal_pub_open(&pub, NULL, 0, NULL), -EINVAL);
	assert_int_equal(shoal_pub_open(&pub, name, SHOAL_LOSSY, NULL), -EINVAL);
	assert_int_equal(shoal_pub_open(&pub, name, SHOAL_KEEP, NULL), -EINVAL);
	assert_null(pub);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_one_loan_at_a_time),
	    TEST(test_an_aborted_loan_was_never_there),
	    TEST(test_large_loans_are_aligned_and_read_in_place),
	    TEST(test_one_view_at_a_time),
	    TEST(test_a_buffer_too_small_loses_nothing),
	    TEST(test_batches),
	    TEST(test_timeouts_and_interrupts),
	    TEST(test_an_interrupt_behind_a_part_of_a_batch_is_for_the_next_call),
	    TEST(test_batches_of_any_length_keep_the_order),
	    TEST(test_the_end),
	    TEST(test_all_places_taken),
	    TEST(test_removed_under_us),
	    TEST(test_a_removal_is_noticed_within_a_ring),
	    TEST(test_once_removed_stays_removed_whatever_a_stranger_writes),
	    TEST(test_a_child_has_no_part_in_them),
	    TEST(test_a_lossy_subscriber_counts),
	    TEST(test_a_lossy_subscriber_that_jumped_still_copies),
	    TEST(test_an_interrupt_comes_through_when_buffers_are_full),
	    TEST(test_an_interrupt_comes_through_when_there_is_always_more),
	    TEST(test_an_interrupt_does_not_end_what_need_not_wait),
	    TEST(test_a_message_that_is_nonsense_is_said_and_skipped),
	    TEST(test_an_interrupt_is_there_before_its_sleeper_wakes),
	    TEST(test_a_publisher_without_memory_ends_nothing),
	    TEST(test_null_is_an_argument_like_any_other),
	};
	int failed = 0;
	char in_file[300];
	snprintf(in_file, sizeof(in_file), "file:%.200s/t", getenv("SHOAL_DIR"));
	const char *const makers[] = {"t", in_file, "memfd:t", "anon:"};
	for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
		maker = makers[i];
		failed += cmocka_run_group_tests_name(maker, tests, NULL, NULL);
	}
	return failed;
}
