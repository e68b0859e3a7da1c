/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects that are a System V segment: how they are found, made and removed.
 *
 * A segment has a key or only an id, no name, no file, and appears half made. So each has a
 * COMPANION, a small file in SHOAL_DIR: seats are locked on it as on any object's file, its device
 * and inode are the `place` in the segment's header, and it says which segment it belongs to. Who
 * opens an object goes through the companion, never by the key: an object is there when its
 * companion has its name, and that it gets complete.
 *
 *   final    SHOAL_DIR/shoal-sysv:key:KEY, or :private:TOKEN
 *   making   the same behind .shoal-sysv-new: where one maker at a time is at work
 *
 * MAKER                                            REMOVER (object.c, step 5: holds the name lock,
 *   1 companion without a name; its name lock;       is attached, has seen REMOVED)
 *     its record: key, size, pid, no id              1 IPC_RMID
 *   2 link it to `making` (taken: wait for that      2 unlink `making` if it is the same file,
 *     maker, or sweep what a dead one left)            then `final`
 *   3 look at `final`: there: undo, open that      SWEEPER (holds the name lock of what it found
 *   4 shmget(IPC_EXCL), mode 0611                    under `making`: so its maker is dead)
 *   5 its id into the record                         1 `final` is the same file: go to 3
 *   6 attach, take the memory, fill, its mode        2 the record's segment, if it is surely the
 *   7 the whole record; link it to `final`             dead maker's: IPC_RMID
 *   8 unlink `making`, unlock                        3 unlink `making`
 *   (failed before 7: IPC_RMID, then 8)
 *
 * WHY NOBODY MEETS A HALF-MADE ONE. Openers look at `final` only, and it is linked last. A state
 * word in the segment, with openers that wait for a living maker, was the other way: but then
 * everybody waits for a maker that is stopped, and reads what it has not finished. So only a
 * second maker of the same name waits.
 * WHY ONE OF TWO MAKERS WINS. link(2) replaces nothing, so `making` has one owner, and nobody else
 * links `final` meanwhile. What step 3 does not find, no other maker can bring before step 8.
 * Therefore EEXIST in step 4 is always a segment that is not Shoal's (or whose companion is lost).
 * WHY A LIVING MAKER IS NOT SWEPT. It holds the name lock from before step 2 on, and the kernel
 * keeps it while the maker lives, stopped or not. Its forked children inherit the description: if
 * it is killed, they keep it looking alive until they exec or exit; then its successor gets -EBUSY.
 *
 * A DEATH BEHIND a step leaves: 1 nothing. 2, 3 `making` without a segment. 4 a segment whose id
 * nobody wrote down: found by its key, or, being private, among all segments, and known by mode
 * 0611, size, owner, creator pid, and that nobody ever attached to it. 5, 6 one whose id is in the
 * record. 7 a whole object with two names. 8 a whole object. Remover's 1 a companion whose segment
 * is gone, or marked while others are attached; 2 nothing. Each is what the next maker, opener, gc
 * or rm of the same name finds and cleans, under the name lock, and a cleaner that is killed leaves
 * one of these states again. IPC_RMID comes before unlink because a companion leads to its segment
 * and not the other way: a segment without one would stand in the way for good.
 *
 * WHEN SOMEBODY ELSE REMOVES THE SEGMENT (ipcrm). Not attached: its companion is a leftover, and
 * the next open discards it. Attached: the kernel marks it, takes its key away and keeps the memory
 * until the last one detaches. Those who are in it go on with each other. The next one who opens it
 * finds the mark and finishes what ipcrm began, as `shoal rm --force` does: REMOVED, everybody in
 * it gets -ESTALE, the companion loses its name, a new object may come. So two objects of one name
 * are never in use at a time, and the old users' locks, on another inode, are theirs until they go.
 *
 * WHAT THIS CAN'T SEE. A process that attached with bare shmat holds no seat: it keeps nothing
 * alive. A process that shares the IPC namespace and not SHOAL_DIR finds the segment without its
 * companion and is refused (-EXDEV), and so is one that shares SHOAL_DIR and not the IPC namespace.
 */
#include "segment/sysv.h"

#include "base/checksum.h"
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- from the name to the companion ------------------------------------------------------ */

static bool is_signed(const struct segment_header *header)
{
	const struct segment_sysv *sysv = &header->sysv;
	return header->fixed.magic == SEGMENT_MAGIC && (header->fixed.compatible & SEGMENT_SYSV) &&
	       sysv->checksum == checksum(sysv, offsetof(struct segment_sysv, checksum)) &&
	       (sysv->form == SYSV_PRIVATE) == (sysv->key == 0);
}

static int resolve_id(struct segment_name *name)
{
	struct segment_header header = {0};
	struct os_shm shm;
	int r = os->shm_stat(name->sysv.id, &shm);
	if (r == -EINVAL || r == -EIDRM)
		return error_fail(ENOENT, "there is no System V segment with the id %d",
				  name->sysv.id);
	if (r == 0)
		r = sysv_read_header(&shm, &header);
	if (r < 0 && r != -ENODATA)
		return sysv_fail_call(name->text, name->sysv.id, "look at", r);
	if (r < 0 || !is_signed(&header))
		return sysv_fail_absent(name, &shm);
	name->sysv.form = header.sysv.key ? SYSV_KEY : SYSV_PRIVATE;
	name->sysv.key = header.sysv.key;
	name->sysv.token = header.sysv.token;
	return 0;
}

/* Afterwards `path` is that of the companion. */
static int resolve(struct segment_name *name)
{
	int r = name->sysv.form == SYSV_ID ? resolve_id(name) : 0;
	if (r < 0)
		return r;
	if (name->sysv.form == SYSV_PRIVATE && name->sysv.token == 0)
		return error_fail(ENOENT,
				  "'%s' is always a new one: open one that is there by its id "
				  "(sysv:id=N)",
				  name->text);
	if (!sysv_path(name->path, name->sysv.key, name->sysv.token, SYSV_MADE))
		return error_fail(ENAMETOOLONG, "the path of SHOAL_DIR is too long");
	return 0;
}

/* ---- opening ----------------------------------------------------------------------------- */

/* A key may have been made for another name: by chance, or by a stranger. */
static int check_same_name(const struct segment_name *name, const struct sysv_record *record)
{
	const struct sysv_name *mine = &name->sysv;
	bool same = mine->form == SYSV_KEY || mine->form == SYSV_PRIVATE ||
		    (mine->form == record->form && mine->form == SYSV_NAME &&
		     strcmp(mine->text, record->text) == 0) ||
		    (mine->form == record->form && mine->form == SYSV_FILE &&
		     mine->device == record->device && mine->inode == record->inode &&
		     mine->project == record->project);
	if (mine->key != record->key || mine->token != record->token)
		return error_fail(EBADMSG, "the lock file of '%s' is that of another object, '%s'",
				  name->text, record->text);
	if (same)
		return 0;
	return error_fail(EEXIST,
			  "'%s' and 'sysv:%s' have the same System V key, 0x%08x, and that object "
			  "is there; use another name",
			  name->text, record->text, mine->key);
}

static int check_segment(struct segment *segment, const struct sysv_record *record)
{
	const char *name = segment->name.text;
	struct os_shm shm;
	if (record->id < 0)
		return error_fail(EBADMSG, "the lock file of '%s' names no segment", name);
	int id = (int)record->id;
	int r = os->shm_stat(id, &shm);
	if (r < 0)
		return sysv_fail_call(name, id, "look at", r);
	if (!sysv_is_of(record, &shm))
		return error_fail(
		    EIDRM,
		    "the System V segment %d of '%s' was removed (ipcrm), and another "
		    "one has its id",
		    id, name);
	segment->sysv.id = id;
	segment->sysv.published = true;
	segment->sysv.instance[0] = record->instance[0];
	segment->sysv.instance[1] = record->instance[1];
	segment->sysv.name = checksum(record->text, strlen(record->text));
	segment->doomed = shm.doomed;
	return 0;
}

static int check_companion(struct segment *segment, int wanted_id)
{
	struct sysv_record record;
	const char *name = segment->name.text;
	int r = sysv_record_read(segment->fd, name, &record);
	if (r == 0)
		r = sysv_record_here(&record, name);
	if (r == 0)
		r = check_same_name(&segment->name, &record);
	if (r == 0) /* for lists: the name that it was made by */
		memcpy(segment->name.sysv.text, record.text, sizeof(record.text));
	if (r == 0 && wanted_id >= 0 && record.id != wanted_id)
		return error_fail(ENOENT,
				  "System V segment %d was removed; there is another object of its "
				  "name, in segment %d",
				  wanted_id, (int)record.id);
	return r < 0 ? r : check_segment(segment, &record);
}

/* Under `making`, and its maker died. */
static bool is_half_made(struct segment_name *name)
{
	struct sysv_record record;
	char making[SEGMENT_PATH_BYTES];
	if (!sysv_path(making, name->sysv.key, name->sysv.token, SYSV_MAKING))
		return false;
	int fd = os->open(making, false);
	if (fd < 0)
		return false;
	int held = os->lock_held(fd, SEGMENT_NAME_LOCK);
	if (held == 0 && sysv_record_read(fd, name->text, &record) == 0 &&
	    check_same_name(name, &record) == 0)
		memcpy(name->sysv.text, record.text, sizeof(record.text));
	os->close(fd);
	return held == 0;
}

/* No companion. The order matters: what is being made has one before it has a segment, and what is
 * being removed has one longer. 0: look again. */
static int explain_absent(struct segment_name *name)
{
	struct os_file file;
	struct os_shm shm;
	bool found = false;
	if (name->sysv.key) {
		int id = os->shm_get(name->sysv.key, 0, 0, 0);
		found = id >= 0 && os->shm_stat(id, &shm) == 0;
	}
	char making[SEGMENT_PATH_BYTES];
	sysv_path(making, name->sysv.key, name->sysv.token, SYSV_MAKING);
	bool being_made = os->stat_path(making, &file) == 0;
	if (os->stat_path(name->path, &file) == 0)
		return 0;
	if (is_half_made(name))
		return error_fail(EIDRM, "'%s' was half made when its maker died", name->text);
	/* Still there, with its key: then it was not removed meanwhile. */
	found = found && !being_made && os->shm_stat(shm.id, &shm) == 0 &&
		shm.key == name->sysv.key;
	return sysv_fail_absent(name, found ? &shm : NULL);
}

static int sysv_open(struct segment *segment, bool write)
{
	struct segment_name *name = &segment->name;
	int wanted_id = name->sysv.form == SYSV_ID ? name->sysv.id : -1;
	int r = resolve(name);
	if (r < 0)
		return r;
	int fd = os->open(name->path, write);
	for (int tries = 0; fd == -ENOENT && tries < 100; tries++) {
		r = explain_absent(name);
		if (r < 0)
			return r;
		fd = os->open(name->path, write);
	}
	if (fd < 0)
		return place_fail_open(-fd, name->text);
	segment->fd = fd;
	segment->sysv.looking = !write;
	r = check_companion(segment, wanted_id);
	if (r < 0) {
		os->close(fd);
		segment->fd = -1;
	}
	return r;
}

static int sysv_open_again(const struct segment *segment)
{
	return os->open(segment->hidden[0] ? segment->hidden : segment->name.path, true);
}

static int sysv_look(const struct segment_name *name, struct os_file *file)
{
	struct segment_name resolved = *name;
	int r = resolve(&resolved);
	return r < 0 ? r : os->stat_path(resolved.path, file);
}

/* ---- the header's part ------------------------------------------------------------------- */

static void sysv_sign(const struct segment *segment, struct segment_header *header)
{
	const struct sysv_name *name = &segment->name.sysv;
	struct segment_sysv sysv = {
	    .key = name->key,
	    .form = name->form,
	    .token = name->token,
	    .name = checksum(name->text, strlen(name->text)),
	};
	sysv.checksum = checksum(&sysv, offsetof(struct segment_sysv, checksum));
	header->sysv = sysv;
}

static int sysv_confirm(const struct segment *segment, const struct segment_header *header)
{
	const struct sysv_name *name = &segment->name.sysv;
	const struct sysv_segment *mine = &segment->sysv;
	if (is_signed(header) && header->sysv.key == name->key &&
	    header->sysv.token == name->token && header->sysv.name == mine->name &&
	    header->fixed.instance[0] == mine->instance[0] &&
	    header->fixed.instance[1] == mine->instance[1])
		return 0;
	return error_fail(EBADMSG,
			  "the lock file of '%s' and System V segment %d do not belong together",
			  segment->name.text, mine->id);
}

/* ---- removing ---------------------------------------------------------------------------- */

/* Both names of this companion: its maker may have died before it unlinked the first. The final one
 * last, since that is what leads the next one here. */
static int unlink_names(const struct segment_name *name, uint64_t device, uint64_t inode)
{
	char making[SEGMENT_PATH_BYTES];
	struct os_file file;
	sysv_path(making, name->sysv.key, name->sysv.token, SYSV_MAKING);
	if (os->stat_path(making, &file) == 0 && file.device == device && file.inode == inode)
		os->unlink(making);
	return os->unlink(name->path);
}

/* We are attached, so the id is still that segment's. */
static int sysv_unlink(const struct segment *segment)
{
	int r = os->shm_remove(segment->sysv.id);
	if (r < 0 && r != -EINVAL && r != -EIDRM)
		return r;
	return unlink_names(&segment->name, segment->device, segment->inode);
}

/* A segment that was asked for by number, and has no companion: what ipcrm does. */
static int discard_bare(const struct segment_name *name, bool foreign, int why)
{
	struct os_shm shm;
	int id = name->sysv.form == SYSV_ID    ? name->sysv.id
		 : name->sysv.form == SYSV_KEY ? os->shm_get(name->sysv.key, 0, 0, 0)
					       : -1;
	if (id < 0 || os->shm_stat(id, &shm) < 0)
		return why;
	uint32_t user = os->user();
	if (shm.uid != user && shm.creator_uid != user && !foreign)
		return error_fail(EPERM,
				  "System V segment %d belongs to user %u, not to you (%u); accept "
				  "it with SHOAL_FOREIGN (--foreign)",
				  id, shm.uid, user);
	int r = os->shm_remove(id);
	return r < 0 ? sysv_fail_call(name->text, id, "remove", r) : 0;
}

/* Does the segment itself say that it belongs to that companion: by its key, or, having none, in
 * its header? The companion alone may lie. */
static bool is_surely_of(const struct segment_name *name, const struct sysv_record *record,
			 const struct os_shm *shm)
{
	struct segment_header header = {0};
	if (record->key != name->sysv.key || record->token != name->sysv.token ||
	    shm->key != record->key || shm->bytes != record->bytes)
		return false;
	return record->key != 0 || (sysv_read_header(shm, &header) == 0 && is_signed(&header) &&
				    header.sysv.token == record->token);
}

/* By force: the segment as well, if it is the one that the companion means. */
static void discard_segment(int fd, const struct segment_name *name, uint32_t owner)
{
	struct sysv_record record;
	struct os_shm shm;
	if (sysv_record_read(fd, name->text, &record) == 0 &&
	    sysv_record_here(&record, name->text) == 0 && record.id >= 0 &&
	    os->shm_stat((int)record.id, &shm) == 0 && is_surely_of(name, &record, &shm) &&
	    shm.uid == owner)
		os->shm_remove((int)record.id);
}

/* Is its memory still lost? We hold the name lock: nobody else takes it away. */
static bool is_lost(int fd, const struct segment_name *name)
{
	struct segment segment = {.fd = fd, .name = *name};
	return check_companion(&segment, -1) == -EIDRM;
}

static bool leads_to(const char *path, const struct os_file *file)
{
	struct os_file now;
	return os->stat_path(path, &now) == 0 && now.device == file->device &&
	       now.inode == file->inode;
}

/* 1: we hold it. 0: who held it took the name away. */
static int lock_name(const struct segment_name *name, int fd, const struct os_file *file)
{
	int64_t limit = os->now_ns() + SYSV_PATIENCE_NS;
	int r;
	while ((r = os->lock(fd, SEGMENT_NAME_LOCK)) == -EAGAIN) {
		if (!leads_to(name->path, file))
			return 0;
		if (os->now_ns() > limit)
			return error_fail(EBUSY,
					  "'%s' is being removed by a process that does not go on",
					  name->text);
		sysv_nap();
	}
	return r == 0 ? 1
		      : error_fail(-r, "can't lock the name of '%s': %s", name->text, strerror(-r));
}

static int discard_locked(const struct segment_name *name, int fd, const struct os_file *file,
			  int why)
{
	int r = lock_name(name, fd, file);
	if (r <= 0)
		return r;
	bool ours = leads_to(name->path, file);
	r = 0;
	if (ours && why != -EIDRM && segment_is_sound(name, true))
		r = -EBUSY;
	else if (ours && (why != -EIDRM || is_lost(fd, name))) {
		if (why != -EIDRM)
			discard_segment(fd, name, file->uid);
		r = unlink_names(name, file->device, file->inode);
	}
	os->unlock(fd, SEGMENT_NAME_LOCK);
	if (r == 0 || r == -ENOENT)
		return 0;
	if (r == -EBUSY)
		return error_fail(EBUSY, "'%s' was made anew by somebody else just now",
				  name->text);
	return error_fail(-r, "can't remove the lock file of '%s': %s", name->text, strerror(-r));
}

static int fail_owner(const struct segment_name *name, uint32_t owner, int why)
{
	if (why != -EIDRM)
		return why;
	return error_fail(
	    EPERM,
	    "what is left of '%s' belongs to user %u, not to you (%u); accept it with "
	    "SHOAL_FOREIGN (--foreign)",
	    name->text, owner, os->user());
}

static int discard_half_made(const struct segment_name *name, bool foreign, int why)
{
	char making[SEGMENT_PATH_BYTES];
	struct os_file file;
	sysv_path(making, name->sysv.key, name->sysv.token, SYSV_MAKING);
	if (os->stat_path(making, &file) < 0) /* a leftover that went meanwhile is none */
		return why == -EIDRM ? 0 : discard_bare(name, foreign, why);
	if (file.uid != os->user() && !foreign)
		return fail_owner(name, file.uid, why);
	int r = sysv_sweep(making, name->path, name->text);
	if (r == 0 && why != -EIDRM)
		return error_fail(EBUSY, "'%s' is being made", name->text);
	return r < 0 ? r : 0; /* what was half made is gone, or the next maker is at work */
}

static int sysv_discard(const struct segment_name *given, bool foreign, int why)
{
	struct segment_name name = *given;
	struct os_file file;
	if (resolve(&name) < 0)
		return discard_bare(given, foreign, why);
	int fd = os->open(name.path, true);
	if (fd == -ENOENT)
		return discard_half_made(&name, foreign, why);
	if (fd < 0)
		return why;
	int r = os->stat_fd(fd, &file);
	if (r < 0 || file.type != OS_REGULAR)
		r = why;
	else if (file.uid != os->user() && !foreign)
		r = fail_owner(&name, file.uid, why);
	else
		r = discard_locked(&name, fd, &file, why);
	os->close(fd);
	return r;
}

/* ---- listing ----------------------------------------------------------------------------- */

void sysv_title(const struct segment *segment, char *name, size_t room)
{
	const struct sysv_name *sysv = &segment->name.sysv;
	struct segment_name again;
	int id = sysv->form == SYSV_ID ? sysv->id : segment->sysv.id;
	if (sysv->form == SYSV_ID || (sysv->form == SYSV_PRIVATE && id >= 0)) {
		snprintf(name, room, "sysv:id=%d", id);
		return;
	}
	int n = snprintf(name, room, "sysv:%s", sysv->text);
	/* The file that gave the key may be gone, or another one. */
	if (sysv->key && (n < 0 || (size_t)n >= room || segment_name_parse(name, &again) < 0 ||
			  again.sysv.key != sysv->key))
		snprintf(name, room, "sysv:key=0x%08x", sysv->key);
}

const struct place_calls place_sysv = {
    .open = sysv_open,
    .open_again = sysv_open_again,
    .create = sysv_create,
    .publish = sysv_publish,
    .drop = sysv_drop,
    .look = sysv_look,
    .unlink = sysv_unlink,
    .discard = sysv_discard,
    .sign = sysv_sign,
    .confirm = sysv_confirm,
};
