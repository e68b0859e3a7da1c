/* SPDX-License-Identifier: Apache-2.0 */
/* What others do between two of our steps, and what calls that fail leave of a repair. */
#include "object/object_rig.h"

#include <unistd.h>

static struct object *watched;

/* ---- repair ------------------------------------------------------------------------------ */

static int holds, lets;

static int count_hold(void)
{
	holds++;
	return 0;
}

static int fail_hold(void)
{
	return -ENOMEM;
}

static void count_let(void)
{
	lets++;
}

static int unlocks;

static int count_unlock(int fd, uint64_t offset)
{
	unlocks += is_dead_byte(offset) || offset == SEGMENT_NAME_LOCK;
	return rig_unlock(fd, offset);
}

static int fail_reopen(int fd, bool write)
{
	(void)fd;
	(void)write;
	return -EMFILE;
}

/* A dead one in seat 1, and us in seat 0. */
static void open_with_a_dead_one(struct object *a, struct object *b, const char *name)
{
	assert_int_equal(rig_open(a, name, SHOAL_CREATE), 1);
	assert_int_equal(rig_open(b, name, 0), 0);
	rig_kill(b);
	watched = a;
}

static void close_both(struct object *a, struct object *b)
{
	rig_calls = os_linux;
	rig_bury(b);
	object_close(a);
}

static void test_our_own_seat_is_never_repaired(void **state)
{
	(void)state;
	struct object a;
	assert_int_equal(rig_open(&a, "own", SHOAL_CREATE), 1);
	dead_seats = 1; /* whatever anybody says of it */
	assert_int_equal(object_repair_seat(&a, 0), 0);
	assert_int_equal(kind_calls.repairs, 0);
	assert_int_equal(word_state(rig_seat(&a, 0)), SEAT_TAKEN);
	dead_seats = 0;
	object_close(&a);
}

/* The number comes from a word that anybody may have written. */
static void test_a_seat_that_can_not_be_is_not_looked_at(void **state)
{
	(void)state;
	struct object a;
	assert_int_equal(rig_open(&a, "none", SHOAL_CREATE), 1);
	assert_int_equal(object_repair_seat(&a, a.segment.region.seat_count), 0);
	assert_int_equal(object_repair_seat(&a, 1u << 26), 0);
	assert_int_equal(object_repair_seat(&a, UINT32_MAX), 0);
	assert_int_equal(kind_calls.repairs, 0);
	object_close(&a);
}

static void test_forks_wait_while_a_seat_is_repaired_and_no_longer(void **state)
{
	(void)state;
	struct object a, b;
	open_with_a_dead_one(&a, &b, "hold");
	rig_calls.hold_forks = count_hold;
	rig_calls.let_forks = count_let;
	rig_calls.unlock = count_unlock;
	holds = lets = unlocks = 0;
	assert_int_equal(object_repair_seat(&a, 1), 1);
	assert_int_equal(unlocks, 1); /* at once, even if somebody else had the descriptor */
	assert_int_equal(holds, 1);
	assert_int_equal(lets, 1);
	close_both(&a, &b);
}

static void test_without_holding_up_forks_nothing_is_repaired(void **state)
{
	(void)state;
	struct object a, b;
	open_with_a_dead_one(&a, &b, "nohold");
	rig_calls.hold_forks = fail_hold;
	rig_calls.let_forks = count_let;
	lets = 0;
	assert_int_equal(object_repair_seat(&a, 1), -ENOMEM);
	assert_non_null(strstr(shoal_error_detail(), "nohold"));
	assert_int_equal(kind_calls.repairs, 0);
	assert_int_equal(lets, 0);
	close_both(&a, &b);
}

static void test_a_repair_without_a_descriptor_says_so(void **state)
{
	(void)state;
	struct object a, b;
	open_with_a_dead_one(&a, &b, "nofd");
	rig_calls.reopen = fail_reopen;
	assert_int_equal(object_repair_seat(&a, 1), -EMFILE);
	assert_int_equal(kind_calls.repairs, 0);
	assert_int_equal(word_state(rig_seat(&a, 1)), SEAT_TAKEN);
	close_both(&a, &b);
}

static int free_then_lock(int fd, uint64_t offset)
{
	struct seat_entry *entry = seat_entry(&watched->segment.region, 1);
	if (is_dead_byte(offset))
		entry->word = word_make(SEAT_FREE, word_tag(entry->word));
	return rig_lock(fd, offset);
}

/* Another repairer was there before we had the byte. */
static void test_what_is_free_by_now_is_not_repaired(void **state)
{
	(void)state;
	struct object a, b;
	open_with_a_dead_one(&a, &b, "free");
	rig_calls.lock = free_then_lock;
	assert_int_equal(object_repair_seat(&a, 1), 0);
	assert_int_equal(kind_calls.repairs, 0);
	close_both(&a, &b);
}

/* ---- removal ----------------------------------------------------------------------------- */

static void test_a_removed_object_with_members_is_removed_to_the_end(void **state)
{
	(void)state;
	struct object a, b;
	assert_int_equal(rig_open(&a, "members", SHOAL_CREATE), 1);
	assert_int_equal(rig_open(&b, "members", 0), 0);
	*rig_lifetime(&a) = word_make(LIFETIME_REMOVED, (struct tag){0, 0});
	assert_int_equal(object_retire(&b, false), 0);
	assert_false(rig_exists("members"));
	assert_int_equal(object_check(&a), -ESTALE);
	object_close(&b);
	object_close(&a);
}

static int removed_meanwhile(int fd, uint64_t offset)
{
	*rig_lifetime(watched) = word_make(LIFETIME_REMOVED, (struct tag){0, 0});
	return rig_lock_held(fd, offset);
}

/* While we asked whether anybody is there, another one removed it, and died before the unlinking.
 */
static void test_a_removal_that_somebody_overtook_is_finished(void **state)
{
	(void)state;
	struct object a, b;
	open_with_a_dead_one(&a, &b, "overtaken");
	rig_calls.lock_held = removed_meanwhile;
	assert_int_equal(object_retire(&a, false), 0);
	rig_calls.lock_held = rig_lock_held;
	assert_false(rig_exists("overtaken"));
	close_both(&a, &b);
}

static int joined_meanwhile(int fd, uint64_t offset)
{
	*rig_lifetime(watched) = word_make(LIFETIME_LIVE, (struct tag){0, 0});
	return rig_lock_held(fd, offset);
}

/* A joiner's veto between the look and the last step: not removed; by force it is. */
static void test_a_late_veto_is_heard_unless_by_force(void **state)
{
	(void)state;
	struct object a, b;
	open_with_a_dead_one(&a, &b, "late");
	rig_calls.lock_held = joined_meanwhile;
	assert_int_equal(object_retire(&a, false), -EBUSY);
	assert_true(rig_exists("late"));
	assert_int_equal(object_retire(&a, true), 0);
	assert_false(rig_exists("late"));
	close_both(&a, &b);
}

static int refuse_unlink(const char *path)
{
	(void)path;
	return -EPERM;
}

static void test_a_leftover_that_can_not_be_removed_is_an_error_at_once(void **state)
{
	(void)state;
	struct object a, b;
	assert_int_equal(rig_open(&a, "stuck", SHOAL_CREATE), 1);
	rig_kill(&a);
	rig_calls.unlink = refuse_unlink;
	assert_int_equal(rig_open(&b, "stuck", 0), -EPERM);
	assert_non_null(strstr(shoal_error_detail(), "stuck"));
	rig_calls.unlink = os_linux.unlink;
	assert_int_equal(rig_open(&b, "stuck", 0), -ENOENT);
	rig_bury(&a);
}

static int opens;

/* The first look finds nothing: the object was made only then. */
static int open_too_early(const char *path, bool write)
{
	return opens++ == 0 ? -ENOENT : os_linux.open(path, write);
}

static int64_t read_damage_first(int fd, void *buffer, size_t bytes, uint64_t offset)
{
	int64_t n = os_linux.read_at(fd, buffer, bytes, offset);
	if (opens++ == 0)
		memset(buffer, 0x55, bytes);
	return n;
}

static void test_force_takes_nothing_that_was_made_since(void **state)
{
	(void)state;
	static const struct kind *const all[] = {&rig_kind, NULL};
	struct segment_name name = rig_name("anew");
	struct object a;
	assert_int_equal(rig_open(&a, "anew", SHOAL_CREATE), 1);
	opens = 0;
	rig_calls.open = open_too_early;
	assert_int_equal(object_remove(&name, SHOAL_FORCE, all), -ENOENT);
	rig_calls.open = os_linux.open;
	assert_true(rig_exists("anew"));
	opens = 0;
	rig_calls.read_at = read_damage_first;
	assert_int_equal(object_remove(&name, SHOAL_FORCE, all), -EBUSY);
	assert_non_null(strstr(shoal_error_detail(), "anew"));
	rig_calls.read_at = os_linux.read_at;
	assert_true(rig_exists("anew"));
	assert_int_equal(object_check(&a), 0);
	object_close(&a);
	assert_false(rig_exists("anew"));
}

static int naps;

static int64_t quick_clock(void)
{
	static int64_t ahead;
	return os_linux.now_ns() + (ahead += 100000000);
}

static int count_naps(const void *word, uint32_t value, int64_t timeout_ns)
{
	(void)word;
	(void)value;
	(void)timeout_ns;
	naps++;
	return 0;
}

static int name_lock_taken(int fd, uint64_t offset)
{
	return offset == SEGMENT_NAME_LOCK ? -EAGAIN : rig_lock(fd, offset);
}

static int name_lock_broken(int fd, uint64_t offset)
{
	return offset == SEGMENT_NAME_LOCK ? -ENOLCK : rig_lock(fd, offset);
}

/* Without the lock on the name it could be somebody else's by now. */
static void test_nothing_is_unlinked_without_the_lock_on_its_name(void **state)
{
	(void)state;
	struct object a;
	assert_int_equal(rig_open(&a, "unlocked", SHOAL_CREATE), 1);
	rig_calls.now_ns = quick_clock;
	rig_calls.futex_wait = count_naps;
	rig_calls.lock = name_lock_taken;
	naps = 0;
	assert_int_equal(object_retire(&a, true), -EBUSY);
	assert_non_null(strstr(shoal_error_detail(), "unlocked"));
	assert_true(naps > 0);
	assert_true(rig_exists("unlocked"));
	rig_calls.lock = name_lock_broken;
	assert_int_equal(object_retire(&a, true), -ENOLCK);
	assert_true(rig_exists("unlocked"));
	rig_calls.lock = rig_lock;
	rig_calls.unlock = count_unlock;
	unlocks = 0;
	assert_int_equal(object_retire(&a, true), 0);
	assert_int_equal(unlocks, 1); /* and not only by closing */
	assert_false(rig_exists("unlocked"));
	object_close(&a);
}

/* ---- after another boot ------------------------------------------------------------------ */

static int boot_2(uint8_t id[16])
{
	memset(id, 2, 16);
	return 0;
}

static void make_idle(const char *name)
{
	struct object object;
	assert_int_equal(rig_open(&object, name, SHOAL_CREATE | SHOAL_KEEP), 1);
	object_close(&object);
	rig_calls.boot_id = boot_2;
	kind_calls.audits = 0;
}

static void remove_idle(const char *name)
{
	struct segment_name parsed = rig_name(name);
	assert_int_equal(os_linux.unlink(parsed.path), 0);
}

/* Whoever waited for the lock finds the place written, and must not repair under the living. */
static int adopted_meanwhile(int fd, uint64_t offset)
{
	static bool inside;
	struct object other;
	if (offset == SEGMENT_BOOT_LOCK && !inside) {
		inside = true;
		assert_int_equal(rig_open(&other, "faster", 0), 0);
		object_close(&other);
		inside = false;
		kind_calls.audits = 0;
		kind_calls.alerts = 0;
	}
	return rig_lock(fd, offset);
}

static void test_who_is_not_the_first_to_adopt_repairs_nothing(void **state)
{
	(void)state;
	struct object a;
	make_idle("faster");
	rig_calls.lock = adopted_meanwhile;
	assert_int_equal(rig_open(&a, "faster", 0), 0);
	assert_int_equal(kind_calls.audits, 0);
	assert_int_equal(kind_calls.alerts, 0);
	rig_calls.lock = rig_lock;
	object_close(&a);
	remove_idle("faster");
}

static int boot_unlocks;

static int count_boot_unlock(int fd, uint64_t offset)
{
	boot_unlocks += offset == SEGMENT_BOOT_LOCK;
	return rig_unlock(fd, offset);
}

/* Not only by closing: a child of another thread may have the descriptor. */
static void test_an_adoption_is_unlocked_at_once(void **state)
{
	(void)state;
	struct object a;
	make_idle("adopted");
	rig_calls.unlock = count_boot_unlock;
	boot_unlocks = 0;
	assert_int_equal(rig_open(&a, "adopted", 0), 0);
	assert_int_equal(boot_unlocks, 1);
	object_close(&a);
	remove_idle("adopted");
}

static int boot_lock_taken(int fd, uint64_t offset)
{
	return offset == SEGMENT_BOOT_LOCK ? -EAGAIN : rig_lock(fd, offset);
}

static int boot_lock_broken(int fd, uint64_t offset)
{
	return offset == SEGMENT_BOOT_LOCK ? -ENOLCK : rig_lock(fd, offset);
}

static void test_an_adoption_that_does_not_go_on_is_busy(void **state)
{
	(void)state;
	struct object a;
	make_idle("halted");
	rig_calls.lock = boot_lock_taken;
	rig_calls.now_ns = quick_clock;
	rig_calls.futex_wait = count_naps;
	naps = 0;
	assert_int_equal(rig_open(&a, "halted", 0), -EBUSY);
	assert_non_null(strstr(shoal_error_detail(), "adopted"));
	assert_true(naps > 0); /* it waited, and did not spin */
	rig_calls.lock = boot_lock_broken;
	assert_int_equal(rig_open(&a, "halted", 0), -ENOLCK);
	assert_int_equal(kind_calls.audits, 0);
	remove_idle("halted");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    RIG_TEST(test_our_own_seat_is_never_repaired),
	    RIG_TEST(test_a_seat_that_can_not_be_is_not_looked_at),
	    RIG_TEST(test_forks_wait_while_a_seat_is_repaired_and_no_longer),
	    RIG_TEST(test_without_holding_up_forks_nothing_is_repaired),
	    RIG_TEST(test_a_repair_without_a_descriptor_says_so),
	    RIG_TEST(test_what_is_free_by_now_is_not_repaired),
	    RIG_TEST(test_a_removed_object_with_members_is_removed_to_the_end),
	    RIG_TEST(test_a_removal_that_somebody_overtook_is_finished),
	    RIG_TEST(test_a_late_veto_is_heard_unless_by_force),
	    RIG_TEST(test_a_leftover_that_can_not_be_removed_is_an_error_at_once),
	    RIG_TEST(test_force_takes_nothing_that_was_made_since),
	    RIG_TEST(test_nothing_is_unlinked_without_the_lock_on_its_name),
	    RIG_TEST(test_an_adoption_is_unlocked_at_once),
	    RIG_TEST(test_who_is_not_the_first_to_adopt_repairs_nothing),
	    RIG_TEST(test_an_adoption_that_does_not_go_on_is_busy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
