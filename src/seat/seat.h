/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seats and liveness.
 *
 * A seat is held by an open-file-description write lock on its byte of the object's file, and the
 * lock is held by the process's memory: the description is mapped (one PROT_NONE page that no
 * child inherits) and its descriptor closed. So the kernel drops the lock when the process dies,
 * execs or unmaps, and only then: not on close_range, not while it is stopped, and the same from
 * every PID namespace.
 *
 * Some file systems (overlayfs) let go of the description when the descriptor is closed. There
 * the descriptor is kept open, close-on-exec, and closed in forked children by a fork handler.
 */
#ifndef SHOAL_SEAT_SEAT_H
#define SHOAL_SEAT_SEAT_H

#include "seat/seat_layout.h"
#include "segment/segment.h"

struct seat {
	struct tag tag;
	void *lock_page;
	int kept_fd; /* -1, but on file systems that need it */
};

static inline struct seat_entry *seat_entry(const struct region *region, uint32_t number)
{
	return (struct seat_entry *)(void *)(region->base + SEGMENT_HEADER_BYTES) + number;
}

/*
 * Takes the lock byte of a seat in [first, first + count) that nobody holds: the first, but that
 * of many the seats of the dead come after those that were given back.
 * Returns 0 and sets tag.seat, or -EUSERS without a detail, or what the kernel says.
 */
int seat_lock(struct segment *segment, uint32_t first, uint32_t count, struct seat *seat);
void seat_unlock(struct seat *seat);

/* 1: a live process holds the seat's byte. When the kernel does not answer, 1: nobody robs the
 * living. The caller's own seat counts as held by somebody. */
bool seat_alive(struct segment *segment, uint32_t number);

/* Fills in who we are. */
void seat_describe(struct seat_entry *entry, uint32_t role, uint32_t flags);

#endif
