/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the process tests share: checks that say where they failed, bounded waits, children that
 * die with their parent, messages whose content follows from lane and sequence, and a runner that
 * looks for leftovers after every test.
 */
#ifndef TESTS_PROCESS_SUPPORT_H
#define TESTS_PROCESS_SUPPORT_H

#include <shoal/shoal.h>

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define SECONDS ((int64_t)1000000000)
/* Every wait of a test ends: longer than this and something hangs. */
#define BOUND (10 * SECONDS)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* Ends this process with 1 and says why. For children as well: their parent sees the 1. */
__attribute__((noreturn, format(printf, 4, 5))) void check_failed(const char *file, int line,
								  const char *what,
								  const char *format, ...);

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			check_failed(__FILE__, __LINE__, #condition, "%s", shoal_error_detail());  \
	} while (0)
/* With the numbers that make a failure understandable. */
#define CHECKF(condition, ...)                                                                     \
	do {                                                                                       \
		if (!(condition))                                                                  \
			check_failed(__FILE__, __LINE__, #condition, __VA_ARGS__);                 \
	} while (0)
/* A result of the library: prints what it was. */
#define CHECK_R(expected, call) check_result(__FILE__, __LINE__, #call, (expected), (call))
void check_result(const char *file, int line, const char *what, int64_t expected, int64_t got);

/* Ends the program as skipped, with the reason: what was not tested must not look as if it was. For
 * tests that have an entry of ctest to themselves. */
__attribute__((noreturn, format(printf, 1, 2))) void skip(const char *format, ...);

/* Waits until the condition holds; a bound that passes is a failure. */
#define WAIT_FOR(condition)                                                                        \
	do {                                                                                       \
		int64_t wait_end_ = now_ns() + BOUND;                                              \
		while (!(condition)) {                                                             \
			if (now_ns() > wait_end_)                                                  \
				check_failed(__FILE__, __LINE__, #condition, "not within 10 s");   \
			breathe();                                                                 \
		}                                                                                  \
	} while (0)

int64_t now_ns(void);
/* Lets others run: a yield, now and then a tenth of a millisecond, so that a bound is no load. */
void breathe(void);

/* SHOAL_SEED, or the clock; printed once. */
uint64_t seed(void);
uint64_t random_next(uint64_t *state);
uint64_t mix(uint64_t value);
/* The number behind `label` at the beginning of a line of /proc; false when it is another line. */
bool line_number(const char *line, const char *label, uint64_t *ret);
/* The environment's number, or `otherwise` (a tenth of it under a sanitizer; a part of it by
 * SHOAL_TEST_SLICE, for runs that repeat what was run at length elsewhere). */
uint64_t rounds(const char *variable, uint64_t otherwise);

/* Zeroed memory that children share. */
void *shared_memory(size_t bytes);
void shared_free(void *memory, size_t bytes);

/* ---- processes --------------------------------------------------------------------------- */

/* Runs body(context) in a child, which is killed when its parent dies and exits with 0 when body
 * returns. */
pid_t spawn(void (*body)(void *context), void *context);
/* Waits for it, bounded. `reap_ok` wants exit code 0; `reap_killed` kills it first. */
void reap_ok(pid_t pid);
/* The same with a bound of its own, for what is known to take long. */
void reap_ok_within(pid_t pid, int64_t bound_ns);
void reap_killed(pid_t pid);
/* Wants it to die of that signal by itself, and no other way. */
void reap_died_of(pid_t pid, int signal);
/* As it is, for waitpid's macros. */
int reap_status(pid_t pid);
/* Stops it and waits until the kernel says so; `resume` is the way back. */
void stop_process(pid_t pid);
void resume_process(pid_t pid);
/* Voluntary context switches of all its threads. */
uint64_t context_switches(pid_t pid);
/* 'S', 'R', 'T' or 'Z': the main thread's state. */
char process_state(pid_t pid);

/* ---- messages ---------------------------------------------------------------------------- */

/* SMALL: nearly all fit a slot. TINY: all do. LARGE: none does. */
enum sizes { SMALL, MIXED, LARGE, TINY };
#define MESSAGE_MAX ((size_t)200 << 10)

/* The size and the bytes of message `sequence` of `lane`. */
size_t message_size(enum sizes sizes, uint64_t lane, uint64_t sequence);
void message_fill(void *data, size_t bytes, uint64_t lane, uint64_t sequence);
/* Ends the process when the message is not the one. */
void message_check(enum sizes sizes, const struct shoal_view *view);
/* Publishes message `sequence`, through claim and commit or publish in turn. */
int message_publish(shoal_pub *pub, enum sizes sizes, uint64_t sequence, int64_t timeout_ns);

/* ---- running ----------------------------------------------------------------------------- */

struct test {
	const char *name;
	void (*run)(void);
};
/* Runs those whose name contains the first argument, all without one. After each: no file in
 * SHOAL_DIR, descriptor, mapping or child that was not there before. Returns main's result. */
int run_tests(int argc, char **argv, const struct test *tests, size_t count);
#define RUN_TESTS(argc, argv, tests) run_tests(argc, argv, tests, sizeof(tests) / sizeof(tests[0]))

/* The options with size set and the rest zero. */
struct shoal_topic_options options(void);
/* The seat of that pid in a picture of the topic; NULL when it has none. */
const struct shoal_topic_seat *seat_of(const struct shoal_topic_stat *stat, pid_t pid);
/* SHOAL_DIR; it is set, or no test runs. */
const char *objects_directory(void);
/* Does it hold nothing? */
bool directory_is_empty(void);

#endif
