/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects: join, leave, lifetime, and the repair of dead seats. What a kind has to know about
 * itself comes down as a pointer to its `struct kind`.
 */
#ifndef SHOAL_OBJECT_OBJECT_H
#define SHOAL_OBJECT_OBJECT_H

#include "seat/seat.h"
#include "segment/segment.h"

#include <shoal/object.h>

/* The lifetime word, in the segment's header. The argument is in object.c. */
enum lifetime_state { LIFETIME_LIVE = 1, LIFETIME_REMOVING = 2, LIFETIME_REMOVED = 3 };

/* What the object layer asks of a kind. All of it works on a region, mapped or copied, and is
 * total on garbage. */
struct kind {
	uint32_t id;
	const char *name;
	bool grows; /* its objects may have SEGMENT_GROWS: it touches no more than there is */
	/* 0, or -EBADMSG or -ENOTSUP with a detail: may the other functions be called at all? */
	int (*validate)(const struct region *region);
	/* Rolls every word that is tagged `tag` forward or back. `orderly`: the owner does it
	 * itself, on leaving. Idempotent; may be killed at any step and done again. */
	void (*repair)(const struct region *region, struct tag tag, bool orderly);
	/* Wakes everybody who sleeps in the object, for a look at the lifetime word. */
	void (*alert)(const struct region *region);
	/* What is to be found in a guarded object's memory when its pages were lost, beside a
	 * lifetime that says REMOVED: whatever makes each call look at that. May be NULL. */
	void (*mark_lost)(const struct region *region, struct guard *guard);
	/* 0, or -EBADMSG with a detail that names the broken invariant. */
	int (*audit)(const struct region *region);
};

struct object_request {
	const struct kind *kind;
	uint32_t role;  /* the kind's, for stat */
	unsigned flags; /* SHOAL_CREATE, EXCLUSIVE, KEEP, FOREIGN, GUARD_SIGBUS */
	struct segment_spec spec;
	/* Fills the body of a new object; nobody else sees it yet. */
	void (*fill)(const struct region *region, const void *context);
	const void *context;
};

struct object {
	struct segment segment;
	struct seat seat;
	const struct kind *kind;
	bool fences_itself; /* no membarrier: whoever writes must fence, sleepers must poll */
};

/* Opens or makes the object and takes a seat in it. 0, 1 when made here, or -errno with detail;
 * then nothing is left open. */
int object_open(struct object *object, const struct segment_name *name,
		const struct object_request *request);
/* In a forked child: takes a seat of its own in what `inherited` was opened on, under whatever name
 * that has by now. 0, or -errno with detail; then nothing is left open. `inherited` is as it was.
 */
int object_rejoin(struct object *object, const struct object *inherited, uint32_t role);
/* Gives back the seat, removes the object if that was the last one, and closes. */
void object_close(struct object *object);
/* Closes without leaving: for a seat that is lost, and for a forked child. */
void object_abandon(struct object *object);

/* Can what lies there be of that kind? Else its other functions must not be called. */
bool object_fits(const struct segment_fixed *fixed, const struct kind *kind);
/* Is anybody alive in it, the caller's own seat aside? */
bool object_has_member(struct object *object);
/* Has it been taken out of the world? Total on garbage. */
bool object_is_removed(const struct region *region);
/* 0, or -ESTALE with a detail when the object was removed, or its pages were lost. */
int object_check(const struct object *object);
/* The same, of one that was seen to be: a stranger may say otherwise by now. */
SLOW_PATH int object_fail_removed(const struct object *object);

/* Repairs the seat if its owner is dead. 1: was repaired here, 0: nothing to do or alive. */
int object_repair_seat(struct object *object, uint32_t number);
/* The same for every seat that is taken. Returns how many were repaired. */
int object_repair_all(struct object *object);
/* One more look for a place among those of the dead? Repairs them, and naps after the first time:
 * a seat that somebody else repairs looks alive meanwhile. False after `OBJECT_LOOKS` times. */
#define OBJECT_LOOKS 100
bool object_look_again(struct object *object, int look);

/* Removes the object `name`: see shoal_remove. `kinds` is NULL-terminated. */
int object_remove(const struct segment_name *name, unsigned flags, const struct kind *const *kinds);

/* ---- parts of joining and leaving that object_remove.c shares; see object.c ---- */

/* Enters the seat whose byte we hold, repairing what a dead owner left: it is JOINING then. */
void object_enter_seat(struct object *object, uint32_t role);
/* Frees that seat again, and its byte. */
void object_undo_seat(struct object *object);
/* Takes the object out of the world. 0: it is gone, by us or by somebody else. -EBUSY: it has a
 * member (and `force` was not given), or somebody vetoed. */
int object_retire(struct object *object, bool force);

/* Does its header say that it is of that kind? Sets the detail. */
int object_check_kind(const struct segment *segment, const struct kind *kind);

/* Is the word one that a live member holds? For audits: the tag names a seat that is not free
 * and has this generation. */
bool object_tag_current(const struct region *region, struct tag tag);

/* The pure part of a repair, without locks: for the driver above and for the crash tests. */
void object_roll_seat(const struct region *region, const struct kind *kind, uint32_t number,
		      uint64_t word, bool orderly);

#endif
