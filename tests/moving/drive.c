/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the code of docs/moving-from.md, which code.sh has put into page.h. */
#include <shoal/shoal.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct counter {
	int value;
};
struct record {
	char name[100]; /* so that they lie across pages */
};

/* In the test's own folder: the machine may have a "/counter" of somebody else's. */
static int open_here(const char *name, int flags, mode_t mode)
{
	return open(name + 1, flags, mode);
}
#define shm_open open_here

#include "page.h"

static int failures;

static void expect(int condition, const char *what)
{
	if (condition)
		return;
	printf("%s: %s\n", what, shoal_error_detail());
	failures++;
}

static void try_counters(void)
{
	shoal_block *block = NULL, *again = NULL;
	struct counter *before = counter_before();
	struct counter *after = counter_after(&block);
	expect(before != NULL, "posix before");
	expect(after != NULL, "posix after");
	if (!before || !after)
		return;
	before->value = after->value = 42;
	struct counter *other = counter_after(&again);
	expect(other && other->value == 42, "posix again");
	shoal_block_close(again);
	shoal_block_close(block);
	munmap(before, sizeof(*before));
}

static void try_records(void)
{
	struct shoal_mapping mapping = {0};
	struct record record = {.name = "the hundredth"};
	int fd = open("records", O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
	expect(pwrite(fd, &record, sizeof(record), 99 * sizeof(record)) == sizeof(record), "file");
	struct record *before = record_before(fd, 99);
	struct record *after = record_after(&mapping, fd, 99);
	expect(before && strcmp(before->name, record.name) == 0, "file before");
	expect(after && strcmp(after->name, record.name) == 0, "file after");
	shoal_unmap(&mapping);
	expect(record_after(&mapping, fd, 100) == NULL, "a record that is not there");
	close(fd);
}

int main(void)
{
	try_counters();
	try_records();
	return failures != 0;
}
