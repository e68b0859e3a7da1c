/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks: who may do what with the memory, where it lies, what the kernel makes of it, and death.
 */
#include "block/block_rig.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* How a child ends that runs `run`: its status. Its handles are its own. */
static int in_child(void (*run)(const char *name), const char *name)
{
	int status = -1;
	pid_t pid = fork();
	if (pid == 0) {
		struct rlimit none = {0, 0};
		setrlimit(RLIMIT_CORE, &none);
		signal(SIGSEGV, SIG_DFL); /* cmocka catches it */
		signal(SIGBUS, SIG_DFL);
		run(name);
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static bool segfaults(void (*run)(const char *name), const char *name)
{
	int status = in_child(run, name);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

/* In a child: where the checks of cmocka would run the other tests a second time. */
#define NEED(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "line %d: %s (%s)\n", __LINE__, #condition,                \
				shoal_error_detail());                                             \
			_exit(9);                                                                  \
		}                                                                                  \
	} while (0)

static shoal_block *need_open(const char *name, unsigned flags)
{
	shoal_block *block = NULL;
	NEED(shoal_block_open(&block, name, flags, NULL) == 0);
	return block;
}

/* ---- reading only ------------------------------------------------------------------------ */

static void write_as_reader(const char *name)
{
	shoal_block *block = need_open(name, SHOAL_READ);
	volatile uint8_t *data = shoal_block_data(block);
	NEED(*data == 5);
	*data = 6;
}

static void test_a_reader_takes_no_seat_and_changes_nothing(void **state)
{
	(void)state;
	struct shoal_block_stat *stat = NULL;
	shoal_block *block = rig_make("read", 100, 8000);
	uint8_t *data = shoal_block_data(block);
	*data = 5;
	uint8_t before[4096], after[4096];
	memcpy(before, block->map.region.base, sizeof(before));
	shoal_block *reader = rig_open("read", SHOAL_READ);
	memcpy(after, block->map.region.base, sizeof(after));
	assert_memory_equal(before, after, sizeof(before));
	assert_int_equal(shoal_block_stat("read", 0, &stat), 0);
	assert_int_equal(stat->seat_count, 1);
	assert_int_equal(stat->readers, 1);
	shoal_block_stat_free(stat);
	assert_int_equal(shoal_block_grow(reader, 200, 0), -EACCES);
	assert_int_equal(shoal_block_shrink(reader, 20, SHOAL_FORCE, 0), -EACCES);
	assert_int_equal(shoal_block_protect(reader, 0, SHOAL_REST, SHOAL_READ | SHOAL_WRITE),
			 -EACCES);
	assert_true(segfaults(write_as_reader, "read"));
	/* It does not keep the block, and has what it has. */
	shoal_block_close(block);
	assert_int_equal(shoal_block_check(reader), -ESTALE);
	assert_int_equal(*(uint8_t *)shoal_block_data(reader), 5);
	shoal_block_close(reader);
	assert_int_equal(shoal_block_open(&reader, "read", SHOAL_READ, NULL), -ENOENT);
}

static void make_and_die(const char *name)
{
	struct shoal_block_options options = rig_options(100, 8000);
	shoal_block *block = NULL;
	uint64_t seen;
	NEED(shoal_block_open(&block, name, SHOAL_CREATE, &options) == 1);
	NEED(block_enter(&block->map, block->object->seat.tag, BLOCK_GROWING, &seen));
	raise(SIGKILL);
}

static void test_a_leftover_is_gone_for_a_reader_too(void **state)
{
	(void)state;
	shoal_block *block = NULL;
	int status = in_child(make_and_die, "left");
	assert_true(WIFSIGNALED(status));
	assert_int_equal(shoal_block_open(&block, "left", SHOAL_READ, NULL), -ENOENT);
	assert_int_equal(shoal_block_open(&block, "left", 0, NULL), -ENOENT); /* and removes it */
	assert_int_equal(shoal_remove("left", 0), -ENOENT);
}

/* ---- death ------------------------------------------------------------------------------- */

static void grow_and_die(const char *name)
{
	uint64_t seen;
	shoal_block *block = need_open(name, 0);
	NEED(block_enter(&block->map, block->object->seat.tag, BLOCK_GROWING, &seen));
	NEED(segment_grow(&block->object->segment, block->map.data_offset + 100,
			  block->map.data_offset + 5000) == 0);
	memset((uint8_t *)shoal_block_data(block) + 100, 7, 4900);
	raise(SIGKILL);
}

static void shrink_and_die(const char *name)
{
	uint64_t seen;
	shoal_block *block = need_open(name, 0);
	NEED(block_enter(&block->map, block->object->seat.tag, BLOCK_SHRINKING, &seen));
	memset(shoal_block_data(block), 7, 6000);
	block_publish(&block->map, 50);
	raise(SIGKILL);
}

static void test_the_work_of_the_dead_is_done_again(void **state)
{
	(void)state;
	shoal_block *block = rig_make("dead", 100, 8000);
	const uint8_t *data = shoal_block_data(block);
	assert_true(WIFSIGNALED(in_child(grow_and_die, "dead")));
	assert_int_equal(shoal_block_bytes(block), 100);
	assert_int_equal(shoal_block_grow(block, 6000, 0), 0);
	for (int i = 100; i < 6000; i++)
		assert_int_equal(data[i], 0);
	assert_true(WIFSIGNALED(in_child(shrink_and_die, "dead")));
	shoal_block *reader =
	    rig_open("dead", SHOAL_READ); /* needs no repair, and waits for none */
	shoal_block_close(reader);
	assert_int_equal(shoal_block_bytes(block), 50);
	assert_int_equal(shoal_block_grow(block, 8000, 0), 0);
	assert_int_equal(data[49], 7);
	for (int i = 50; i < 8000; i++)
		assert_int_equal(data[i], 0);
	assert_int_equal(shoal_block_audit("dead", 0), 0);
	shoal_block_close(block);
}

static void use_in_child(const char *name)
{
	(void)name;
}

static shoal_block *inherited;

static void use_inherited(const char *name)
{
	(void)name;
	struct shoal_memory memory;
	NEED(shoal_block_data(inherited) == NULL);
	NEED(shoal_block_bytes(inherited) == 0);
	NEED(shoal_block_grow(inherited, 1, 0) == -ECHILD);
	NEED(shoal_block_shrink(inherited, 1, 0, 0) == -ECHILD);
	NEED(shoal_block_sync(inherited, 0, 1, SHOAL_SYNC) == -ECHILD);
	NEED(shoal_block_advise(inherited, 0, 1, SHOAL_ADVICE_NORMAL) == -ECHILD);
	NEED(shoal_block_protect(inherited, 0, 1, SHOAL_READ) == -ECHILD);
	NEED(shoal_block_memory(inherited, &memory) == -ECHILD);
	NEED(shoal_block_check(inherited) == -ECHILD);
	shoal_block_close(inherited);
	shoal_block *own = need_open("fork", 0);
	shoal_block_close(own);
}

static void test_a_child_has_no_part_in_it(void **state)
{
	(void)state;
	shoal_block *block = rig_make("fork", 100, 0);
	inherited = block;
	assert_int_equal(in_child(use_inherited, "fork"), 0);
	inherited = rig_open("fork", SHOAL_READ);
	assert_int_equal(in_child(use_inherited, "fork"), 0);
	assert_int_equal(shoal_block_shrink(block, 50, 0, 0), -EBUSY);
	assert_int_equal(in_child(use_in_child, "fork"), 0);
	shoal_block_close(inherited);
	assert_int_equal(shoal_block_shrink(block, 50, 0, 0), 0);
	shoal_block_close(block);
}

/* ---- private, none, execute -------------------------------------------------------------- */

static void test_private_changes_stay_private(void **state)
{
	(void)state;
	static const unsigned ways[] = {SHOAL_PRIVATE, SHOAL_PRIVATE | SHOAL_READ};
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		shoal_block *block = rig_make("private", 8000, 20000);
		uint8_t *data = shoal_block_data(block);
		shoal_block *copy = rig_open("private", ways[i]);
		uint8_t *own = shoal_block_data(copy);
		data[0] = 1;
		assert_int_equal(own[0], 1); /* not copied yet */
		own[0] = 2;
		assert_int_equal(data[0], 1);
		data[1] = 3;
		assert_int_equal(own[1], 0); /* copied by now */
		data[5000] = 4;
		assert_int_equal(own[5000], 4); /* another page */
		assert_int_equal(shoal_block_grow(block, 20000, 0), 0);
		assert_int_equal(shoal_block_bytes(copy), 20000);
		data[19999] = 5;
		assert_int_equal(own[19999], 5);
		own[19999] = 6;
		assert_int_equal(data[19999], 5);
		shoal_block_close(copy);
		copy = rig_open("private", ways[i]);
		assert_int_equal(*(uint8_t *)shoal_block_data(copy), 1); /* lost with its handle */
		shoal_block_close(copy);
		shoal_block_close(block);
	}
}

static void touch_nothing(const char *name)
{
	shoal_block *block = need_open(name, SHOAL_NO_ACCESS);
	volatile uint8_t *data = shoal_block_data(block);
	(void)*data;
}

static void touch_the_second_page(const char *name)
{
	shoal_block *block = need_open(name, SHOAL_NO_ACCESS);
	volatile uint8_t *data = shoal_block_data(block);
	NEED(shoal_block_protect(block, 0, 4096, SHOAL_READ | SHOAL_WRITE) == 0);
	data[4095] = 1;
	data[4096] = 1;
}

static void test_no_access_is_none_until_it_is_allowed(void **state)
{
	(void)state;
	shoal_block *block = rig_make("none", 8192, 0);
	assert_true(segfaults(touch_nothing, "none"));
	assert_true(segfaults(touch_the_second_page, "none"));
	assert_int_equal(((uint8_t *)shoal_block_data(block))[4095], 1);
	shoal_block *other = rig_open("none", SHOAL_NO_ACCESS); /* a seat it has */
	shoal_block_close(block);
	assert_int_equal(shoal_block_check(other), 0);
	assert_int_equal(shoal_block_protect(other, 0, SHOAL_REST, SHOAL_READ), 0);
	assert_int_equal(((uint8_t *)shoal_block_data(other))[4095], 1);
	shoal_block_close(other);
}

static void test_what_lies_in_it_can_be_run_where_that_is_allowed(void **state)
{
	(void)state;
#if defined(__x86_64__)
	static const uint8_t answer[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* mov eax, 42; ret */
	shoal_block *block = rig_make("run", 100, 0);
	memcpy(shoal_block_data(block), answer, sizeof(answer));
	shoal_block *runner = NULL;
	int r = shoal_block_open(&runner, "run", SHOAL_READ | SHOAL_EXECUTE, NULL);
	if (r == -EACCES) {
		assert_non_null(strstr(shoal_error_detail(), "noexec"));
	} else {
		assert_int_equal(r, 0);
		int (*function)(void);
		void *data = shoal_block_data(runner);
		memcpy(&function, &data, sizeof(function));
		assert_int_equal(function(), 42);
		shoal_block_close(runner);
	}
	shoal_block_close(block);
#endif
}

/* ---- where it lies ----------------------------------------------------------------------- */

static void test_a_requested_address(void **state)
{
	(void)state;
	void *free_room = NULL;
	shoal_block *block = NULL, *other = NULL;
	struct shoal_block_options options = rig_options(8192, 1 << 20);
	assert_int_equal(os->find_room(4 << 20, 4096, &free_room), 0);
	options.address = (uint8_t *)free_room + (1 << 20);
	assert_int_equal(shoal_block_open(&block, "there", SHOAL_CREATE, &options), 1);
	assert_ptr_equal(shoal_block_data(block), options.address);
	uint8_t *data = shoal_block_data(block);
	*data = 9;
	/* Nothing is replaced, and what is in the way is named. */
	assert_int_equal(shoal_block_open(&other, "there", 0, &options), -EEXIST);
	assert_non_null(strstr(shoal_error_detail(), "there is /"));
	assert_int_equal(*data, 9);
	options.address = (void *)(uintptr_t)&test_a_requested_address;
	options.address = (uint8_t *)options.address - (uintptr_t)options.address % 4096;
	assert_int_equal(shoal_block_open(&other, "there", 0, &options), -EEXIST);
	assert_non_null(strstr(shoal_error_detail(), "unit_block"));
	options.address = data + 1;
	assert_int_equal(shoal_block_open(&other, "there", 0, &options), -EINVAL);
	options.address = (void *)(uintptr_t)4096;
	assert_int_equal(shoal_block_open(&other, "there", 0, &options), -EINVAL);
	/* A failed open makes nothing. */
	options.address = data;
	assert_int_equal(shoal_block_open(&other, "new", SHOAL_CREATE | SHOAL_KEEP, &options),
			 -EEXIST);
	assert_int_equal(shoal_remove("new", 0), -ENOENT);
	shoal_block_close(block);
}

/* ---- what the kernel makes of it --------------------------------------------------------- */

static void test_residency_and_locks(void **state)
{
	(void)state;
	struct shoal_memory memory;
	struct shoal_block_options options = rig_options(100000, 200000);
	shoal_block *block = NULL;
	assert_int_equal(shoal_block_open(&block, "locked", SHOAL_CREATE | SHOAL_LOCKED, &options),
			 1);
	assert_int_equal(shoal_block_memory(block, &memory), 0);
	assert_int_equal(memory.bytes, 100000);
	assert_int_equal(memory.resident_bytes, 25 * 4096);
	assert_in_range(memory.locked_bytes, 25 * 4096, 25 * 4096);
	assert_int_equal(memory.asked, SHOAL_LOCKED);
	assert_true(memory.had & SHOAL_LOCKED);
	assert_int_equal(shoal_block_sync(block, 0, SHOAL_REST, SHOAL_SYNC_INVALIDATE), -EBUSY);
	assert_int_equal(shoal_block_grow(block, 200000, 0), 0);
	assert_int_equal(shoal_block_memory(block, &memory), 0);
	assert_in_range(memory.locked_bytes, 49 * 4096, 49 * 4096);
	assert_int_equal(shoal_block_advise(block, 0, SHOAL_REST, SHOAL_ADVICE_UNLOCK), 0);
	assert_int_equal(shoal_block_memory(block, &memory), 0);
	assert_int_equal(memory.locked_bytes, 0);
	assert_int_equal(shoal_block_sync(block, 0, SHOAL_REST, SHOAL_SYNC_INVALIDATE), 0);
	shoal_block_close(block);
}

static void test_asked_for_huge_pages_and_told_what_came(void **state)
{
	(void)state;
	enum { BYTES = 8 << 20 };
	struct shoal_memory memory;
	struct shoal_block_stat *stat = NULL;
	struct shoal_block_options options = rig_options(BYTES, 0);
	shoal_block *block = NULL;
	assert_int_equal(shoal_block_open(&block, "huge", SHOAL_CREATE | SHOAL_HUGE, &options), 1);
	assert_int_equal(((uintptr_t)block->map.region.base) % HUGE_BYTES, 0);
	memset(shoal_block_data(block), 1, BYTES);
	assert_int_equal(shoal_block_memory(block, &memory), 0);
	assert_int_equal(memory.asked, SHOAL_HUGE);
	/* Whether there are any is the kernel's business; that it is told, ours. */
	assert_int_equal((memory.had & SHOAL_HUGE) != 0,
			 memory.huge_bytes >= BYTES - 2 * HUGE_BYTES);
	assert_int_equal(shoal_block_stat("huge", 0, &stat), 0);
	assert_int_equal(stat->asked, SHOAL_HUGE);
	assert_int_equal(stat->had & ~SHOAL_HUGE, 0);
	assert_int_equal(stat->had != 0, stat->huge_bytes >= BYTES - 2 * HUGE_BYTES);
	printf("huge pages: %llu of %d bytes\n", (unsigned long long)memory.huge_bytes, BYTES);
	shoal_block_stat_free(stat);
	shoal_block_close(block);
}

static void test_advice_and_sync_by_the_byte(void **state)
{
	(void)state;
	shoal_block *block = rig_make("advice", 10000, 0);
	memset(shoal_block_data(block), 3, 10000);
	for (enum shoal_advice i = SHOAL_ADVICE_NORMAL; i <= SHOAL_ADVICE_UNLOCK; i++)
		assert_int_equal(shoal_block_advise(block, 5000, 123, i), 0);
	for (enum shoal_sync i = SHOAL_SYNC; i <= SHOAL_SYNC_INVALIDATE; i++) {
		assert_int_equal(shoal_block_sync(block, 9999, 1, i), 0);
		assert_int_equal(shoal_block_sync(block, 0, SHOAL_REST, i), 0);
		assert_int_equal(shoal_block_sync(block, 0, 0, i), -EINVAL);
		assert_int_equal(shoal_block_sync(block, 1, 10000, i), -ERANGE);
		assert_int_equal(shoal_block_sync(block, 10000, 1, i), -ERANGE);
		assert_int_equal(shoal_block_sync(block, UINT64_MAX, 2, i), -ERANGE);
		assert_int_equal(shoal_block_sync(block, 2, UINT64_MAX - 1, i), -ERANGE);
	}
	for (int i = 0; i < 10000; i++)
		assert_int_equal(((uint8_t *)shoal_block_data(block))[i], 3);
	assert_int_equal(shoal_block_advise(block, 0, 1, (enum shoal_advice)0), -EINVAL);
	assert_int_equal(shoal_block_advise(block, 0, 1, (enum shoal_advice)99), -EINVAL);
	assert_int_equal(shoal_block_sync(block, 0, 1, (enum shoal_sync)0), -EINVAL);
	assert_int_equal(shoal_block_sync(block, 0, 1, (enum shoal_sync)99), -EINVAL);
	shoal_block_close(block);
}

/* ---- nonsense ---------------------------------------------------------------------------- */

static int open_with(unsigned flags, struct shoal_block_options options)
{
	shoal_block *block = (shoal_block *)&options;
	int r = shoal_block_open(&block, "bad", flags, &options);
	assert_null(block);
	return r;
}

static void test_options_that_make_no_sense(void **state)
{
	(void)state;
	shoal_block *block = NULL;
	const unsigned make = SHOAL_CREATE;
	struct {
		struct shoal_block_options options;
		uint64_t unknown;
	} newer = {rig_options(1, 0), 1};
	newer.options.size = sizeof(newer);
	assert_int_equal(shoal_block_open(&block, "bad", make, &newer.options), -E2BIG);
	assert_int_equal(open_with(make, (struct shoal_block_options){.size = 3}), -EINVAL);
	assert_int_equal(open_with(make, rig_options(0, 0)), -EINVAL);
	assert_int_equal(open_with(make, rig_options(UINT64_MAX, 0)), -EINVAL);
	assert_int_equal(open_with(make, rig_options(1, UINT64_MAX)), -EINVAL);
	assert_int_equal(open_with(make, rig_options(2, 1)), -EINVAL);
	struct shoal_block_options options = rig_options(1, 0);
	options.users = 4097;
	assert_int_equal(open_with(make, options), -EINVAL);
	options = rig_options(1, 0);
	options.mode = 0777;
	assert_int_equal(open_with(make, options), -EINVAL);
	assert_int_equal(open_with(SHOAL_READ | make, rig_options(1, 0)), -EINVAL);
	assert_int_equal(open_with(SHOAL_WRITE, rig_options(1, 0)), -EINVAL);
	assert_int_equal(open_with(SHOAL_LOSSY, rig_options(1, 0)), -EINVAL);
	assert_int_equal(open_with(SHOAL_KEEP, rig_options(1, 0)), -EINVAL);
	assert_int_equal(open_with(SHOAL_NO_ACCESS | SHOAL_LOCKED, rig_options(1, 0)), -EINVAL);
	assert_int_equal(open_with(0, rig_options(1, 0)), -ENOENT);
	assert_int_equal(open_with(SHOAL_READ, rig_options(1, 0)), -ENOENT);
	assert_int_equal(shoal_block_open(&block, "bad", make, NULL), -EINVAL);
	assert_int_equal(shoal_block_open(NULL, "bad", 0, NULL), -EINVAL);
	assert_int_equal(shoal_block_open(&block, NULL, 0, NULL), -EINVAL);
	assert_int_equal(shoal_block_open(&block, "a b", 0, NULL), -EINVAL);
	assert_int_equal(shoal_block_open(&block, "", SHOAL_READ, NULL), -EINVAL);
	assert_int_equal(shoal_block_create("bad", SHOAL_READ, NULL), -EINVAL);
	assert_int_equal(shoal_block_stat(NULL, 0, NULL), -EINVAL);
	assert_int_equal(shoal_block_audit("bad", SHOAL_FORCE), -EINVAL);
	/* More than there is address space. */
	options = rig_options(1, (uint64_t)1 << 46);
	options.max_bytes = (uint64_t)1 << 46;
	int r = shoal_block_open(&block, "bad", make, &options);
	assert_true(r == 1 || r == -ENOMEM);
	shoal_block_close(block);
}

static void test_calls_that_make_no_sense(void **state)
{
	(void)state;
	struct shoal_memory memory;
	shoal_block *block = rig_make("calls", 10000, 0);
	assert_null(shoal_block_data(NULL));
	assert_int_equal(shoal_block_bytes(NULL), 0);
	shoal_block_close(NULL);
	shoal_block_stat_free(NULL);
	assert_int_equal(shoal_block_grow(NULL, 1, 0), -EINVAL);
	assert_int_equal(shoal_block_grow(block, 0, 0), -EINVAL);
	assert_int_equal(shoal_block_shrink(NULL, 1, 0, 0), -EINVAL);
	assert_int_equal(shoal_block_shrink(block, 0, 0, 0), -EINVAL);
	assert_int_equal(shoal_block_shrink(block, 1, SHOAL_READ, 0), -EINVAL);
	assert_int_equal(shoal_block_check(NULL), -EINVAL);
	assert_int_equal(shoal_block_memory(NULL, &memory), -EINVAL);
	assert_int_equal(shoal_block_memory(block, NULL), -EINVAL);
	assert_int_equal(shoal_block_sync(NULL, 0, 1, SHOAL_SYNC), -EINVAL);
	assert_int_equal(shoal_block_advise(NULL, 0, 1, SHOAL_ADVICE_NORMAL), -EINVAL);
	assert_int_equal(shoal_block_protect(NULL, 0, 1, SHOAL_READ), -EINVAL);
	assert_int_equal(shoal_block_protect(block, 1, 1, SHOAL_READ), -EINVAL);
	assert_int_equal(shoal_block_protect(block, 0, 0, SHOAL_READ), -EINVAL);
	assert_int_equal(shoal_block_protect(block, 0, 1, 0), -EINVAL);
	assert_int_equal(shoal_block_protect(block, 0, 1, SHOAL_READ | SHOAL_NO_ACCESS), -EINVAL);
	assert_int_equal(shoal_block_protect(block, 0, 1, SHOAL_HUGE), -EINVAL);
	assert_int_equal(shoal_block_protect(block, 12288, 1, SHOAL_READ), -ERANGE);
	shoal_block_close(block);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_reader_takes_no_seat_and_changes_nothing),
	    cmocka_unit_test(test_a_leftover_is_gone_for_a_reader_too),
	    cmocka_unit_test(test_the_work_of_the_dead_is_done_again),
	    cmocka_unit_test(test_a_child_has_no_part_in_it),
	    cmocka_unit_test(test_private_changes_stay_private),
	    cmocka_unit_test(test_no_access_is_none_until_it_is_allowed),
	    cmocka_unit_test(test_what_lies_in_it_can_be_run_where_that_is_allowed),
	    cmocka_unit_test(test_a_requested_address),
	    cmocka_unit_test(test_residency_and_locks),
	    cmocka_unit_test(test_asked_for_huge_pages_and_told_what_came),
	    cmocka_unit_test(test_advice_and_sync_by_the_byte),
	    cmocka_unit_test(test_options_that_make_no_sense),
	    cmocka_unit_test(test_calls_that_make_no_sense),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
