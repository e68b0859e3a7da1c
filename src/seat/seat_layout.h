/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A seat, 64 bytes: a process's place in an object. The table begins at byte 256 of the object.
 *
 * word: state and tag (seat, generation). Who may change it, and how:
 *   FREE(g)     -> JOINING(g+1)  whoever holds the seat's lock byte
 *   JOINING(g)  -> TAKEN(g)      the holder, when the object turned out to be live
 *   TAKEN(g)    -> LEAVING(g)    the holder
 *   any but FREE -> FREE(g)      the holder, or, when it is dead, a repairer that holds the byte
 * Repairers by compare-and-swap on the exact value that they found; the holder by plain stores,
 * since nobody else changes the word of a live one. Only TAKEN counts as a member of the object.
 *
 * The rest describes the holder to people. It is written by the holder while it is JOINING, so
 * a reader may see the previous holder's; nothing is decided by it.
 */
#ifndef SHOAL_SEAT_LAYOUT_H
#define SHOAL_SEAT_LAYOUT_H

#include "base/bits.h"

enum seat_state { SEAT_FREE = 0, SEAT_JOINING = 1, SEAT_TAKEN = 2, SEAT_LEAVING = 3 };

#define SEAT_FENCES_ITSELF 1u /* flags: no membarrier here; fences for itself when it writes */

struct seat_entry {
	_Atomic uint64_t word;
	uint64_t start_time;    /* of the process: tells a reused pid */
	uint64_t pid_namespace; /* inode of its PID namespace, 0 when unknown */
	int64_t joined_ns;      /* CLOCK_REALTIME */
	char name[16];          /* of the process; not always terminated by a zero */
	uint32_t pid;           /* as its own namespace numbers it */
	uint32_t role;          /* the kind's business */
	uint32_t flags;         /* SEAT_FENCES_ITSELF */
	uint32_t reserved;
};
static_assert(sizeof(struct seat_entry) == 64, "layout");
static_assert(offsetof(struct seat_entry, name) == 32, "layout");
static_assert(offsetof(struct seat_entry, pid) == 48, "layout");

#endif
