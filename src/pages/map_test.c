/* SPDX-License-Identifier: Apache-2.0 */
/* shoal_map: plain files by the byte, and every way to a SIGBUS that can be seen beforehand. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <shoal/shoal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { FILE_BYTES = 10000 };

static char path[256];

static uint8_t byte_at(uint64_t offset)
{
	return (uint8_t)(offset * 31 + offset / 251);
}

/* A file of known bytes without a name, opened as asked. */
static int make_file(int flags, size_t bytes)
{
	const char *directory = getenv("SHOAL_DIR");
	snprintf(path, sizeof(path), "%s/plain", directory ? directory : "/dev/shm");
	int fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	for (size_t i = 0; i < bytes; i++) {
		uint8_t byte = byte_at(i);
		assert_int_equal(pwrite(fd, &byte, 1, (off_t)i), 1);
	}
	int ret = open(path, flags | O_CLOEXEC);
	assert_true(ret >= 0);
	close(fd);
	unlink(path);
	return ret;
}

static void test_any_offset_and_length(void **state)
{
	(void)state;
	static const uint64_t parts[][2] = {{0, 1},
					    {0, FILE_BYTES},
					    {1, 1},
					    {4095, 2},
					    {4096, 4096},
					    {4097, 5},
					    {9999, 1},
					    {8192, 1808},
					    {0, SHOAL_REST},
					    {5000, SHOAL_REST},
					    {9999, SHOAL_REST}};
	int fd = make_file(O_RDONLY, FILE_BYTES);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		struct shoal_mapping map;
		uint64_t offset = parts[i][0];
		uint64_t bytes = parts[i][1] == SHOAL_REST ? FILE_BYTES - offset : parts[i][1];
		assert_int_equal(shoal_map(&map, fd, offset, parts[i][1], SHOAL_READ, NULL), 0);
		assert_int_equal(map.bytes, bytes);
		for (uint64_t k = 0; k < bytes; k++)
			assert_int_equal(((uint8_t *)map.data)[k], byte_at(offset + k));
		assert_int_equal(shoal_unmap(&map), 0);
		assert_null(map.data);
		assert_int_equal(shoal_unmap(&map), -EINVAL);
	}
	close(fd);
}

static void test_what_is_written_reaches_the_file(void **state)
{
	(void)state;
	struct shoal_mapping map, copy;
	int fd = make_file(O_RDWR, FILE_BYTES);
	const unsigned both = SHOAL_READ | SHOAL_WRITE;
	assert_int_equal(shoal_map(&map, fd, 5001, 99, both, NULL), 0);
	assert_int_equal(shoal_map(&copy, fd, 5001, 99, both | SHOAL_PRIVATE, NULL), 0);
	((uint8_t *)map.data)[98] = 77;
	assert_int_equal(((uint8_t *)copy.data)[98], 77);
	((uint8_t *)copy.data)[98] = 78;
	for (enum shoal_sync how = SHOAL_SYNC; how <= SHOAL_SYNC_INVALIDATE; how++) {
		assert_int_equal(shoal_map_sync(&map, 98, 1, how), 0);
		assert_int_equal(shoal_map_sync(&map, 98, 2, how), -ERANGE);
		assert_int_equal(shoal_map_sync(&map, 99, SHOAL_REST, how), -ERANGE);
		assert_int_equal(shoal_map_sync(&map, 0, 0, how), -EINVAL);
	}
	uint8_t byte = 0;
	assert_int_equal(pread(fd, &byte, 1, 5099), 1);
	assert_int_equal(byte, 77);
	close(fd); /* a mapping outlives it */
	assert_int_equal(((uint8_t *)map.data)[98], 77);
	assert_int_equal(shoal_unmap(&map), 0);
	assert_int_equal(shoal_unmap(&copy), 0);
}

static int try_map(int fd, uint64_t offset, uint64_t bytes, unsigned flags)
{
	struct shoal_mapping map = {.data = &map};
	int r = shoal_map(&map, fd, offset, bytes, flags, NULL);
	assert_true(r < 0);
	assert_null(map.data);
	assert_true(strlen(shoal_error_detail()) > 10);
	return r;
}

static void test_what_would_fail_later_fails_here(void **state)
{
	(void)state;
	int pipe_ends[2];
	int empty = make_file(O_RDWR, 0);
	assert_int_equal(try_map(empty, 0, 1, SHOAL_READ), -ENODATA);
	assert_int_equal(try_map(empty, 0, SHOAL_REST, SHOAL_READ), -ENODATA);
	close(empty);
	int fd = make_file(O_RDONLY, FILE_BYTES);
	assert_int_equal(try_map(fd, 0, 0, SHOAL_READ), -EINVAL);
	assert_int_equal(try_map(fd, 0, FILE_BYTES + 1, SHOAL_READ), -ERANGE);
	assert_int_equal(try_map(fd, FILE_BYTES, 1, SHOAL_READ), -ERANGE);
	assert_int_equal(try_map(fd, FILE_BYTES, SHOAL_REST, SHOAL_READ), -ERANGE);
	assert_int_equal(try_map(fd, 1, UINT64_MAX - 1, SHOAL_READ), -ERANGE);
	assert_int_equal(try_map(fd, UINT64_MAX, 1, SHOAL_READ), -ERANGE);
	assert_int_equal(try_map(fd, UINT64_MAX, UINT64_MAX, SHOAL_READ), -ERANGE);
	assert_int_equal(try_map(fd, 0, 1, SHOAL_READ | SHOAL_WRITE), -EACCES);
	assert_int_equal(try_map(fd, 0, 1, 0), -EINVAL);
	assert_int_equal(try_map(fd, 0, 1, SHOAL_READ | SHOAL_NO_ACCESS), -EINVAL);
	assert_int_equal(try_map(fd, 0, 1, SHOAL_READ | SHOAL_CREATE), -EINVAL);
	close(fd);
	assert_int_equal(try_map(fd, 0, 1, SHOAL_READ), -EBADF);
	assert_int_equal(try_map(-1, 0, 1, SHOAL_READ), -EBADF);
	fd = make_file(O_WRONLY, FILE_BYTES);
	assert_int_equal(try_map(fd, 0, 1, SHOAL_WRITE), -EACCES);
	assert_int_equal(try_map(fd, 0, 1, SHOAL_READ), -EACCES);
	close(fd);
	assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
	assert_int_equal(try_map(pipe_ends[0], 0, 1, SHOAL_READ), -EINVAL);
	close(pipe_ends[0]);
	close(pipe_ends[1]);
	fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(try_map(fd, 0, 1, SHOAL_READ), -EISDIR);
	close(fd);
	assert_int_equal(shoal_map(NULL, 0, 0, 1, SHOAL_READ, NULL), -EINVAL);
}

static void test_a_requested_address_replaces_nothing(void **state)
{
	(void)state;
	struct shoal_mapping map, second;
	int fd = make_file(O_RDONLY, FILE_BYTES);
	uint8_t *room = mmap(NULL, 16384, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(room != MAP_FAILED);
	assert_int_equal(shoal_map(&map, fd, 5000, 100, SHOAL_READ, room + 5000 - 4096), -EEXIST);
	munmap(room, 16384);
	assert_int_equal(shoal_map(&map, fd, 5000, 100, SHOAL_READ, room + 5000 - 4096), 0);
	assert_ptr_equal(map.data, room + 5000 - 4096);
	assert_int_equal(*(uint8_t *)map.data, byte_at(5000));
	assert_int_equal(shoal_map(&second, fd, 5000, 100, SHOAL_READ, map.data), -EEXIST);
	assert_non_null(strstr(shoal_error_detail(), "plain"));
	assert_int_equal(shoal_map(&second, fd, 5001, 100, SHOAL_READ, map.data), -EINVAL);
	assert_int_equal(*(uint8_t *)map.data, byte_at(5000));
	assert_int_equal(shoal_unmap(&map), 0);
	close(fd);
}

static void test_what_the_kernel_made_of_it(void **state)
{
	(void)state;
	struct shoal_mapping map;
	struct shoal_memory memory;
	int fd = make_file(O_RDWR, FILE_BYTES);
	const unsigned flags = SHOAL_READ | SHOAL_POPULATE | SHOAL_LOCKED;
	assert_int_equal(shoal_map(&map, fd, 4000, 5000, flags, NULL), 0);
	assert_int_equal(shoal_map_memory(&map, &memory), 0);
	assert_int_equal(memory.bytes, 5000);
	assert_int_equal(memory.page_bytes, sysconf(_SC_PAGESIZE));
	assert_int_equal(memory.asked, SHOAL_POPULATE | SHOAL_LOCKED);
	assert_int_equal(memory.had, SHOAL_POPULATE | SHOAL_LOCKED);
	assert_int_equal(memory.huge_bytes, 0);
	assert_int_equal(shoal_map_advise(&map, 17, 3000, SHOAL_ADVICE_FREE), -EBUSY);
	assert_int_equal(shoal_map_advise(&map, 0, SHOAL_REST, SHOAL_ADVICE_UNLOCK), 0);
	for (enum shoal_advice i = SHOAL_ADVICE_NORMAL; i <= SHOAL_ADVICE_UNLOCK; i++)
		assert_int_equal(shoal_map_advise(&map, 17, 3000, i), 0);
	assert_int_equal(shoal_map_advise(&map, 17, 3000, (enum shoal_advice)44), -EINVAL);
	assert_int_equal(shoal_map_advise(&map, 17, 5000, SHOAL_ADVICE_NORMAL), -ERANGE);
	assert_int_equal(shoal_map_memory(&map, NULL), -EINVAL);
	assert_int_equal(shoal_unmap(&map), 0);
	assert_int_equal(shoal_map_memory(&map, &memory), -EINVAL);
	assert_int_equal(shoal_map_advise(&map, 0, 1, SHOAL_ADVICE_NORMAL), -EINVAL);
	assert_int_equal(shoal_map_sync(&map, 0, 1, SHOAL_SYNC), -EINVAL);
	assert_int_equal(shoal_map_sync(NULL, 0, 1, SHOAL_SYNC), -EINVAL);
	assert_int_equal(shoal_unmap(NULL), -EINVAL);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_any_offset_and_length),
	    cmocka_unit_test(test_what_is_written_reaches_the_file),
	    cmocka_unit_test(test_what_would_fail_later_fails_here),
	    cmocka_unit_test(test_a_requested_address_replaces_nothing),
	    cmocka_unit_test(test_what_the_kernel_made_of_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
