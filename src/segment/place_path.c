/* SPDX-License-Identifier: Apache-2.0 */
/* Objects that are a file under a path: they appear under it complete, by a link. */
#include "segment/segment.h"

#include "base/error.h"
#include "segment/hidden.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void backend_directory(const char *path, char directory[SEGMENT_PATH_BYTES])
{
	const char *slash = strrchr(path, '/');
	if (!slash)
		snprintf(directory, SEGMENT_PATH_BYTES, ".");
	else if (slash == path)
		snprintf(directory, SEGMENT_PATH_BYTES, "/");
	else
		snprintf(directory, SEGMENT_PATH_BYTES, "%.*s", (int)(slash - path), path);
}

int place_fail_open(int err, const char *name)
{
	switch (err) {
	case ENOENT:
		return error_fail(err, "there is no object '%s'", name);
	case EISDIR:
		return error_fail(err, "'%s' is a directory", name);
	case ELOOP:
		return error_fail(err, "'%s' is a symbolic link, and these are not followed", name);
	case EACCES:
		return error_fail(err,
				  "no permission to use '%s': ask its owner to make it with a "
				  "wider mode",
				  name);
	case ENXIO: /* a FIFO or a socket */
		return error_fail(EINVAL, "'%s' is not a regular file", name);
	default:
		return error_fail(err, "can't open '%s': %s", name, strerror(err));
	}
}

static int path_open(struct segment *segment, bool write)
{
	segment->fd = os->open(segment->name.path, write);
	return segment->fd < 0 ? place_fail_open(-segment->fd, segment->name.text) : 0;
}

static int path_open_again(const struct segment *segment)
{
	return os->open(segment->hidden[0] ? segment->hidden : segment->name.path, true);
}

static int path_create(struct segment *segment)
{
	char directory[SEGMENT_PATH_BYTES];
	backend_directory(segment->name.path, directory);
	int fd = os->create_unnamed(directory);
	if (fd == -EOPNOTSUPP || fd == -EISDIR || fd == -EINVAL)
		fd = hidden_create(directory, segment->hidden);
	if (fd == -ENOENT)
		return error_fail(ENOENT, "the directory of '%s' does not exist: %s",
				  segment->name.text, directory);
	if (fd == -ENOSPC)
		return error_fail(
		    ENOSPC,
		    "no room for another file, '%s', in %s: see 'df -i' and make that "
		    "larger (mount -o remount,nr_inodes=...) or remove some",
		    segment->name.text, directory);
	if (fd < 0)
		return error_fail(-fd, "can't make '%s' in %s: %s", segment->name.text, directory,
				  strerror(-fd));
	segment->fd = fd;
	return 0;
}

static int path_publish(struct segment *segment)
{
	return segment->hidden[0] ? os->link(segment->hidden, segment->name.path)
				  : os->link_fd(segment->fd, segment->name.path);
}

static void path_drop(struct segment *segment)
{
	hidden_drop(segment->hidden, segment->fd);
}

static int path_look(const struct segment_name *name, struct os_file *file)
{
	int r = os->stat_path(name->path, file);
	return r == -ENOTDIR ? -ENOENT : r;
}

static int path_unlink(const struct segment *segment)
{
	return os->unlink(segment->name.path);
}

/* ---- what can't be opened ---------------------------------------------------------------- */

/* What was damaged when it was opened may be gone, and a sound object have its name: that has
 * users, and another way to be removed. */
static int unlink_locked(const struct segment_name *name, int fd, const struct os_file *file,
			 bool foreign)
{
	struct os_file now;
	int r = os->lock(fd, SEGMENT_NAME_LOCK);
	if (r < 0)
		return error_fail(EBUSY, "'%s' is being removed by somebody else", name->text);
	r = os->stat_path(name->path, &now);
	if (r == 0 && now.device == file->device && now.inode == file->inode)
		r = segment_is_sound(name, foreign) ? -EBUSY : os->unlink(name->path);
	os->unlock(fd, SEGMENT_NAME_LOCK);
	if (r == 0 || r == -ENOENT)
		return 0;
	if (r == -EBUSY)
		return error_fail(EBUSY, "'%s' was made anew by somebody else just now",
				  name->text);
	return error_fail(-r, "can't remove '%s': %s", name->text, strerror(-r));
}

/* It was meant to be an object if it lies where only objects lie, or has the magic number. */
static int path_discard(const struct segment_name *name, bool foreign, int why)
{
	if (why == -ENOENT)
		return why;
	int fd = os->open(name->path, true);
	if (fd < 0)
		return why;
	struct os_file file;
	uint64_t magic = 0;
	int r = os->stat_fd(fd, &file);
	if (r == 0 && file.type == OS_REGULAR)
		os->read_at(fd, &magic, sizeof(magic), 0);
	bool ours = name->backend == &backend_posix || magic == SEGMENT_MAGIC;
	if (r == 0 && file.type == OS_REGULAR && ours && (file.uid == os->user() || foreign))
		r = unlink_locked(name, fd, &file, foreign);
	else
		r = why;
	os->close(fd);
	return r;
}

const struct place_calls place_path = {
    .open = path_open,
    .open_again = path_open_again,
    .create = path_create,
    .publish = path_publish,
    .drop = path_drop,
    .look = path_look,
    .unlink = path_unlink,
    .discard = path_discard,
};
