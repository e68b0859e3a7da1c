/* SPDX-License-Identifier: Apache-2.0 */
/* This thread's sentence about its last failure. */
#ifndef SHOAL_BASE_ERROR_H
#define SHOAL_BASE_ERROR_H

#include <shoal/error.h>

/* Sets this thread's detail sentence. Text longer than the buffer is cut. */
__attribute__((format(printf, 1, 2))) void error_set(const char *format, ...);

/*
 * A failure in one line: return error_fail(ENOSPC, "...: %s", ...). `err` is positive. A macro, so
 * that compilers and analyzers see that the result is negative.
 */
#define error_fail(err, ...) (error_set(__VA_ARGS__), -(err))

/* 12.3 KiB, 4 MiB: for sentences. Returns `text`. */
struct size_text {
	char text[48];
};
const char *error_size(unsigned long long bytes, struct size_text *text);

#endif
