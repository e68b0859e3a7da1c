/* SPDX-License-Identifier: Apache-2.0 */
/* Alignment, offsets, and the tagged words that every other module is built on. */
#ifndef SHOAL_BASE_BITS_H
#define SHOAL_BASE_BITS_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_LINE 64u
#define PAGE_BYTES 4096u /* of the layout: fixed, whatever the machine's page size is */

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Some of what sanitizers must see is otherwise done behind the compiler's back. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SHOAL_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SHOAL_SANITIZED 1
#endif
#endif

/* Kept out of the quick paths, which then need no stack and save no registers. */
#define SLOW_PATH __attribute__((cold, noinline))

static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2,
	      "shared words must be lock-free: a lock inside libatomic is per process");

static inline uint64_t align_up(uint64_t value, uint64_t alignment)
{
	return (value + alignment - 1) & ~(alignment - 1);
}

static inline bool is_power_of_two(uint64_t value)
{
	return value != 0 && (value & (value - 1)) == 0;
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/*
 * Positions only grow, and compare by distance, so that they may wrap.
 * a - b as a signed number: negative when a lies before b.
 */
static inline int64_t position_distance(uint64_t a, uint64_t b)
{
	return (int64_t)(a - b);
}

/*
 * A tag names an owner: seat number and generation. A word carries a state and a tag, so that
 * who holds a thing and what it is doing change in one step:
 *     bits 63..56 state, 55..48 zero, 47..32 seat, 31..0 generation
 */
struct tag {
	uint32_t seat;
	uint32_t generation;
};

static inline uint64_t word_make(unsigned state, struct tag tag)
{
	return (uint64_t)state << 56 | (uint64_t)(tag.seat & 0xffffu) << 32 | tag.generation;
}

static inline unsigned word_state(uint64_t word)
{
	return (unsigned)(word >> 56);
}

static inline struct tag word_tag(uint64_t word)
{
	return (struct tag){(uint32_t)(word >> 32) & 0xffffu, (uint32_t)word};
}

static inline bool tag_equal(struct tag a, struct tag b)
{
	return a.seat == b.seat && a.generation == b.generation;
}

/* Brings a line here to be written. By name on x86-64: without -mprfchw the compiler's own
 * prefetch only asks to read; where the instruction is not known it does nothing. */
static inline void prefetch_for_writing(const void *p)
{
#if defined(__x86_64__)
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)p));
#else
	__builtin_prefetch(p, 1);
#endif
}

static inline void cpu_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("isb" ::: "memory");
#endif
}

#endif
