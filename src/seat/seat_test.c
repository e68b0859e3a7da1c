/* SPDX-License-Identifier: Apache-2.0 */
/* Seats are held by locks that the kernel drops with the process, and by nothing else. */
#include "seat/seat.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SEATS 4

static struct segment_name name;

static int set_up(void **state)
{
	static struct segment segment;
	struct segment_spec spec = {.kind = 9,
				    .seat_count = SEATS,
				    .body_bytes = 4096,
				    .reserve_bytes = 4096,
				    .mode = 0600};
	assert_int_equal(segment_name_parse("seats", &name), 0);
	assert_int_equal(segment_create(&segment, &name, &spec), 0);
	assert_int_equal(segment_publish(&segment), 0);
	*state = &segment;
	return 0;
}

static int tear_down(void **state)
{
	struct segment *segment = *state;
	assert_int_equal(os->unlink(name.path), 0);
	segment_close(segment);
	return 0;
}

static void test_the_first_free_seat_is_taken(void **state)
{
	struct segment *segment = *state;
	struct seat seats[SEATS], none;
	for (uint32_t i = 0; i < SEATS; i++) {
		assert_false(seat_alive(segment, i));
		assert_int_equal(seat_lock(segment, 0, SEATS, &seats[i]), 0);
		assert_int_equal(seats[i].tag.seat, i);
		assert_true(seat_alive(segment, i));
	}
	assert_int_equal(seat_lock(segment, 0, SEATS, &none), -EUSERS);
	seat_unlock(&seats[2]);
	assert_false(seat_alive(segment, 2));
	assert_int_equal(seat_lock(segment, 0, 2, &none), -EUSERS); /* only of those asked for */
	assert_int_equal(seat_lock(segment, 0, SEATS, &seats[2]), 0);
	assert_int_equal(seats[2].tag.seat, 2);
	for (uint32_t i = 0; i < SEATS; i++)
		seat_unlock(&seats[i]);
	for (uint32_t i = 0; i < SEATS; i++)
		assert_false(seat_alive(segment, i));
}

static void test_a_seat_costs_no_descriptor_and_outlives_them_all(void **state)
{
	struct segment *segment = *state;
	struct seat seat;
	int before = dup(segment->fd);
	close(before);
	assert_int_equal(seat_lock(segment, 0, SEATS, &seat), 0);
	int after = dup(segment->fd);
	close(after);
	assert_int_equal(before, after);
	/* A daemon that closes all its descriptors keeps its seats; probes open the file again. */
	close(segment->fd);
	assert_true(seat_alive(segment, 0));
	seat_unlock(&seat);
	assert_false(seat_alive(segment, 0));
}

/* Whoever has the number of our descriptor now is asked nothing, and not closed either. */
static void test_a_descriptor_that_became_another_file_is_left_alone(void **state)
{
	struct segment *segment = *state;
	struct seat seat;
	int pipes[2];
	assert_int_equal(seat_lock(segment, 0, SEATS, &seat), 0);
	assert_int_equal(pipe(pipes), 0);
	int ours = segment->fd;
	assert_int_equal(dup2(pipes[0], ours), ours);
	assert_true(seat_alive(segment, 0));
	assert_false(seat_alive(segment, 1));
	seat_unlock(&seat);
	assert_int_equal(close(ours), 0); /* still open: nobody closed it for us */
	close(pipes[0]);
	close(pipes[1]);
}

/* Forks; the child runs `child` and waits to be killed. */
static pid_t start(void (*child)(struct segment *segment), struct segment *segment)
{
	int pipes[2];
	char ready;
	assert_int_equal(pipe(pipes), 0);
	pid_t pid = fork();
	if (pid == 0) {
		child(segment);
		if (write(pipes[1], "r", 1) == 1)
			pause();
		_exit(0);
	}
	assert_int_equal(read(pipes[0], &ready, 1), 1);
	close(pipes[0]);
	close(pipes[1]);
	return pid;
}

static void kill_child(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void take_one(struct segment *segment)
{
	static struct seat seat;
	struct segment mine;
	(void)segment;
	if (segment_open(&mine, &name, false) < 0 || seat_lock(&mine, 0, SEATS, &seat) < 0)
		_exit(1);
}

static void test_the_stopped_are_alive_and_the_killed_are_dead(void **state)
{
	struct segment *segment = *state;
	int status;
	pid_t pid = start(take_one, segment);
	assert_true(seat_alive(segment, 0));
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	assert_true(seat_alive(segment, 0));
	assert_int_equal(kill(pid, SIGKILL), 0);
	siginfo_t info;
	/* Dead before it is reaped: a zombie holds no seat. */
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_false(seat_alive(segment, 0));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void do_nothing(struct segment *segment)
{
	(void)segment;
}

static void test_a_child_inherits_no_seat(void **state)
{
	struct segment *segment = *state;
	struct seat seat;
	assert_int_equal(seat_lock(segment, 0, SEATS, &seat), 0);
	pid_t pid = start(do_nothing, segment);
	assert_true(seat_alive(segment, 0));
	seat_unlock(&seat);
	assert_false(seat_alive(segment, 0)); /* although the child lives */
	kill_child(pid);
}

static void test_a_seat_says_who_has_it(void **state)
{
	(void)state;
	struct seat_entry entry;
	memset(&entry, 0, sizeof(entry));
	seat_describe(&entry, 3, SEAT_FENCES_ITSELF);
	assert_int_equal(entry.pid, getpid());
	assert_int_equal(entry.role, 3);
	assert_int_equal(entry.flags, SEAT_FENCES_ITSELF);
	assert_int_not_equal(entry.start_time, 0);
	assert_int_not_equal(entry.pid_namespace, 0);
	assert_true(entry.joined_ns > 0);
	assert_int_not_equal(entry.name[0], 0);
	struct os_process process;
	assert_int_equal(os->process(entry.pid, &process), 0);
	assert_true(process.exists && !process.stopped);
	assert_int_equal(process.start_time, entry.start_time);
}

static int tries;

static int count_tries(int fd, uint64_t offset)
{
	tries++;
	return os_linux.lock(fd, offset);
}

/* Nobody holds their bytes, but their words say that they are taken. */
static void test_of_many_the_seats_of_the_dead_come_last(void **state)
{
	(void)state;
	enum { MANY = 200, FREE = 150 };
	struct os_calls calls = os_linux;
	struct segment segment;
	struct seat first[MANY], seat;
	struct segment_spec spec = {.kind = 9, .seat_count = MANY, .mode = 0600};
	spec.body_bytes = spec.reserve_bytes = 4096;
	assert_int_equal(segment_name_parse("many", &name), 0);
	assert_int_equal(segment_create(&segment, &name, &spec), 0);
	for (uint32_t i = 0; i < MANY; i++)
		atomic_store(&seat_entry(&segment.region, i)->word,
			     word_make(i == FREE ? SEAT_FREE : SEAT_TAKEN, (struct tag){i, 1}));
	calls.lock = count_tries;
	os = &calls;
	/* The first ones are taken in turn; that the others hold theirs is not asked of each. */
	for (uint32_t i = 0; i < 64; i++) {
		assert_int_equal(seat_lock(&segment, 0, MANY, &first[i]), 0);
		assert_int_equal(first[i].tag.seat, i);
	}
	tries = 0;
	assert_int_equal(seat_lock(&segment, 0, MANY, &first[FREE]), 0);
	assert_int_equal(first[FREE].tag.seat, FREE);
	assert_true(tries <= 64 + 2);
	/* None is free any more: then those of the dead. */
	for (uint32_t i = 64; i < MANY; i++) {
		if (i == FREE)
			continue;
		assert_int_equal(seat_lock(&segment, 0, MANY, &first[i]), 0);
		assert_int_equal(first[i].tag.seat, i);
	}
	assert_int_equal(seat_lock(&segment, 0, MANY, &seat), -EUSERS);
	os = &os_linux;
	for (uint32_t i = 0; i < MANY; i++)
		seat_unlock(&first[i]);
	segment_close(&segment);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_the_first_free_seat_is_taken),
	    TEST(test_a_seat_costs_no_descriptor_and_outlives_them_all),
	    TEST(test_a_descriptor_that_became_another_file_is_left_alone),
	    TEST(test_the_stopped_are_alive_and_the_killed_are_dead),
	    TEST(test_a_child_inherits_no_seat),
	    TEST(test_a_seat_says_who_has_it),
	    cmocka_unit_test(test_of_many_the_seats_of_the_dead_come_last),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
