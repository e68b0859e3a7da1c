/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first 256 bytes of every object, byte by byte. All numbers are little-endian (the library
 * builds for little-endian machines only). Seats follow, then, at body_offset, the kind's bytes.
 *
 *   0..95     fixed: written by the creator before the object has a name, never after
 *   96..127   sysv: the same; only in System V objects
 *   128..191  the lifetime word, on a line of its own
 *   192..255  the place: rewritten by whoever adopts a file left by an earlier boot, under the
 *             boot lock (SEGMENT_BOOT_LOCK); every joiner compares it with what it sees
 */
#ifndef SHOAL_SEGMENT_LAYOUT_H
#define SHOAL_SEGMENT_LAYOUT_H

#include "base/bits.h"
#include "segment/sysv_layout.h"

#define SEGMENT_MAGIC        0x0a1a4c414f485389u /* "\x89SHOAL\x1a\n": text transfers break it */
#define SEGMENT_HEADER_BYTES 256u
#define SEGMENT_KEEP         1u /* flags: stays when the last one leaves */

/* Features (incompatible). */
#define SEGMENT_GROWS    1u /* total_bytes is the most that the file may get, not what it has */
#define SEGMENT_FEATURES SEGMENT_GROWS /* those that this library knows */
#define SEGMENT_SYSV     1u            /* compatible: bytes 96..127 are a struct segment_sysv */

/* Lock bytes, far past the end of any file. A seat's is SEGMENT_SEAT_LOCK + its number. */
#define SEGMENT_SEAT_LOCK ((uint64_t)1 << 62)
#define SEGMENT_NAME_LOCK (SEGMENT_SEAT_LOCK - 1) /* who holds it may unlink the name */
#define SEGMENT_BOOT_LOCK (SEGMENT_SEAT_LOCK - 2) /* who holds it may adopt the object */
/* Read-locked by those who use the object without a seat: they may only read the file. */
#define SEGMENT_READER_LOCK (SEGMENT_SEAT_LOCK - 3)

struct segment_fixed {
	uint64_t magic;
	uint32_t layout;       /* SHOAL_LAYOUT_VERSION */
	uint32_t header_bytes; /* where the seats begin */
	uint64_t incompatible; /* features: who does not know one must not open the object */
	uint64_t compatible;   /* features: who does not know one may ignore it */
	uint32_t kind;
	uint32_t seat_count;  /* the last seat is for removers only */
	uint64_t total_bytes; /* size of the file (at most, with SEGMENT_GROWS); parts may not have
				 memory yet */
	uint64_t body_offset;
	int64_t created_ns;   /* CLOCK_REALTIME */
	uint64_t flags;       /* SEGMENT_KEEP */
	uint64_t instance[2]; /* random: tells two objects of one name apart */
	uint64_t checksum;    /* of the 88 bytes before it */
};
static_assert(sizeof(struct segment_fixed) == 96, "layout");
static_assert(offsetof(struct segment_fixed, checksum) == 88, "layout");

struct segment_place {
	uint8_t boot_id[16]; /* zeroes: unknown */
	uint64_t device;     /* locks prove life only on this very inode */
	uint64_t inode;
	uint64_t checksum; /* of the 32 bytes before it */
	uint64_t reserved[3];
};
static_assert(sizeof(struct segment_place) == 64, "layout");

struct segment_header {
	struct segment_fixed fixed;
	struct segment_sysv sysv;  /* zeroes without SEGMENT_SYSV */
	_Atomic uint64_t lifetime; /* see object/object.h: who may change it, and how */
	uint8_t reserved_lifetime[56];
	struct segment_place place;
};
static_assert(sizeof(struct segment_header) == SEGMENT_HEADER_BYTES, "layout");
static_assert(offsetof(struct segment_header, lifetime) == 128, "layout");
static_assert(offsetof(struct segment_header, place) == 192, "layout");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the shared layout is little-endian");

#endif
