/* SPDX-License-Identifier: Apache-2.0 */
/* What may be asked of memory by the byte: rounded to pages, checked, put into words. */
#ifndef SHOAL_PAGES_PAGES_H
#define SHOAL_PAGES_PAGES_H

#include "base/bits.h"

#include <shoal/map.h>

#define HUGE_BYTES ((uint64_t)2 << 20)

/* What `flags` allow: SHOAL_READ and so on to os_access. -EINVAL with a detail when they name none,
 * or SHOAL_NO_ACCESS and another one. */
int pages_access(unsigned flags);

/* A range in `size` bytes; SHOAL_REST is resolved. 0, or -EINVAL or -ERANGE with a detail. */
int pages_range(uint64_t size, uint64_t offset, uint64_t bytes, uint64_t *ret_bytes);

/* The pages that a range touches. */
struct pages {
	void *first;
	uint64_t bytes;
};
struct pages pages_of(const void *data, uint64_t bytes);

/* On all pages that the range touches. They set the detail. */
int pages_sync(const void *data, uint64_t bytes, enum shoal_sync how);
int pages_advise(const void *data, uint64_t bytes, enum shoal_advice what);
int pages_protect(const void *data, uint64_t bytes, unsigned access);
/* The flags SHOAL_HUGE, SHOAL_LOCKED and SHOAL_POPULATE, for memory that was just mapped. */
int pages_apply(const void *data, uint64_t bytes, unsigned flags);
int pages_memory(const void *data, uint64_t bytes, unsigned asked, struct shoal_memory *ret);

#endif
