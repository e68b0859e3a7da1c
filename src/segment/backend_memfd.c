/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memfd: and anon: memory files of the kernel, without a name that others could find. Whoever made
 * one, was forked by somebody who has it, or was sent its descriptor, reaches it by that. It lives
 * as long as somebody has a descriptor or a mapping of it, so none is ever left over: all are kept.
 *
 *   memfd:NAME         makes a new one, always; the name is for people (/proc/PID/maps)
 *   memfd:fd=N         the one behind descriptor N of this process
 *   memfd:pid=P,fd=N   the one behind descriptor N of process P, for who may look into it
 *   anon:NAME, anon:   as memfd:NAME; meant for this process and its children
 *
 * A descriptor is opened again through /proc, never used itself: the locks of seats need a
 * description of their own, and the caller's may be closed at any time.
 *
 * SEALS. Once it has its size nobody can shrink it, so that no peer's truncation is anybody's
 * SIGBUS, nor grow it; and no seal can be added: F_SEAL_WRITE would keep later ones from joining.
 * The maker sets them before anybody else has a descriptor; whoever maps it looks first. Holes can
 * still be punched (there is no seal against that alone): what was there reads as zeroes, which is
 * nothing that a peer with write permission could not do by writing.
 */
#include "segment/segment.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What must be sealed. */
static unsigned seals_of(const struct segment *segment)
{
	bool grows = segment->fixed.incompatible & SEGMENT_GROWS;
	return OS_SEAL_SEALS | OS_SEAL_SHRINK | (grows ? 0 : OS_SEAL_GROW);
}

/* ---- names ------------------------------------------------------------------------------- */

/* A number without a sign, to the end or to a comma. Returns what comes behind it, or NULL. */
static const char *read_number(const char *text, uint32_t *ret)
{
	char *end;
	if (*text < '0' || *text > '9')
		return NULL;
	errno = 0;
	unsigned long value = strtoul(text, &end, 10);
	if (errno || value > INT32_MAX || (*end && *end != ','))
		return NULL;
	*ret = (uint32_t)value;
	return end;
}

/* "pid=P," if it is there, and "fd=N". */
static int parse_descriptor(const char *rest, struct segment_name *ret)
{
	uint32_t fd = 0;
	const char *p = rest;
	if (strncmp(p, "pid=", 4) == 0) {
		p = read_number(p + 4, &ret->pid);
		if (!p || *p != ',' || ret->pid == 0)
			return error_fail(EINVAL, "'%s': it is memfd:pid=P,fd=N with two numbers",
					  ret->text);
		p++;
	}
	if (strncmp(p, "fd=", 3) == 0)
		p = read_number(p + 3, &fd);
	else
		p = NULL;
	if (!p || *p)
		return error_fail(EINVAL, "'%s': fd= takes the number of an open descriptor",
				  ret->text);
	ret->descriptor = (int)fd;
	return 0;
}

static int parse_new(const char *rest, struct segment_name *ret)
{
	int r = *rest ? backend_posix_check(rest) : 0;
	if (r < 0)
		return r;
	snprintf(ret->path, SEGMENT_PATH_BYTES, BACKEND_POSIX_PREFIX "%s", rest);
	char *slash = strchr(ret->path, '/');
	if (slash)
		*slash = ':';
	ret->descriptor = -1;
	return 0;
}

static int memfd_parse(const char *rest, struct segment_name *ret)
{
	if (strncmp(rest, "fd=", 3) == 0 || strncmp(rest, "pid=", 4) == 0)
		return parse_descriptor(rest, ret);
	if (*rest == '\0')
		return error_fail(EINVAL, "'memfd:' needs a name for a new object, or fd=N for the "
					  "one behind descriptor N");
	return parse_new(rest, ret);
}

static int anon_parse(const char *rest, struct segment_name *ret)
{
	if (strncmp(rest, "fd=", 3) == 0)
		return error_fail(EINVAL, "'%s': a descriptor is opened as memfd:%s", ret->text,
				  rest);
	return parse_new(rest, ret);
}

/* ---- opening ----------------------------------------------------------------------------- */

static int fail_no_proc(const struct segment_name *name)
{
	return error_fail(ENOSYS,
			  "'%s' can't be opened without /proc, which is not mounted here; mount it "
			  "(mount -t proc proc /proc)",
			  name->text);
}

/* Of a descriptor of ours. What does not exist is either that, or /proc. */
static int fail_own(const struct segment_name *name, int r)
{
	struct os_file file;
	if (os->stat_fd(name->descriptor, &file) == -EBADF)
		return error_fail(EBADF, "'%s': this process has no descriptor %d open", name->text,
				  name->descriptor);
	if (r == -ENOENT)
		return fail_no_proc(name);
	if (r == -EACCES)
		return error_fail(
		    EACCES,
		    "no permission to use '%s': its descriptor was handed on, and its "
		    "mode lets you not open it again; make it with a wider mode",
		    name->text);
	if (r == -ENXIO)
		return error_fail(EINVAL, "'%s': descriptor %d is no memfd", name->text,
				  name->descriptor);
	return error_fail(-r, "can't open '%s': %s", name->text, strerror(-r));
}

static int fail_of_process(const struct segment_name *name, int r)
{
	struct os_process process;
	int look = os->process(name->pid, &process);
	if (r == -ENOENT && look == 0 && process.exists)
		return error_fail(EBADF, "'%s': process %u has no descriptor %d open", name->text,
				  name->pid, name->descriptor);
	if (r == -ENOENT && os->process(os->pid(), &process) == 0 && process.exists)
		return error_fail(ESRCH, "'%s': there is no process %u", name->text, name->pid);
	if (r == -ENOENT)
		return fail_no_proc(name);
	if (r == -EACCES || r == -EPERM)
		return error_fail(-r,
				  "no permission to look at the descriptors of process %u ('%s'): "
				  "only its user and root may",
				  name->pid, name->text);
	if (r == -ENXIO)
		return error_fail(EINVAL, "'%s': that descriptor is no memfd", name->text);
	return error_fail(-r, "can't open '%s': %s", name->text, strerror(-r));
}

/* Only a memfd can have seals, but for the files of a tmpfs: those have names, or had. */
static int check_memfd(const struct segment_name *name, int fd)
{
	struct os_file file;
	int r = os->stat_fd(fd, &file);
	if (r < 0)
		return error_fail(-r, "can't examine '%s': %s", name->text, strerror(-r));
	if (os->seals(fd) < 0 || file.type != OS_REGULAR)
		return error_fail(EINVAL, "'%s': that descriptor is no memfd", name->text);
	if (file.links > 0)
		return error_fail(
		    EINVAL,
		    "'%s': that descriptor is no memfd but a file with a name; open it "
		    "by that",
		    name->text);
	return 0;
}

static int memfd_open(struct segment *segment, bool write)
{
	const struct segment_name *name = &segment->name;
	if (name->descriptor < 0)
		return error_fail(ENOENT,
				  "there is no object '%s' to be found: such objects have no name "
				  "outside; make one (SHOAL_CREATE), or open memfd:fd=N with a "
				  "descriptor that was inherited or received",
				  name->text);
	int fd = os->reopen_of(name->pid, name->descriptor, write);
	if (fd < 0)
		return name->pid ? fail_of_process(name, fd) : fail_own(name, fd);
	int r = check_memfd(name, fd);
	if (r < 0) {
		os->close(fd);
		return r;
	}
	segment->fd = fd;
	return 0;
}

static int memfd_verify(const struct segment *segment)
{
	const unsigned wanted = seals_of(segment);
	int seals = os->seals(segment->fd);
	if (seals >= 0 && ((unsigned)seals & wanted) == wanted)
		return 0;
	return error_fail(EBADMSG,
			  "'%s' is not sealed against being shrunk and grown: it was not made by "
			  "Shoal, and a peer could cut it off under its users",
			  segment->name.text);
}

/* By our own descriptor; or, if somebody closed that, by the one that it was opened by, if that is
 * there still. The caller looks whether it is the same object. */
static int memfd_open_again(const struct segment *segment)
{
	const struct segment_name *name = &segment->name;
	struct os_file file;
	int r = os->stat_fd(segment->fd, &file);
	bool ours = r == 0 && file.device == segment->device && file.inode == segment->inode;
	if (!ours && name->descriptor < 0)
		return -ESTALE;
	r = ours ? os->reopen(segment->fd, true) : os->reopen_of(name->pid, name->descriptor, true);
	if (r == -ENOENT) /* ours is open, so it is /proc that is not there */
		return ours ? -ENOSYS : -ESTALE;
	return r;
}

/* ---- making and removing ----------------------------------------------------------------- */

static int memfd_create_file(struct segment *segment)
{
	const struct segment_name *name = &segment->name;
	if (name->descriptor >= 0) /* opening it said otherwise a moment ago */
		return error_fail(ENOENT, "'%s' names an object that is there, or none",
				  name->text);
	segment->fd = os->create_memory(name->path);
	return segment->fd < 0 ? error_fail(-segment->fd, "can't make '%s': %s", name->text,
					    strerror(-segment->fd))
			       : 0;
}

static int memfd_publish(struct segment *segment)
{
	return os->seal(segment->fd, seals_of(segment));
}

static void memfd_drop(struct segment *segment)
{
	(void)segment;
}

/* Of this process's descriptors alone: those of others are for opening. */
static int memfd_look(const struct segment_name *name, struct os_file *file)
{
	int r = name->descriptor < 0 || name->pid ? -ENOENT : os->stat_fd(name->descriptor, file);
	return r == -EBADF ? -ENOENT : r;
}

static int memfd_unlink(const struct segment *segment)
{
	(void)segment; /* REMOVED says it all: its memory goes with its last user */
	return 0;
}

static int memfd_discard(const struct segment_name *name, bool foreign, int why)
{
	(void)name;
	(void)foreign;
	return why;
}

static const struct place_calls place_memfd = {
    .open = memfd_open,
    .verify = memfd_verify,
    .open_again = memfd_open_again,
    .create = memfd_create_file,
    .publish = memfd_publish,
    .drop = memfd_drop,
    .look = memfd_look,
    .unlink = memfd_unlink,
    .discard = memfd_discard,
};

const struct backend backend_memfd = {
    .scheme = "memfd",
    .keep = true,
    .nameless = true,
    .parse = memfd_parse,
    .place = &place_memfd,
    .memory = &memory_file,
};

const struct backend backend_anon = {
    .scheme = "anon",
    .keep = true,
    .nameless = true,
    .parse = anon_parse,
    .place = &place_memfd,
    .memory = &memory_file,
};
