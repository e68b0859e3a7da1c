/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Join, leave, lifetime.
 *
 * WHAT IS PROMISED. An object without KEEP is live exactly while some seat is TAKEN by a live
 * process (a "member"). Nobody becomes a member of an object that has lost its name, two objects
 * of one name are never in use at a time, and the last member to leave removes it.
 *
 * WORDS. seat[i].word (seat_layout.h) and lifetime: LIVE, REMOVING(tag), REMOVED. REMOVED is final.
 * Every step on them is sequentially consistent, and so is every look at them here.
 *
 * JOINER (holds the lock byte of seat j)           REMOVER (leaver, joiner of a leftover, or rm)
 *   1 seat[j]: FREE -> JOINING                       1 own seat LEAVING or JOINING: not a member
 *   2 not KEEP: look for a member; none: the         2 lifetime: LIVE or REMOVING(any) ->
 *     object is a leftover: be a REMOVER,              REMOVING(me)
 *     then start again by name                       3 look for a member (unless forced): one
 *   3 seat[j]: JOINING -> TAKEN                        found: REMOVING(me) -> LIVE, end
 *   4 look at lifetime: LIVE: joined;                4 REMOVING(me) -> REMOVED; failed: somebody
 *     REMOVING(x) -> LIVE: joined (a veto);            vetoed, or took the duty over: end
 *     REMOVED: seat back to FREE, finish the         5 under the name lock: if the name leads to
 *     removal, start again by name                     this inode, unlink it
 *
 * WHY NO JOINER ENDS IN A NAMELESS OBJECT. If the remover's step 3 does not see seat[j] TAKEN, then
 * the joiner's step 4 comes after the remover's step 2 and sees REMOVING or later. Seeing REMOVING
 * it takes it away by one CAS, which makes the remover's step 4 fail; seeing REMOVED it goes. One
 * of the two CAS on the same value wins: never both.
 * WHY THE LAST LEAVER REMOVES. Of two that leave at once each is LEAVING before its step 2, so the
 * one whose step 2 comes last overwrites the other's REMOVING, finds the other LEAVING (no member),
 * and goes on; the other's CAS fails, and it may go, since its duty was taken over.
 * WHY ONLY OUR NAME IS UNLINKED. Whoever unlinks holds this inode's name lock and has seen the name
 * lead to this inode; nobody else may take that name away meanwhile, and linkat replaces nothing.
 *
 * DEATHS. In JOINING or LEAVING: no member; the seat is repaired by whoever meets it. In
 * REMOVING(me): a joiner vetoes, a leaver or the next one to open takes it over. Between REMOVED
 * and unlink: the next one to open finds REMOVED under the name and finishes the removal; it also
 * alerts those who are still in an object that was removed by force. With the name lock: the kernel
 * drops it with the description, which nobody inherits but a child that another thread forks in
 * that moment; then it lasts until that child execs or exits.
 */
#include "object/object.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Tries and naps where somebody alive is in the middle of a removal; past the limit it is said. */
#define RETRY_LIMIT_NS 2000000000

/* The object went while we joined it: start again by name. Never leaves this file. */
#define GONE ENOLINK

static _Atomic uint64_t *lifetime_of(const struct region *region)
{
	return &segment_header(region)->lifetime;
}

static uint64_t plain(unsigned state)
{
	return word_make(state, (struct tag){0, 0});
}

/* ---- repair ------------------------------------------------------------------------------ */

bool object_tag_current(const struct region *region, struct tag tag)
{
	if (tag.seat >= region->seat_count)
		return false;
	uint64_t word = atomic_load(&seat_entry(region, tag.seat)->word);
	return word_state(word) != SEAT_FREE && word_tag(word).generation == tag.generation;
}

void object_roll_seat(const struct region *region, const struct kind *kind, uint32_t number,
		      uint64_t word, bool orderly)
{
	struct tag tag = {number, word_tag(word).generation};
	kind->repair(region, tag, orderly);
	atomic_compare_exchange_strong(&seat_entry(region, number)->word, &word,
				       word_make(SEAT_FREE, tag));
}

/* A fresh description for the byte, so that a descriptor of another thread is not in play. */
static int repair_held(struct object *object, uint32_t number)
{
	const struct region *region = &object->segment.region;
	int fd = segment_reopen(&object->segment);
	if (fd < 0)
		return fd;
	int r = os->lock(fd, SEGMENT_SEAT_LOCK + number);
	if (r == 0) {
		/* Look again: only what we see while we hold its byte is the dead one's. */
		uint64_t word = atomic_load(&seat_entry(region, number)->word);
		if (word_state(word) != SEAT_FREE) {
			object_roll_seat(region, object->kind, number, word, false);
			r = 1;
		}
		os->unlock(fd, SEGMENT_SEAT_LOCK + number);
	}
	os->close(fd);
	return r < 0 ? 0 : r;
}

int object_repair_seat(struct object *object, uint32_t number)
{
	const struct region *region = &object->segment.region;
	if (number == object->seat.tag.seat || number >= region->seat_count)
		return 0;
	uint64_t word = atomic_load(&seat_entry(region, number)->word);
	if (word_state(word) == SEAT_FREE || seat_alive(&object->segment, number))
		return 0;
	/* No child may have that description: if we died, the seat would look alive by it. */
	int r = os->hold_forks();
	if (r < 0)
		return error_fail(-r, "can't hold up forks while a seat of '%s' is repaired: %s",
				  object->segment.name.text, strerror(-r));
	r = repair_held(object, number);
	os->let_forks();
	return r;
}

int object_repair_all(struct object *object)
{
	int repaired = 0;
	for (uint32_t i = 0; i < object->segment.region.seat_count; i++)
		repaired += object_repair_seat(object, i) > 0;
	return repaired;
}

static void nap(void)
{
	static const uint32_t nobody_wakes = 0;
	os->futex_wait(&nobody_wakes, 0, 200000);
}

bool object_look_again(struct object *object, int look)
{
	if (look >= OBJECT_LOOKS)
		return false;
	if (look > 0)
		nap();
	object_repair_all(object);
	return true;
}

/* ---- lifetime ---------------------------------------------------------------------------- */

bool object_has_member(struct object *object)
{
	const struct region *region = &object->segment.region;
	for (uint32_t i = 0; i < region->seat_count; i++) {
		if (i == object->seat.tag.seat)
			continue;
		uint64_t word = atomic_load(&seat_entry(region, i)->word);
		if (word_state(word) == SEAT_TAKEN && seat_alive(&object->segment, i))
			return true;
	}
	return false;
}

static int fail_removal(const struct segment *segment, int r)
{
	struct os_file file;
	if ((r == -EPERM || r == -EACCES) && segment_examine(segment, &file) == 0 &&
	    file.uid != os->user())
		return error_fail(-r,
				  "can't remove '%s', in which nobody is left: its directory lets "
				  "only the owner, user %u, do so; ask for it (shoal gc), or share "
				  "objects that are kept (SHOAL_KEEP)",
				  segment->name.text, file.uid);
	return error_fail(-r, "can't remove '%s': %s", segment->name.text, strerror(-r));
}

/* We hold the name lock. */
static int unlink_ours(const struct segment *segment)
{
	int r = segment_is_named(segment);
	if (r <= 0)
		return r;
	r = segment_unlink(segment);
	return r == 0 || r == -ENOENT ? 0 : fail_removal(segment, r);
}

/* Step 5, by whoever finds it REMOVED: the one who removed it may have died before it told
 * anybody. 0: the name does not lead here any more. */
static int finish_removal(struct object *object)
{
	struct segment *segment = &object->segment;
	if (segment_is_lost(segment)) /* the mark in our memory, and not the object's word */
		return segment_fail_lost(segment);
	object->kind->alert(&segment->region);
	int fd = segment_reopen(segment);
	if (fd < 0)
		return segment_is_named(segment) == 0 ? 0 : fail_removal(segment, fd);
	int64_t limit = os->now_ns() + RETRY_LIMIT_NS;
	int r = os->lock(fd, SEGMENT_NAME_LOCK);
	while (r == -EAGAIN && segment_is_named(segment) == 1 && os->now_ns() < limit) {
		nap();
		r = os->lock(fd, SEGMENT_NAME_LOCK);
	}
	if (r == 0)
		r = unlink_ours(segment);
	else if (r == -EAGAIN)
		r = segment_is_named(segment) == 0
			? 0
			: error_fail(EBUSY,
				     "'%s' is being removed by a process that does not go on",
				     segment->name.text);
	else
		r = fail_removal(segment, r);
	os->unlock(fd, SEGMENT_NAME_LOCK); /* a child forked meanwhile has the descriptor, too */
	os->close(fd);
	return r;
}

/* Steps 2 to 5. 0: removed, here or by somebody else. -EBUSY: there is a member. */
int object_retire(struct object *object, bool force)
{
	_Atomic uint64_t *lifetime = lifetime_of(&object->segment.region);
	uint64_t mine = word_make(LIFETIME_REMOVING, object->seat.tag);
	uint64_t seen = atomic_load(lifetime);
	int tries = 0;
	while (word_state(seen) != LIFETIME_REMOVED && ++tries < 1000)
		if (atomic_compare_exchange_strong(lifetime, &seen, mine))
			break;
	if (word_state(seen) == LIFETIME_REMOVED)
		return finish_removal(object);
	uint64_t expected = mine;
	if (!force && object_has_member(object)) {
		atomic_compare_exchange_strong(lifetime, &expected, plain(LIFETIME_LIVE));
		return -EBUSY;
	}
	while (!atomic_compare_exchange_strong(lifetime, &expected, plain(LIFETIME_REMOVED))) {
		if (word_state(expected) == LIFETIME_REMOVED)
			break;
		if (!force || ++tries >= 1000) /* a veto does not stop force */
			return -EBUSY;
	}
	return finish_removal(object);
}

bool object_is_removed(const struct region *region)
{
	return word_state(atomic_load(lifetime_of(region))) == LIFETIME_REMOVED;
}

int object_fail_removed(const struct object *object)
{
	if (segment_is_lost(&object->segment))
		return segment_fail_lost(&object->segment);
	return error_fail(ESTALE, "'%s' was removed while in use; open it again",
			  object->segment.name.text);
}

int object_check(const struct object *object)
{
	return likely(!object_is_removed(&object->segment.region)) ? 0
								   : object_fail_removed(object);
}

/* ---- join -------------------------------------------------------------------------------- */

static void set_seat(struct object *object, unsigned state)
{
	struct seat_entry *entry = seat_entry(&object->segment.region, object->seat.tag.seat);
	atomic_store(&entry->word, word_make(state, object->seat.tag));
}

/* We hold the byte: whatever the word says, its owner is dead. Step 1. */
void object_enter_seat(struct object *object, uint32_t role)
{
	const struct region *region = &object->segment.region;
	struct tag *tag = &object->seat.tag;
	struct seat_entry *entry = seat_entry(region, tag->seat);
	uint64_t word = atomic_load(&entry->word);
	if (word_state(word) != SEAT_FREE)
		object_roll_seat(region, object->kind, tag->seat, word, false);
	tag->generation = word_tag(word).generation + 1;
	set_seat(object, SEAT_JOINING);
	object->fences_itself = os->barrier_register() < 0;
	seat_describe(entry, role, object->fences_itself ? SEAT_FENCES_ITSELF : 0);
}

void object_undo_seat(struct object *object)
{
	set_seat(object, SEAT_FREE);
	seat_unlock(&object->seat);
}

/* Steps 2 to 4. 0: we are a member. -GONE: it is, start again by name. */
static int settle(struct object *object)
{
	bool keep = object->segment.fixed.flags & SEGMENT_KEEP;
	_Atomic uint64_t *lifetime = lifetime_of(&object->segment.region);
	int64_t limit = os->now_ns() + RETRY_LIMIT_NS;
	while (os->now_ns() < limit) {
		if (!keep && !object_has_member(object)) {
			int r = object_retire(object, false);
			if (r == 0)
				return -GONE;
			if (r != -EBUSY)
				return r;
			continue; /* a member came: join it */
		}
		set_seat(object, SEAT_TAKEN);
		uint64_t seen = atomic_load(lifetime);
		if (word_state(seen) == LIFETIME_REMOVING)
			atomic_compare_exchange_strong(lifetime, &seen, plain(LIFETIME_LIVE));
		seen = atomic_load(lifetime);
		if (word_state(seen) == LIFETIME_LIVE)
			return 0;
		set_seat(object, SEAT_JOINING);
		if (word_state(seen) == LIFETIME_REMOVED) {
			int r = finish_removal(object);
			return r < 0 ? r : -GONE;
		}
		if (word_state(seen) != LIFETIME_REMOVING)
			return error_fail(EBADMSG, "'%s' has a damaged lifetime word",
					  object->segment.name.text);
	}
	return error_fail(EBUSY, "'%s' is being removed over and over", object->segment.name.text);
}

/*
 * A file of an earlier boot, or one whose place was being written when its writer died. Nobody of
 * that boot lives; the locks of this boot say who does. A death in here leaves the old place, and
 * the next one starts over.
 */
static int adopt(struct object *object)
{
	struct segment *segment = &object->segment;
	int fd = segment_reopen(segment);
	if (fd < 0)
		return fd;
	int64_t limit = os->now_ns() + RETRY_LIMIT_NS;
	int r;
	while ((r = os->lock(fd, SEGMENT_BOOT_LOCK)) == -EAGAIN && os->now_ns() < limit)
		nap();
	if (r == 0 && !segment_reread_place(segment)) {
		r = 0; /* somebody was faster */
	} else if (r == 0) {
		r = object->kind->audit(&segment->region);
		if (r == 0) {
			object->seat.tag.seat = UINT32_MAX; /* we hold none yet */
			object_repair_all(object);
			object->kind->alert(&segment->region);
			r = segment_write_place(segment);
		} else {
			char why[256];
			snprintf(why, sizeof(why), "%s", shoal_error_detail());
			r = error_fail(EBADMSG,
				       "'%s' was left by an earlier boot and is damaged "
				       "(%s); remove it (shoal rm --force)",
				       segment->name.text, why);
		}
	} else if (r == -EAGAIN) {
		r = error_fail(EBUSY, "'%s' is being adopted by a process that does not go on",
			       segment->name.text);
	} else {
		r = error_fail(-r, "can't adopt '%s', left by an earlier boot: %s",
			       segment->name.text, strerror(-r));
	}
	os->unlock(fd, SEGMENT_BOOT_LOCK);
	os->close(fd);
	return r;
}

bool object_fits(const struct segment_fixed *fixed, const struct kind *kind)
{
	return fixed->kind == kind->id && (kind->grows || !(fixed->incompatible & SEGMENT_GROWS));
}

/* Somebody took its memory out of the world without us: those who are in it go on in what nobody
 * new will find. They are told. */
static int finish_foreign_removal(struct object *object)
{
	int r = object_retire(object, true);
	return r < 0 ? r : -GONE;
}

int object_check_kind(const struct segment *segment, const struct kind *kind)
{
	if (segment->fixed.kind != kind->id)
		return error_fail(EPROTOTYPE, "'%s' is an object of another kind, not a %s",
				  segment->name.text, kind->name);
	if (!object_fits(&segment->fixed, kind))
		return error_fail(EBADMSG, "'%s' says that it grows, and a %s does not",
				  segment->name.text, kind->name);
	return 0;
}

static int check_kind(struct object *object)
{
	int r = object_check_kind(&object->segment, object->kind);
	return r < 0 ? r : object->kind->validate(&object->segment.region);
}

static int join(struct object *object, uint32_t role)
{
	struct segment *segment = &object->segment;
	int r = check_kind(object);
	if (r == 0 && segment->other_boot)
		r = adopt(object);
	/* To finish a removal there is a place even when all others are taken. */
	const uint32_t seats = segment->region.seat_count - 1;
	if (r == 0)
		r = segment->doomed ? seat_lock(segment, seats, 1, &object->seat)
				    : seat_lock(segment, 0, seats, &object->seat);
	if (r == -EUSERS && segment->doomed) {
		nap(); /* somebody else is about to finish it */
		return -GONE;
	}
	if (r == -EUSERS)
		r = error_fail(EUSERS, "all %u seats of '%s' are taken; make it for more users",
			       seats, segment->name.text);
	if (r < 0)
		return r;
	object_enter_seat(object, role);
	r = segment->doomed ? finish_foreign_removal(object) : settle(object);
	if (r < 0)
		object_undo_seat(object);
	return r;
}

/* ---- open, make, close ------------------------------------------------------------------- */

/* Before anything is looked at in what is mapped. */
static int guard(struct object *object, const struct object_request *request)
{
	return request->flags & SHOAL_GUARD_SIGBUS ? segment_guard(&object->segment) : 0;
}

/* Once the kind's bytes are known to be sound. What was lost before has not got the marks, so its
 * handle would never learn of it: it is not opened. */
static int mark_lost(struct object *object)
{
	const struct segment *segment = &object->segment;
	if (!segment->guard)
		return 0;
	guard_mark(segment->guard, (struct guard_mark){
				       .offset = offsetof(struct segment_header, lifetime),
				       .count = 1,
				       .value = plain(LIFETIME_REMOVED),
				   });
	if (object->kind->mark_lost)
		object->kind->mark_lost(&segment->region, segment->guard);
	return segment_is_lost(segment) ? segment_fail_lost(segment) : 0;
}

static int make(struct object *object, const struct segment_name *name,
		const struct object_request *request)
{
	int r = segment_create(&object->segment, name, &request->spec);
	if (r < 0)
		return r == -EALREADY ? -GONE : r;
	const struct region *region = &object->segment.region;
	request->fill(region, request->context);
	atomic_store(lifetime_of(region), plain(LIFETIME_LIVE));
	r = guard(object, request);
	if (r == 0)
		r = mark_lost(object);
	if (r == 0)
		r = seat_lock(&object->segment, 0, 1, &object->seat);
	if (r == 0) {
		object_enter_seat(object, request->role);
		set_seat(object, SEAT_TAKEN);
		r = segment_publish(&object->segment);
		if (r == -EEXIST)
			r = -GONE; /* somebody was faster: use theirs */
	}
	if (r < 0) {
		seat_unlock(&object->seat);
		segment_close(&object->segment);
	}
	return r;
}

static int open_existing(struct object *object, const struct segment_name *name,
			 const struct object_request *request)
{
	int r = segment_open(&object->segment, name, request->flags & SHOAL_FOREIGN);
	if (r < 0)
		return r;
	r = guard(object, request);
	if (r == 0)
		r = join(object, request->role);
	if (r < 0 && segment_is_lost(&object->segment))
		r = segment_fail_lost(&object->segment);
	if (r == -ESTALE && segment_is_named(&object->segment) == 0)
		r = -GONE;
	if (r < 0) {
		segment_close(&object->segment);
		return r;
	}
	if (request->flags & SHOAL_EXCLUSIVE) {
		object_close(object);
		return error_fail(EEXIST, "there is an object '%s' already", name->text);
	}
	r = mark_lost(object);
	if (r < 0)
		object_abandon(object);
	return r;
}

static int fail_gone(const struct segment_name *name)
{
	return error_fail(ESTALE, "'%s' was removed: nobody can join it any more", name->text);
}

static void clear(struct object *object, const struct kind *kind)
{
	memset(object, 0, sizeof(*object));
	object->kind = kind;
	object->seat.kept_fd = -1;
	object->segment.fd = -1;
}

/* What is left under the name has no memory any more: nobody is in it. */
static int discard_lost(const struct segment_name *name, unsigned flags, int why)
{
	int r = name->backend->place->discard(name, flags & SHOAL_FOREIGN, why);
	return r < 0 ? r : -GONE;
}

int object_open(struct object *object, const struct segment_name *name,
		const struct object_request *request)
{
	int64_t limit = os->now_ns() + 5 * (int64_t)RETRY_LIMIT_NS;
	int r;
	do {
		clear(object, request->kind);
		r = open_existing(object, name, request);
		if (r == -ENOENT && (request->flags & SHOAL_CREATE)) {
			r = make(object, name, request);
			if (r == 0)
				return 1;
		}
		if (r == -EIDRM)
			r = discard_lost(name, request->flags, r);
		if (r != -GONE)
			return r;
		if (name->backend->nameless) /* it would find the same one again */
			return fail_gone(name);
	} while (os->now_ns() < limit);
	return error_fail(EBUSY, "'%s' is made and removed over and over", name->text);
}

int object_rejoin(struct object *object, const struct object *inherited, uint32_t role)
{
	clear(object, inherited->kind);
	int r = segment_open_inherited(&object->segment, &inherited->segment);
	if (r < 0)
		return r;
	r = join(object, role);
	if (r < 0)
		segment_close(&object->segment);
	return r == -GONE ? fail_gone(&inherited->segment.name) : r;
}

void object_abandon(struct object *object)
{
	seat_unlock(&object->seat);
	segment_close(&object->segment);
}

/* An object whose pages were lost is not left: its bytes are out of reach, and others, whose pages
 * may be well, are not to be told anything. To them it is as if we had died. */
void object_close(struct object *object)
{
	if (segment_is_lost(&object->segment)) {
		object_abandon(object);
		return;
	}
	const struct region *region = &object->segment.region;
	struct seat_entry *entry = seat_entry(region, object->seat.tag.seat);
	uint64_t word = word_make(SEAT_LEAVING, object->seat.tag);
	object_repair_all(object); /* the dead went before us: let their stamps say so */
	object->kind->repair(region, object->seat.tag, true);
	atomic_store(&entry->word, word);
	if (!(object->segment.fixed.flags & SEGMENT_KEEP))
		object_retire(object, false);
	atomic_compare_exchange_strong(&entry->word, &word, word_make(SEAT_FREE, object->seat.tag));
	object_abandon(object);
}
