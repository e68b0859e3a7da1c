/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The traps of shared memory, each shown twice. The bare half makes the raw calls and wants the
 * trap to happen on this kernel: an error, a signal, bytes that are lost. The Shoal half does the
 * same through the library. docs/pitfalls.md has one row for each, and says no more than they show.
 *
 * Every half is a process of its own, in mount and IPC namespaces of its own, with a /dev/shm that
 * nobody else sees: what a bare call leaves behind goes with it.
 */
#ifndef TESTS_TRAPS_TRAP_H
#define TESTS_TRAPS_TRAP_H

#include "process/leak_check.h"
#include "process/support.h"

#define PAGE 4096

struct trap {
	const char *name;
	void (*bare)(void);
	void (*shoal)(void);
};
#define TRAP(name)                                                                                 \
	{                                                                                          \
#name, name##_bare, name##_shoal                                                   \
	}

/* Runs those whose name contains the first argument, all without one. Returns main's result: 77
 * when all that ran was right, but something had to be left out. */
int run_traps(int argc, char **argv, const struct trap *traps, size_t count);
#define RUN_TRAPS(argc, argv, traps) run_traps(argc, argv, traps, sizeof(traps) / sizeof(traps[0]))

/* Runs it as a half is run, with the same looks for leftovers. Returns the exit code, 77 when it
 * was skipped; anything else but 0 is a failure, and ends this process. */
int run_apart(const char *name, void (*run)(void));

/* The errno of a raw call that fails, 0 of one that does not: CHECK_ERRNO(EINVAL, mmap(...) !=
 * MAP_FAILED). */
#define CHECK_ERRNO(expected, succeeded)                                                           \
	do {                                                                                       \
		errno = 0;                                                                         \
		bool trap_ok_ = (succeeded);                                                       \
		int trap_errno_ = errno;                                                           \
		CHECKF(!trap_ok_ && trap_errno_ == (expected), "%s",                               \
		       trap_ok_ ? "it succeeds" : strerror(trap_errno_));                          \
	} while (0)

/* The library's answer: the error, and a sentence with that word in it. */
#define CHECK_SAYS(expected, word, call)                                                           \
	do {                                                                                       \
		CHECK_R(expected, call);                                                           \
		CHECKF(strstr(shoal_error_detail(), word), "the sentence: %s",                     \
		       shoal_error_detail());                                                      \
	} while (0)

/* Runs body(context) in a child, which must die of that signal. */
void dies_of(int signal, void (*body)(void *context), void *context);
/* Such bodies: one byte at an address. */
void store_byte(void *address);
void load_byte(void *address);

/* Memory that the two sides of a half agree in. */
struct signals {
	_Atomic int step;
	_Atomic int result;
	_Atomic uint64_t value;
};
/* Tells the other side, and waits for it. */
void step_to(struct signals *signals, int step);
void await_step(struct signals *signals, int step);
/* Says that we are there, and stays until killed. */
__attribute__((noreturn)) void stay(struct signals *signals);

/* A new file of so many bytes 'a' in the test's own folder, open for reading and writing. */
int new_file(const char *name, size_t bytes);
uint64_t size_of(int fd);
/* A shared mapping for reading and writing. */
char *map_shared(int fd, size_t bytes);
void unmap(void *address, size_t bytes);
/* So many pages next to each other, all inaccessible: what is mapped over the first has a neighbour
 * that is nothing. */
char *reserve_pages(size_t pages);

/* As a process without privileges; for bodies of spawn. Skips where that can't be had. */
void become_nobody(void);

#endif
