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
/* open(2), made again when a signal broke it off */
int os_open_path(const char *path, int flags);
/* What open(2) and its like returned, moved up if it is one of the standard descriptors. */
int os_above_standard(int fd);
int os_create_memory(const char *name);
int os_seal(int fd, unsigned seals);
int os_seals(int fd);
int os_reopen_of(uint32_t pid, int fd, bool write);
int os_socket_kind(int socket);
int64_t os_send_descriptor(int socket, const void *bytes, size_t length, int fd);
int64_t os_receive_descriptor(int socket, void *bytes, size_t length, struct os_received *received);
int os_wait_socket(int socket, bool write, int64_t timeout_ns);
int os_map_over(void *address, uint64_t bytes, void (*fill)(const void *context, uint8_t *memory),
		const void *context);
int os_catch_faults(bool (*repair)(uintptr_t address));
void os_let_faults(void);
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
