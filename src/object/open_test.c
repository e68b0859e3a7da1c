/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can stand under a name instead of a sound object: a distinct error for each, and nothing
 * changed on disk by it. And file systems that can do less than a tmpfs.
 */
#include "object/object_rig.h"

#include "base/checksum.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[SEGMENT_PATH_BYTES];
static const char *name; /* of the object of the running test */

static void use(const char *text)
{
	struct segment_name parsed = rig_name(text);
	name = text;
	snprintf(path, sizeof(path), "%s", parsed.path);
}

/* A kept object that nobody is in. */
static void make_idle(const char *text)
{
	struct object object;
	use(text);
	assert_int_equal(rig_open(&object, text, SHOAL_CREATE | SHOAL_KEEP), 1);
	object_close(&object);
}

static void edit(uint64_t offset, const void *bytes, size_t count)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, count, (off_t)offset), count);
	close(fd);
}

static uint64_t sum_of_file(void)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	static uint8_t bytes[65536];
	ssize_t n = fd < 0 ? 0 : read(fd, bytes, sizeof(bytes));
	if (fd >= 0)
		close(fd);
	return checksum(bytes, n > 0 ? (size_t)n : 0);
}

/* The error, its sentence naming the object, and the file as it was. */
static void refused(int error)
{
	struct object object;
	struct stat before, after;
	assert_int_equal(lstat(path, &before), 0);
	uint64_t sum = sum_of_file();
	for (unsigned flags = 0; flags <= SHOAL_CREATE; flags += SHOAL_CREATE) {
		int r = rig_open(&object, name, flags);
		if (r != error)
			fail_msg("%s gives %d (%s)", name, r, shoal_error_detail());
		assert_non_null(strstr(shoal_error_detail(), name));
	}
	assert_int_equal(lstat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(before.st_size, after.st_size);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	assert_int_equal(sum_of_file(), sum);
}

static void write_file(const char *text)
{
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void test_files_that_are_no_objects(void **state)
{
	(void)state;
	use("empty");
	write_file("");
	refused(-ENODATA);
	unlink(path);
	use("text");
	write_file("hello, world\n");
	refused(-EBADMSG);
	unlink(path);
	use("folder");
	assert_int_equal(mkdir(path, 0700), 0);
	refused(-EISDIR);
	rmdir(path);
	use("fifo");
	assert_int_equal(mkfifo(path, 0600), 0);
	refused(-EINVAL);
	unlink(path);
	use("dangling");
	assert_int_equal(symlink("nowhere", path), 0);
	refused(-ELOOP);
	unlink(path);
}

static void test_a_link_to_an_object_is_not_followed(void **state)
{
	(void)state;
	char target[SEGMENT_PATH_BYTES];
	make_idle("target");
	snprintf(target, sizeof(target), "%s", path);
	use("link");
	assert_int_equal(symlink(target, path), 0);
	refused(-ELOOP);
	unlink(path);
	unlink(target);
}

static void test_sizes_that_are_wrong(void **state)
{
	(void)state;
	struct stat st;
	make_idle("size");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, st.st_size + 4096), 0);
	refused(-EBADMSG);
	assert_int_equal(truncate(path, st.st_size - 1), 0);
	refused(-ESTALE);
	assert_int_equal(truncate(path, 200), 0);
	refused(-ESTALE);
	assert_int_equal(truncate(path, 50), 0);
	refused(-EBADMSG); /* not even the header is whole */
	unlink(path);
}

static void edit_fixed(size_t offset, const void *bytes, size_t count)
{
	struct segment_fixed fixed = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &fixed, sizeof(fixed), 0), sizeof(fixed));
	close(fd);
	memcpy((uint8_t *)&fixed + offset, bytes, count);
	fixed.checksum = checksum(&fixed, offsetof(struct segment_fixed, checksum));
	edit(0, &fixed, sizeof(fixed));
}

static void test_headers_that_are_wrong(void **state)
{
	(void)state;
	static const uint64_t grows = SEGMENT_GROWS, unknown = 2, zero = 0;
	static const uint32_t newer = 99, kind = 5;
	make_idle("header");
	edit_fixed(offsetof(struct segment_fixed, incompatible), &unknown, 8);
	refused(-ENOTSUP);
	edit_fixed(offsetof(struct segment_fixed, incompatible), &grows, 8);
	refused(-EBADMSG); /* things of that kind don't */
	edit_fixed(offsetof(struct segment_fixed, incompatible), &zero, 8);
	edit_fixed(offsetof(struct segment_fixed, kind), &kind, 4);
	refused(-EPROTOTYPE);
	edit_fixed(offsetof(struct segment_fixed, layout), &newer, 4);
	refused(-ENOTSUP);
	edit(0,
	     "\x7f"
	     "ELF",
	     4);
	refused(-EBADMSG);
	unlink(path);
}

static uint32_t another_user(void)
{
	return geteuid() + 1;
}

static void test_another_users_object_needs_the_flag(void **state)
{
	(void)state;
	struct object object;
	make_idle("foreign");
	rig_calls.user = another_user;
	refused(-EPERM);
	assert_int_equal(rig_open(&object, name, SHOAL_FOREIGN), 0);
	object_close(&object);
	unlink(path);
}

static void test_a_copy_is_no_object(void **state)
{
	(void)state;
	static char bytes[65536];
	make_idle("original");
	int from = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(from, bytes, sizeof(bytes));
	assert_true(n > 0);
	close(from);
	unlink(path);
	use("copy");
	int to = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_equal(write(to, bytes, (size_t)n), n);
	close(to);
	refused(-EXDEV);
	unlink(path);
}

/* ---- other boots --------------------------------------------------------------------------- */

static int boot_2(uint8_t id[16])
{
	memset(id, 2, 16);
	return 0;
}

static void test_a_file_of_another_boot_is_adopted(void **state)
{
	(void)state;
	struct object object;
	make_idle("boot");
	const uint64_t taken = word_make(SEAT_TAKEN, (struct tag){2, 7});
	edit(SEGMENT_HEADER_BYTES + 2 * sizeof(struct seat_entry), &taken, 8);
	rig_calls.boot_id = boot_2;
	kind_calls.repairs = 0;
	assert_int_equal(rig_open(&object, name, 0), 0);
	assert_int_equal(kind_calls.audits, 1);
	assert_true(kind_calls.alerts > 0);
	assert_int_equal(kind_calls.repairs, 1);
	assert_int_equal(kind_calls.last.seat, 2);
	assert_int_equal(kind_calls.last.generation, 7);
	struct segment_place place = segment_header(&object.segment.region)->place;
	assert_int_equal(place.boot_id[0], 2);
	object_close(&object);
	assert_int_equal(rig_open(&object, name, 0), 0); /* of this boot now: no second audit */
	assert_int_equal(kind_calls.audits, 1);
	object_close(&object);
	unlink(path);
}

static void test_a_damaged_file_of_another_boot_is_refused(void **state)
{
	(void)state;
	make_idle("damaged");
	rig_calls.boot_id = boot_2;
	kind_calls.audit_result = -EBADMSG;
	refused(-EBADMSG);
	assert_non_null(strstr(shoal_error_detail(), "as told")); /* what the audit found */
	unlink(path);
}

/* Its writer was killed in the middle. */
static void test_a_torn_place_is_written_again(void **state)
{
	(void)state;
	struct object object;
	make_idle("torn");
	static const uint64_t nonsense = 12345;
	edit(offsetof(struct segment_header, place) + offsetof(struct segment_place, device),
	     &nonsense, 8);
	assert_int_equal(rig_open(&object, name, 0), 0);
	assert_int_equal(segment_header(&object.segment.region)->place.device,
			 object.segment.device);
	object_close(&object);
	unlink(path);
}

/* ---- lesser file systems ----------------------------------------------------------------- */

static int no_unnamed(const char *directory)
{
	(void)directory;
	return -EOPNOTSUPP;
}

static int count_files(void *context, const char *entry)
{
	(void)entry;
	++*(int *)context;
	return 0;
}

static void test_without_unnamed_files(void **state)
{
	(void)state;
	struct object object, second;
	use("hidden");
	rig_calls.create_unnamed = no_unnamed;
	assert_int_equal(rig_open(&object, name, SHOAL_CREATE), 1);
	int hidden = 0;
	assert_int_equal(os->each_entry(getenv("SHOAL_DIR"), ".shoal-new", count_files, &hidden),
			 0);
	assert_int_equal(hidden, 0);
	assert_int_equal(rig_open(&second, name, 0), 0);
	object_close(&second);
	object_close(&object);
	assert_false(rig_exists(name));
}

static void hidden_path(const char *digits, char ret_path[SEGMENT_PATH_BYTES])
{
	snprintf(ret_path, SEGMENT_PATH_BYTES, "%s/.shoal-new-%s", getenv("SHOAL_DIR"), digits);
}

/* Its maker was killed; the other one's is at work, and has the lock. */
static void test_what_a_killed_maker_left_goes_with_the_next_one(void **state)
{
	(void)state;
	struct object object;
	char left[SEGMENT_PATH_BYTES], made[SEGMENT_PATH_BYTES];
	use("next");
	hidden_path("0123456789abcdef", left);
	hidden_path("fedcba9876543210", made);
	assert_int_equal(os->close(os->create_named(left)), 0);
	int maker = os->create_named(made);
	assert_int_equal(os->lock(maker, SEGMENT_NAME_LOCK), 0);
	rig_calls.create_unnamed = no_unnamed;
	assert_int_equal(rig_open(&object, name, SHOAL_CREATE), 1);
	assert_int_equal(access(left, F_OK), -1);
	assert_int_equal(access(made, F_OK), 0);
	object_close(&object);
	unlink(made);
	os->close(maker);
}

static int swept; /* how often a sweeper was faster than the maker's lock */

static int create_and_sweep(const char *file)
{
	int fd = os_linux.create_named(file);
	if (swept++ < 2)
		unlink(file);
	return fd;
}

static void test_a_maker_whose_file_was_swept_makes_another(void **state)
{
	(void)state;
	struct object object, second;
	use("swept");
	rig_calls.create_unnamed = no_unnamed;
	rig_calls.create_named = create_and_sweep;
	assert_int_equal(rig_open(&object, name, SHOAL_CREATE), 1);
	assert_int_equal(swept, 3);
	assert_int_equal(rig_open(&second, name, 0), 0);
	object_close(&second);
	object_close(&object);
}

static int no_room(int fd, uint64_t offset, uint64_t bytes)
{
	(void)fd;
	(void)offset;
	(void)bytes;
	return -ENOSPC;
}

static void test_a_full_file_system_leaves_nothing(void **state)
{
	(void)state;
	struct object object;
	use("full");
	rig_calls.reserve = no_room;
	for (int hidden = 0; hidden < 2; hidden++) {
		assert_int_equal(rig_open(&object, name, SHOAL_CREATE), -ENOSPC);
		assert_non_null(strstr(shoal_error_detail(), "remount"));
		assert_false(rig_exists(name));
		int files = 0;
		os->each_entry(getenv("SHOAL_DIR"), ".shoal-new", count_files, &files);
		assert_int_equal(files, 0);
		rig_calls.create_unnamed = no_unnamed;
	}
}

static int no_reserving(int fd, uint64_t offset, uint64_t bytes)
{
	(void)fd;
	(void)offset;
	(void)bytes;
	return -EOPNOTSUPP;
}

static void test_a_file_system_that_can_not_reserve_is_told_so(void **state)
{
	(void)state;
	struct object object;
	use("lazy");
	rig_calls.reserve = no_reserving;
	assert_int_equal(rig_open(&object, name, SHOAL_CREATE), -ENOTSUP);
	assert_non_null(strstr(shoal_error_detail(), "fallocate"));
	assert_false(rig_exists(name));
}

static int is_network(int fd, struct os_room *room)
{
	int r = os_linux.room(fd, room);
	room->remote = true;
	return r;
}

static void test_a_network_file_system_is_refused(void **state)
{
	(void)state;
	struct object object;
	make_idle("far");
	rig_calls.room = is_network;
	refused(-ENOTSUP);
	unlink(path);
	assert_int_equal(rig_open(&object, name, SHOAL_CREATE), -ENOTSUP);
	assert_false(rig_exists(name));
}

/* As on overlayfs: the mapping does not keep the description, so the lock goes with close. */
static int map_elsewhere(int fd, uint64_t bytes, enum os_map how, void **ret)
{
	return how == OS_MAP_NONE ? os_linux.map_private(bytes, ret)
				  : os_linux.map(fd, bytes, how, ret);
}

static void test_a_lock_that_goes_with_its_descriptor_is_kept_by_one(void **state)
{
	(void)state;
	struct object a, b;
	use("overlay");
	rig_calls.map = map_elsewhere;
	assert_int_equal(rig_open(&a, name, SHOAL_CREATE), 1);
	assert_true(a.seat.kept_fd >= 0);
	assert_int_equal(rig_open(&b, name, 0), 0);
	assert_true(seat_alive(&a.segment, 0));
	assert_true(seat_alive(&a.segment, 1));
	object_close(&b);
	assert_false(seat_alive(&a.segment, 1));
	object_close(&a);
	assert_false(rig_exists(name));
}

/* ---- calls that fail --------------------------------------------------------------------- */

static int fail_stat_path(const char *ignored, struct os_file *file)
{
	(void)ignored;
	(void)file;
	return -EACCES;
}

static void test_a_removal_that_can_not_see_the_name_says_so(void **state)
{
	(void)state;
	static const struct kind *const kinds[] = {&rig_kind, NULL};
	make_idle("blind");
	struct segment_name parsed = rig_name(name);
	rig_calls.stat_path = fail_stat_path;
	assert_int_equal(object_remove(&parsed, 0, kinds), -EACCES);
	rig_calls.stat_path = os_linux.stat_path;
	assert_true(rig_exists(name));
	assert_int_equal(object_remove(&parsed, 0, kinds), 0);
	assert_false(rig_exists(name));
}

static int no_descriptor_for_proc(uint8_t id[16])
{
	memset(id, 0, 16);
	return -EMFILE;
}

static void test_a_live_object_is_not_adopted_for_want_of_a_descriptor(void **state)
{
	(void)state;
	struct object object, other;
	assert_int_equal(rig_open(&object, "busy", SHOAL_CREATE), 1);
	kind_calls.audits = 0;
	rig_calls.boot_id = no_descriptor_for_proc;
	assert_int_equal(rig_open(&other, "busy", 0), -EMFILE);
	rig_calls.boot_id = os_linux.boot_id;
	assert_int_equal(kind_calls.audits, 0);
	object_close(&object);
}

static int no_stat(int fd, struct os_file *file)
{
	(void)fd;
	(void)file;
	rig_calls.stat_fd = os_linux.stat_fd; /* once */
	return -ENOMEM;
}

static void test_a_file_that_can_not_be_examined_is_closed(void **state)
{
	(void)state;
	struct object object;
	make_idle("unseen");
	int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
	close(next);
	rig_calls.stat_fd = no_stat;
	assert_int_equal(rig_open(&object, name, 0), -ENOMEM);
	int again = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(again, next);
	close(again);
	assert_int_equal(unlink(path), 0);
}

/* Where the lock goes with its descriptor, another joiner may take the byte before we have it
 * again: the second lock of the seat is refused, once. */
static int seat_locks;

static int lock_taken_meanwhile(int fd, uint64_t offset)
{
	if (offset >= SEGMENT_SEAT_LOCK && ++seat_locks == 2)
		return -EAGAIN;
	return os_linux.lock(fd, offset);
}

static int lock_page_that_holds_nothing(int fd, uint64_t bytes, enum os_map how, void **ret)
{
	return how == OS_MAP_NONE ? os_linux.map_private(bytes, ret)
				  : os_linux.map(fd, bytes, how, ret);
}

static void test_a_seat_that_somebody_was_faster_to_lock_is_not_the_end(void **state)
{
	(void)state;
	struct object object;
	seat_locks = 0;
	rig_calls.map = lock_page_that_holds_nothing;
	rig_calls.lock = lock_taken_meanwhile;
	assert_int_equal(rig_open(&object, "fast", SHOAL_CREATE), 1);
	assert_true(seat_locks > 2);
	object_close(&object);
}

/* A lease makes a non-blocking open EAGAIN, which would mean "nothing to be had just now". */
static void test_a_leased_file_is_busy(void **state)
{
	(void)state;
	struct object object;
	make_idle("leased");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	signal(SIGIO, SIG_IGN);
	if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0)
		assert_int_equal(rig_open(&object, name, 0), -EBUSY);
	close(fd);
	assert_int_equal(unlink(path), 0);
}

/* A program may have closed them: what it prints must not be written into an object. */
static void test_an_object_is_never_a_standard_descriptor(void **state)
{
	(void)state;
	int kept[3];
	struct object made, opened;
	for (int fd = 0; fd < 3; fd++) {
		kept[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 10);
		close(fd);
	}
	int r = rig_open(&made, "standard", SHOAL_CREATE);
	int s = rig_open(&opened, "standard", 0);
	bool taken = false;
	for (int fd = 0; fd < 3; fd++) {
		taken |= fcntl(fd, F_GETFD) >= 0;
		dup2(kept[fd], fd);
		close(kept[fd]);
	}
	assert_int_equal(r, 1);
	assert_int_equal(s, 0);
	assert_false(taken);
	object_close(&opened);
	object_close(&made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    RIG_TEST(test_files_that_are_no_objects),
	    RIG_TEST(test_a_link_to_an_object_is_not_followed),
	    RIG_TEST(test_sizes_that_are_wrong),
	    RIG_TEST(test_headers_that_are_wrong),
	    RIG_TEST(test_another_users_object_needs_the_flag),
	    RIG_TEST(test_a_copy_is_no_object),
	    RIG_TEST(test_a_file_of_another_boot_is_adopted),
	    RIG_TEST(test_a_damaged_file_of_another_boot_is_refused),
	    RIG_TEST(test_a_torn_place_is_written_again),
	    RIG_TEST(test_without_unnamed_files),
	    RIG_TEST(test_what_a_killed_maker_left_goes_with_the_next_one),
	    RIG_TEST(test_a_maker_whose_file_was_swept_makes_another),
	    RIG_TEST(test_a_full_file_system_leaves_nothing),
	    RIG_TEST(test_a_file_system_that_can_not_reserve_is_told_so),
	    RIG_TEST(test_a_network_file_system_is_refused),
	    RIG_TEST(test_a_lock_that_goes_with_its_descriptor_is_kept_by_one),
	    RIG_TEST(test_a_removal_that_can_not_see_the_name_says_so),
	    RIG_TEST(test_a_live_object_is_not_adopted_for_want_of_a_descriptor),
	    RIG_TEST(test_a_file_that_can_not_be_examined_is_closed),
	    RIG_TEST(test_a_seat_that_somebody_was_faster_to_lock_is_not_the_end),
	    RIG_TEST(test_a_leased_file_is_busy),
	    RIG_TEST(test_an_object_is_never_a_standard_descriptor),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
