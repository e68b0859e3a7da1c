/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System V objects where each system call fails once: the call of the library that needed it says
 * why or manages without, holds nothing more than before, and leaves nothing that can't be cleaned.
 */
#include "leak_check.h"
#include "sysv_support.h"

#include <sys/shm.h>
#include <sys/syscall.h>

#define NAME "sysv:g/failing"

enum { CALLS_MAX = 1000 };

static void make_kept(void)
{
	struct shoal_topic_options o = options();
	o.lanes = 1;
	o.slots = 2;
	CHECK_R(0, shoal_topic_create(NAME, 0, &o));
}

static void check_told(int r)
{
	if (r < 0)
		CHECKF(shoal_error_detail()[0] != '\0' && strlen(shoal_strerror(r)) > 0,
		       "%d without a word", r);
}

/* ---- what fails -------------------------------------------------------------------------- */

static void open_and_close(const char *name, unsigned flags)
{
	shoal_pub *pub = NULL;
	struct holdings before = holdings_now();
	failing_mark();
	int r = open_small(&pub, name, flags);
	failing_mark();
	check_told(r);
	CHECK((r < 0) == (pub == NULL));
	shoal_pub_close(pub);
	holdings_check(&before, name);
}

static void make(void)
{
	open_and_close(NAME, SHOAL_CREATE);
}

static void make_private(void)
{
	open_and_close("sysv:private", SHOAL_CREATE);
}

static void open_it(void)
{
	open_and_close(NAME, 0);
}

static void open_by_id(void)
{
	char name[32];
	struct shoal_sysv_stat stat = {.size = sizeof(stat)};
	CHECK_R(0, shoal_sysv_stat(NAME, &stat));
	snprintf(name, sizeof(name), "sysv:id=%d", stat.id);
	open_and_close(name, 0);
}

static void close_it(void)
{
	shoal_pub *pub = must_open(NAME, SHOAL_CREATE);
	failing_mark();
	shoal_pub_close(pub);
	failing_mark();
}

static void remove_it(void)
{
	struct holdings before = holdings_now();
	failing_mark();
	int r = shoal_remove(NAME, 0);
	failing_mark();
	check_told(r);
	holdings_check(&before, "remove");
}

static void look_at_it(void)
{
	struct shoal_object *objects;
	struct shoal_sysv_stat stat = {.size = sizeof(stat)};
	size_t count;
	struct holdings before = holdings_now();
	failing_mark();
	int r = shoal_list("sysv:", &objects, &count);
	check_told(r);
	int s = shoal_sysv_stat(NAME, &stat);
	failing_mark();
	check_told(s);
	CHECKF(r < 0 || s < 0 || (stat.mode == 0600 && stat.bytes > 4096), "%o", stat.mode);
	shoal_list_free(objects);
	holdings_check(&before, "list");
}

/* ---- what is there before ---------------------------------------------------------------- */

static void nothing(void)
{
}

static void live(void)
{
	shoal_pub_close(must_open(NAME, SHOAL_CREATE));
}

static void leave_half_made(void)
{
	reap_killed(stopped_behind(SYS_shmget, live));
}

static void take_segment_away(void)
{
	struct shoal_sysv_stat stat = {.size = sizeof(stat)};
	make_kept();
	CHECK_R(0, shoal_sysv_stat(NAME, &stat));
	CHECK(shmctl(stat.id, IPC_RMID, NULL) == 0);
}

static void each_call(const char *what, void (*before)(void), void (*op)(void))
{
	static const int errors[] = {ENOMEM, EACCES, EMFILE, EINTR};
	unsigned cases = 0;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		bool failed = true;
		for (unsigned nth = 0; failed; nth++) {
			CHECK(nth < CALLS_MAX);
			before();
			failed = failed_at(nth, errors[i], op);
			collect();
			check_nothing_left(what);
			cases += failed;
		}
	}
	printf("  %s: %u calls failed\n", what, cases);
	CHECK(cases > 20);
}

static void making(void)
{
	each_call("make", nothing, make);
	each_call("make a private one", nothing, make_private);
	each_call("make where one is half made", leave_half_made, make);
	each_call("make where the segment is gone", take_segment_away, make);
}

static void opening(void)
{
	each_call("open", make_kept, open_it);
	each_call("open by id", make_kept, open_by_id);
}

static void leaving(void)
{
	each_call("close", nothing, close_it);
	each_call("remove", make_kept, remove_it);
	each_call("remove where the segment is gone", take_segment_away, remove_it);
}

static void looking(void)
{
	each_call("look", make_kept, look_at_it);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
	    {"making", making},
	    {"opening", opening},
	    {"leaving", leaving},
	    {"looking", looking},
	};
	own_ipc_namespace();
	return RUN_TESTS(argc, argv, tests);
}
