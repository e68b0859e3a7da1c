/* SPDX-License-Identifier: Apache-2.0 */
#include "seat/seat.h"

#include "base/error.h"

#include <errno.h>
#include <string.h>

/* Each time somebody else has got a seat. */
enum { LOCK_TRIES = 64 };

/* So many seats are taken in turn, whatever their words say. */
enum { ALWAYS_TRIED = 64 };

/*
 * In vain, a try costs the kernel a walk along the locks of the file; with thousands of seats each
 * tried in vain, the last to come would wait for millions of steps. So behind the first few those
 * come first whose words say that they are free. The word is a hint: only the lock decides, and
 * what belongs to the dead says that it is taken, and comes when nothing else is left.
 */
static int find_free_byte(const struct region *region, int fd, uint32_t first, uint32_t count,
			  uint32_t *ret)
{
	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < count; i++) {
			uint64_t word = atomic_load(&seat_entry(region, first + i)->word);
			bool likely_free = i < ALWAYS_TRIED || word_state(word) == SEAT_FREE;
			if (likely_free != (round == 0))
				continue;
			int r = os->lock(fd, SEGMENT_SEAT_LOCK + first + i);
			if (r == -EAGAIN)
				continue;
			*ret = first + i;
			return r;
		}
	}
	return -EUSERS;
}

static int fail_lock(int r, const struct segment *segment)
{
	if (r == -EUSERS)
		return r;
	return error_fail(-r, "can't lock a seat in '%s': %s", segment->name.text, strerror(-r));
}

/* Keeps the lock through the descriptor, where the mapping does not. -EAGAIN: between the two
 * somebody else took the byte. */
static int keep_descriptor(struct segment *segment, struct seat *seat)
{
	int fd = segment_reopen(segment);
	if (fd < 0)
		return fd;
	int r = os->lock(fd, SEGMENT_SEAT_LOCK + seat->tag.seat);
	if (r == 0)
		r = os->keep_across_fork(fd);
	if (r < 0) {
		os->close(fd);
		return r == -EAGAIN ? r : fail_lock(r, segment);
	}
	seat->kept_fd = fd;
	return 0;
}

static int lock_and_map(struct segment *segment, uint32_t first, uint32_t count, struct seat *seat)
{
	*seat = (struct seat){.kept_fd = -1};
	int fd = segment_reopen(segment);
	if (fd < 0)
		return fd;
	int r = find_free_byte(&segment->region, fd, first, count, &seat->tag.seat);
	if (r == 0)
		r = os->map(fd, PAGE_BYTES, OS_MAP_NONE, &seat->lock_page);
	os->close(fd);
	if (r < 0)
		return fail_lock(r, segment);
	int probe = segment_fd(segment);
	r = probe < 0 ? probe : os->lock_held(probe, SEGMENT_SEAT_LOCK + seat->tag.seat);
	if (r < 0 && probe >= 0)
		fail_lock(r, segment);
	if (r == 0)
		r = keep_descriptor(segment, seat);
	if (r < 0)
		seat_unlock(seat);
	return r < 0 ? r : 0;
}

int seat_lock(struct segment *segment, uint32_t first, uint32_t count, struct seat *seat)
{
	int r = os->hold_forks();
	if (r < 0)
		return error_fail(-r, "can't hold up forks while a seat is locked: %s",
				  strerror(-r));
	for (int tries = 0; tries == 0 || (r == -EAGAIN && tries < LOCK_TRIES); tries++)
		r = lock_and_map(segment, first, count, seat);
	os->let_forks();
	return r == -EAGAIN ? error_fail(EBUSY, "others take every seat of '%s' while we do",
					 segment->name.text)
			    : r;
}

void seat_unlock(struct seat *seat)
{
	if (seat->kept_fd >= 0) {
		os->forget_across_fork(seat->kept_fd);
		os->close(seat->kept_fd);
	}
	seat->kept_fd = -1;
	if (seat->lock_page)
		os->unmap(seat->lock_page, PAGE_BYTES);
	seat->lock_page = NULL;
}

bool seat_alive(struct segment *segment, uint32_t number)
{
	int fd = segment_fd(segment);
	return fd < 0 || os->lock_held(fd, SEGMENT_SEAT_LOCK + number) != 0;
}

void seat_describe(struct seat_entry *entry, uint32_t role, uint32_t flags)
{
	entry->pid = os->pid();
	entry->start_time = os->start_time();
	entry->pid_namespace = os->pid_namespace();
	entry->joined_ns = os->realtime_ns();
	os->process_name(entry->name);
	entry->role = role;
	entry->flags = flags;
}
