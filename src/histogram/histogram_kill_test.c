/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctest: LABELS no-asan TIMEOUT 300
 *
 * A writer that is killed. First at every instruction: it is stepped through a call, and after
 * each step the memory is looked at as a survivor would find it if this had been the last. Then for
 * real, in the middle of a stream of values.
 */
#include "histogram/histogram_rig.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STEPS_MAX 2000000

static uint64_t in_buckets(const struct shoal_histogram *h)
{
	const struct histogram_body *body = h->memory;
	uint64_t count = 0;
	for (uint32_t i = 0; i < h->buckets; i++)
		count += histogram_load(&body->buckets[i]);
	return count + histogram_load(&body->above);
}

/* ---- each instruction ----------------------------------------------------------------------- */

struct stage {
	struct room room;
	struct room other;
	struct shoal_histogram h;
	struct shoal_histogram from;
	uint8_t *before; /* the memory, and as it is when the call was not interrupted */
	uint8_t *after;
	bool was_between; /* some step showed neither */
};

static void stage_open(struct stage *stage)
{
	memset(stage, 0, sizeof(*stage));
	stage->h = histogram_new(&stage->room, 1, 300);
	stage->from = histogram_new(&stage->other, 1, 300);
	for (uint64_t i = 5; i < 200; i += 7) {
		shoal_histogram_record(&stage->h, i);
		shoal_histogram_record(&stage->from, i * 2);
	}
	stage->before = malloc(stage->room.bytes);
	stage->after = malloc(stage->room.bytes);
	assert_non_null(stage->before);
	assert_non_null(stage->after);
	memcpy(stage->before, stage->room.memory, stage->room.bytes);
}

static void stage_close(struct stage *stage)
{
	free(stage->before);
	free(stage->after);
	room_free(&stage->room);
	room_free(&stage->other);
}

static pid_t start_traced(struct stage *stage, void (*call)(struct stage *))
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
			_exit(77);
		raise(SIGSTOP);
		call(stage);
		_exit(0);
	}
	return pid;
}

/* Steps a child through `call`; `look` after each instruction that changed the memory. */
static void step_through(struct stage *stage, void (*call)(struct stage *),
			 void (*look)(struct stage *))
{
	size_t bytes = stage->room.bytes;
	uint8_t *seen = malloc(bytes);
	int status;
	int changes = 0;
	assert_non_null(seen);
	call(stage);
	memcpy(stage->after, stage->room.memory, bytes);
	memcpy(stage->room.memory, stage->before, bytes);
	memcpy(seen, stage->before, bytes);
	pid_t pid = start_traced(stage, call);
	for (int step = 0; step < STEPS_MAX; step++) {
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (!WIFSTOPPED(status))
			break;
		if (memcmp(seen, stage->room.memory, bytes) != 0) {
			memcpy(seen, stage->room.memory, bytes);
			look(stage);
			changes++;
		}
		assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
	}
	free(seen);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		printf("stepping through a process is not allowed here\n");
		skip();
	}
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_true(changes > 2);
	assert_memory_equal(stage->room.memory, stage->after, bytes);
}

static void record_one(struct stage *stage)
{
	shoal_histogram_record(&stage->h, 250); /* a new maximum */
}

static void record_least(struct stage *stage)
{
	shoal_histogram_record_many(&stage->h, 0, 3);
}

static void record_above(struct stage *stage)
{
	shoal_histogram_record_many(&stage->h, 301, 3);
}

/* Valid; nothing counted that is not there; and the next writer goes on in it. */
static void look_at_recording(struct stage *stage)
{
	struct room room = room_new(stage->room.bytes);
	struct shoal_histogram h;
	memcpy(room.memory, stage->room.memory, room.bytes);
	assert_int_equal(shoal_histogram_attach(&h, room.memory, room.bytes), 0);
	audit_is(&h, 0);
	uint64_t count = shoal_histogram_count(&h);
	uint64_t more = in_buckets(&h) - count;
	assert_true(count >= 28 && count <= 31);
	assert_true(more == 0 || more == 1 || more == 3);
	shoal_histogram_record_many(&h, 100, 1000);
	audit_is(&h, 0);
	assert_int_equal(shoal_histogram_count(&h), count + 1000);
	assert_int_equal(in_buckets(&h), count + more + 1000);
	room_free(&room);
}

static void test_recording_is_valid_after_each_instruction(void **state)
{
	(void)state;
	static void (*const calls[])(struct stage *) = {record_one, record_least, record_above};
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		struct stage stage;
		stage_open(&stage);
		step_through(&stage, calls[i], look_at_recording);
		stage_close(&stage);
	}
}

static void clear_all(struct stage *stage)
{
	shoal_histogram_clear(&stage->h);
}

static void add_other(struct stage *stage)
{
	shoal_histogram_add(&stage->h, &stage->from);
}

static void make_anew(struct stage *stage)
{
	struct shoal_histogram h;
	assert_int_equal(shoal_histogram_init(&h, stage->room.memory, stage->room.bytes, 1, 200),
			 0);
}

/* Either as before, or as after, or it says that it is neither. */
static void look_at_a_change(struct stage *stage)
{
	size_t skipped = offsetof(struct histogram_body, changes);
	const uint8_t *now = stage->room.memory;
	int r = shoal_histogram_audit(now, stage->room.bytes);
	if (r < 0) {
		assert_int_equal(r, -EBADMSG);
		stage->was_between = true;
		return;
	}
	const uint8_t *as = memcmp(now, stage->before, skipped) ? stage->after : stage->before;
	assert_memory_equal(now, as, skipped);
	assert_memory_equal(now + skipped + 8, as + skipped + 8, stage->room.bytes - skipped - 8);
}

static void test_half_a_change_says_so(void **state)
{
	(void)state;
	static void (*const calls[])(struct stage *) = {clear_all, add_other, make_anew};
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		struct stage stage;
		stage_open(&stage);
		step_through(&stage, calls[i], look_at_a_change);
		assert_true(stage.was_between);
		stage_close(&stage);
	}
}

/* ---- for real ------------------------------------------------------------------------------- */

#define KILLS 100u
#define VALUE 7u

static pid_t start_recording(struct shoal_histogram h)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			shoal_histogram_record(&h, VALUE);
	}
	return pid;
}

static void wait_for_count(const struct shoal_histogram *h, uint64_t count)
{
	time_t limit = time(NULL) + 60;
	while (shoal_histogram_count(h) < count) {
		sched_yield();
		assert_true(time(NULL) < limit);
	}
}

static void test_killed_in_the_middle_of_a_stream(void **state)
{
	(void)state;
	struct room room;
	struct shoal_histogram h = histogram_new(&room, 3, 1000000000);
	uint64_t random = 1;
	for (unsigned kills = 1; kills <= KILLS; kills++) {
		uint64_t before = shoal_histogram_count(&h);
		pid_t pid = start_recording(h);
		wait_for_count(&h, before + 1 + random_below(&random, 20000));
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		audit_is(&h, 0);
		uint64_t count = shoal_histogram_count(&h);
		assert_true(in_buckets(&h) - count <= kills);
		assert_true(shoal_histogram_sum(&h) >= VALUE * count);
		assert_true(shoal_histogram_sum(&h) <= VALUE * in_buckets(&h));
		assert_int_equal(shoal_histogram_percentile(&h, 50), VALUE);
	}
	room_free(&room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_recording_is_valid_after_each_instruction),
	    cmocka_unit_test(test_half_a_change_says_so),
	    cmocka_unit_test(test_killed_in_the_middle_of_a_stream),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
