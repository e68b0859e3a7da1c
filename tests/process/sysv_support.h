/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of System V objects: an IPC namespace of their own, and deaths at each system call. */
#ifndef TESTS_PROCESS_SYSV_SUPPORT_H
#define TESTS_PROCESS_SYSV_SUPPORT_H

#include "support.h"

#include <shoal/sysv.h>

/* Enters an IPC namespace of our own, in which there is nothing, or skips the program. */
void own_ipc_namespace(void);
/* Skips the program where no process of it can become another user. */
void need_other_users(void);
/* How many System V segments there are in it. */
unsigned segment_count(void);
/* Neither a segment nor a file is left. */
void check_nothing_left(const char *what);
/* Removes all that `shoal gc --kept` would: what is left, and nobody is in. */
void collect(void);

/* A publisher of a small topic. */
int open_small(shoal_pub **ret, const char *name, unsigned flags);
shoal_pub *must_open(const char *name, unsigned flags);

/* Runs op() in a child that gets SIGKILL at its `stop`th entry into or return from a system call.
 * False: it came to its end before. */
bool killed_at(unsigned stop, void (*op)(void));
/* Runs op() in a child whose `nth` system call between two calls of failing_mark() is not made and
 * fails with `error` instead. False: there were not so many. Skips where that can't be done. */
bool failed_at(unsigned nth, int error, void (*op)(void));
void failing_mark(void);
/* The child stopped when it has made that call with success: a maker that does not go on. Kill it
 * with reap_killed. */
pid_t stopped_behind(long system_call, void (*op)(void));

#endif
