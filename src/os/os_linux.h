/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files that make up the Linux table; nobody else includes this. */
#ifndef SHOAL_OS_OS_LINUX_H
#define SHOAL_OS_OS_LINUX_H

#include "os/os.h"

int os_futex_wait(const void *word, uint32_t value, int64_t timeout_ns);
int os_futex_wake(const void *word, int count);
int os_futex_add_and_wake(const void *word, void *add, unsigned shift);
int os_barrier_register(void);
int os_barrier(void);
int os_wait_entry(const char *directory, int64_t timeout_ns, int (*there)(void *context),
		  void *context);
void os_yield(void);
int os_keep_across_fork(int fd);
void os_forget_across_fork(int fd);
int os_hold_forks(void);
void os_let_forks(void);
int os_map_over(void *address, uint64_t bytes, void (*fill)(const void *context, uint8_t *memory),
		const void *context);
int os_catch_faults(bool (*repair)(uintptr_t address));
void os_let_faults(void);

#endif
