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
int os_shm_get(uint32_t key, uint64_t bytes, unsigned flags, uint32_t mode);
int os_shm_attach(int id, void *address, unsigned flags, uint64_t bytes, void **ret);
int os_shm_detach(void *address);
int os_shm_stat(int id, struct os_shm *shm);
int os_shm_set(int id, uint32_t uid, uint32_t gid, uint32_t mode);
int os_shm_remove(int id);
int os_shm_lock(int id, bool lock);
int os_shm_limits(struct os_shm_limits *limits);
int os_shm_each(int (*each)(void *context, const struct os_shm *shm), void *context);
uint64_t os_ipc_namespace(void);
int os_populate(void *address, uint64_t bytes);
int os_unpopulate(void *address, uint64_t bytes);
int os_pages_in_memory(const void *address, uint64_t bytes, uint8_t *pages);

#endif
