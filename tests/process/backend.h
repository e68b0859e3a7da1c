/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One suite, every backend. SHOAL_TEST_BACKEND says of which the objects of this run are: posix
 * (the default), file, memfd or anon. A test opens "NAME" through these functions, which take and
 * return what those of the library do, and so does not know it.
 *
 * An object without a name has a descriptor of a number that goes with the test's name for it: who
 * makes it puts it there, and the children forked from then on inherit it. So one process must make
 * it before those are forked that are to meet in it: see object_prepare.
 *
 * After each test run_tests calls objects_end: nobody may be in any of them then.
 *
 * A new backend: a row in backend.c, and its name in CMakeLists.txt.
 */
#ifndef TESTS_PROCESS_BACKEND_H
#define TESTS_PROCESS_BACKEND_H

#include <shoal/shoal.h>
#include <stdbool.h>

const char *backend_name(void);
/* Others find its objects by name. */
bool backend_has_names(void);
/* Its objects stay when the last one leaves, whoever made them. */
bool backend_keeps(void);

/* What the library calls the test's object. Static memory, a few of them in turn. */
const char *object_uri(const char *name);
/* Makes it now, where it could not be found otherwise; elsewhere nothing. */
void object_prepare(const char *name, const struct shoal_topic_options *options);
/* Everybody has left it: where it stays all the same, it is removed. So the next one of that name
 * is a new one. */
void object_end(const char *name);
/* The same for all of this process's. */
void objects_end(void);

int open_pub(shoal_pub **ret, const char *name, unsigned flags,
	     const struct shoal_topic_options *options);
int open_sub(shoal_sub **ret, const char *name, unsigned flags,
	     const struct shoal_topic_options *options);
int create_topic(const char *name, unsigned flags, const struct shoal_topic_options *options);
int stat_topic(const char *name, unsigned flags, struct shoal_topic_stat **ret);
int audit_topic(const char *name, unsigned flags);
int remove_topic(const char *name, unsigned flags);

#endif
