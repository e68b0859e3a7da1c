/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests on real objects in SHOAL_DIR: a kind without a body to speak of, which counts what is
 * asked of it, and an os table in which seats can be declared dead.
 */
#ifndef SHOAL_OBJECT_OBJECT_RIG_H
#define SHOAL_OBJECT_OBJECT_RIG_H

#include "base/error.h"
#include "object/object.h"

#include <errno.h>
#include <setjmp.h>
#include <shoal/error.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RIG_KIND 77u

static struct {
	int repairs;
	int orderly;
	int alerts;
	int audits;
	int audit_result;
	struct tag last;
} kind_calls;

static int kind_validate(const struct region *region)
{
	(void)region;
	return 0;
}

static void kind_repair(const struct region *region, struct tag tag, bool orderly)
{
	(void)region;
	kind_calls.repairs++;
	kind_calls.orderly += orderly;
	kind_calls.last = tag;
}

static void kind_alert(const struct region *region)
{
	(void)region;
	kind_calls.alerts++;
}

static int kind_audit(const struct region *region)
{
	(void)region;
	kind_calls.audits++;
	return kind_calls.audit_result < 0 ? error_fail(EBADMSG, "as told") : 0;
}

static const struct kind rig_kind = {
    .id = RIG_KIND,
    .name = "thing",
    .validate = kind_validate,
    .repair = kind_repair,
    .alert = kind_alert,
    .audit = kind_audit,
};

static void rig_fill(const struct region *region, const void *context)
{
	(void)context;
	memset(region->base + region->body_offset, 0x5a, 64);
}

static struct segment_name rig_name(const char *text)
{
	struct segment_name name;
	assert_int_equal(segment_name_parse(text, &name), 0);
	return name;
}

static inline int rig_open(struct object *object, const char *text, unsigned flags)
{
	struct segment_name name = rig_name(text);
	struct object_request request = {
	    .kind = &rig_kind,
	    .role = 1,
	    .flags = flags,
	    .spec = {.kind = RIG_KIND,
		     .seat_count = 6,
		     .body_bytes = 8192,
		     .reserve_bytes = 4096,
		     .mode = 0640,
		     .keep = (flags & SHOAL_KEEP) || name.backend->keep},
	    .fill = rig_fill,
	};
	return object_open(object, &name, &request);
}

static inline bool rig_exists(const char *text)
{
	struct segment_name name = rig_name(text);
	struct os_file file;
	return os->stat_path(name.path, &file) == 0;
}

static inline uint64_t rig_seat(const struct object *object, uint32_t number)
{
	return seat_entry(&object->segment.region, number)->word;
}

static inline _Atomic uint64_t *rig_lifetime(const struct object *object)
{
	return &segment_header(&object->segment.region)->lifetime;
}

/* ---- the dead ------------------------------------------------------------------------------ */

static struct os_calls rig_calls;
static uint64_t dead_seats; /* one bit each: the kernel says that nobody holds their bytes */

static bool is_dead_byte(uint64_t offset)
{
	return offset >= SEGMENT_SEAT_LOCK && offset < SEGMENT_SEAT_LOCK + 64 &&
	       (dead_seats >> (offset - SEGMENT_SEAT_LOCK) & 1);
}

static int rig_lock(int fd, uint64_t offset)
{
	return is_dead_byte(offset) ? 0 : os_linux.lock(fd, offset);
}

static int rig_unlock(int fd, uint64_t offset)
{
	return is_dead_byte(offset) ? 0 : os_linux.unlock(fd, offset);
}

static int rig_lock_held(int fd, uint64_t offset)
{
	return is_dead_byte(offset) ? 0 : os_linux.lock_held(fd, offset);
}

/* As if the process behind it had been killed: its lock is gone, its words are not. */
static inline void rig_kill(const struct object *object)
{
	dead_seats |= (uint64_t)1 << object->seat.tag.seat;
}

static inline void rig_bury(struct object *object)
{
	object_abandon(object);
}

static inline int rig_set_up(void **state)
{
	(void)state;
	memset(&kind_calls, 0, sizeof(kind_calls));
	dead_seats = 0;
	rig_calls = os_linux;
	rig_calls.lock = rig_lock;
	rig_calls.unlock = rig_unlock;
	rig_calls.lock_held = rig_lock_held;
	os = &rig_calls;
	return 0;
}

static inline int rig_tear_down(void **state)
{
	(void)state;
	os = &os_linux;
	return 0;
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, rig_set_up, rig_tear_down)

#endif
