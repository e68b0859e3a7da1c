/* SPDX-License-Identifier: Apache-2.0 */
/* How many, how small, and how little memory until it is used. How large: large.c. */
#include "backend.h"
#include "support.h"

#include <sys/resource.h>

#define NAME "limits"

/* ---- how many ---------------------------------------------------------------------------- */

enum { MANY_SUBS = 256, MANY_PUBS = 64 };

static void publish_from_all(shoal_pub **pubs, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		for (int k = 0; k < MANY_PUBS; k++)
			CHECK_R(0, message_publish(pubs[k], SMALL, i, BOUND));
}

static void receive_all(shoal_sub *sub, uint64_t count)
{
	uint64_t next[MANY_PUBS] = {0};
	struct shoal_view view;
	char c;
	for (uint64_t i = 0; i < count * MANY_PUBS; i++) {
		CHECK_R(0, shoal_sub_borrow(sub, 0, &view));
		CHECK(view.lane < MANY_PUBS && view.sequence == next[view.lane]);
		next[view.lane]++;
		message_check(SMALL, &view);
		CHECK_R(0, shoal_sub_release(sub, &view));
	}
	CHECK_R(-EAGAIN, shoal_sub_receive(sub, &c, 1, 0, NULL));
}

static void as_many_subscribers_and_publishers_as_it_was_made_for(void)
{
	static shoal_pub *pubs[MANY_PUBS];
	static shoal_sub *subs[MANY_SUBS];
	struct shoal_topic_options o = options();
	struct shoal_topic_stat *stat;
	shoal_pub *pub;
	shoal_sub *sub;
	o.lanes = MANY_PUBS;
	o.subscribers = MANY_SUBS;
	o.slots = 64;
	o.payload_bytes = 64u << 10;
	for (int i = 0; i < MANY_PUBS; i++)
		CHECK_R(i == 0, open_pub(&pubs[i], NAME, SHOAL_CREATE, &o));
	for (int i = 0; i < MANY_SUBS; i++)
		CHECK_R(0, open_sub(&subs[i], NAME, 0, NULL));
	CHECK_R(-EUSERS, open_pub(&pub, NAME, 0, NULL));
	CHECK(strstr(shoal_error_detail(), "64 lanes"));
	CHECK_R(-EUSERS, open_sub(&sub, NAME, 0, NULL));
	CHECK(strstr(shoal_error_detail(), "256"));
	publish_from_all(pubs, 20);
	for (int i = 0; i < MANY_SUBS; i++)
		receive_all(subs[i], 20);
	CHECK_R(0, shoal_pub_wait_subscribers(pubs[0], MANY_SUBS, 0));
	CHECK_R(0, stat_topic(NAME, 0, &stat));
	CHECK(stat->publishers == MANY_PUBS && stat->subscribers == MANY_SUBS);
	CHECK(stat->seat_count == MANY_PUBS + MANY_SUBS);
	shoal_topic_stat_free(stat);
	CHECK_R(0, audit_topic(NAME, 0));
	/* One goes, and there is room for one. */
	shoal_sub_close(subs[100]);
	CHECK_R(0, open_sub(&subs[100], NAME, 0, NULL));
	shoal_pub_close(pubs[33]);
	CHECK_R(0, open_pub(&pubs[33], NAME, 0, NULL));
	CHECK(shoal_pub_sequence(pubs[33]) == 20);
	for (int i = 0; i < MANY_SUBS; i++)
		shoal_sub_close(subs[i]);
	for (int i = 0; i < MANY_PUBS; i++)
		shoal_pub_close(pubs[i]);
}

static void come_and_be_killed(void *context)
{
	_Atomic int *there = context;
	WAIT_FOR(atomic_load(there) >= 0); /* all at once, so that they repair at once */
	shoal_pub *pub;
	shoal_sub *sub;
	CHECK_R(0, open_pub(&pub, NAME, 0, NULL));
	CHECK_R(0, open_sub(&sub, NAME, 0, NULL));
	atomic_fetch_add(there, 1);
	for (;;)
		pause();
}

enum { CROWD = 4 };

/* The places of the dead are places, also for some that come at the same time. */
static void the_dead_take_no_places(void)
{
	struct shoal_topic_options o = options();
	_Atomic int *there = shared_memory(4096);
	shoal_sub *sub;
	o.lanes = CROWD;
	o.subscribers = CROWD + 1;
	o.slots = 16;
	CHECK_R(1, open_sub(&sub, NAME, SHOAL_CREATE, &o));
	for (int i = 0; i < 300; i++) {
		pid_t pids[CROWD];
		*there = -1;
		for (int k = 0; k < CROWD; k++)
			pids[k] = spawn(come_and_be_killed, there);
		*there = 0;
		WAIT_FOR(atomic_load(there) == CROWD);
		for (int k = 0; k < CROWD; k++)
			reap_killed(pids[k]);
	}
	CHECK_R(0, audit_topic(NAME, 0));
	shoal_sub_close(sub);
	shared_free(there, 4096);
}

/* ---- how little -------------------------------------------------------------------------- */

static uint64_t bytes_taken(void)
{
	struct shoal_topic_stat *stat;
	CHECK_R(0, stat_topic(NAME, 0, &stat));
	uint64_t bytes = stat->object.bytes_used;
	shoal_topic_stat_free(stat);
	return bytes;
}

static void the_default_topic_takes_little_until_it_is_used(void)
{
	shoal_pub *pub, *second;
	shoal_sub *sub;
	CHECK_R(1, open_sub(&sub, NAME, SHOAL_CREATE, NULL));
	uint64_t none = bytes_taken();
	CHECK_R(0, open_pub(&pub, NAME, 0, NULL));
	uint64_t one = bytes_taken();
	printf("  %llu KiB without a publisher, %llu KiB with one\n",
	       (unsigned long long)none / 1024, (unsigned long long)one / 1024);
	CHECKF(none <= 256u << 10, "%llu bytes without a publisher", (unsigned long long)none);
	CHECKF(one <= 4u << 20, "%llu bytes with a publisher", (unsigned long long)one);
	/* Reserved means reserved: using it takes no more, and a successor takes the same lane. */
	for (uint64_t i = 0; i < 40000; i++) {
		struct shoal_view view;
		CHECK_R(0, message_publish(pub, SMALL, i, BOUND));
		CHECK_R(0, shoal_sub_borrow(sub, BOUND, &view));
		message_check(SMALL, &view);
		CHECK_R(0, shoal_sub_release(sub, &view));
	}
	CHECK(bytes_taken() == one);
	shoal_pub_close(pub);
	CHECK_R(0, open_pub(&second, NAME, 0, NULL));
	CHECK(bytes_taken() == one);
	shoal_pub_close(second);
	shoal_sub_close(sub);
}

/* ---- how small --------------------------------------------------------------------------- */

static void empty_messages(unsigned flags)
{
	struct shoal_view view, views[4];
	struct shoal_loan loan;
	struct iovec messages[2] = {{NULL, 0}, {NULL, 0}};
	shoal_pub *pub;
	shoal_sub *sub;
	char c = 'u';
	CHECK_R(1, open_pub(&pub, NAME, SHOAL_CREATE, NULL));
	CHECK_R(0, open_sub(&sub, NAME, flags, NULL));
	CHECK_R(0, shoal_pub_publish(pub, NULL, 0, 0));
	CHECK_R(0, shoal_pub_publish(pub, "", 0, 0));
	CHECK_R(0, shoal_pub_claim(pub, 0, 0, &loan));
	CHECK(loan.data && loan.bytes == 0);
	CHECK_R(0, shoal_pub_commit(pub, &loan));
	CHECK_R(2, shoal_pub_publishv(pub, messages, 2, 0));
	CHECK_R(0, shoal_pub_publishv(pub, messages, 0, 0));
	CHECK_R(0, shoal_pub_claim(pub, 100000, 0, &loan)); /* outside, and then nothing */
	loan.bytes = 0;
	CHECK_R(0, shoal_pub_commit(pub, &loan));
	CHECK_R(0, shoal_pub_publish(pub, "x", 1, 0));
	CHECK_R(0, shoal_sub_borrow(sub, 0, &view));
	CHECK(view.data && view.bytes == 0 && view.sequence == 0);
	CHECK_R(0, shoal_sub_release(sub, &view));
	CHECK_R(0, shoal_sub_receive(sub, NULL, 0, 0, &view));
	CHECK(view.bytes == 0 && view.sequence == 1);
	CHECK_R(4, shoal_sub_receivev(sub, views, 4, &c, 1, 0));
	for (uint64_t i = 0; i < 4; i++)
		CHECK(views[i].bytes == 0 && views[i].sequence == 2 + i);
	CHECK(c == 'u');
	CHECK_R(-EMSGSIZE, shoal_sub_receive(sub, &c, 0, 0, &view));
	CHECK(view.bytes == 1);
	CHECK_R(0, shoal_sub_receive(sub, &c, 1, 0, &view));
	CHECK(c == 'x' && view.sequence == 6);
	CHECK_R(-EAGAIN, shoal_sub_receive(sub, &c, 1, 0, &view));
	CHECK_R(0, audit_topic(NAME, 0));
	shoal_sub_close(sub);
	shoal_pub_close(pub);
	object_end(NAME);
}

static void messages_of_no_bytes_are_messages(void)
{
	empty_messages(0);
	empty_messages(SHOAL_LOSSY);
}

#define CASE(name)                                                                                 \
	{                                                                                          \
#name, name                                                                        \
	}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
	    CASE(as_many_subscribers_and_publishers_as_it_was_made_for),
	    CASE(the_dead_take_no_places),
	    CASE(the_default_topic_takes_little_until_it_is_used),
	    CASE(messages_of_no_bytes_are_messages),
	};
	struct rlimit files;
	CHECK(getrlimit(RLIMIT_NOFILE, &files) == 0);
	files.rlim_cur = files.rlim_max;
	CHECK(setrlimit(RLIMIT_NOFILE, &files) == 0);
	return RUN_TESTS(argc, argv, tests);
}
