/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that are installed beside the command (libexec/shoal), run as children: each in a
 * process group and with a SHOAL_DIR of its own. When one has ended, or a signal ends the command,
 * whatever it started is ended too, and its SHOAL_DIR is removed.
 */
#ifndef CLI_HELPER_H
#define CLI_HELPER_H

#include "cli.h"

#define HELPER_ARGUMENTS 12

/* Whether it is installed. Its path goes to ret_path. */
bool helper_find(const char *name, char *ret_path, size_t size);
/* A folder for its objects. 0, or -errno when there can be none. */
int helper_begin(void);
/* Runs it to its end; `out`: its stdout goes there (-1: to ours). Returns its exit code, 128 + the
 * signal that ended it, -EINTR when we are to stop, or another -errno. */
int helper_run(const char *path, const char *const *arguments, int out);
void helper_end(void);

/* Becomes it instead of starting it: for one that ends in order by itself, to which the terminal
 * and its signals are then as to any program. Returns only when that fails: the exit code. */
int helper_become(const char *name, const char *const *arguments);

#endif
