/* SPDX-License-Identifier: Apache-2.0 */
/* Students' records in a file that two processes have in memory: what lies there. */
#ifndef EXAMPLES_STUDENTS_H
#define EXAMPLES_STUDENTS_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct student {
	char name[24];
	double mark;
};

/* `count` is stored (release) behind the record that it counts, and read (acquire) before it: so
 * whoever reads sees each record whole. */
struct students {
	_Atomic uint64_t count;
	struct student records[];
};

static inline uint64_t students_bytes(uint64_t count)
{
	return sizeof(struct students) + count * sizeof(struct student);
}

/* The next "NAME MARK" of standard input. */
static inline int student_next(struct student *student)
{
	char mark[32];
	*student = (struct student){0};
	if (scanf("%23s %31s", student->name, mark) != 2)
		return 0;
	student->mark = strtod(mark, NULL);
	return 1;
}

static inline void students_nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

#endif
