/* SPDX-License-Identifier: Apache-2.0 */
/* Making a System V object, and taking away what a maker left that died: see place_sysv.c. */
#include "segment/sysv.h"

#include "base/error.h"
#include "segment/hidden.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void sysv_nap(void)
{
	static const uint32_t nobody_wakes = 0;
	os->futex_wait(&nobody_wakes, 0, 200000);
}

/* ---- what dead makers left --------------------------------------------------------------- */

struct search {
	const struct sysv_record *record;
	uint32_t owner; /* of the companion */
	struct os_shm found;
};

/* Nobody else makes one like it: of that size, user and process, with that odd mode, to which
 * nobody ever attached; or the very one whose id the maker wrote down. */
static bool is_the_dead_ones(const struct search *search, const struct os_shm *shm)
{
	const struct sysv_record *record = search->record;
	bool same_numbers = record->pid_namespace == os->pid_namespace();
	if (!sysv_is_of(record, shm) || shm->uid != search->owner ||
	    shm->creator_uid != search->owner || shm->attached != 0 ||
	    shm->change_time < record->made_ns / 1000000000 - 1)
		return false;
	if (same_numbers && shm->creator_pid != record->pid)
		return false;
	if (record->id >= 0)
		return shm->last_pid == 0 || !same_numbers || shm->last_pid == record->pid;
	/* Of a private one no key says that it is of that name. */
	return (same_numbers || record->key) && shm->mode == SYSV_MAKING_MODE && shm->last_pid == 0;
}

static int match(void *context, const struct os_shm *shm)
{
	struct search *search = context;
	if (!is_the_dead_ones(search, shm))
		return 0;
	search->found = *shm;
	return 1;
}

/* 1: found, 0: there is none (any more). -EBUSY: it may be, and may be not. -EXDEV: nobody here can
 * tell. Else what the kernel says: when it does not answer, nothing is taken away. */
static int find(struct search *search)
{
	const struct sysv_record *record = search->record;
	if (record->id < 0 && record->key == 0)
		return record->pid_namespace == os->pid_namespace() ? os->shm_each(match, search)
								    : -EXDEV;
	int id = record->id >= 0 ? (int)record->id : os->shm_get(record->key, 0, 0, 0);
	int r = id < 0 ? id : os->shm_stat(id, &search->found);
	if (r == -ENOENT || r == -EINVAL || r == -EIDRM)
		return 0;
	if (r < 0)
		return r;
	if (is_the_dead_ones(search, &search->found))
		return 1;
	bool may_be = record->id >= 0 && sysv_is_of(record, &search->found) &&
		      search->found.uid == search->owner;
	return may_be ? -EBUSY : 0;
}

/* A segment that has the key and is not surely the dead maker's is left alone: it stands in the way
 * of whoever makes the next one, and is told of there. */
static int remove_half_made(int fd, uint32_t owner, const char *name)
{
	struct sysv_record record;
	int r = sysv_record_read(fd, name, &record);
	if (r == -EBADMSG)
		return 0; /* it died before that was there */
	if (r == 0)
		r = sysv_record_here(&record, name);
	if (r < 0)
		return r == -EIDRM ? 0 : r;
	struct search search = {.record = &record, .owner = owner};
	r = find(&search);
	if (r == -EBUSY)
		return error_fail(
		    EBUSY,
		    "'%s' was half made when its maker died, and process %u is or was "
		    "attached to its System V segment %d; remove that (ipcrm -m %d)",
		    name, search.found.last_pid, search.found.id, search.found.id);
	if (r > 0)
		r = os->shm_remove(search.found.id);
	if (r == 0 || r == -EINVAL || r == -EIDRM)
		return 0;
	return error_fail(-r,
			  "can't remove System V segment %d, left by the dead maker of '%s': %s",
			  search.found.id, name, strerror(-r));
}

/* 1 or 0, or what the kernel says instead. */
static int leads_to(const char *path, const struct os_file *file)
{
	struct os_file now;
	int r = os->stat_path(path, &now);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return now.device == file->device && now.inode == file->inode;
}

static int fail_sweep(const char *name, int r)
{
	return error_fail(-r, "can't remove what the dead maker of '%s' left: %s", name,
			  strerror(-r));
}

/* We hold the name lock, so its maker is dead. */
static int sweep_locked(int fd, const char *making, const char *final, const char *name)
{
	struct os_file file;
	int r = os->stat_fd(fd, &file);
	if (r == 0)
		r = leads_to(making, &file);
	if (r == 0)
		return 1; /* somebody was faster */
	int whole = r < 0 ? r : leads_to(final, &file);
	if (whole < 0)
		return fail_sweep(name, whole);
	r = whole ? 0 : remove_half_made(fd, file.uid, name);
	if (r < 0)
		return r;
	r = os->unlink(making);
	return r == 0 || r == -ENOENT ? 1 : fail_sweep(name, r);
}

int sysv_sweep(const char *making, const char *final, const char *name)
{
	int fd = os->open(making, true);
	if (fd == -ENOENT)
		return 1;
	if (fd < 0)
		return place_fail_open(-fd, name);
	int r = os->lock(fd, SEGMENT_NAME_LOCK);
	if (r == 0) {
		r = sweep_locked(fd, making, final, name);
		os->unlock(fd, SEGMENT_NAME_LOCK); /* a child forked meanwhile has it, too */
	} else {
		r = r == -EAGAIN ? 0
				 : error_fail(-r, "can't lock what the maker of '%s' left: %s",
					      name, strerror(-r));
	}
	os->close(fd);
	return r;
}

/* ---- making ------------------------------------------------------------------------------ */

static int fail_make(const struct segment *segment, int r)
{
	const char *directory = backend_posix_directory();
	if (r == -ENOENT)
		return error_fail(ENOENT,
				  "the directory of the lock file of '%s' does not exist: %s",
				  segment->name.text, directory);
	return error_fail(-r, "can't make the lock file of '%s' in %s: %s", segment->name.text,
			  directory, strerror(-r));
}

/* Steps 1 and 2 of a maker: `from` is its hidden name, where it needs one. */
static int link_making(int fd, const char *from, const char *making, const struct segment *segment)
{
	const char *final = segment->name.path;
	struct os_file file;
	int64_t limit = os->now_ns() + SYSV_PATIENCE_NS;
	for (;;) {
		int r = from[0] ? os->link(from, making) : os->link_fd(fd, making);
		if (r != -EEXIST)
			return r < 0 ? fail_make(segment, r) : 0;
		r = sysv_sweep(making, final, segment->name.text);
		if (r < 0)
			return r;
		if (r == 0 && os->stat_path(final, &file) == 0)
			return -EALREADY;
		if (os->now_ns() > limit)
			return error_fail(
			    EBUSY,
			    "'%s' is being made by a process that does not go on (its "
			    "lock file is %s)",
			    segment->name.text, making);
		if (r == 0)
			sysv_nap();
	}
}

static int open_companion(char hidden[SEGMENT_PATH_BYTES])
{
	const char *directory = backend_posix_directory();
	hidden[0] = '\0';
	int fd = os->create_unnamed(directory);
	if (fd == -EOPNOTSUPP || fd == -EISDIR || fd == -EINVAL)
		return hidden_create(directory, hidden); /* with the lock */
	if (fd < 0)
		return fd;
	int r = os->lock(fd, SEGMENT_NAME_LOCK);
	if (r == 0)
		return fd;
	os->close(fd);
	return r;
}

static int choose_token(struct segment *segment)
{
	struct sysv_name *name = &segment->name.sysv;
	if (name->form != SYSV_PRIVATE)
		return 0;
	int r = name->token ? 0 : os->random(&name->token, sizeof(name->token));
	if (r < 0)
		return error_fail(-r, "no random number for '%s': %s", segment->name.text,
				  strerror(-r));
	name->token |= name->token == 0; /* 0 means none */
	snprintf(name->text, sizeof(name->text), "private=%016llx",
		 (unsigned long long)name->token);
	if (!sysv_path(segment->name.path, 0, name->token, SYSV_MADE))
		return error_fail(ENAMETOOLONG, "the path of SHOAL_DIR is too long");
	return 0;
}

/* Steps 1 to 3. */
static int begin(struct segment *segment, int fd, char hidden[SEGMENT_PATH_BYTES])
{
	struct sysv_record record;
	struct os_file file;
	char making[SEGMENT_PATH_BYTES];
	const struct sysv_name *name = &segment->name.sysv;
	int r = sysv_record_begin(&record, segment);
	if (r < 0)
		return r;
	r = sysv_record_write(fd, &record);
	if (r < 0)
		return fail_make(segment, r);
	if (!sysv_path(making, name->key, name->token, SYSV_MAKING))
		return error_fail(ENAMETOOLONG, "the path of SHOAL_DIR is too long");
	r = link_making(fd, hidden, making, segment);
	if (r < 0)
		return r;
	memcpy(segment->hidden, making, sizeof(making));
	r = os->stat_path(segment->name.path, &file);
	return r == 0 ? -EALREADY : r == -ENOENT ? 0 : fail_make(segment, r);
}

int sysv_create(struct segment *segment)
{
	char hidden[SEGMENT_PATH_BYTES];
	if (segment->name.sysv.form == SYSV_ID) /* the kernel chooses ids */
		return error_fail(ENOENT, "there is no System V segment with the id %d",
				  segment->name.sysv.id);
	int r = choose_token(segment);
	if (r < 0)
		return r;
	int fd = open_companion(hidden);
	if (fd < 0)
		return fail_make(segment, fd);
	r = begin(segment, fd, hidden);
	if (hidden[0])
		os->unlink(hidden);
	if (r == 0) {
		segment->fd = fd;
		return 0;
	}
	hidden_drop(segment->hidden, fd);
	os->close(fd);
	return r;
}

/* Step 7. */
int sysv_publish(struct segment *segment)
{
	struct sysv_record record;
	int r = sysv_record_read(segment->fd, segment->name.text, &record);
	if (r < 0)
		return r;
	record.instance[0] = segment->fixed.instance[0];
	record.instance[1] = segment->fixed.instance[1];
	r = sysv_record_write(segment->fd, &record);
	if (r == 0)
		r = os->link(segment->hidden, segment->name.path);
	segment->sysv.published = r == 0;
	if (r == 0 && record.form == SYSV_PRIVATE)
		snprintf(segment->name.text, sizeof(segment->name.text), "sysv:id=%d",
			 segment->sysv.id);
	return r;
}

/* Step 8. What has a final name stays. A segment that can't be removed keeps its lock file, by
 * which the next maker finds it, as if we had died. */
void sysv_drop(struct segment *segment)
{
	int r = 0;
	if (!segment->hidden[0])
		return;
	if (!segment->sysv.published && segment->sysv.id >= 0)
		r = os->shm_remove(segment->sysv.id);
	if (r == 0 || r == -EINVAL || r == -EIDRM) {
		hidden_drop(segment->hidden, segment->fd);
		return;
	}
	os->unlock(segment->fd, SEGMENT_NAME_LOCK);
	segment->hidden[0] = '\0';
}
