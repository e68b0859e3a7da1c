/* SPDX-License-Identifier: Apache-2.0 */
/* System V segments as the os table gives them, in an IPC namespace of our own. */
#include "base/bits.h"
#include "os/os.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PAGES ((uint64_t)64)
#define BYTES (PAGES * PAGE_BYTES)
#define HUGE  ((uint64_t)2 << 20)

static int make(uint32_t key, uint64_t bytes)
{
	int id = os->shm_get(key, bytes, OS_SHM_CREATE, 0640);
	assert_true(id >= 0);
	return id;
}

static uint8_t *attach(int id, void *address, unsigned flags, uint64_t bytes)
{
	void *base = NULL;
	assert_int_equal(os->shm_attach(id, address, flags, bytes, &base), 0);
	return base;
}

static void test_get(void **state)
{
	(void)state;
	struct os_shm shm;
	assert_int_equal(os->shm_get(0x77, 0, 0, 0), -ENOENT);
	int id = make(0x77, BYTES - 1);
	assert_int_equal(os->shm_get(0x77, BYTES - 1, OS_SHM_CREATE, 0600), -EEXIST);
	assert_int_equal(os->shm_get(0x77, 0, 0, 0), id);
	assert_int_equal(os->shm_get(0x77, BYTES, 0, 0), -EINVAL);
	assert_int_equal(os->shm_get(0x78, 0, OS_SHM_CREATE, 0600), -EINVAL);
	assert_int_equal(os->shm_stat(id, &shm), 0);
	assert_true(shm.id == id && shm.key == 0x77 && shm.bytes == BYTES - 1);
	assert_true(shm.mode == 0640 && shm.uid == geteuid() && shm.creator_uid == geteuid());
	assert_true(shm.creator_pid == (uint32_t)getpid() && shm.last_pid == 0);
	assert_true(shm.attached == 0 && shm.attach_time == 0 && shm.change_time > 0);
	assert_int_equal(os->shm_remove(id), 0);
	assert_int_equal(os->shm_stat(id, &shm), -EINVAL);
	assert_int_equal(os->shm_remove(id), -EINVAL);
}

static void test_removed_while_attached(void **state)
{
	(void)state;
	struct os_shm shm;
	int id = make(0x77, BYTES);
	uint8_t *base = attach(id, NULL, 0, BYTES);
	base[0] = 7;
	assert_int_equal(os->shm_remove(id), 0);
	assert_int_equal(os->shm_stat(id, &shm), 0);
	assert_true(shm.doomed && shm.attached == 1 && shm.key == 0);
	int next = make(0x77, BYTES); /* the key comes back at once, with other memory */
	assert_int_not_equal(next, id);
	assert_int_equal(base[0], 7);
	assert_int_equal(os->shm_detach(base), 0);
	assert_int_equal(os->shm_stat(id, &shm), -EINVAL);
	assert_int_equal(os->shm_remove(next), 0);
}

static void test_set(void **state)
{
	(void)state;
	struct os_shm shm;
	int id = make(0, BYTES);
	assert_int_equal(os->shm_set(id, geteuid(), getegid(), 0604), 0);
	assert_int_equal(os->shm_stat(id, &shm), 0);
	assert_int_equal(shm.mode, 0604);
	if (geteuid() == 0) {
		assert_int_equal(os->shm_set(id, 12, 34, 0600), 0);
		assert_int_equal(os->shm_stat(id, &shm), 0);
		assert_true(shm.uid == 12 && shm.gid == 34 && shm.creator_uid == 0);
	}
	assert_int_equal(os->shm_remove(id), 0);
}

static void test_lock(void **state)
{
	(void)state;
	struct os_shm shm;
	int id = make(0, PAGE_BYTES);
	int r = os->shm_lock(id, true);
	assert_int_equal(os->shm_stat(id, &shm), 0);
	assert_true(r == 0 ? shm.locked : (r == -EPERM || r == -ENOMEM) && !shm.locked);
	assert_int_equal(os->shm_lock(id, false), 0);
	assert_int_equal(os->shm_stat(id, &shm), 0);
	assert_false(shm.locked);
	assert_int_equal(os->shm_remove(id), 0);
}

/* How a child ends that runs `look(base)`: 0, or its signal. */
static int child_ends(void (*look)(volatile uint8_t *base), uint8_t *base)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		look(base);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void read_it(volatile uint8_t *base)
{
	(void)base[0];
}

static int the_id;

static void attach_and_write(volatile uint8_t *base)
{
	void *mine;
	(void)base;
	if (os->shm_attach(the_id, NULL, OS_SHM_READ_ONLY, BYTES, &mine) == 0)
		((volatile uint8_t *)mine)[0] = 1;
}

static void test_children_do_not_inherit_it(void **state)
{
	(void)state;
	int id = make(0, BYTES);
	uint8_t *base = attach(id, NULL, 0, BYTES);
	assert_int_equal(child_ends(read_it, base), SIGSEGV);
	assert_int_equal(os->shm_detach(base), 0);
	assert_int_equal(os->shm_remove(id), 0);
}

static void test_read_only(void **state)
{
	(void)state;
	the_id = make(0, BYTES);
	uint8_t *base = attach(the_id, NULL, OS_SHM_READ_ONLY, BYTES);
	assert_int_equal(base[0], 0);
	assert_int_equal(child_ends(attach_and_write, base), SIGSEGV);
	assert_int_equal(os->shm_detach(base), 0);
	assert_int_equal(os->shm_remove(the_id), 0);
}

static void test_a_requested_address(void **state)
{
	(void)state;
	void *other;
	int id = make(0, BYTES);
	uint8_t *there = attach(id, NULL, 0, BYTES);
	/* Never over what is there, and nothing is changed by the attempt. */
	there[0] = 9;
	assert_int_equal(os->shm_attach(id, there, 0, BYTES, &other), -EINVAL);
	assert_int_equal(there[0], 9);
	assert_int_equal(os->shm_detach(there), 0);
	assert_int_equal(os->shm_attach(id, there + 100, 0, BYTES, &other), -EINVAL);
	assert_ptr_equal(attach(id, there + 100, OS_SHM_ROUND, BYTES), there);
	assert_int_equal(os->shm_detach(there), 0);
	assert_ptr_equal(attach(id, there, 0, BYTES), there);
	assert_int_equal(os->shm_detach(there + PAGE_BYTES), -EINVAL);
	assert_int_equal(os->shm_detach(there), 0);
	assert_int_equal(os->shm_detach(there), -EINVAL);
	assert_int_equal(os->shm_remove(id), 0);
}

static uint64_t resident_pages(const uint8_t *base)
{
	uint8_t pages[PAGES];
	uint64_t count = 0;
	assert_int_equal(os->pages_in_memory(base, BYTES, pages), 0);
	for (uint64_t i = 0; i < PAGES; i++)
		count += pages[i] & 1;
	return count;
}

static void test_populate_takes_pages_and_changes_nothing(void **state)
{
	(void)state;
	int id = make(0, BYTES);
	uint8_t *base = attach(id, NULL, 0, BYTES);
	assert_int_equal(resident_pages(base), 0);
	base[PAGE_BYTES] = 5;
	assert_int_equal(resident_pages(base), 1);
	assert_int_equal(os->populate(base + 100, 2 * PAGE_BYTES), 0);
	assert_int_equal(resident_pages(base), 3);
	assert_int_equal(base[PAGE_BYTES], 5);
	assert_int_equal(os->populate(base, BYTES), 0);
	assert_int_equal(resident_pages(base), PAGES);
	/* Whole pages inside the range only. */
	assert_int_equal(os->unpopulate(base + 100, 3 * PAGE_BYTES), 0);
	assert_int_equal(resident_pages(base), PAGES - 2);
	assert_int_equal(base[PAGE_BYTES], 0);
	assert_int_equal(os->shm_detach(base), 0);
	assert_int_equal(os->shm_remove(id), 0);
}

struct seen {
	int wanted;
	unsigned count;
	struct os_shm shm;
};

static int see(void *context, const struct os_shm *shm)
{
	struct seen *seen = context;
	seen->count++;
	if (shm->id == seen->wanted)
		seen->shm = *shm;
	return 0;
}

static void test_each_segment_is_shown_as_stat_shows_it(void **state)
{
	(void)state;
	struct os_shm shm;
	int first = make(0xfedcba98, BYTES);
	int second = make(0, BYTES);
	struct seen seen = {.wanted = first};
	uint8_t *base = attach(first, NULL, 0, BYTES);
	assert_int_equal(os->populate(base, 3 * PAGE_BYTES), 0);
	assert_int_equal(os->shm_each(see, &seen), 0);
	assert_int_equal(seen.count, 2);
	assert_int_equal(os->shm_stat(first, &shm), 0);
	assert_int_equal(seen.shm.resident + seen.shm.swapped, 3 * PAGE_BYTES);
	seen.shm.resident = seen.shm.swapped = 0;
	assert_true(seen.shm.key == shm.key && seen.shm.bytes == shm.bytes);
	assert_true(seen.shm.mode == shm.mode && seen.shm.attached == 1);
	assert_true(seen.shm.creator_pid == shm.creator_pid && seen.shm.last_pid == shm.last_pid);
	assert_true(seen.shm.change_time == shm.change_time && seen.shm.uid == shm.uid);
	assert_int_equal(os->shm_detach(base), 0);
	assert_int_equal(os->shm_remove(first), 0);
	assert_int_equal(os->shm_remove(second), 0);
}

static void test_limits(void **state)
{
	(void)state;
	struct os_shm_limits before, after;
	assert_int_equal(os->shm_limits(&before), 0);
	assert_true(before.bytes_min == 1 && before.segments_max > 0 && before.bytes_max > BYTES);
	int id = make(0, BYTES);
	assert_int_equal(os->shm_limits(&after), 0);
	assert_int_equal(after.segments, before.segments + 1);
	assert_int_equal(after.total, before.total + BYTES);
	assert_int_equal(os->shm_remove(id), 0);
}

/* Huge pages, or an error: never small ones without a word. */
static void test_huge_pages_or_an_error(void **state)
{
	(void)state;
	int id = os->shm_get(0, HUGE, OS_SHM_CREATE | OS_SHM_HUGE, 0600);
	if (id < 0) {
		assert_true(id == -ENOMEM || id == -EPERM || id == -ENOSYS || id == -EINVAL);
		print_message("no huge pages here: %s\n", strerror(-id));
		return;
	}
	uint8_t *base = attach(id, NULL, 0, HUGE);
	assert_int_equal((uintptr_t)base % HUGE, 0);
	base[HUGE - 1] = 1;
	assert_int_equal(os->shm_detach(base), 0);
	assert_int_equal(os->shm_remove(id), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_get),
	    cmocka_unit_test(test_removed_while_attached),
	    cmocka_unit_test(test_set),
	    cmocka_unit_test(test_lock),
	    cmocka_unit_test(test_children_do_not_inherit_it),
	    cmocka_unit_test(test_read_only),
	    cmocka_unit_test(test_a_requested_address),
	    cmocka_unit_test(test_populate_takes_pages_and_changes_nothing),
	    cmocka_unit_test(test_each_segment_is_shown_as_stat_shows_it),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_huge_pages_or_an_error),
	};
	struct seen left = {.wanted = -1};
	if (unshare(CLONE_NEWIPC) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWIPC) < 0) {
		printf("skipped: no IPC namespace of our own: %s\n", strerror(errno));
		return 77;
	}
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	if (failed == 0 && (os->shm_each(see, &left) != 0 || left.count != 0)) {
		printf("%u segments are left\n", left.count);
		return 1;
	}
	return failed;
}
