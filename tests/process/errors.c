/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can't be opened: each wrong file and each wrong name gives its own error and a sentence that
 * names it, and changes nothing, on disk or in the process.
 */
#include "support.h"

#include "base/checksum.h"
#include "leak_check.h"
#include "picture.h"
#include "segment/segment_layout.h"
#include "topic/topic_layout.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#define NAME "victim"

static const char *object_path(void)
{
	static char path[512];
	snprintf(path, sizeof(path), "%s/shoal:" NAME, objects_directory());
	return path;
}

static unsigned count_entries(void)
{
	unsigned count = 0;
	DIR *dir = opendir(objects_directory());
	CHECK(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* ---- trying to open it ------------------------------------------------------------------- */

enum way { PUB, SUB, LOSSY, CREATING_PUB, CREATING_SUB, STAT, AUDIT, REMOVE, CREATE, WAYS };

static int try_to(enum way way, const char *name)
{
	shoal_pub *pub = NULL;
	shoal_sub *sub = NULL;
	struct shoal_topic_stat *stat = NULL;
	int r = 0;
	switch (way) {
	case PUB:
		r = shoal_pub_open(&pub, name, 0, NULL);
		break;
	case SUB:
		r = shoal_sub_open(&sub, name, 0, NULL);
		break;
	case LOSSY:
		r = shoal_sub_open(&sub, name, SHOAL_LOSSY | SHOAL_FROM_OLDEST, NULL);
		break;
	case CREATING_PUB:
		r = shoal_pub_open(&pub, name, SHOAL_CREATE, NULL);
		break;
	case CREATING_SUB:
		r = shoal_sub_open(&sub, name, SHOAL_CREATE | SHOAL_KEEP, NULL);
		break;
	case STAT:
		r = shoal_topic_stat(name, 0, &stat);
		break;
	case AUDIT:
		r = shoal_topic_audit(name, 0);
		break;
	case REMOVE:
		r = shoal_remove(name, 0);
		break;
	case CREATE:
		r = shoal_topic_create(name, 0, NULL);
		break;
	case WAYS:
		break;
	}
	CHECKF(r >= 0 || (!pub && !sub && !stat), "a handle came with an error");
	shoal_pub_close(pub);
	shoal_sub_close(sub);
	shoal_topic_stat_free(stat);
	return r;
}

/* Each way of using `name` gives `error`, with a sentence that has `word` in it, and leaves the
 * file at `path` (NULL: none) as it is. `skip`: a way that is another story there. */
static void check_refused(const char *name, const char *path, int error, const char *word,
			  enum way skip)
{
	for (enum way way = PUB; way < WAYS; way++) {
		struct picture before = {0};
		if (way == skip)
			continue;
		if (path)
			before = look(path);
		unsigned entries = count_entries();
		struct holdings holdings = holdings_now();
		int r = try_to(way, name);
		const char *detail = shoal_error_detail();
		CHECKF(r == error, "way %d of %s: %s (%d), not %s; %s", (int)way, name,
		       shoal_strerror(r), r, shoal_strerror(error), detail);
		CHECKF(strlen(detail) > 10 && strstr(detail, word),
		       "way %d of %s: the sentence does not say '%s': '%s'", (int)way, name, word,
		       detail);
		for (const char *p = detail; *p; p++)
			CHECKF((unsigned char)*p >= 0x20 && *p != 0x7f,
			       "way %d: the sentence has the byte 0x%02x", (int)way,
			       (unsigned)(unsigned char)*p);
		holdings_check(&holdings, name);
		CHECKF(count_entries() == entries, "way %d made or removed a file", (int)way);
		if (path)
			check_unchanged(path, &before);
	}
}

/* ---- wrong files ------------------------------------------------------------------------- */

static void write_file(const void *bytes, size_t count)
{
	int fd = open(object_path(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	CHECK(write(fd, bytes, count) == (ssize_t)count);
	close(fd);
}

static void discard(void)
{
	CHECK(unlink(object_path()) == 0);
}

static void make_topic(void)
{
	struct shoal_topic_options o = options();
	o.lanes = 2;
	o.subscribers = 4;
	o.slots = 16;
	o.payload_bytes = 4096;
	CHECK_R(0, shoal_topic_create(NAME, SHOAL_EXCLUSIVE, &o));
}

/* Changes the header of the topic, with the right checksums unless `keep_sum`. */
struct header {
	struct segment_fixed fixed;
	uint8_t reserved[32];
	uint8_t lifetime[64];
	struct segment_place place;
};
static_assert(sizeof(struct header) == SEGMENT_HEADER_BYTES, "as in the layout");

static int open_header(const char *path, struct header *header)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	CHECKF(fd >= 0, "%s: %s", path, strerror(errno));
	CHECK(pread(fd, header, sizeof(*header), 0) == sizeof(*header));
	return fd;
}

static void close_header(int fd, struct header *header)
{
	CHECK(pwrite(fd, header, sizeof(*header), 0) == sizeof(*header));
	close(fd);
}

static void seal(struct header *header)
{
	header->fixed.checksum = checksum(&header->fixed, offsetof(struct segment_fixed, checksum));
	header->place.checksum = checksum(&header->place, offsetof(struct segment_place, checksum));
}

/* One case a field: what it is set to, and what must come of it. */
static void check_header(void (*change)(struct header *header), bool sealed, int error,
			 const char *word)
{
	struct header header;
	make_topic();
	int fd = open_header(object_path(), &header);
	change(&header);
	if (sealed)
		seal(&header);
	close_header(fd, &header);
	check_refused(NAME, object_path(), error, word, WAYS);
	/* What can't be opened can be removed all the same, when one insists. */
	CHECK_R(0, shoal_remove(NAME, SHOAL_FORCE));
}

static void wrong_magic(struct header *header)
{
	header->fixed.magic ^= 0x2000;
}

static void newer_layout(struct header *header)
{
	header->fixed.layout++;
}

static void unknown_feature(struct header *header)
{
	header->fixed.incompatible = (uint64_t)1 << 63;
}

static void wrong_created(struct header *header)
{
	header->fixed.created_ns ^= 1;
}

static void many_seats(struct header *header)
{
	header->fixed.seat_count = 0xffffffff;
}

static void no_seats(struct header *header)
{
	header->fixed.seat_count = 0;
}

static void far_body(struct header *header)
{
	header->fixed.body_offset = UINT64_MAX - 4095;
}

static void huge(struct header *header)
{
	header->fixed.total_bytes = UINT64_MAX;
}

static void a_damaged_header_is_refused_and_left_alone(void)
{
	check_header(wrong_magic, true, -EBADMSG, NAME);
	check_header(newer_layout, true, -ENOTSUP, "layout");
	check_header(unknown_feature, true, -ENOTSUP, "features");
	check_header(wrong_created, false, -EBADMSG, "checksum");
	check_header(many_seats, true, -EBADMSG, NAME);
	check_header(no_seats, true, -EBADMSG, NAME);
	check_header(far_body, true, -EBADMSG, NAME);
	check_header(huge, true, -EBADMSG, NAME);
}

/* A kind that this library does not know is a whole object, so it may be removed. */
static void another_kind(struct header *header)
{
	header->fixed.kind = 77;
}

static void an_object_of_another_kind_is_refused_and_left_alone(void)
{
	struct header header;
	make_topic();
	int fd = open_header(object_path(), &header);
	another_kind(&header);
	seal(&header);
	close_header(fd, &header);
	check_refused(NAME, object_path(), -EPROTOTYPE, NAME, REMOVE);
	CHECK_R(0, shoal_remove(NAME, 0));
}

static void an_empty_file_is_refused_and_left_alone(void)
{
	write_file("", 0);
	check_refused(NAME, object_path(), -ENODATA, NAME, WAYS);
	discard();
}

static void a_foreign_file_is_refused_and_left_alone(void)
{
	char text[8192];
	memset(text, 'x', sizeof(text));
	write_file(text, sizeof(text));
	check_refused(NAME, object_path(), -EBADMSG, NAME, WAYS);
	discard();
	write_file(text, 5); /* shorter than a header */
	check_refused(NAME, object_path(), -EBADMSG, NAME, WAYS);
	discard();
}

static void a_truncated_object_is_refused_and_left_alone(void)
{
	static const off_t sizes[] = {-1, -4096, 4096, 300, 256};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct stat st;
		make_topic();
		CHECK(stat(object_path(), &st) == 0);
		off_t size = sizes[i] < 0 ? st.st_size + sizes[i] : sizes[i];
		CHECK(truncate(object_path(), size) == 0);
		check_refused(NAME, object_path(), -ESTALE, "truncated", WAYS);
		discard();
	}
	make_topic();
	CHECK(truncate(object_path(), 50) == 0); /* not even a header */
	check_refused(NAME, object_path(), -EBADMSG, NAME, WAYS);
	discard();
}

static void an_object_that_grew_is_refused_and_left_alone(void)
{
	struct stat st;
	make_topic();
	CHECK(stat(object_path(), &st) == 0);
	CHECK(truncate(object_path(), st.st_size + 4096) == 0);
	check_refused(NAME, object_path(), -EBADMSG, "size", WAYS);
	discard();
}

static void a_damaged_geometry_is_refused_and_left_alone(void)
{
	struct header header;
	struct topic_geometry geometry;
	make_topic();
	int fd = open_header(object_path(), &header);
	off_t at = (off_t)header.fixed.body_offset;
	CHECK(pread(fd, &geometry, sizeof(geometry), at) == sizeof(geometry));
	geometry.slots *= 1024;
	CHECK(pwrite(fd, &geometry, sizeof(geometry), at) == sizeof(geometry));
	check_refused(NAME, object_path(), -EBADMSG, "geometry", REMOVE);
	geometry.checksum = checksum(&geometry, offsetof(struct topic_geometry, checksum));
	CHECK(pwrite(fd, &geometry, sizeof(geometry), at) == sizeof(geometry));
	check_refused(NAME, object_path(), -EBADMSG, "geometry", REMOVE);
	close(fd);
	CHECK_R(0, shoal_remove(NAME, SHOAL_FORCE));
}

static void a_directory_is_refused_and_left_alone(void)
{
	CHECK(mkdir(object_path(), 0700) == 0);
	check_refused(NAME, object_path(), -EISDIR, NAME, WAYS);
	CHECK(shoal_remove(NAME, SHOAL_FORCE) < 0);
	CHECK(rmdir(object_path()) == 0);
}

static void a_symbolic_link_is_refused_and_left_alone(void)
{
	char target[600];
	make_topic();
	snprintf(target, sizeof(target), "%s.real", object_path());
	CHECK(rename(object_path(), target) == 0);
	CHECK(symlink(target, object_path()) == 0);
	struct picture before = look(target);
	check_refused(NAME, object_path(), -ELOOP, "link", WAYS);
	CHECK(shoal_remove(NAME, SHOAL_FORCE) < 0);
	check_unchanged(target, &before);
	discard();
	CHECK(symlink("/nowhere/at/all", object_path()) == 0);
	check_refused(NAME, object_path(), -ELOOP, "link", WAYS);
	discard();
	CHECK(unlink(target) == 0);
}

static void a_fifo_is_refused_and_left_alone(void)
{
	CHECK(mkfifo(object_path(), 0600) == 0);
	check_refused(NAME, object_path(), -EINVAL, NAME, WAYS);
	CHECK(shoal_remove(NAME, SHOAL_FORCE) < 0);
	discard();
}

static void copy_file(const char *from, const char *to)
{
	static char bytes[1 << 16];
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	ssize_t n;
	CHECK(in >= 0 && out >= 0);
	while ((n = read(in, bytes, sizeof(bytes))) > 0)
		CHECK(write(out, bytes, (size_t)n) == n);
	CHECK(n == 0);
	close(in);
	close(out);
}

static void a_copy_of_an_object_is_refused_and_left_alone(void)
{
	char original[600];
	make_topic();
	snprintf(original, sizeof(original), "%s.original", object_path());
	CHECK(rename(object_path(), original) == 0);
	copy_file(original, object_path());
	check_refused(NAME, object_path(), -EXDEV, "copy", WAYS);
	discard();
	CHECK(unlink(original) == 0);
}

static void an_object_of_another_user_is_refused_without_the_flag(void)
{
	shoal_sub *sub;
	struct shoal_topic_stat *stat;
	if (geteuid() != 0) {
		printf("  not root: left out\n");
		return;
	}
	make_topic();
	CHECK(chown(object_path(), 12345, (gid_t)-1) == 0);
	check_refused(NAME, object_path(), -EPERM, "12345", WAYS);
	CHECK_R(-EPERM, shoal_remove(NAME, SHOAL_FORCE));
	CHECK_R(0, shoal_topic_stat(NAME, SHOAL_FOREIGN, &stat));
	CHECK(stat->object.owner_uid == 12345);
	shoal_topic_stat_free(stat);
	CHECK_R(0, shoal_sub_open(&sub, NAME, SHOAL_FOREIGN, NULL));
	shoal_sub_close(sub);
	CHECK_R(0, shoal_remove(NAME, SHOAL_FOREIGN));
}

/* ---- wrong names ------------------------------------------------------------------------- */

static void names_that_try_to_escape_are_refused(void)
{
	static const struct {
		const char *name;
		int error;
	} cases[] = {
	    {"", -EINVAL},           {"/", -EINVAL},          {"..", -EINVAL},
	    {".", -EINVAL},          {"../x", -EINVAL},       {"../../etc/passwd", -EINVAL},
	    {"a/../b", -EINVAL},     {"a/b/c", -EINVAL},      {"a//b", -EINVAL},
	    {"/a", -EINVAL},         {"a/", -EINVAL},         {"/dev/shm/x", -EINVAL},
	    {".hidden", -EINVAL},    {"a/.hidden", -EINVAL},  {"a b", -EINVAL},
	    {"a\nb", -EINVAL},       {"a\033[2Jb", -EINVAL},  {"a\177", -EINVAL},
	    {"\xc3\xa4", -EINVAL},   {"a*", -EINVAL},         {"posix:", -EINVAL},
	    {"posix:../x", -EINVAL}, {"nonsense:x", -EINVAL}, {":x", -EINVAL},
	    {"a:b", -EINVAL},        {"file:", -EINVAL},      {"posix:posix:a", -EINVAL},
	};
	char longest[80];
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_refused(cases[i].name, NULL, cases[i].error, "", WAYS);
	memset(longest, 'n', sizeof(longest));
	longest[64] = '\0';
	check_refused(longest, NULL, -ENAMETOOLONG, "64", WAYS);
	longest[10] = '/';
	longest[11 + 63] = '\0';
	memset(longest + 11, 'n', 63);
	check_refused("g/aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg", NULL,
		      -ENAMETOOLONG, "64", WAYS);
	CHECK_R(0, shoal_topic_create(longest, 0, NULL)); /* 63 is fine */
	CHECK_R(0, shoal_remove(longest, 0));
	check_refused(NULL, NULL, -EINVAL, "NULL", WAYS);
	shoal_sub *sub;
	CHECK_R(-ENOENT, shoal_sub_open(&sub, "nobody", 0, NULL));
	CHECK(!sub && strstr(shoal_error_detail(), "nobody"));
	CHECK_R(-ENOENT, shoal_remove("nobody", SHOAL_FORCE));
}

/* ---- an earlier boot --------------------------------------------------------------------- */

static const char *file_name(void)
{
	static char name[600];
	snprintf(name, sizeof(name), "file:%s/earlier", objects_directory());
	return name;
}

/* A file that was in use when the power went: two seats taken, messages, one being committed. */
static void leave_earlier_boot(void)
{
	struct shoal_topic_options o = options();
	struct header header;
	shoal_pub *pub;
	shoal_sub *sub;
	o.lanes = 2;
	o.subscribers = 4;
	o.slots = 16;
	o.payload_bytes = 4096;
	CHECK_R(1, shoal_pub_open(&pub, file_name(), SHOAL_CREATE, &o));
	CHECK_R(0, shoal_sub_open(&sub, file_name(), 0, NULL));
	for (uint64_t i = 0; i < 10; i++)
		CHECK_R(0, message_publish(pub, SMALL, i, 0));
	char copy[600];
	snprintf(copy, sizeof(copy), "%s.copy", file_name() + 5);
	copy_file(file_name() + 5, copy);
	shoal_pub_close(pub);
	shoal_sub_close(sub);
	CHECK(rename(copy, file_name() + 5) == 0);
	int fd = open_header(file_name() + 5, &header);
	header.place.boot_id[3] ^= 0x55;
	seal(&header);
	close_header(fd, &header);
}

static void a_file_of_an_earlier_boot_is_adopted_with_its_messages(void)
{
	shoal_sub *sub;
	shoal_pub *pub;
	struct shoal_view view;
	leave_earlier_boot();
	CHECK_R(0, shoal_sub_open(&sub, file_name(), SHOAL_FROM_OLDEST, NULL));
	for (uint64_t i = 0; i < 10; i++) {
		CHECK_R(0, shoal_sub_borrow(sub, 0, &view));
		CHECK(view.sequence == i);
		message_check(SMALL, &view);
		CHECK_R(0, shoal_sub_release(sub, &view));
	}
	CHECK_R(0, shoal_pub_open(&pub, file_name(), 0, NULL));
	CHECK(shoal_pub_sequence(pub) == 10);
	for (uint64_t i = 10; i < 100; i++) { /* the subscriber of that boot pins nothing */
		CHECK_R(0, message_publish(pub, SMALL, i, 0));
		CHECK_R(0, shoal_sub_borrow(sub, 0, &view));
		message_check(SMALL, &view);
		CHECK_R(0, shoal_sub_release(sub, &view));
	}
	CHECK_R(0, shoal_topic_audit(file_name(), 0));
	shoal_pub_close(pub);
	shoal_sub_close(sub);
	CHECK_R(0, shoal_topic_audit(file_name(), 0));
	CHECK_R(0, shoal_remove(file_name(), 0));
}

static void a_damaged_file_of_an_earlier_boot_is_refused_and_left_alone(void)
{
	struct header header;
	leave_earlier_boot();
	int fd = open_header(file_name() + 5, &header);
	/* The first lane's owner, position and what follows: behind geometry, wake and shared. */
	uint64_t garbage[16];
	for (int i = 0; i < 16; i++)
		garbage[i] = mix((uint64_t)i);
	off_t at = (off_t)header.fixed.body_offset + (off_t)sizeof(struct topic_body);
	CHECK(pwrite(fd, garbage, sizeof(garbage), at) == sizeof(garbage));
	close(fd);
	for (enum way way = PUB; way <= CREATING_SUB; way++) {
		struct picture before = look(file_name() + 5);
		struct holdings holdings = holdings_now();
		CHECK_R(-EBADMSG, try_to(way, file_name()));
		CHECKF(strstr(shoal_error_detail(), "earlier boot"), "%s", shoal_error_detail());
		check_unchanged(file_name() + 5, &before);
		holdings_check(&holdings, "earlier boot");
	}
	CHECK_R(-EBADMSG, shoal_topic_audit(file_name(), 0));
	CHECK_R(0, shoal_remove(file_name(), SHOAL_FORCE));
}

static void a_file_in_a_folder_that_is_not_there_is_refused(void)
{
	char name[600];
	shoal_pub *pub;
	snprintf(name, sizeof(name), "file:%s/no/such", objects_directory());
	CHECK_R(-ENOENT, shoal_pub_open(&pub, name, SHOAL_CREATE, NULL));
	CHECK(strstr(shoal_error_detail(), "director"));
	snprintf(name, sizeof(name), "file:%s/", objects_directory());
	CHECK_R(-EISDIR, shoal_pub_open(&pub, name, SHOAL_CREATE, NULL));
	CHECK_R(-EISDIR, shoal_remove(name, SHOAL_FORCE));
}

#define CASE(name)                                                                                 \
	{                                                                                          \
#name, name                                                                        \
	}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
	    CASE(an_empty_file_is_refused_and_left_alone),
	    CASE(a_foreign_file_is_refused_and_left_alone),
	    CASE(a_truncated_object_is_refused_and_left_alone),
	    CASE(an_object_that_grew_is_refused_and_left_alone),
	    CASE(a_damaged_header_is_refused_and_left_alone),
	    CASE(an_object_of_another_kind_is_refused_and_left_alone),
	    CASE(a_damaged_geometry_is_refused_and_left_alone),
	    CASE(a_directory_is_refused_and_left_alone),
	    CASE(a_symbolic_link_is_refused_and_left_alone),
	    CASE(a_fifo_is_refused_and_left_alone),
	    CASE(a_copy_of_an_object_is_refused_and_left_alone),
	    CASE(an_object_of_another_user_is_refused_without_the_flag),
	    CASE(names_that_try_to_escape_are_refused),
	    CASE(a_file_of_an_earlier_boot_is_adopted_with_its_messages),
	    CASE(a_damaged_file_of_an_earlier_boot_is_refused_and_left_alone),
	    CASE(a_file_in_a_folder_that_is_not_there_is_refused),
	};
	return RUN_TESTS(argc, argv, tests);
}
