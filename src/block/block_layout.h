/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a block. Offsets from the object's body_offset:
 *
 *     0  geometry, 64 bytes; written by the creator, never after
 *    64  the size line: see struct block_size
 *   128  zero
 *  4096  the user's data, geometry.max_bytes of it, as far as the file goes
 *
 * The object has the feature SEGMENT_GROWS: the file ends with the last byte of the published size,
 * or, while somebody changes it or after one who did was killed, behind it.
 */
#ifndef SHOAL_BLOCK_BLOCK_LAYOUT_H
#define SHOAL_BLOCK_BLOCK_LAYOUT_H

#include "base/bits.h"

#define BLOCK_KIND 2u

#define BLOCK_BYTES_MAX   ((uint64_t)1 << 46)
#define BLOCK_DATA_OFFSET PAGE_BYTES /* of the data, from body_offset */
/* Seats beside those for users: for joiners that repair before they find that all are taken, and
 * the remover's. */
#define BLOCK_SPARE_SEATS 8u
#define BLOCK_ASKED_HUGE  1u /* asked: its maker wanted huge pages */

struct block_geometry {
	uint64_t max_bytes;
	uint32_t asked;
	uint32_t users;
	uint64_t reserved[5];
	uint64_t checksum; /* of the 56 bytes before it */
};
static_assert(sizeof(struct block_geometry) == 64, "layout");

/* Of `resizer`: who changes the size, and how. */
enum block_state { BLOCK_IDLE = 0, BLOCK_GROWING = 1, BLOCK_SHRINKING = 2 };

struct block_size {
	/* Of data, 1 to max_bytes. Written (release) by who holds `resizer`; read by anybody. A
	 * stale one is too small after a growth, which does no harm, and too large after a
	 * shrinking, which is refused while others could have read it. */
	_Atomic uint64_t bytes;
	/* IDLE -> GROWING(tag) or SHRINKING(tag) by CAS, and back by its owner or, when that is
	 * dead, by who repairs its seat. Its upper half is a futex word for those who wait. */
	_Atomic uint64_t resizer;
	/* In huge pages when one who asked for them last looked. For stat; decides nothing. */
	_Atomic uint64_t huge_bytes;
	uint64_t reserved[5];
};
static_assert(sizeof(struct block_size) == 64, "layout");

struct block_body {
	struct block_geometry geometry;
	struct block_size size;
	uint64_t reserved[496];
};
static_assert(sizeof(struct block_body) == BLOCK_DATA_OFFSET, "layout");
static_assert(offsetof(struct block_body, size) == 64, "layout");

enum block_role { BLOCK_USER = 1 };

#endif
