/* SPDX-License-Identifier: Apache-2.0 */
/* Mapping a plain file: what the file holds, what the map reaches, and what lies between them. */
#include "trap.h"

#include <shoal/block.h>

#include <fcntl.h>
#include <sys/mman.h>

/* ---- what mmap refuses ------------------------------------------------------------------- */

static void empty_file_bare(void)
{
	int fd = new_file("empty", 0);
	char *p = map_shared(fd, PAGE); /* mmap says nothing */
	dies_of(SIGBUS, load_byte, p);
	dies_of(SIGBUS, store_byte, p);
	unmap(p, PAGE);
	close(fd);
}

static void empty_file_shoal(void)
{
	struct shoal_mapping mapping;
	int fd = new_file("empty", 0);
	CHECK_SAYS(-ENODATA, "empty", shoal_map(&mapping, fd, 0, PAGE, SHOAL_READ, NULL));
	CHECK_SAYS(-ENODATA, "empty", shoal_map(&mapping, fd, 0, SHOAL_REST, SHOAL_READ, NULL));
	CHECK(!mapping.data);
	close(fd);
}

static void length_zero_bare(void)
{
	int fd = new_file("some", PAGE);
	CHECK_ERRNO(EINVAL, mmap(NULL, 0, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED);
	close(fd);
}

static void length_zero_shoal(void)
{
	struct shoal_mapping mapping;
	struct shoal_block_options none = {.size = sizeof(none)};
	shoal_block *block;
	int fd = new_file("some", PAGE);
	CHECK_SAYS(-EINVAL, "0 bytes", shoal_map(&mapping, fd, 0, 0, SHOAL_READ, NULL));
	CHECK_SAYS(-EINVAL, "bytes", shoal_block_open(&block, "trap", SHOAL_CREATE, &none));
	close(fd);
}

static void read_only_descriptor_bare(void)
{
	close(new_file("some", PAGE));
	int fd = open("some", O_RDONLY | O_CLOEXEC);
	CHECK_ERRNO(EACCES,
		    mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED);
	/* And without an error where the writes are for nobody else: */
	char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(p != MAP_FAILED);
	char c;
	store_byte(p);
	CHECK(pread(fd, &c, 1, 0) == 1 && c == 'a');
	unmap(p, PAGE);
	close(fd);
}

static void read_only_descriptor_shoal(void)
{
	struct shoal_mapping mapping;
	close(new_file("some", PAGE));
	int fd = open("some", O_RDONLY | O_CLOEXEC);
	CHECK_SAYS(-EACCES, "O_RDWR",
		   shoal_map(&mapping, fd, 0, PAGE, SHOAL_READ | SHOAL_WRITE, NULL));
	CHECK_R(0, shoal_map(&mapping, fd, 0, PAGE, SHOAL_READ, NULL));
	CHECK_R(0, shoal_unmap(&mapping));
	close(fd);
}

static void write_only_descriptor_bare(void)
{
	close(new_file("some", PAGE));
	int fd = open("some", O_WRONLY | O_CLOEXEC);
	CHECK_ERRNO(EACCES, mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED);
	CHECK_ERRNO(EACCES, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED);
	CHECK_ERRNO(EACCES, mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED);
	close(fd);
}

static void write_only_descriptor_shoal(void)
{
	struct shoal_mapping mapping;
	close(new_file("some", PAGE));
	int fd = open("some", O_WRONLY | O_CLOEXEC);
	CHECK_SAYS(-EACCES, "every mapping needs",
		   shoal_map(&mapping, fd, 0, PAGE, SHOAL_WRITE, NULL));
	CHECK_SAYS(-EACCES, "every mapping needs",
		   shoal_map(&mapping, fd, 0, PAGE, SHOAL_READ, NULL));
	close(fd);
}

static void offset_within_a_page_bare(void)
{
	int fd = new_file("some", 2 * PAGE);
	CHECK_ERRNO(EINVAL, mmap(NULL, 100, PROT_READ, MAP_SHARED, fd, 100) != MAP_FAILED);
	close(fd);
}

static void offset_within_a_page_shoal(void)
{
	struct shoal_mapping mapping;
	int fd = new_file("some", 2 * PAGE);
	static const off_t offsets[] = {100, PAGE - 3, 2 * PAGE - 6};
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		char text[8] = "";
		CHECK(pwrite(fd, "record", 6, offsets[i]) == 6);
		CHECK_R(0, shoal_map(&mapping, fd, (uint64_t)offsets[i], 6,
				     SHOAL_READ | SHOAL_WRITE, NULL));
		CHECK(mapping.bytes == 6 && memcmp(mapping.data, "record", 6) == 0);
		memcpy(mapping.data, "stored", 6);
		CHECK_R(0, shoal_unmap(&mapping));
		CHECK(pread(fd, text, 6, offsets[i]) == 6 && strcmp(text, "stored") == 0);
	}
	close(fd);
}

/* ---- where the file ends ----------------------------------------------------------------- */

static void end_within_the_last_page_bare(void)
{
	char c;
	int fd = new_file("short", 100);
	char *p = map_shared(fd, PAGE);
	p[200] = 'b'; /* no error now or later */
	CHECK(p[200] == 'b');
	CHECKF(size_of(fd) == 100, "the file grew");
	CHECKF(pread(fd, &c, 1, 200) == 0, "the file has it");
	unmap(p, PAGE);
	close(fd);
}

static void end_within_the_last_page_shoal(void)
{
	struct shoal_mapping mapping;
	int fd = new_file("short", 100);
	CHECK_SAYS(-ERANGE, "100", shoal_map(&mapping, fd, 0, PAGE, SHOAL_READ, NULL));
	CHECK_R(-ERANGE, shoal_map(&mapping, fd, 100, 1, SHOAL_READ, NULL));
	CHECK_R(0, shoal_map(&mapping, fd, 0, SHOAL_REST, SHOAL_READ | SHOAL_WRITE, NULL));
	CHECKF(mapping.bytes == 100, "%zu bytes", mapping.bytes);
	CHECK_R(0, shoal_unmap(&mapping));
	close(fd);
}

static void past_the_last_page_bare(void)
{
	int fd = new_file("short", 100);
	char *p = map_shared(fd, 2 * PAGE);
	store_byte(p + PAGE - 1);
	dies_of(SIGBUS, store_byte, p + PAGE);
	dies_of(SIGBUS, load_byte, p + PAGE);
	unmap(p, 2 * PAGE);
	close(fd);
}

static void past_the_last_page_shoal(void)
{
	struct shoal_mapping mapping;
	int fd = new_file("short", 100);
	CHECK_SAYS(-ERANGE, "100", shoal_map(&mapping, fd, 0, 2 * PAGE, SHOAL_READ, NULL));
	CHECK_SAYS(-ERANGE, "100", shoal_map(&mapping, fd, PAGE, 1, SHOAL_READ, NULL));
	CHECK_R(-ERANGE, shoal_map(&mapping, fd, PAGE, UINT64_MAX - 1, SHOAL_READ, NULL));
	close(fd);
}

static void fill_two_pages(void *context)
{
	volatile char *p = context;
	for (size_t i = 0; i < 2 * PAGE; i++)
		p[i] = 'b';
}

static void more_than_the_file_holds_bare(void)
{
	char bytes[PAGE + 2];
	int fd = new_file("record", PAGE);
	char *p = map_shared(fd, 2 * PAGE);
	dies_of(SIGBUS, fill_two_pages, p);
	/* Half a record stays: the writer is dead, and the rest never was. */
	CHECK(pread(fd, bytes, sizeof(bytes), 0) == PAGE);
	CHECK(bytes[0] == 'b' && bytes[PAGE - 1] == 'b');
	unmap(p, 2 * PAGE);
	close(fd);
}

/* Refused before the first byte; or in a block, that grows before it is written. */
static void more_than_the_file_holds_shoal(void)
{
	struct shoal_block_options o = {.size = sizeof(o), .bytes = PAGE, .max_bytes = 2 * PAGE};
	struct shoal_mapping mapping;
	shoal_block *block;
	char c;
	int fd = new_file("record", PAGE);
	CHECK_R(-ERANGE, shoal_map(&mapping, fd, 0, 2 * PAGE, SHOAL_READ | SHOAL_WRITE, NULL));
	CHECK(pread(fd, &c, 1, 0) == 1 && c == 'a');
	close(fd);
	CHECK_R(1, shoal_block_open(&block, "trap", SHOAL_CREATE, &o));
	CHECK_R(0, shoal_block_grow(block, 2 * PAGE, 0));
	fill_two_pages(shoal_block_data(block));
	CHECK_SAYS(-EMSGSIZE, "trap", shoal_block_grow(block, 2 * PAGE + 1, 0));
	shoal_block_close(block);
}

/* A reader that was compiled for, or started with, less. */
static void mapping_too_short_bare(void)
{
	int fd = new_file("grows", PAGE);
	char *reserved = reserve_pages(2);
	char *p = mmap(reserved, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);
	CHECK(p == reserved);
	CHECK(pwrite(fd, "more", 4, PAGE) == 4); /* another one appends */
	CHECK(size_of(fd) == PAGE + 4);
	load_byte(p + PAGE - 1);
	dies_of(SIGSEGV, load_byte, p + PAGE);
	unmap(reserved, 2 * PAGE);
	close(fd);
}

static void append(void *context)
{
	struct signals *signals = context;
	shoal_block *block;
	CHECK_R(0, shoal_block_open(&block, "trap", 0, NULL));
	CHECK_R(0, shoal_block_grow(block, PAGE + 4, 0));
	memcpy((char *)shoal_block_data(block) + PAGE, "more", 4);
	shoal_block_close(block);
	step_to(signals, 1);
}

static void mapping_too_short_shoal(void)
{
	struct signals *signals = shared_memory(sizeof(*signals));
	struct shoal_block_options o = {.size = sizeof(o), .bytes = PAGE, .max_bytes = 64 * PAGE};
	shoal_block *block;
	CHECK_R(1, shoal_block_open(&block, "trap", SHOAL_CREATE, &o));
	const char *p = shoal_block_data(block);
	CHECK(shoal_block_bytes(block) == PAGE);
	reap_ok(spawn(append, signals));
	CHECK(shoal_block_bytes(block) == PAGE + 4 && shoal_block_data(block) == p);
	CHECK(memcmp(p + PAGE, "more", 4) == 0);
	shoal_block_close(block);
	shared_free(signals, sizeof(*signals));
}

/* 100 bytes were asked for. What is behind them is there, belongs to nobody, and is as long as the
 * rest of a page: an overrun is seen on the day on which the struct has grown. */
static void size_no_multiple_of_a_page_bare(void)
{
	int fd = shm_open("/trap", O_CREAT | O_EXCL | O_RDWR, 0600);
	CHECK(fd >= 0 && ftruncate(fd, 100) == 0);
	char *reserved = reserve_pages(2);
	char *p = mmap(reserved, 100, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	CHECK(p == reserved);
	store_byte(p + 100);
	store_byte(p + PAGE - 1);
	dies_of(SIGSEGV, store_byte, p + PAGE);
	CHECK(size_of(fd) == 100);
	/* And it goes in pages, too: whatever else was on this one. */
	CHECK(munmap(p, 1) == 0);
	dies_of(SIGSEGV, load_byte, p + 99);
	unmap(reserved, 2 * PAGE);
	close(fd);
}

static void size_no_multiple_of_a_page_shoal(void)
{
	struct shoal_block_options o = {.size = sizeof(o), .bytes = 100, .max_bytes = PAGE};
	struct shoal_mapping mapping;
	shoal_block *block;
	/* Two records that share a page: one goes, the other stays. */
	int fd = new_file("some", 200);
	CHECK_R(0, shoal_map(&mapping, fd, 0, 100, SHOAL_READ, NULL));
	struct shoal_mapping other;
	CHECK_R(0, shoal_map(&other, fd, 100, 100, SHOAL_READ, NULL));
	CHECK_R(0, shoal_unmap(&mapping));
	CHECK(other.bytes == 100 && *(const char *)other.data == 'a');
	CHECK_R(0, shoal_unmap(&other));
	close(fd);
	/* All are told the same size, and what has run over it is no data when the block grows. */
	CHECK_R(1, shoal_block_open(&block, "trap", SHOAL_CREATE, &o));
	CHECK(shoal_block_bytes(block) == 100);
	char *p = shoal_block_data(block);
	store_byte(p + 100);
	CHECK_R(-ERANGE, shoal_block_sync(block, 0, 101, SHOAL_SYNC));
	CHECK_R(0, shoal_block_grow(block, 200, 0));
	CHECKF(p[100] == 0, "what ran over the end came to be data");
	shoal_block_close(block);
}

int main(int argc, char **argv)
{
	static const struct trap traps[] = {
	    TRAP(empty_file),           TRAP(length_zero),
	    TRAP(read_only_descriptor), TRAP(write_only_descriptor),
	    TRAP(offset_within_a_page), TRAP(end_within_the_last_page),
	    TRAP(past_the_last_page),   TRAP(more_than_the_file_holds),
	    TRAP(mapping_too_short),    TRAP(size_no_multiple_of_a_page),
	};
	return RUN_TRAPS(argc, argv, traps);
}
