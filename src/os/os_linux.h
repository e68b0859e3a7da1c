/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files that make up the Linux table; nobody else includes this. */
#ifndef SHOAL_OS_OS_LINUX_H
#define SHOAL_OS_OS_LINUX_H

#include "os/os.h"

int os_map(int fd, uint64_t bytes, enum os_map how, void **ret);
int os_map_part(int fd, const struct os_part *part, void **ret);
int os_find_room(uint64_t bytes, uint64_t alignment, void **ret);
int os_protect(void *address, uint64_t bytes, unsigned access);
int os_sync(void *address, uint64_t bytes, enum os_sync how);
int os_advise(void *address, uint64_t bytes, enum os_advice advice);
int os_resident(const void *address, uint64_t bytes, uint64_t *ret_pages);
int os_mapped(const void *address, uint64_t bytes, struct os_mapped *ret);
void os_occupant(const void *address, uint64_t bytes, char text[OS_OCCUPANT_BYTES]);
uint64_t os_page_bytes(void);
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

#endif
