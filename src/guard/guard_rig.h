/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of the guard: memory of a file, whole and truncated. */
#ifndef SHOAL_GUARD_GUARD_RIG_H
#define SHOAL_GUARD_GUARD_RIG_H

#include "guard/guard.h"
#include "os/os.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PAGE 4096u

/* `pages` pages full of `fill`, of a file that has a name no more. */
static inline uint8_t *map_file(unsigned pages, uint8_t fill, int *ret_fd)
{
	void *memory = NULL;
	int fd = memfd_create("guard", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)pages * PAGE), 0);
	assert_int_equal(os->map(fd, (uint64_t)pages * PAGE, OS_MAP_WRITE, &memory), 0);
	memset(memory, fill, (size_t)pages * PAGE);
	if (ret_fd)
		*ret_fd = fd;
	else
		close(fd);
	return memory;
}

/* The same, cut to nothing: each touch is a SIGBUS. */
static inline uint8_t *map_cut_file(unsigned pages)
{
	int fd = -1;
	uint8_t *memory = map_file(pages, 1, &fd);
	assert_int_equal(ftruncate(fd, 0), 0);
	close(fd);
	return memory;
}

static inline struct guard *guarded(void *memory, unsigned pages)
{
	struct guard *guard = NULL;
	assert_int_equal(guard_add(memory, (uint64_t)pages * PAGE, &guard), 0);
	return guard;
}

static inline void unmap(void *memory, unsigned pages)
{
	assert_int_equal(os->unmap(memory, (uint64_t)pages * PAGE), 0);
}

/* Memory of our own over one page of it, as a handler does that mends what it knows. */
static inline void mend_page(void *page)
{
	if (mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		 0) == MAP_FAILED)
		_exit(99);
}

/* A look that the compiler leaves where it is, at memory that others may map anew meanwhile. */
__attribute__((no_sanitize("thread"))) static inline uint8_t look(const void *memory)
{
	return *(const volatile uint8_t *)memory;
}

/* Its wait status, once body(context) has ended in a child; 0 when it came to its end. */
static inline int status_of(void (*body)(void *context), void *context)
{
	int status = -1;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		body(context);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

#endif
