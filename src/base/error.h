/* SPDX-License-Identifier: Apache-2.0 */
/* This thread's sentence about its last failure. */
#ifndef SHOAL_BASE_ERROR_H
#define SHOAL_BASE_ERROR_H

#include <shoal/error.h>

/*
 * Sets this thread's detail sentence and returns -err, so that a failure is one line:
 *     return error_fail(ENOSPC, "...: %s", ...);
 * `err` is positive. Text longer than the buffer is cut.
 */
__attribute__((format(printf, 2, 3))) int error_fail(int err, const char *format, ...);

/* 12.3 KiB, 4 MiB: for sentences. Returns `text`. */
struct size_text {
	char text[48];
};
const char *error_size(unsigned long long bytes, struct size_text *text);

#endif
