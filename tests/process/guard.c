/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHOAL_GUARD_SIGBUS: a peer truncates the topic while it is in use. The process lives, every call
 * ends in -ESTALE or goes on with what is still there, and no zeroes are taken for a message.
 */
#include "support.h"
#include "topic/handle.h"

#include <pthread.h>

#define NAME     "guarded"
#define PAGE     ((uint64_t)4096)
#define MESSAGES 300
#define GUARD    SHOAL_GUARD_SIGBUS

static struct shoal_topic_options small_topic(void)
{
	struct shoal_topic_options o = options();
	o.lanes = 2;
	o.subscribers = 4;
	o.slots = 512;
	o.payload_bytes = 2 << 20;
	o.spin_ns = SHOAL_SPIN_NEVER;
	return o;
}

static shoal_pub *open_pub(unsigned flags)
{
	struct shoal_topic_options o = small_topic();
	shoal_pub *pub;
	int r = shoal_pub_open(&pub, NAME, SHOAL_CREATE | GUARD | flags, &o);
	CHECKF(r >= 0, "%s", shoal_error_detail());
	return pub;
}

static shoal_sub *open_sub(unsigned flags)
{
	struct shoal_topic_options o = small_topic();
	shoal_sub *sub;
	int r = shoal_sub_open(&sub, NAME, SHOAL_CREATE | GUARD | flags, &o);
	CHECKF(r >= 0, "%s", shoal_error_detail());
	return sub;
}

static void path_of(const char *name, char path[512])
{
	snprintf(path, 512, "%s/shoal:%s", objects_directory(), name);
}

static void cut(uint64_t bytes)
{
	char path[512];
	path_of(NAME, path);
	CHECKF(truncate(path, (off_t)bytes) == 0, "%s: %s", path, strerror(errno));
}

/* A truncated one is a peer's damage: nobody removes it by itself. */
static void remove_topic(void)
{
	char path[512];
	path_of(NAME, path);
	CHECKF(unlink(path) == 0, "%s: %s", path, strerror(errno));
}

static uint64_t pages_of(const void *handle)
{
	return ((const struct handle *)handle)->map.region.bytes / PAGE;
}

static void check_detail(const char *word)
{
	CHECKF(strstr(shoal_error_detail(), word), "no '%s' in: %s", word, shoal_error_detail());
	CHECKF(strstr(shoal_error_detail(), NAME), "no name in: %s", shoal_error_detail());
}

/* ---- publishing -------------------------------------------------------------------------- */

static void check_dead_pub(shoal_pub *pub)
{
	struct iovec one = {"x", 1};
	struct shoal_loan loan;
	CHECK_R(-ESTALE, shoal_pub_publish(pub, "x", 1, BOUND));
	check_detail("was truncated while in use: it has ");
	CHECK_R(-ESTALE, shoal_pub_publishv(pub, &one, 1, BOUND));
	CHECK_R(-ESTALE, shoal_pub_claim(pub, 1, BOUND, &loan));
	CHECK_R(-ESTALE, shoal_pub_drain(pub, BOUND));
	CHECK_R(-ESTALE, shoal_pub_wait_subscribers(pub, 1, BOUND));
	shoal_pub_interrupt(pub);
}

/* Until it fails; three times round the ring touches every slot. */
static int publish_until_failure(shoal_pub *pub, enum sizes sizes)
{
	for (uint64_t i = 0; i < 3 * 512; i++) {
		int r = message_publish(pub, sizes, shoal_pub_sequence(pub), 0);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Cut at each page: the header, the seats, the fixed part, slots, payload. */
static void publishers_end_with_estale(void)
{
	static const enum sizes kinds[] = {TINY, LARGE};
	uint64_t pages = 1;
	for (uint64_t page = 0; page < pages; page += page < 40 ? 1 : 37) {
		for (int i = 0; i < 2; i++) {
			shoal_pub *pub = open_pub(SHOAL_KEEP);
			pages = pages_of(pub);
			for (uint64_t m = 0; m < 10; m++)
				CHECK_R(0, message_publish(pub, kinds[i], m, BOUND));
			cut(page * PAGE);
			int r = publish_until_failure(pub, kinds[i]);
			/* The second lane is nobody's, and a payload area not everybody's. */
			CHECKF(r == -ESTALE || (r == 0 && page > 8), "page %llu: %d",
			       (unsigned long long)page, r);
			if (r == -ESTALE)
				check_dead_pub(pub);
			shoal_pub_close(pub);
			remove_topic();
		}
	}
}

/* The call in which it happens says so itself, and what is written goes nowhere. */
static void the_call_that_meets_it_says_so(void)
{
	struct shoal_loan loan;
	struct iovec some[3] = {{"a", 1}, {"b", 1}, {"c", 1}};
	shoal_pub *pub = open_pub(0);
	cut(0);
	CHECK_R(-ESTALE, shoal_pub_publish(pub, "x", 1, 0));
	check_dead_pub(pub);
	shoal_pub_close(pub);
	remove_topic();

	pub = open_pub(0);
	cut(0);
	CHECK_R(-ESTALE, shoal_pub_publishv(pub, some, 3, 0));
	check_dead_pub(pub);
	shoal_pub_close(pub);
	remove_topic();

	/* Written in place by the user, between claim and commit. */
	for (size_t bytes = 8; bytes <= 100000; bytes += 99992) {
		pub = open_pub(0);
		CHECK_R(0, shoal_pub_claim(pub, bytes, 0, &loan));
		cut(0);
		memset(loan.data, 7, bytes);
		CHECK_R(-ESTALE, shoal_pub_commit(pub, &loan));
		check_dead_pub(pub);
		shoal_pub_close(pub);
		char path[512];
		path_of(NAME, path);
		CHECK(truncate(path, (off_t)PAGE) == 0);
		FILE *file = fopen(path, "re");
		CHECK(file);
		for (int c; (c = fgetc(file)) != EOF;)
			CHECKF(c == 0, "a byte was written to the file: %d", c);
		fclose(file);
		remove_topic();
	}
}

/* ---- reading ------------------------------------------------------------------------------- */

static int read_by_receive(shoal_sub *sub, enum sizes sizes)
{
	static char buffer[MESSAGE_MAX];
	struct shoal_view view;
	int r = shoal_sub_receive(sub, buffer, sizeof(buffer), 0, &view);
	if (r == 0)
		message_check(sizes, &view);
	return r;
}

static int read_by_receivev(shoal_sub *sub, enum sizes sizes)
{
	static char buffer[2 * MESSAGE_MAX];
	struct shoal_view views[20];
	int64_t n = shoal_sub_receivev(sub, views, 20, buffer, sizeof(buffer), 0);
	for (int64_t i = 0; i < n; i++)
		message_check(sizes, &views[i]);
	return n > 0 ? 0 : (int)n;
}

/* What lies in place is to be believed once release has said 0; so it is copied first. */
static int read_by_borrow(shoal_sub *sub, enum sizes sizes)
{
	static char buffer[MESSAGE_MAX];
	struct shoal_view view, copy;
	int r = shoal_sub_borrow(sub, 0, &view);
	if (r < 0)
		return r;
	copy = view;
	copy.data = buffer;
	CHECK(view.bytes <= sizeof(buffer));
	memcpy(buffer, view.data, view.bytes);
	r = shoal_sub_release(sub, &view);
	CHECK(view.data == NULL);
	if (r == 0)
		message_check(sizes, &copy);
	return r;
}

/* The first try does not fit: the message is held, and copied by the next call. */
static int read_by_two_receives(shoal_sub *sub, enum sizes sizes)
{
	char nothing;
	int r = shoal_sub_receive(sub, &nothing, 0, 0, NULL);
	return r == -EMSGSIZE ? read_by_receive(sub, sizes) : r;
}

static void check_dead_sub(shoal_sub *sub)
{
	char buffer[8];
	struct shoal_view view;
	CHECK_R(-ESTALE, shoal_sub_receive(sub, buffer, sizeof(buffer), SHOAL_FOREVER, NULL));
	check_detail("was truncated while in use: it has ");
	CHECK_R(-ESTALE, shoal_sub_borrow(sub, SHOAL_FOREVER, &view));
	CHECK_R(-ESTALE, shoal_sub_receivev(sub, &view, 1, buffer, sizeof(buffer), SHOAL_FOREVER));
	shoal_sub_interrupt(sub);
}

typedef int read_one(shoal_sub *sub, enum sizes sizes);

/* Reads some, cuts, reads the rest: each is the message that was sent. Then there is no more, or
 * the rest is out of reach. */
static uint64_t read_over_a_cut(read_one *read, enum sizes sizes, unsigned flags, uint64_t page)
{
	const uint64_t count = sizes == LARGE ? 6 : MESSAGES;
	shoal_sub *sub = open_sub(flags | SHOAL_KEEP);
	shoal_pub *pub = open_pub(0);
	uint64_t pages = pages_of(sub);
	for (uint64_t i = 0; i < count; i++)
		CHECK_R(0, message_publish(pub, sizes, i, BOUND));
	for (uint64_t i = 0; i < 3; i++)
		CHECK_R(0, read_by_receive(sub, sizes));
	cut(page * PAGE);
	int r = 0;
	for (uint64_t i = 0; i <= count && r == 0; i++)
		r = read(sub, sizes);
	CHECKF(r == -ESTALE || r == -EAGAIN, "page %llu: %d", (unsigned long long)page, r);
	if (r == -ESTALE)
		check_dead_sub(sub);
	else
		CHECKF(page > 0, "nothing is there, and nothing was noticed");
	shoal_sub_close(sub);
	shoal_pub_close(pub);
	remove_topic();
	return pages;
}

static void no_zeroes_are_taken_for_a_message(void)
{
	static const struct {
		const char *name;
		read_one *read;
		unsigned flags;
	} ways[] = {{"receive", read_by_receive, 0},
		    {"receivev", read_by_receivev, 0},
		    {"borrow", read_by_borrow, 0},
		    {"two receives", read_by_two_receives, 0},
		    {"lossy receive", read_by_receive, SHOAL_LOSSY},
		    {"lossy borrow", read_by_borrow, SHOAL_LOSSY}};
	static const enum sizes kinds[] = {TINY, LARGE};
	for (size_t i = 0; i < 2 * sizeof(ways) / sizeof(ways[0]); i++) {
		uint64_t pages = 1;
		for (uint64_t page = 0; page < pages; page += page < 30 ? 1 : 11)
			pages = read_over_a_cut(ways[i / 2].read, kinds[i % 2], ways[i / 2].flags,
						page);
	}
}

/* The user's own look at a view, in this thread and in another one. */
static void *look_at(void *context)
{
	const volatile unsigned char *data = context;
	return (void *)(uintptr_t)data[0];
}

static void a_view_reads_as_zeroes_and_release_says_so(void)
{
	for (int other = 0; other < 2; other++) {
		struct shoal_view view;
		void *seen = NULL;
		shoal_sub *sub = open_sub(0);
		shoal_pub *pub = open_pub(0);
		CHECK_R(0, shoal_pub_publish(pub, "x", 1, 0));
		CHECK_R(0, shoal_sub_borrow(sub, 0, &view));
		cut(0);
		if (other) {
			pthread_t thread;
			CHECK(pthread_create(&thread, NULL, look_at, (void *)view.data) == 0);
			CHECK(pthread_join(thread, &seen) == 0);
		} else {
			seen = look_at((void *)view.data);
		}
		CHECK(seen == NULL);
		CHECK_R(-ESTALE, shoal_sub_release(sub, &view));
		check_dead_sub(sub);
		CHECK_R(0, shoal_sub_release(sub, &view));
		shoal_sub_close(sub);
		shoal_pub_close(pub);
		remove_topic();
	}
}

/* ---- waiting ------------------------------------------------------------------------------- */

static void *wait_for_message(void *context)
{
	char byte;
	return (void *)(intptr_t)shoal_sub_receive(context, &byte, 1, SHOAL_FOREVER, NULL);
}

static void *wait_for_room(void *context)
{
	int r = 0;
	while (r == 0)
		r = shoal_pub_publish(context, "x", 1, SHOAL_FOREVER);
	return (void *)(intptr_t)r;
}

static void *wait_for_somebody(void *context)
{
	return (void *)(intptr_t)shoal_pub_wait_subscribers(context, 2, SHOAL_FOREVER);
}

static void *wait_for_drain(void *context)
{
	return (void *)(intptr_t)shoal_pub_drain(context, SHOAL_FOREVER);
}

/* Asleep for ever, and nobody can wake it: it finds out by itself. Also where all that it looks at
 * is still there. */
static void check_wait(void *(*wait)(void *), void *handle, uint64_t bytes)
{
	pthread_t thread;
	void *result = NULL;
	uint64_t before = context_switches(getpid());
	CHECK(pthread_create(&thread, NULL, wait, handle) == 0);
	WAIT_FOR(context_switches(getpid()) > before + 3);
	cut(bytes);
	struct timespec end;
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 10;
	CHECKF(pthread_timedjoin_np(thread, &result, &end) == 0, "it still sleeps");
	CHECK_R(-ESTALE, (intptr_t)result);
}

static void those_who_wait_find_out(void)
{
	for (int all = 0; all < 2; all++) {
		shoal_sub *sub = open_sub(SHOAL_KEEP);
		shoal_pub *pub = open_pub(SHOAL_KEEP);
		uint64_t bytes = all ? 0 : (pages_of(sub) - 1) * PAGE;
		check_wait(wait_for_message, sub, bytes);
		check_dead_sub(sub);
		shoal_sub_close(sub);
		shoal_pub_close(pub);
		remove_topic();
		void *(*const waits[])(void *) = {wait_for_room, wait_for_somebody, wait_for_drain};
		for (int i = 0; i < 3; i++) {
			sub = open_sub(SHOAL_KEEP);
			pub = open_pub(0);
			CHECK_R(0, shoal_pub_publish(pub, "x", 1, 0));
			check_wait(waits[i], pub, bytes);
			check_dead_pub(pub);
			shoal_pub_close(pub);
			shoal_sub_close(sub);
			remove_topic();
		}
	}
}

/* ---- under way ----------------------------------------------------------------------------- */

struct rush {
	enum sizes sizes;
	int way;
	_Atomic bool sub_ready;
	_Atomic uint64_t sent;
};

static void rush_out(void *context)
{
	struct rush *rush = context;
	int r = 0;
	shoal_pub *pub = open_pub(SHOAL_HOLD | SHOAL_KEEP);
	while (r == 0) {
		r = message_publish(pub, rush->sizes, shoal_pub_sequence(pub), SHOAL_FOREVER);
		atomic_fetch_add(&rush->sent, r == 0);
	}
	CHECK_R(-ESTALE, r);
	check_dead_pub(pub);
	shoal_pub_close(pub);
}

static void rush_in(void *context)
{
	static read_one *const ways[] = {read_by_receive, read_by_receivev, read_by_borrow};
	struct rush *rush = context;
	shoal_sub *sub = open_sub(SHOAL_FOLLOW | SHOAL_KEEP);
	int r = 0;
	atomic_store(&rush->sub_ready, true);
	while (r == 0 || r == -EAGAIN) {
		r = ways[rush->way](sub, rush->sizes);
		if (r == -EAGAIN)
			breathe();
		/* Who has read all, and meets nothing that is gone, must ask. */
		struct shoal_view view;
		if (r == -EAGAIN && shoal_sub_borrow(sub, 2 * SECONDS, &view) == -ESTALE)
			r = -ESTALE;
		else if (r == -EAGAIN)
			shoal_sub_release(sub, &view);
	}
	CHECK_R(-ESTALE, r);
	check_dead_sub(sub);
	shoal_sub_close(sub);
}

/* Two processes at full speed, and a cut at any moment and any page. */
static void a_cut_at_any_moment(void)
{
	uint64_t random = seed(), count = rounds("SHOAL_ROUNDS", 120), talked = 0;
	for (uint64_t i = 0; i < count; i++) {
		struct rush *rush = shared_memory(sizeof(*rush));
		rush->sizes = i % 2 ? MIXED : TINY;
		rush->way = (int)(i / 2 % 3);
		pid_t in = spawn(rush_in, rush);
		WAIT_FOR(atomic_load(&rush->sub_ready));
		pid_t out = spawn(rush_out, rush);
		uint64_t wanted = 1 + random_next(&random) % 2000;
		int64_t end = now_ns() + BOUND;
		while (atomic_load(&rush->sent) < wanted && now_ns() < end)
			;
		talked += atomic_load(&rush->sent);
		/* The header, the seats and the fixed part are met by all; slots by these two. */
		cut(random_next(&random) % 8 * PAGE);
		reap_ok(out);
		reap_ok(in);
		remove_topic();
		shared_free(rush, sizeof(*rush));
	}
	printf("  %llu cuts, %llu messages before them\n", (unsigned long long)count,
	       (unsigned long long)talked);
}

/* ---- others ------------------------------------------------------------------------------ */

/* A page failed under one of them alone: to the others it is as if that one had died. */
static void what_others_have_stays_well(void)
{
	shoal_sub *sub = open_sub(0);
	shoal_pub *pub = open_pub(0), *other = open_pub(0);
	struct shoal_topic_stat *stat;
	char byte;
	CHECK_R(0, shoal_pub_publish(other, "a", 1, 0));
	CHECK_R(0, guard_lose(((struct handle *)pub)->object->segment.guard));
	CHECK_R(-ESTALE, shoal_pub_publish(pub, "x", 1, 0));
	check_detail("lost a page while in use");
	shoal_pub_close(pub);
	CHECK_R(0, shoal_pub_publish(other, "b", 1, 0));
	CHECK_R(0, shoal_sub_receive(sub, &byte, 1, 0, NULL));
	CHECK_R(0, shoal_sub_receive(sub, &byte, 1, 0, NULL));
	CHECK(byte == 'b');
	pub = open_pub(0); /* the seat that it left is repaired on the way, if need be */
	CHECK_R(0, shoal_topic_stat(NAME, 0, &stat));
	CHECKF(stat->publishers <= 3, "%u", stat->publishers);
	shoal_topic_stat_free(stat);
	shoal_pub_close(pub);
	shoal_pub_close(other);
	CHECK_R(0, guard_lose(((struct handle *)sub)->object->segment.guard));
	CHECK_R(-ESTALE, shoal_sub_receive(sub, &byte, 1, SHOAL_FOREVER, NULL));
	shoal_sub_close(sub);
	CHECKF(!directory_is_empty(), "it took away a name that others may use");
	shoal_pub_close(open_pub(0)); /* whoever comes next finds a leftover */
	CHECK(directory_is_empty());
}

/* More than one table of the guard holds; half of them are cut. */
static void many_topics_at_once(void)
{
	enum { COUNT = 700 };
	static shoal_pub *pubs[COUNT];
	struct shoal_topic_options o = options();
	char name[32], path[512];
	o.lanes = 1;
	o.subscribers = 1;
	o.slots = 2;
	o.payload_bytes = 4096;
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), NAME "%d", i);
		CHECK_R(1, shoal_pub_open(&pubs[i], name, SHOAL_CREATE | GUARD, &o));
	}
	for (int i = 0; i < COUNT; i += 2) {
		snprintf(name, sizeof(name), NAME "%d", i);
		path_of(name, path);
		CHECK(truncate(path, 0) == 0 && unlink(path) == 0);
	}
	for (int i = 0; i < COUNT; i++)
		CHECK_R(i % 2 ? 0 : -ESTALE, shoal_pub_publish(pubs[i], "x", 1, 0));
	for (int i = 0; i < COUNT; i++)
		shoal_pub_close(pubs[i]);
	CHECK(directory_is_empty());
}

/* ---- no guard to be had -------------------------------------------------------------------- */

static int no_memory_for_it(bool (*repair)(uintptr_t address))
{
	(void)repair;
	return -ENOMEM;
}

/* Asked for and not to be had: it is refused, and nothing is left, not even what was made for it.
 */
static void an_open_that_cant_be_guarded_fails(void)
{
	struct shoal_topic_options o = small_topic();
	struct os_calls table = os_linux;
	shoal_pub *pub;
	table.catch_faults = no_memory_for_it;
	for (int there = 0; there < 2; there++) {
		shoal_pub *other = NULL;
		if (there)
			CHECK_R(1, shoal_pub_open(&other, NAME, SHOAL_CREATE, &o));
		os = &table;
		CHECK_R(-ENOMEM, shoal_pub_open(&pub, NAME, SHOAL_CREATE | GUARD, &o));
		os = &os_linux;
		CHECK(pub == NULL);
		check_detail("can't guard 'guarded' against losing its pages");
		shoal_pub_close(other);
		CHECK(directory_is_empty());
	}
	CHECK_R(-EINVAL, shoal_topic_create(NAME, GUARD, &o));
	CHECK_R(-EINVAL, shoal_remove(NAME, GUARD));
}

/* ---- fork ---------------------------------------------------------------------------------- */

static void in_child(void *context)
{
	CHECK_R(-ECHILD, shoal_pub_publish(context, "x", 1, 0));
	shoal_pub_close(context);
	shoal_pub *pub = open_pub(0);
	CHECK_R(0, shoal_pub_publish(pub, "x", 1, 0));
	cut(0);
	CHECK_R(-ESTALE, shoal_pub_publish(pub, "x", 1, 0));
	shoal_pub_close(pub);
}

static void parent_and_child_each_have_their_own(void)
{
	shoal_pub *pub = open_pub(SHOAL_KEEP);
	reap_ok(spawn(in_child, pub));
	CHECK_R(-ESTALE, shoal_pub_publish(pub, "x", 1, 0));
	shoal_pub_close(pub);
	remove_topic();
}

/* The guard's tables, once made, stay: their memory is no leftover of a test. */
static void fill_tables(void)
{
	static uint64_t nobodys;
	static struct guard *guards[1000];
	for (int i = 0; i < 1000; i++)
		CHECK_R(0, guard_add(&nobodys, sizeof(nobodys), &guards[i]));
	for (int i = 0; i < 1000; i++)
		guard_remove(guards[i]);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
	    {"publishers_end_with_estale", publishers_end_with_estale},
	    {"the_call_that_meets_it_says_so", the_call_that_meets_it_says_so},
	    {"no_zeroes_are_taken_for_a_message", no_zeroes_are_taken_for_a_message},
	    {"a_view_reads_as_zeroes_and_release_says_so",
	     a_view_reads_as_zeroes_and_release_says_so},
	    {"those_who_wait_find_out", those_who_wait_find_out},
	    {"a_cut_at_any_moment", a_cut_at_any_moment},
	    {"what_others_have_stays_well", what_others_have_stays_well},
	    {"many_topics_at_once", many_topics_at_once},
	    {"an_open_that_cant_be_guarded_fails", an_open_that_cant_be_guarded_fails},
	    {"parent_and_child_each_have_their_own", parent_and_child_each_have_their_own},
	};
	fill_tables();
	return RUN_TESTS(argc, argv, tests);
}
