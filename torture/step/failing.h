/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The failing n-th call.
 *
 * Each operation of the tables is run in a process of its own while system call 1 fails, then 2,
 * and so on until it gets through without a failure; with every errno that the call's manual page
 * lists. Then it must have said so with an error of its contract and a sentence, or have done what
 * it was asked to; nothing is left half made, taken, locked, open or mapped; the others go on; and
 * a second try, without a failure, succeeds.
 *
 *   failing.c           the driver: which case is next, the two processes, the report
 *   failing_check.c     what must hold
 *   failing_inject.c    makes calls fail: those of the os table, and those of the kernel
 *   failing_rows.c      call -> errnos, and where that is written
 *   failing_contract.c  operation -> errors that it may return; what can't be kept, and why
 *   failing_ops.c       operations that write nothing, kernels that can less; the planted mistakes
 *
 * Calls fail on two layers. ENTRIES of the os table: a function answers -errno and has done
 * nothing (close has closed: Linux does in every case). KERNEL: the system call itself answers so,
 * wherever it comes from, so that os_linux.c's own ways out are taken too, and those of libc. A
 * failure comes once, or stays: the same call fails with the same errno from there on.
 */
#ifndef FAILING_H
#define FAILING_H

#include "step.h"

/* One call and what it may fail with, 0-terminated. */
enum { ERRNOS_MAX = 24 };
struct fault_row {
	const char *name;
	const char *source;
	int errnos[ERRNOS_MAX];
};

enum fault_layer { FAULT_ENTRIES, FAULT_KERNEL, FAULT_LAYERS };

struct fault_plan {
	enum fault_layer layer;
	bool stays;
	unsigned at;    /* the n-th call, from 1 */
	unsigned error; /* which of its row's errnos, modulo their number */
};

enum { WAKES_MAX = 32 };
/* What came of it. */
struct fault_seen {
	unsigned calls; /* up to the end */
	bool hit, stays;
	const struct fault_row *row; /* of the call that failed */
	int error;
	unsigned wakes;
	uint64_t woken[WAKES_MAX]; /* addresses that the kernel was asked to wake */
	int unknown;               /* a system call without a row */
};

/* The rows of the os table are numbered as they stand there; see failing_rows.c. */
#define FAULT_CALLS(X)                                                                             \
	X(open)                                                                                    \
	X(create_unnamed)                                                                          \
	X(create_named)                                                                            \
	X(reopen)                                                                                  \
	X(reopen_of)                                                                               \
	X(create_memory)                                                                           \
	X(seal)                                                                                    \
	X(seals)                                                                                   \
	X(link_fd)                                                                                 \
	X(link)                                                                                    \
	X(unlink)                                                                                  \
	X(close)                                                                                   \
	X(stat_fd)                                                                                 \
	X(stat_path)                                                                               \
	X(room)                                                                                    \
	X(set_mode)                                                                                \
	X(set_size)                                                                                \
	X(reserve)                                                                                 \
	X(release)                                                                                 \
	X(read_at)                                                                                 \
	X(each_entry)                                                                              \
	X(lock)                                                                                    \
	X(unlock)                                                                                  \
	X(lock_held)                                                                               \
	X(keep_across_fork)                                                                        \
	X(hold_forks)                                                                              \
	X(map)                                                                                     \
	X(map_private)                                                                             \
	X(map_handle)                                                                              \
	X(futex_wait)                                                                              \
	X(futex_wake)                                                                              \
	X(futex_add_and_wake)                                                                      \
	X(barrier_register)                                                                        \
	X(barrier)                                                                                 \
	X(wait_entry)                                                                              \
	X(random)                                                                                  \
	X(boot_id)                                                                                 \
	X(pid_namespace)                                                                           \
	X(start_time)                                                                              \
	X(process)
#define FAULT_NAME(name) CALL_##name,
enum fault_call { FAULT_CALLS(FAULT_NAME) CALLS };
#undef FAULT_NAME
extern const struct fault_row fault_entries[CALLS];
/* Of a system call, or NULL; *ret_never: it is let through, uncounted. */
const struct fault_row *fault_kernel_row(long number, const long *arguments, bool *ret_never);

/* How many errnos it may fail with. */
unsigned fault_errnos(const struct fault_row *row);
/* Can this layer be had here? Else *ret_why says why not. */
bool fault_possible(enum fault_layer layer, const char **ret_why);
void fault_begin(const struct fault_plan *plan, struct fault_seen *seen);
void fault_end(void);

/* ---- contracts --------------------------------------------------------------------------- */

enum contract_flags {
	CONTRACT_CLOSES = 1,   /* the handle is gone after it */
	CONTRACT_OPENS = 2,    /* no handle before it */
	CONTRACT_COUNTS = 4,   /* returns how many; fewer is no failure */
	CONTRACT_REPAIRS = 8,  /* the same, and what is missing is done by the second try */
	CONTRACT_SIGNALS = 16, /* a signal may end it */
};

struct contract {
	const char *prefix; /* of the operations' names */
	const char *where;  /* it is written */
	unsigned flags;
	int errors[40]; /* positive, 0-terminated */
};
/* The longest prefix; ends the program when there is none. */
const struct contract *contract_of(const struct op *op);
/* May the operation answer so when a call failed with `error`? */
bool contract_allows(const struct contract *contract, const struct op *op, int result, int error);
/* Is that error in the normal course of things, and without a sentence? */
bool contract_is_silent(int result);

/* What the kernel's failure leaves no way to keep. */
enum breach {
	BREACH_NAME,       /* the last one out leaves the name */
	BREACH_HIDDEN,     /* a maker leaves the hidden name */
	BREACH_DESCRIPTOR, /* one is left open */
	BREACH_RESULT,     /* it says otherwise */
	BREACH_TOLD,       /* somebody asleep was not woken */
};
struct exception {
	const char *prefix;
	const char *call; /* the row's name, or the beginning of it */
	enum breach breach;
	bool stays; /* only where the failure stays */
	const char *reason;
};
const struct exception *exception_for(const struct op *op, const struct fault_seen *seen,
				      enum breach breach);

/* ---- one case ---------------------------------------------------------------------------- */

struct holdings {
	unsigned descriptors;
	unsigned mappings;
	uint64_t mapped_bytes;
	uint64_t heap_bytes;
};
void holdings_take(struct holdings *holdings);
/* False: writes into `text` what is there that was not. */
bool holdings_same(const struct holdings *before, char *text, size_t room);

/* Between the two processes. */
struct deal {
	struct fault_seen seen;
	int64_t result, second;
	bool tried_again;
	struct holdings expected; /* at the end */
	char detail[200], second_detail[200];
	char leak[200];
	bool leaks;
};

/* What was held before the operation: by bystanders, and by the dead. */
struct held {
	bool there; /* the object */
	uint64_t seats[SEATS_MAX];
	uint64_t owners[LANES];
	uint64_t entries[SUBSCRIBERS];
};

struct trial {
	struct stage stage;
	const struct contract *contract;
	struct fault_plan plan;
	struct deal *deal; /* shared */
	struct held before;
	bool closer_look; /* also what is so if it dies at once */
};

/* The moments at which the victim stands still and is looked at. */
void check_first(struct trial *trial);
void check_second(struct trial *trial);
void check_closed(struct trial *trial);
void remember_held(struct trial *trial);
void failed(struct trial *trial, const char *format, ...) __attribute__((format(printf, 2, 3)));

extern const struct group still_group, lesser_group, mistakes_group;

int failing_main(int argc, char **argv);

#endif
