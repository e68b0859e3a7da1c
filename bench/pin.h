/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every measuring program needs: a core of its own, a clock, a process that starts afresh,
 * memory to share with it, and the median of what it saw. Knows nothing of Shoal.
 */
#ifndef BENCH_PIN_H
#define BENCH_PIN_H

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

/* C++ has no _Atomic; its own kind looks the same in memory. Some peers are used from there. */
#if defined(__cplusplus)
#include <atomic>
#define BENCH_ATOMIC(type) std::atomic<type>
#else
#include <stdatomic.h>
#define BENCH_ATOMIC(type) _Atomic(type)
#endif

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

/* Lines that two cores write are kept this far apart: adjacent-line prefetchers fetch pairs. */
#define BENCH_APART     128
#define BENCH_PROCESSES 4 /* at a time */

static inline int64_t bench_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* A counter cheap enough to put around one call; bench_tick_ns says what a tick is worth. */
static inline uint64_t bench_ticks(void)
{
#if defined(__x86_64__)
	unsigned int core;

	return __rdtscp(&core);
#elif defined(__aarch64__)
	uint64_t ticks;

	__asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(ticks)::"memory");
	return ticks;
#else
	return (uint64_t)bench_now_ns();
#endif
}

/* The same counter, read at about this place: what is before and after may still be under way. Half
 * as dear, and in a loop that looks once a turn what one turn loses the next one gets. */
static inline uint64_t bench_ticks_about(void)
{
#if defined(__x86_64__)
	return __rdtsc();
#elif defined(__aarch64__)
	uint64_t ticks;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks)::"memory");
	return ticks;
#else
	return (uint64_t)bench_now_ns();
#endif
}

static inline void bench_relax(void)
{
#if defined(__x86_64__)
	_mm_pause();
#elif defined(__aarch64__)
	__asm__ volatile("isb" ::: "memory");
#endif
}

/* Nanoseconds in a tick of bench_ticks, measured over a few milliseconds. */
double bench_tick_ns(void);

/* The first two processors that this process may use. Returns how many it found. */
int bench_cores(int cores[2]);
/* Binds the calling process to one processor. */
void bench_pin(int core);

/*
 * Zeroed memory to share with processes that are started later, its pages already reserved, so
 * that the first touch of each is a mapping fault and not an allocation. The descriptor survives
 * exec: its number is how a worker finds it.
 */
int bench_memory_make(size_t bytes);
void *bench_memory_map(int fd, size_t bytes);

/*
 * Starts this very program again, as a process of its own (fork and exec, so that code, heap and
 * stack land elsewhere each time), with the arguments "--worker FD ROLE SIDE". It is killed when
 * the caller dies.
 */
pid_t bench_start(int control_fd, const char *role, int side);
void bench_kill(pid_t pid);
/*
 * Waits until all of these children ended. When one fails, after `limit_ns`, or when a signal came
 * and `stop` (may be NULL) then says so, kills the others. True when all ended well.
 */
bool bench_watch(const pid_t *pids, size_t count, int64_t limit_ns, bool (*stop)(void));

/* Where two processes meet, in shared memory: how far each has come. */
struct bench_steps {
	struct {
		alignas(BENCH_APART) BENCH_ATOMIC(uint64_t) step; /* written by that side */
	} side[2];
};
/* Waits until the other side is here too. */
void bench_steps_meet(struct bench_steps *steps, int side);

/* Sorts `values`. */
double bench_median(double *values, size_t count);
/* Between its neighbours where it falls between two: a quartile of four values is none of them. */
double bench_quantile(const double *sorted, size_t count, double part);

/* Ends this process with a sentence; in a worker the driver prints it. */
__attribute__((noreturn, format(printf, 1, 2))) void bench_die(const char *format, ...);
/* Where bench_die leaves the sentence in a worker; NULL: stderr. */
extern char *bench_die_text;
#define BENCH_DIE_BYTES 512

#endif
