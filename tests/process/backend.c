/* SPDX-License-Identifier: Apache-2.0 */
#include "backend.h"

#include "support.h"

#include <fcntl.h>

/* Descriptors of the objects, from here on: by the place of their names in `names`. */
enum { FIRST_FD = 900, NAMES = 16 };

struct backend_row {
	const char *name;
	bool has_names;
	bool keeps;
};

static const struct backend_row rows[] = {
    {"posix", true, false},
    {"file", true, true},
    {"memfd", false, true},
    {"anon", false, true},
};

static char names[NAMES][64]; /* the tests' names, in the order of their first use */

static const struct backend_row *row(void)
{
	const char *wanted = getenv("SHOAL_TEST_BACKEND");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!wanted || strcmp(rows[i].name, wanted) == 0)
			return &rows[i];
	check_failed(__FILE__, __LINE__, "SHOAL_TEST_BACKEND", "there is no '%s'", wanted);
}

const char *backend_name(void)
{
	return row()->name;
}

bool backend_has_names(void)
{
	return row()->has_names;
}

bool backend_keeps(void)
{
	return row()->keeps;
}

static int descriptor_of(const char *name)
{
	for (int i = 0; i < NAMES; i++) {
		if (names[i][0] == '\0')
			snprintf(names[i], sizeof(names[i]), "%s", name);
		if (strcmp(names[i], name) == 0)
			return FIRST_FD + i;
	}
	check_failed(__FILE__, __LINE__, name, "more than %d names", NAMES);
}

static bool is_made(const char *name)
{
	return fcntl(descriptor_of(name), F_GETFD) >= 0;
}

const char *object_uri(const char *name)
{
	static _Thread_local char texts[4][600];
	static _Thread_local unsigned turn;
	char *text = texts[turn++ % 4];
	int fd = descriptor_of(name);
	if (strcmp(backend_name(), "posix") == 0)
		return name;
	if (strcmp(backend_name(), "file") == 0)
		snprintf(text, sizeof(texts[0]), "file:%s/%s", objects_directory(), name);
	else
		snprintf(text, sizeof(texts[0]), "memfd:fd=%d", fd);
	return text;
}

/* The URI to open with: one that makes it, when there is none yet and it is asked for. */
static const char *to_open(const char *name, unsigned flags)
{
	static _Thread_local char text[128];
	if (backend_has_names() || is_made(name) || !(flags & SHOAL_CREATE))
		return object_uri(name);
	snprintf(text, sizeof(text), "%s:%s", backend_name(), name);
	return text;
}

static void keep_descriptor(const char *name, int fd)
{
	int number = descriptor_of(name);
	if (backend_has_names() || is_made(name))
		return;
	CHECKF(fd >= 0 && dup3(fd, number, O_CLOEXEC) == number, "descriptor %d: %s", fd,
	       strerror(errno));
}

int open_pub(shoal_pub **ret, const char *name, unsigned flags,
	     const struct shoal_topic_options *options)
{
	int r = shoal_pub_open(ret, to_open(name, flags), flags, options);
	if (r == 1)
		keep_descriptor(name, shoal_pub_fd(*ret));
	return r;
}

int open_sub(shoal_sub **ret, const char *name, unsigned flags,
	     const struct shoal_topic_options *options)
{
	int r = shoal_sub_open(ret, to_open(name, flags), flags, options);
	if (r == 1)
		keep_descriptor(name, shoal_sub_fd(*ret));
	return r;
}

/* By a subscriber that leaves at once: no publisher has ended it. */
static int prepare(const char *name, unsigned flags, const struct shoal_topic_options *options)
{
	shoal_sub *sub;
	int r = open_sub(&sub, name, flags | SHOAL_CREATE | SHOAL_LOSSY, options);
	if (r >= 0)
		shoal_sub_close(sub);
	return r < 0 ? r : 0;
}

void object_prepare(const char *name, const struct shoal_topic_options *options)
{
	bool made = is_made(name); /* and the name is known from here on */
	if (!backend_has_names() && !made)
		CHECK_R(0, prepare(name, 0, options));
}

int create_topic(const char *name, unsigned flags, const struct shoal_topic_options *options)
{
	if (!backend_has_names() && !is_made(name))
		return prepare(name, flags, options);
	return shoal_topic_create(object_uri(name), flags, options);
}

int stat_topic(const char *name, unsigned flags, struct shoal_topic_stat **ret)
{
	return shoal_topic_stat(object_uri(name), flags, ret);
}

int audit_topic(const char *name, unsigned flags)
{
	return shoal_topic_audit(object_uri(name), flags);
}

int remove_topic(const char *name, unsigned flags)
{
	int r = shoal_remove(object_uri(name), flags);
	if (r == 0 && !backend_has_names())
		close(descriptor_of(name));
	return r;
}

void object_end(const char *name)
{
	bool there = backend_has_names() ? backend_keeps() : is_made(name);
	int r = there ? remove_topic(name, 0) : -ENOENT;
	CHECKF(r == 0 || r == -ENOENT, "'%s' at the end: %d, %s", name, r, shoal_error_detail());
}

void objects_end(void)
{
	for (int i = 0; i < NAMES && names[i][0]; i++) {
		object_end(names[i]);
		names[i][0] = '\0';
	}
}
