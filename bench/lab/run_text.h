/* SPDX-License-Identifier: Apache-2.0 */
/* Figures in words: three digits and a unit. "-" for a number that is not there. */
#ifndef BENCH_LAB_RUN_TEXT_H
#define BENCH_LAB_RUN_TEXT_H

#include "run_document.h"

#include <stdio.h>

/* By value, so that it can be an argument: run_rate(x).text */
struct run_text {
	char text[128];
};

/* Where only ASCII may go, a microsecond is "us". */
#define RUN_MICRO_ASCII "us"
#define RUN_MICRO       "\302\265s"

struct run_text run_time(double ns, const char *micro);
struct run_text run_rate(double per_s);  /* "3.20 M/s" */
struct run_text run_bytes(double per_s); /* "205 MB/s" */
struct run_text run_size(double bytes);  /* "64 B", "64 KiB" */
struct run_text run_ratio(double ratio); /* "1.15" */
struct run_text run_count(double count); /* "12" */
struct run_text run_percent(double percent);

/* For sentences and ticks: "500 ns", "10 k/s". */
struct run_text run_short_time(double ns);
struct run_text run_short_rate(double per_s);

/* At most so many characters of UTF-8 text, the last of them then an ellipsis. */
struct run_text run_short(const char *text, size_t characters);

/* "Round trip, 64 B, spinning", and the load when it is not one to one: all but the transport. */
struct run_text run_title(const struct run_result *result);
const char *run_job_name(enum run_job job);

/* One character of UTF-8 at `text`. *ret_bytes is how many bytes it takes, at least 1; the result
 * its code point, or 0xfffd where it is no character that may go to a page or a terminal. */
uint32_t run_character(const char *text, size_t *ret_bytes);

/* The text with '?' for what could be a terminal's command. */
void run_print(FILE *to, const char *text);

#endif
