/* SPDX-License-Identifier: Apache-2.0 */
/* ctest: LABELS tsan TIMEOUT 300 */
/* Lost memory: what takes its place, for whom, and that no stranger's is taken for it. */
#include "guard/guard_rig.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>

/* ---- what takes its place ------------------------------------------------------------------ */

static void test_lost_memory_is_zeroes_and_marks(void **state)
{
	(void)state;
	int fd = -1;
	uint8_t *memory = map_file(3, 0xaa, &fd), *beside = map_file(1, 0xbb, NULL);
	struct guard *guard = guarded(memory, 3), *other = guarded(beside, 1);
	guard_mark(guard, (struct guard_mark){16, 0, 1, 7});
	guard_mark(guard, (struct guard_mark){PAGE, PAGE / 2, 3, ~(uint64_t)0});
	assert_int_equal(ftruncate(fd, PAGE), 0);
	assert_int_equal(look(memory), 0xaa); /* the first page is still there */
	assert_false(guard_is_lost(guard));
	errno = E2BIG;
	assert_int_equal(look(memory + 2 * PAGE + 8), 0);
	assert_int_equal(errno, E2BIG);
	assert_true(guard_is_lost(guard));
	for (size_t i = 0; i < 3 * PAGE; i += 8) {
		uint64_t word, wanted = i == 16 ? 7 : 0;
		if (i >= PAGE && i <= 2 * PAGE && i % (PAGE / 2) == 0)
			wanted = ~(uint64_t)0;
		memcpy(&word, memory + i, sizeof(word));
		assert_int_equal(word, wanted);
	}
	memset(memory, 1, 3 * PAGE); /* it can be written, and the file gets nothing of it */
	uint8_t byte = 0;
	assert_int_equal(pread(fd, &byte, 1, 0), 1);
	assert_int_equal(byte, 0xaa);
	assert_false(guard_is_lost(other));
	assert_int_equal(look(beside), 0xbb);
	guard_remove(guard);
	guard_remove(other);
	unmap(memory, 3);
	unmap(beside, 1);
	close(fd);
}

static void test_marks_outside_are_left_out(void **state)
{
	(void)state;
	const struct guard_mark wrong[] = {{PAGE, 0, 1, 1},        {PAGE - 7, 0, 1, 1},
					   {4, 0, 1, 1},           {0, 8, PAGE / 8 + 1, 1},
					   {8, PAGE, 2, 1},        {0, 4, 2, 1},
					   {0, 0, 2, 1},           {~(uint64_t)7, 8, 9, 1},
					   {0, 8, 1ul << 62, 1},   {0, 0, 0, 1},
					   {8, ~(uint64_t)7, 3, 1}};
	uint8_t *memory = map_cut_file(1);
	struct guard *guard = guarded(memory, 1);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		guard_mark(guard, wrong[i]);
	for (uint64_t i = 0; i < GUARD_MARKS + 3; i++)
		guard_mark(guard, (struct guard_mark){PAGE - 8 - 8 * i, 0, 1, i + 1});
	for (uint64_t i = 0; i < PAGE / 8; i++) {
		uint64_t word, back = PAGE / 8 - i;
		memcpy(&word, memory + i * 8, sizeof(word));
		assert_int_equal(word, back <= GUARD_MARKS ? back : 0);
	}
	guard_remove(guard);
	unmap(memory, 1);
}

static void test_it_can_be_given_up_without_a_fault(void **state)
{
	(void)state;
	uint8_t *memory = map_file(1, 0xaa, NULL);
	struct guard *guard = guarded(memory, 1);
	assert_int_equal(guard_lose(guard), 0);
	assert_true(guard_is_lost(guard));
	assert_int_equal(look(memory), 0);
	guard_remove(guard);
	unmap(memory, 1);
}

static uint64_t address_space(void)
{
	char text[64] = "";
	FILE *file = fopen("/proc/self/statm", "re");
	if (!file || !fgets(text, sizeof(text), file))
		_exit(4);
	fclose(file);
	return strtoull(text, NULL, 10) * PAGE;
}

/* No room for both: what is lost is replaced where it is. */
static void lose_in_a_full_address_space(void *context)
{
	(void)context;
	const unsigned pages = 1024;
	uint8_t *memory = map_cut_file(pages);
	struct guard *guard = guarded(memory, pages);
	guard_mark(guard, (struct guard_mark){8, 0, 1, 9});
	const uint64_t limit = address_space();
	if (setrlimit(RLIMIT_AS, &(struct rlimit){limit, limit}) < 0 ||
	    mmap(NULL, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
		_exit(2);
	if (look(memory + PAGE) != 0 || look(memory + 8) != 9 || !guard_is_lost(guard))
		_exit(3);
}

static void test_a_full_address_space_is_enough(void **state)
{
	(void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	skip(); /* their own memory does not fit the limit */
#endif
	assert_int_equal(status_of(lose_in_a_full_address_space, NULL), 0);
}

/* ---- handlers inside handlers -------------------------------------------------------------- */

static uint8_t *nested_memory;
static volatile sig_atomic_t nested_seen;

static void look_inside(int number)
{
	(void)number;
	nested_seen += look(nested_memory) == 0 ? 1 : 100;
}

static void test_a_fault_inside_another_handler(void **state)
{
	(void)state;
#ifdef __SANITIZE_THREAD__
	skip(); /* it runs handlers with all signals blocked, and a blocked fault kills */
#endif
	const struct sigaction action = {.sa_handler = look_inside};
	struct sigaction before;
	nested_memory = map_cut_file(1);
	struct guard *guard = guarded(nested_memory, 1);
	sigaction(SIGUSR1, &action, &before);
	nested_seen = 0;
	raise(SIGUSR1);
	assert_int_equal(nested_seen, 1);
	sigaction(SIGUSR1, &before, NULL);
	guard_remove(guard);
	unmap(nested_memory, 1);
}

static uint8_t *own_memory;

/* The program's own handler: mends its memory, and looks at guarded memory meanwhile. */
static void mend_and_look(int number, siginfo_t *info, void *context)
{
	(void)context;
	look_inside(number);
	nested_seen += info->si_addr == own_memory ? 10 : 1000;
	mend_page(own_memory);
}

static void test_a_fault_inside_the_handler_that_it_is_passed_on_to(void **state)
{
	(void)state;
#ifdef __SANITIZE_THREAD__
	skip(); /* the same */
#endif
	const struct sigaction action = {.sa_sigaction = mend_and_look,
					 .sa_flags = SA_SIGINFO | SA_NODEFER};
	struct sigaction before;
	sigaction(SIGBUS, &action, &before);
	nested_memory = map_cut_file(1);
	own_memory = map_cut_file(1);
	struct guard *guard = guarded(nested_memory, 1);
	nested_seen = 0;
	assert_int_equal(look(own_memory), 0);
	assert_int_equal(nested_seen, 11);
	assert_true(guard_is_lost(guard));
	guard_remove(guard);
	sigaction(SIGBUS, &before, NULL);
	unmap(nested_memory, 1);
	unmap(own_memory, 1);
}

static void look_with_it_blocked(void *context)
{
	sigset_t bus;
	uint8_t *memory = map_cut_file(1);
	(void)context;
	guarded(memory, 1);
	sigemptyset(&bus);
	sigaddset(&bus, SIGBUS);
	pthread_sigmask(SIG_BLOCK, &bus, NULL);
	look(memory);
}

/* The kernel asks nobody then. It is documented, and so it had better be true. */
static void test_a_thread_that_blocks_it_is_killed(void **state)
{
	(void)state;
	int status = status_of(look_with_it_blocked, NULL);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGBUS);
}

/* ---- threads ------------------------------------------------------------------------------- */

#define THREADS 4

struct crowd {
	pthread_barrier_t start;
	uint8_t *memory;
	_Atomic int zeroes;
};

static void *look_together(void *context)
{
	struct crowd *crowd = context;
	pthread_barrier_wait(&crowd->start);
	for (unsigned i = 0; i < 8; i++)
		atomic_fetch_add(&crowd->zeroes, look(crowd->memory + i * PAGE) == 0);
	return NULL;
}

static void test_many_threads_in_one_mapping_at_once(void **state)
{
	(void)state;
	for (int round = 0; round < 300; round++) {
		struct crowd crowd = {.memory = map_cut_file(8)};
		struct guard *guard = guarded(crowd.memory, 8);
		pthread_t threads[THREADS];
		pthread_barrier_init(&crowd.start, NULL, THREADS);
		for (int i = 0; i < THREADS; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, look_together, &crowd),
					 0);
		for (int i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
		assert_int_equal(crowd.zeroes, THREADS * 8);
		pthread_barrier_destroy(&crowd.start);
		guard_remove(guard);
		unmap(crowd.memory, 8);
	}
}

/*
 * One thread guards memory that is cut, takes the guard away, and puts a file of its own in the
 * place; another one looks there all the while. So its handler comes before, while and after the
 * guard is removed. What was put there must never be replaced.
 */
struct reuse {
	uint8_t *memory;
	int cut_fd;
	int own_fd;
	_Atomic bool done;
};

/* Not guarded any more, and nothing of ours there yet: look again. */
static void wait_a_moment(int number)
{
	(void)number;
	sched_yield();
}

static void *look_all_the_while(void *context)
{
	struct reuse *reuse = context;
	while (!atomic_load(&reuse->done)) {
		uint8_t seen = look(reuse->memory);
		if (seen != 0 && seen != 0xcc)
			abort();
	}
	return NULL;
}

/* The kernel takes its time, in the middle of the handler. */
static _Atomic uint64_t replacing;

static int slow_map_over(void *address, uint64_t bytes,
			 void (*fill)(const void *context, uint8_t *memory), const void *context)
{
	atomic_fetch_add(&replacing, 1);
	for (int i = 0; i < 20; i++)
		sched_yield();
	return os_linux.map_over(address, bytes, fill, context);
}

static void map_there(const struct reuse *reuse, int fd)
{
	assert_ptr_equal(
	    mmap(reuse->memory, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0),
	    reuse->memory);
}

static void wait_for_handler(uint64_t before_it)
{
	const int64_t limit = os->now_ns() + 10000000000;
	while (atomic_load(&replacing) == before_it)
		if (os->now_ns() > limit)
			fail_msg("what was put there is no more: nobody comes to it");
		else
			sched_yield();
}

static void check_ours_is_there(const struct reuse *reuse, int round)
{
	unsigned char byte = 0;
	reuse->memory[8] = (unsigned char)round; /* it would go nowhere */
	assert_int_equal(pread(reuse->own_fd, &byte, 1, 8), 1);
	assert_int_equal(byte, (unsigned char)round);
	assert_int_equal(look(reuse->memory), 0xcc);
}

static void test_a_mapping_that_comes_after_is_never_replaced(void **state)
{
	(void)state;
	const struct sigaction action = {.sa_handler = wait_a_moment};
	struct sigaction before;
	struct reuse reuse = {0};
	struct os_calls table = os_linux;
	pthread_t thread;
	table.map_over = slow_map_over;
	os = &table;
	sigaction(SIGBUS, &action, &before);
	uint8_t *own = map_file(1, 0xcc, &reuse.own_fd);
	reuse.memory = map_file(1, 0xcc, &reuse.cut_fd);
	assert_int_equal(ftruncate(reuse.cut_fd, 0), 0);
	map_there(&reuse, reuse.own_fd);
	assert_int_equal(pthread_create(&thread, NULL, look_all_the_while, &reuse), 0);
	for (int round = 0; round < 1000; round++) {
		struct guard *guard = guarded(reuse.memory, 1);
		uint64_t before_it = atomic_load(&replacing);
		map_there(&reuse, reuse.cut_fd);
		if (round % 4 != 0) /* else it may come too late */
			wait_for_handler(before_it);
		guard_remove(guard);
		map_there(&reuse, reuse.own_fd);
		check_ours_is_there(&reuse, round);
	}
	atomic_store(&reuse.done, true);
	pthread_join(thread, NULL);
	assert_true(replacing >= 750);
	os = &os_linux;
	sigaction(SIGBUS, &before, NULL);
	unmap(reuse.memory, 1);
	unmap(own, 1);
	close(reuse.own_fd);
	close(reuse.cut_fd);
}

/* ---- fork ---------------------------------------------------------------------------------- */

static void exit_with_nine(int number)
{
	(void)number;
	_exit(9);
}

static void use_the_same_place(void *memory)
{
	mend_page(memory); /* the place is taken for now */
	uint8_t *cut = map_cut_file(1);
	struct guard *own = guarded(map_file(1, 1, NULL), 1);
	if (mremap(cut, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, memory) != memory)
		_exit(2);
	look(memory);
	guard_remove(own);
}

/* What the parent guards is not in the child; what is in its place there is the child's own. */
static void test_a_child_guards_nothing_of_its_parents(void **state)
{
	(void)state;
	const struct sigaction action = {.sa_handler = exit_with_nine};
	struct sigaction before;
	sigaction(SIGBUS, &action, &before);
	uint8_t *memory = map_cut_file(1);
	struct guard *guard = guarded(memory, 1);
	int status = status_of(use_the_same_place, memory);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 9);
	assert_int_equal(look(memory), 0);
	guard_remove(guard);
	sigaction(SIGBUS, &before, NULL);
	unmap(memory, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lost_memory_is_zeroes_and_marks),
	    cmocka_unit_test(test_marks_outside_are_left_out),
	    cmocka_unit_test(test_it_can_be_given_up_without_a_fault),
	    cmocka_unit_test(test_a_full_address_space_is_enough),
	    cmocka_unit_test(test_a_fault_inside_another_handler),
	    cmocka_unit_test(test_a_fault_inside_the_handler_that_it_is_passed_on_to),
	    cmocka_unit_test(test_a_thread_that_blocks_it_is_killed),
	    cmocka_unit_test(test_many_threads_in_one_mapping_at_once),
	    cmocka_unit_test(test_a_mapping_that_comes_after_is_never_replaced),
	    cmocka_unit_test(test_a_child_guards_nothing_of_its_parents),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
