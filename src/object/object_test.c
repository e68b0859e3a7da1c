/* SPDX-License-Identifier: Apache-2.0 */
/* Joining, leaving, dying and removing, with every state that a kill can leave set by hand. */
#include "object/object_rig.h"

#include <sys/stat.h>
#include <unistd.h>

#define CREATE SHOAL_CREATE

static uint64_t lifetime(unsigned state, uint32_t seat, uint32_t generation)
{
	return word_make(state, (struct tag){seat, generation});
}

static void test_the_last_to_leave_removes_it(void **state)
{
	(void)state;
	struct object a, b, c;
	assert_int_equal(rig_open(&a, "x", 0), -ENOENT);
	assert_int_equal(rig_open(&a, "x", CREATE), 1);
	assert_int_equal(rig_open(&b, "x", CREATE), 0);
	assert_int_equal(a.seat.tag.seat, 0);
	assert_int_equal(b.seat.tag.seat, 1);
	assert_int_equal(b.segment.region.base[b.segment.region.body_offset], 0x5a);
	assert_int_equal(rig_open(&c, "x", CREATE | SHOAL_EXCLUSIVE), -EEXIST);
	assert_int_equal(word_state(rig_seat(&a, 2)), SEAT_FREE);
	object_close(&a);
	assert_true(rig_exists("x"));
	assert_int_equal(object_check(&b), 0);
	object_close(&b);
	assert_false(rig_exists("x"));
}

static void test_a_kept_object_stays(void **state)
{
	(void)state;
	struct object a;
	assert_int_equal(rig_open(&a, "keep", CREATE | SHOAL_KEEP), 1);
	object_close(&a);
	assert_true(rig_exists("keep"));
	assert_int_equal(rig_open(&a, "keep", 0), 0);
	assert_int_equal(a.seat.tag.generation, 2); /* the seat's second holder */
	object_close(&a);
	struct segment_name name = rig_name("keep");
	const struct kind *const kinds[] = {&rig_kind, NULL};
	assert_int_equal(object_remove(&name, 0, kinds), 0);
	assert_false(rig_exists("keep"));
	assert_int_equal(object_remove(&name, 0, kinds), -ENOENT);
}

static void test_the_mode_is_what_was_asked_for(void **state)
{
	(void)state;
	struct object a;
	struct stat st;
	mode_t before = umask(0777);
	assert_int_equal(rig_open(&a, "mode", CREATE), 1);
	umask(before);
	struct segment_name name = rig_name("mode");
	assert_int_equal(stat(name.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	object_close(&a);
}

static void test_all_seats_taken(void **state)
{
	(void)state;
	struct object objects[6];
	for (int i = 0; i < 5; i++)
		assert_int_equal(rig_open(&objects[i], "full", CREATE), i == 0);
	assert_int_equal(rig_open(&objects[5], "full", 0), -EUSERS); /* the last is the remover's */
	rig_kill(&objects[2]);
	kind_calls.repairs = 0;
	assert_int_equal(rig_open(&objects[5], "full", 0), 0);
	assert_int_equal(objects[5].seat.tag.seat, 2);
	assert_int_equal(objects[5].seat.tag.generation, 2);
	assert_int_equal(kind_calls.repairs, 1); /* for the dead one, before its seat is used */
	assert_int_equal(kind_calls.last.seat, 2);
	assert_int_equal(kind_calls.last.generation, 1);
	assert_int_equal(kind_calls.orderly, 0);
	rig_bury(&objects[2]);
	dead_seats = 0;
	for (int i = 0; i < 6; i++)
		if (i != 2)
			object_close(&objects[i]);
	assert_false(rig_exists("full"));
}

static void test_the_dead_are_repaired_once_and_the_living_never(void **state)
{
	(void)state;
	struct object a, b;
	assert_int_equal(rig_open(&a, "repair", CREATE), 1);
	assert_int_equal(rig_open(&b, "repair", 0), 0);
	assert_int_equal(object_repair_seat(&a, 1), 0);
	assert_int_equal(object_repair_seat(&a, 0), 0);
	assert_int_equal(object_repair_seat(&a, 99), 0);
	assert_int_equal(kind_calls.repairs, 0);
	rig_kill(&b);
	assert_int_equal(object_repair_all(&a), 1);
	assert_int_equal(kind_calls.repairs, 1);
	assert_int_equal(rig_seat(&a, 1), word_make(SEAT_FREE, (struct tag){1, 1}));
	assert_int_equal(object_repair_all(&a), 0);
	assert_int_equal(kind_calls.repairs, 1);
	rig_bury(&b);
	object_close(&a);
	assert_false(rig_exists("repair"));
}

/* Between the kernel's word that it is dead and our lock, another repairer was there. */
static int lock_after_another(int fd, uint64_t offset)
{
	if (is_dead_byte(offset))
		return -EAGAIN;
	return os_linux.lock(fd, offset);
}

static void test_two_repairers_do_not_meet(void **state)
{
	(void)state;
	struct object a, b;
	assert_int_equal(rig_open(&a, "two", CREATE), 1);
	assert_int_equal(rig_open(&b, "two", 0), 0);
	rig_kill(&b);
	rig_calls.lock = lock_after_another;
	assert_int_equal(object_repair_seat(&a, 1), 0);
	assert_int_equal(kind_calls.repairs, 0);
	rig_calls.lock = rig_lock;
	rig_bury(&b);
	object_close(&a);
}

static void test_tags_are_current_while_the_seat_is_theirs(void **state)
{
	(void)state;
	struct object a;
	assert_int_equal(rig_open(&a, "tags", CREATE), 1);
	const struct region *region = &a.segment.region;
	assert_true(object_tag_current(region, a.seat.tag));
	assert_false(object_tag_current(region, (struct tag){0, 2}));
	assert_false(object_tag_current(region, (struct tag){1, 0}));
	assert_false(object_tag_current(region, (struct tag){6, 0}));
	assert_false(object_tag_current(region, (struct tag){0xffff, 0}));
	object_close(&a);
}

/* ---- leftovers and races, step by step --------------------------------------------------- */

static void test_what_was_left_by_the_killed_is_removed_by_the_next(void **state)
{
	(void)state;
	struct object a, b;
	assert_int_equal(rig_open(&a, "left", CREATE), 1);
	rig_kill(&a);
	assert_int_equal(rig_open(&b, "left", 0), -ENOENT);
	assert_false(rig_exists("left"));
	rig_bury(&a);
	dead_seats = 0;
	assert_int_equal(rig_open(&b, "left", CREATE), 1);
	object_close(&b);
	assert_false(rig_exists("left"));
}

static void test_a_joiner_vetoes_a_removal(void **state)
{
	(void)state;
	struct object a, b;
	assert_int_equal(rig_open(&a, "veto", CREATE), 1);
	*rig_lifetime(&a) =
	    lifetime(LIFETIME_REMOVING, 3, 9); /* alive or not: it does not matter */
	assert_int_equal(rig_open(&b, "veto", 0), 0);
	assert_int_equal(*rig_lifetime(&a), lifetime(LIFETIME_LIVE, 0, 0));
	object_close(&b);
	object_close(&a);
	assert_false(rig_exists("veto"));
}

static void test_a_leaver_takes_over_an_abandoned_removal(void **state)
{
	(void)state;
	struct object a;
	assert_int_equal(rig_open(&a, "over", CREATE), 1);
	*rig_lifetime(&a) = lifetime(LIFETIME_REMOVING, 3, 9);
	object_close(&a);
	assert_false(rig_exists("over"));
}

static void test_a_removal_stops_when_somebody_is_there(void **state)
{
	(void)state;
	struct object a, b;
	assert_int_equal(rig_open(&a, "busy", CREATE), 1);
	assert_int_equal(rig_open(&b, "busy", 0), 0);
	assert_int_equal(object_retire(&b, false), -EBUSY);
	assert_int_equal(*rig_lifetime(&a), lifetime(LIFETIME_LIVE, 0, 0));
	assert_true(rig_exists("busy"));
	object_close(&b);
	object_close(&a);
}

/* The remover died between its last word and the unlinking: the name leads to a dead object. */
static void test_a_removal_that_was_not_finished_is_finished(void **state)
{
	(void)state;
	struct object a, b;
	assert_int_equal(rig_open(&a, "half", CREATE), 1);
	*rig_lifetime(&a) = lifetime(LIFETIME_REMOVED, 0, 0);
	assert_int_equal(object_check(&a), -ESTALE);
	assert_int_equal(rig_open(&b, "half", CREATE), 1); /* a new one under the name */
	assert_int_not_equal(a.segment.inode, b.segment.inode);
	object_close(&a); /* and the old one's leaver takes nothing from it */
	assert_true(rig_exists("half"));
	assert_int_equal(object_check(&b), 0);
	object_close(&b);
	assert_false(rig_exists("half"));
}

static void test_force_removes_what_is_in_use(void **state)
{
	(void)state;
	const struct kind *const kinds[] = {&rig_kind, NULL};
	struct segment_name name = rig_name("forced");
	struct object a;
	char pid[32];
	assert_int_equal(rig_open(&a, "forced", CREATE), 1);
	assert_int_equal(object_remove(&name, 0, kinds), -EBUSY);
	snprintf(pid, sizeof(pid), "%d", getpid());
	assert_non_null(strstr(shoal_error_detail(), pid)); /* it says who */
	assert_int_equal(object_check(&a), 0);
	kind_calls.alerts = 0;
	assert_int_equal(object_remove(&name, SHOAL_FORCE, kinds), 0);
	assert_true(kind_calls.alerts > 0);
	assert_int_equal(object_check(&a), -ESTALE);
	assert_false(rig_exists("forced"));
	object_close(&a);
}

static void test_a_damaged_lifetime_word_is_no_endless_loop(void **state)
{
	(void)state;
	struct object a, b;
	assert_int_equal(rig_open(&a, "mad", CREATE), 1);
	*rig_lifetime(&a) = lifetime(200, 1, 1);
	assert_int_equal(rig_open(&b, "mad", 0), -EBADMSG);
	object_close(&a); /* takes it for anything, and removes it */
	assert_false(rig_exists("mad"));
}

static void test_a_seat_of_a_joiner_that_died_is_used_again(void **state)
{
	(void)state;
	struct object a, b;
	assert_int_equal(rig_open(&a, "joining", CREATE), 1);
	seat_entry(&a.segment.region, 1)->word = word_make(SEAT_JOINING, (struct tag){1, 5});
	assert_int_equal(rig_open(&b, "joining", 0), 0);
	assert_int_equal(b.seat.tag.seat, 1);
	assert_int_equal(b.seat.tag.generation, 6);
	object_close(&b);
	object_close(&a);
}

static void test_generations_go_round(void **state)
{
	(void)state;
	struct object a, b;
	assert_int_equal(rig_open(&a, "round", CREATE), 1);
	seat_entry(&a.segment.region, 1)->word = word_make(SEAT_FREE, (struct tag){1, UINT32_MAX});
	assert_int_equal(rig_open(&b, "round", 0), 0);
	assert_int_equal(rig_seat(&a, 1), word_make(SEAT_TAKEN, (struct tag){1, 0}));
	object_close(&b);
	object_close(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    RIG_TEST(test_the_last_to_leave_removes_it),
	    RIG_TEST(test_a_kept_object_stays),
	    RIG_TEST(test_the_mode_is_what_was_asked_for),
	    RIG_TEST(test_all_seats_taken),
	    RIG_TEST(test_the_dead_are_repaired_once_and_the_living_never),
	    RIG_TEST(test_two_repairers_do_not_meet),
	    RIG_TEST(test_tags_are_current_while_the_seat_is_theirs),
	    RIG_TEST(test_what_was_left_by_the_killed_is_removed_by_the_next),
	    RIG_TEST(test_a_joiner_vetoes_a_removal),
	    RIG_TEST(test_a_leaver_takes_over_an_abandoned_removal),
	    RIG_TEST(test_a_removal_stops_when_somebody_is_there),
	    RIG_TEST(test_a_removal_that_was_not_finished_is_finished),
	    RIG_TEST(test_force_removes_what_is_in_use),
	    RIG_TEST(test_a_damaged_lifetime_word_is_no_endless_loop),
	    RIG_TEST(test_a_seat_of_a_joiner_that_died_is_used_again),
	    RIG_TEST(test_generations_go_round),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
