/* SPDX-License-Identifier: Apache-2.0 */
/*
 * students BLOCK append        adds "NAME MARK" lines of standard input
 * students BLOCK read COUNT    prints records as they come, until it has COUNT
 *
 * BLOCK is file:PATH, so the records are there again tomorrow. students-bare.c is the same with the
 * calls of the kernel.
 */
#include "students.h"

#include <shoal/shoal.h>
#include <stdlib.h>
#include <string.h>

static int append(const char *name)
{
	struct shoal_block_options options = {
	    .size = sizeof(options),
	    .bytes = students_bytes(0),
	    .max_bytes = students_bytes(1000000),
	};
	struct student student;
	shoal_block *block;
	int r = shoal_block_open(&block, name, SHOAL_CREATE, &options);
	while (r >= 0 && student_next(&student)) {
		struct students *students = shoal_block_data(block);
		uint64_t count = students->count; /* we are the only one who writes it */
		/* Readers keep their pointers. A full disk is an error here, and no SIGBUS there.
		 */
		r = shoal_block_grow(block, students_bytes(count + 1), SHOAL_FOREVER);
		if (r < 0)
			break;
		students->records[count] = student;
		atomic_store_explicit(&students->count, count + 1, memory_order_release);
	}
	if (r >= 0)
		r = shoal_block_sync(block, 0, SHOAL_REST, SHOAL_SYNC);
	shoal_block_close(block);
	return r < 0 ? r : 0;
}

static int print_all(const char *name, uint64_t wanted)
{
	shoal_block *block = NULL;
	int r = shoal_wait_exists(name, SHOAL_FOREVER);
	if (r == 0)
		r = shoal_block_open(&block, name, SHOAL_READ, NULL);
	if (r < 0)
		return r;
	const struct students *students = shoal_block_data(block);
	for (uint64_t i = 0; i < wanted; i++) {
		while (atomic_load_explicit(&students->count, memory_order_acquire) <= i)
			students_nap();
		printf("%s %.1f\n", students->records[i].name, students->records[i].mark);
	}
	shoal_block_close(block);
	return 0;
}

int main(int argc, char **argv)
{
	int r;
	if (argc == 3 && strcmp(argv[2], "append") == 0) {
		r = append(argv[1]);
	} else if (argc == 4 && strcmp(argv[2], "read") == 0) {
		r = print_all(argv[1], strtoull(argv[3], NULL, 10));
	} else {
		fprintf(stderr, "usage: students BLOCK append | read COUNT\n");
		return 2;
	}
	if (r < 0)
		fprintf(stderr, "students: %s\n", shoal_error_detail());
	return r < 0;
}
