/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the command share. The command is an ordinary user of the library: it sees
 * <shoal/...> and nothing else of it.
 *
 * Two habits hold everywhere: stdout is data and stderr is talk, and a verb returns its exit
 * code instead of exiting, so that everything it opened is closed in order.
 */
#ifndef CLI_H
#define CLI_H

#include <shoal/shoal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* ---- exit codes ------------------------------------------------------------------------ */

enum {
	EXIT_DONE = 0,
	EXIT_NO = 1, /* it worked, and the answer is no: not there, there already, not confirmed */
	EXIT_USAGE = 2, /* the call was wrong */
	EXIT_FAILED = 3,
	EXIT_TIMEOUT = 4
};

/* ---- verbs (main.c) -------------------------------------------------------------------- */

struct verb {
	const char *name;
	const char *arguments; /* for the usage line: "NAME" */
	const char *summary;
	int (*run)(const struct verb *verb, int argc, const char **argv);
};

int verb_pub(const struct verb *verb, int argc, const char **argv);
int verb_sub(const struct verb *verb, int argc, const char **argv);
int verb_ls(const struct verb *verb, int argc, const char **argv);
int verb_stat(const struct verb *verb, int argc, const char **argv);
int verb_create(const struct verb *verb, int argc, const char **argv);
int verb_rm(const struct verb *verb, int argc, const char **argv);
int verb_gc(const struct verb *verb, int argc, const char **argv);
int verb_put(const struct verb *verb, int argc, const char **argv);
int verb_get(const struct verb *verb, int argc, const char **argv);
int verb_sync(const struct verb *verb, int argc, const char **argv);
int verb_bench(const struct verb *verb, int argc, const char **argv);
int verb_torture(const struct verb *verb, int argc, const char **argv);

/* ---- talk (say.c) ---------------------------------------------------------------------- */

/* One line on stderr, "shoal: ...". Control characters of strangers come out as '?'. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same for a wrong call, with a pointer to the help. Returns EXIT_USAGE. */
int say_usage(const struct verb *verb, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Says what the library's error was (its own sentence if it has one, remedy included; else
 * `subject` and the text of the code) and returns the exit code that fits. */
int say_error(int err, const char *subject);
/* What failed on "standard input" or "standard output", without the library: EXIT_FAILED. */
int say_stream_error(int err, const char *stream);
/* Only the exit code that fits. "Not there" and "there already" are answers that a verb gives by
 * itself; here they are failures, of the directory for example. */
int exit_code_of(int err);
/* The library's sentence for `err`, or the text of the code. */
const char *error_text(int err);

bool color_wanted(void); /* stdout is a terminal and NO_COLOR is not set */
/* A yes or no from the terminal. False without one. */
bool ask(const char *question);
bool can_ask(void);
/* Flushes stdout and says when that failed. A reader that went away is no failure. */
int finish_stdout(int code);
/* First of all in main: a descriptor that comes later may not become standard input, output or
 * error where that was closed, for what is printed would go into it. To use it stays an error
 * (EBADF). */
void keep_standard_descriptors(void);

/* ---- numbers (parse.c) ----------------------------------------------------------------- */

/* All return 0 or -EINVAL, and leave the result alone then. */
int parse_count(const char *text, uint64_t *ret);  /* 0, 1, 1000000, 1_000_000 */
int parse_size(const char *text, uint64_t *ret);   /* 512, 64K, 1M, 2GiB: powers of 1,024 */
int parse_seconds(const char *text, int64_t *ret); /* 2, 0.25, 500ms: nanoseconds */
int parse_rate(const char *text, double *ret);     /* a second; more than 0 */
int parse_mode(const char *text, uint32_t *ret);   /* octal, up to 0777 */
int parse_choice(const char *text, const char *choices, int *ret); /* "a|b|c": the index */

/* "1.5M"; exact below 1K. */
void format_size(uint64_t bytes, char *buffer, size_t size);
/* What stands behind "message" when there are so many: "" or "s". */
const char *plural(uint64_t count);
/* "1,234,567" */
void format_count(uint64_t count, char *buffer, size_t size);
/* Local time with its offset, to the second. */
void format_time(int64_t realtime_ns, char *buffer, size_t size);

/* ---- time and signals (stop.c) --------------------------------------------------------- */

#define NS_PER_SECOND INT64_C(1000000000)
int64_t now_ns(void);      /* CLOCK_MONOTONIC */
int64_t realtime_ns(void); /* CLOCK_REALTIME */

/*
 * SIGINT, SIGTERM and SIGHUP end the command in order: the handler interrupts the handle's wait,
 * and then comes back every second until the process is gone. So a signal that arrives just
 * before a blocking read or write is not lost: the next one makes it return EINTR.
 */
void stop_on_signals(void);
bool stopped(void);
void stop_interrupts_pub(shoal_pub *pub); /* NULL before it is closed */
void stop_interrupts_sub(shoal_sub *sub);

/* read and writev that go on after EINTR unless we are stopping (-EINTR then), and wait when the
 * descriptor is non-blocking. read_some returns bytes, 0 at the end, or -errno. Memory of a topic
 * that was truncated is filled, or not written out (-EFAULT), and the library's next call says why
 * that was in vain: -ESTALE. */
int64_t read_some(int fd, void *buffer, size_t bytes);
int write_all(int fd, struct iovec *parts, size_t count);
/* Sleeps until that CLOCK_MONOTONIC time. 0, or -EINTR when we are stopping. */
int sleep_until(int64_t monotonic_ns);

#endif
