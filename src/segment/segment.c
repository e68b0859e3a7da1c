/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/segment.h"

#include "base/checksum.h"
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct backend *const backends[] = {&backend_posix, &backend_file, &backend_sysv,
						 &backend_memfd, &backend_anon};

static const struct place_calls *place_of(const struct segment *segment)
{
	return segment->name.backend->place;
}

static const struct memory_calls *memory_of(const struct segment *segment)
{
	return segment->name.backend->memory;
}

static const struct backend *find_backend(const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++)
		if (strlen(backends[i]->scheme) == length &&
		    memcmp(backends[i]->scheme, name, length) == 0)
			return backends[i];
	return NULL;
}

/* Bytes that would move a terminal's cursor have no place in a sentence. */
static void copy_printable(char *to, size_t room, const char *from)
{
	size_t i = 0;
	for (; from[i] && i + 1 < room; i++)
		to[i] = (unsigned char)from[i] < 0x20 || from[i] == 0x7f ? '?' : from[i];
	to[i] = '\0';
}

int segment_name_parse(const char *name, struct segment_name *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (!name)
		return error_fail(EINVAL, "the name is NULL");
	copy_printable(ret->text, sizeof(ret->text), name);
	const char *colon = strchr(name, ':');
	ret->backend = &backend_posix;
	const char *rest = name;
	if (colon) {
		ret->backend = find_backend(name, (size_t)(colon - name));
		if (!ret->backend)
			return error_fail(EINVAL,
					  "'%s': no such backend; there are posix:, file:, sysv:, "
					  "memfd: and anon:",
					  ret->text);
		rest = colon + 1;
	}
	return ret->backend->parse(rest, ret);
}

uint64_t segment_body_offset(uint32_t seat_count)
{
	return align_up(SEGMENT_HEADER_BYTES + (uint64_t)seat_count * 64, PAGE_BYTES);
}

int segment_examine(const struct segment *segment, struct os_file *file)
{
	return memory_of(segment)->examine(segment, file);
}

int64_t segment_read(const struct segment *segment, void *buffer, size_t bytes, uint64_t offset)
{
	return memory_of(segment)->read(segment, buffer, bytes, offset);
}

/* ---- checks ------------------------------------------------------------------------------ */

static int check_sizes(const struct segment_fixed *fixed, uint64_t file_bytes, const char *name)
{
	if (fixed->header_bytes != SEGMENT_HEADER_BYTES || fixed->seat_count < 2 ||
	    fixed->seat_count > 0xffff ||
	    fixed->body_offset != segment_body_offset(fixed->seat_count) ||
	    fixed->total_bytes < fixed->body_offset || fixed->total_bytes > (uint64_t)1 << 60)
		return error_fail(EBADMSG,
				  "'%s' has a damaged header: its sizes contradict each "
				  "other",
				  name);
	struct size_text is, should;
	/* One that grows has its first page at least; its kind knows how much else. */
	uint64_t least = fixed->incompatible & SEGMENT_GROWS ? fixed->body_offset + PAGE_BYTES
							     : fixed->total_bytes;
	if (file_bytes < least)
		return error_fail(ESTALE,
				  "'%s' was truncated: it has %s and should have %s; "
				  "remove it (shoal rm --force)",
				  name, error_size(file_bytes, &is), error_size(least, &should));
	if (file_bytes > fixed->total_bytes)
		return error_fail(EBADMSG, "'%s' has the wrong size: it has %s and should have %s",
				  name, error_size(file_bytes, &is),
				  error_size(fixed->total_bytes, &should));
	return 0;
}

int segment_check_fixed(const struct segment_fixed *fixed, uint64_t file_bytes, const char *name)
{
	if (fixed->magic != SEGMENT_MAGIC)
		return error_fail(EBADMSG, "'%s' is not a Shoal object: wrong magic number", name);
	if (fixed->layout != SHOAL_LAYOUT_VERSION)
		return error_fail(ENOTSUP,
				  "'%s' has layout %u, this library knows layout %d; use "
				  "the same library version on both sides",
				  name, fixed->layout, SHOAL_LAYOUT_VERSION);
	if (fixed->incompatible & ~(uint64_t)SEGMENT_FEATURES)
		return error_fail(
		    ENOTSUP,
		    "'%s' needs features 0x%llx, which this library does "
		    "not know; use a newer one",
		    name, (unsigned long long)(fixed->incompatible & ~(uint64_t)SEGMENT_FEATURES));
	if (fixed->checksum != checksum(fixed, offsetof(struct segment_fixed, checksum)))
		return error_fail(EBADMSG, "'%s' has a damaged header: wrong checksum", name);
	return check_sizes(fixed, file_bytes, name);
}

static int check_file(const struct os_file *file, const struct segment_name *name, bool foreign)
{
	if (file->type == OS_DIRECTORY)
		return error_fail(EISDIR, "'%s' is a directory", name->text);
	if (file->type != OS_REGULAR)
		return error_fail(EINVAL, "'%s' is not a regular file", name->text);
	if (file->uid != os->user() && !foreign)
		return error_fail(EPERM,
				  "'%s' belongs to user %u, not to you (%u); accept it with "
				  "SHOAL_FOREIGN (--foreign)",
				  name->text, file->uid, os->user());
	if (file->bytes == 0)
		return error_fail(ENODATA, "'%s' is an empty file, not an object", name->text);
	return 0;
}

/* Zeroes where there is no /proc, for all. Not where we just can't look now: others can, and a live
 * object must not look like one of another boot. */
static int read_boot_id(const struct segment *segment, uint8_t boot_id[16])
{
	int r = os->boot_id(boot_id);
	if (r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -EBUSY)
		return error_fail(-r, "can't tell which boot '%s' is of: %s", segment->name.text,
				  strerror(-r));
	return 0;
}

/*
 * Locks prove life only on the inode that everybody else sees. A place that is torn (whoever wrote
 * it was killed in the middle) is adopted like one of an earlier boot: adoption robs nobody, it
 * asks the locks.
 */
static int check_place(struct segment *segment, const struct segment_place *place)
{
	uint8_t boot_id[16];
	int r = read_boot_id(segment, boot_id);
	if (r < 0)
		return r;
	segment->other_boot = memcmp(place->boot_id, boot_id, 16) != 0 ||
			      place->checksum !=
				  checksum(place, offsetof(struct segment_place, checksum));
	if (segment->other_boot ||
	    (place->device == segment->device && place->inode == segment->inode))
		return 0;
	return error_fail(EXDEV,
			  "'%s' is a copy of an object, or is seen through an overlay: locks on it "
			  "say nothing about the users of the original; put it on a file system "
			  "that all share",
			  segment->name.text);
}

/* First the seals: what has any is memory, and reading it waits for nobody's file system. */
int segment_check_descriptor(int fd, const char *what)
{
	struct os_file file;
	struct segment_fixed fixed;
	int seals = os->seals(fd);
	if (seals == -EBADF)
		return error_fail(EBADF, "%s: descriptor %d is not open", what, fd);
	int r = seals < 0 ? 0 : os->stat_fd(fd, &file);
	if (r < 0)
		return error_fail(-r, "%s: can't examine descriptor %d: %s", what, fd,
				  strerror(-r));
	if (seals < 0 || file.type != OS_REGULAR || file.links > 0)
		return error_fail(EINVAL,
				  "%s: that is no memfd; an object of another backend is found by "
				  "its name",
				  what);
	if (!(seals & OS_SEAL_SHRINK))
		return error_fail(EBADMSG, "%s: the memfd is not sealed, so it is no object", what);
	memset(&fixed, 0, sizeof(fixed));
	int64_t n = os->read_at(fd, &fixed, sizeof(fixed), 0);
	if (n < 0)
		return error_fail((int)-n, "%s: can't read it: %s", what, strerror((int)-n));
	return segment_check_fixed(&fixed, file.bytes, what);
}

/* ---- opening ----------------------------------------------------------------------------- */

static int refuse_remote(struct segment *segment)
{
	struct os_room room;
	if (os->room(segment->fd, &room) == 0 && room.remote)
		return error_fail(ENOTSUP,
				  "'%s' is on a network or user-space file system, where "
				  "locks and mappings can't be trusted; use a local one",
				  segment->name.text);
	return 0;
}

static int read_header(struct segment *segment, uint64_t file_bytes)
{
	struct segment_header header;
	memset(&header, 0, sizeof(header));
	int64_t n = segment_read(segment, &header, sizeof(header), 0);
	if (n < 0)
		return error_fail((int)-n, "can't read '%s': %s", segment->name.text,
				  strerror((int)-n));
	segment->fixed = header.fixed;
	int r = segment_check_fixed(&segment->fixed, file_bytes, segment->name.text);
	if (r == 0)
		r = check_place(segment, &header.place);
	if (r == 0 && place_of(segment)->confirm)
		r = place_of(segment)->confirm(segment, &header);
	if (r < 0)
		return r;
	segment->region.bytes = segment->fixed.total_bytes;
	segment->region.body_offset = segment->fixed.body_offset;
	segment->region.seat_count = segment->fixed.seat_count;
	return 0;
}

/* Of one that was just opened. When the kernel does not say what it is, it goes: later
 * nobody could tell that it is ours. */
static int identify(struct segment *segment, struct os_file *file)
{
	struct os_file locks;
	int r = os->stat_fd(segment->fd, &locks);
	if (r == 0) {
		segment->device = locks.device;
		segment->inode = locks.inode;
		r = segment_examine(segment, file);
	}
	if (r == 0)
		return 0;
	os->close(segment->fd);
	segment->fd = -1;
	return error_fail(-r, "can't examine '%s': %s", segment->name.text, strerror(-r));
}

static int open_checked(struct segment *segment, const struct segment_name *name, bool foreign,
			bool write)
{
	memset(segment, 0, sizeof(*segment));
	segment->name = *name;
	segment->fd = -1;
	segment->sysv.id = -1;
	int r = place_of(segment)->open(segment, write);
	if (r < 0)
		return r;
	struct os_file file = {0};
	r = identify(segment, &file);
	if (r == 0)
		r = check_file(&file, name, foreign);
	if (r == 0)
		r = refuse_remote(segment);
	return r < 0 ? r : read_header(segment, file.bytes);
}

static int map_segment(struct segment *segment, enum os_map how)
{
	void *base = NULL;
	int r = memory_of(segment)->map(segment, segment->fixed.total_bytes, how, &base);
	if (r < 0) {
		struct size_text size;
		return error_fail(-r, "can't map the %s of '%s': %s",
				  error_size(segment->fixed.total_bytes, &size), segment->name.text,
				  strerror(-r));
	}
	segment->region.base = base;
	return 0;
}

static int verify_and_map(struct segment *segment)
{
	const struct place_calls *place = place_of(segment);
	int r = place->verify ? place->verify(segment) : 0;
	return r < 0 ? r : map_segment(segment, OS_MAP_WRITE);
}

/* 1: the descriptor leads to the segment, 0: not (any more), or what the kernel said instead. */
static int same_inode(const struct segment *segment, int fd)
{
	struct os_file file;
	int r = fd < 0 ? -EBADF : os->stat_fd(fd, &file);
	if (r < 0)
		return r == -EBADF ? 0 : r;
	return file.device == segment->device && file.inode == segment->inode;
}

/* ---- guarding ---------------------------------------------------------------------------- */

int segment_guard(struct segment *segment)
{
	int r = guard_add(segment->region.base, segment->region.bytes, &segment->guard);
	if (r == 0)
		return 0;
	segment->guard = NULL;
	return error_fail(-r, "can't guard '%s' against losing its pages: %s", segment->name.text,
			  strerror(-r));
}

/* Truncated, or a page that could not be read: the size tells. */
int segment_fail_lost(const struct segment *segment)
{
	struct os_file file;
	struct size_text is, was;
	if (same_inode(segment, segment->fd) == 1 && segment_examine(segment, &file) == 0 &&
	    file.bytes < segment->region.bytes)
		return error_fail(ESTALE,
				  "'%s' was truncated while in use: it has %s, and had %s; "
				  "nothing more is read from it or written to it; remove it "
				  "(shoal rm --force) and open it again",
				  segment->name.text, error_size(file.bytes, &is),
				  error_size(segment->region.bytes, &was));
	return error_fail(ESTALE,
			  "'%s' lost a page while in use: it was truncated, or its disk or memory "
			  "failed; nothing more is read from it or written to it; remove it "
			  "(shoal rm --force) and open it again",
			  segment->name.text);
}

void segment_look_for_loss(struct segment *segment)
{
	struct os_file file;
	if (!segment->guard || segment_is_lost(segment) || segment_fd(segment) < 0)
		return;
	if (segment_examine(segment, &file) == 0 && file.bytes < segment->region.bytes)
		guard_lose(segment->guard);
}

int segment_peek(struct segment *segment, const struct segment_name *name, bool foreign)
{
	int r = open_checked(segment, name, foreign, false);
	if (r < 0)
		segment_close(segment);
	return r;
}

int segment_map_to_read(struct segment *segment)
{
	return map_segment(segment, OS_MAP_READ);
}

bool segment_is_sound(const struct segment_name *name, bool foreign)
{
	struct segment now;
	if (segment_peek(&now, name, foreign) < 0)
		return false;
	segment_close(&now);
	return true;
}

int segment_open(struct segment *segment, const struct segment_name *name, bool foreign)
{
	int r = open_checked(segment, name, foreign, true);
	if (r == 0)
		r = verify_and_map(segment);
	if (r < 0)
		segment_close(segment);
	return r;
}

/* ---- making ------------------------------------------------------------------------------ */

static int create_place(struct segment *segment)
{
	struct os_file file;
	int r = place_of(segment)->create(segment);
	return r < 0 ? r : identify(segment, &file);
}

int segment_reserve(struct segment *segment, uint64_t offset, uint64_t bytes, const char *what)
{
	if (segment_is_lost(segment))
		return segment_fail_lost(segment);
	int fd = segment_fd(segment);
	return fd < 0 ? fd : memory_of(segment)->reserve(segment, offset, bytes, what);
}

static int write_fixed(struct segment *segment, const struct segment_spec *spec)
{
	struct segment_fixed *fixed = &segment->fixed;
	*fixed = (struct segment_fixed){
	    .magic = SEGMENT_MAGIC,
	    .layout = SHOAL_LAYOUT_VERSION,
	    .header_bytes = SEGMENT_HEADER_BYTES,
	    .compatible = segment->name.backend->features,
	    .kind = spec->kind,
	    .incompatible = spec->grows ? SEGMENT_GROWS : 0,
	    .seat_count = spec->seat_count,
	    .total_bytes = segment->region.bytes,
	    .body_offset = segment->region.body_offset,
	    .created_ns = os->realtime_ns(),
	    .flags = spec->keep ? SEGMENT_KEEP : 0,
	};
	int r = os->random(fixed->instance, sizeof(fixed->instance));
	if (r < 0)
		return error_fail(-r, "no random number for '%s': %s", segment->name.text,
				  strerror(-r));
	fixed->checksum = checksum(fixed, offsetof(struct segment_fixed, checksum));
	segment_header(&segment->region)->fixed = *fixed;
	if (place_of(segment)->sign)
		place_of(segment)->sign(segment, segment_header(&segment->region));
	return segment_write_place(segment);
}

static int prepare_file(struct segment *segment, const struct segment_spec *spec)
{
	int r = refuse_remote(segment);
	uint64_t reserved = spec->reserve_bytes + segment->region.body_offset;
	bool partly = spec->grows && !memory_of(segment)->fixed_size;
	uint64_t bytes = partly ? reserved : segment->region.bytes;
	if (r == 0)
		r = memory_of(segment)->set_size(segment, bytes);
	if (r < 0)
		return r;
	segment->fixed.total_bytes = segment->region.bytes;
	r = map_segment(segment, OS_MAP_WRITE);
	if (r == 0)
		r = segment_reserve(segment, 0, reserved,
				    partly ? "the beginning" : "the fixed part");
	if (r == 0)
		r = write_fixed(segment, spec);
	if (r < 0)
		return r;
	r = memory_of(segment)->set_mode(segment, spec->mode);
	return r == 0 ? 0
		      : error_fail(-r, "can't give '%s' its mode: %s", segment->name.text,
				   strerror(-r));
}

int segment_create(struct segment *segment, const struct segment_name *name,
		   const struct segment_spec *spec)
{
	memset(segment, 0, sizeof(*segment));
	segment->name = *name;
	segment->fd = -1;
	segment->sysv.id = -1;
	segment->region.seat_count = spec->seat_count;
	segment->region.body_offset = segment_body_offset(spec->seat_count);
	segment->region.bytes = segment->region.body_offset + spec->body_bytes;
	int r = create_place(segment);
	if (r == 0)
		r = prepare_file(segment, spec);
	if (r < 0)
		segment_close(segment);
	return r;
}

int segment_publish(struct segment *segment)
{
	const struct place_calls *place = place_of(segment);
	int r = place->publish(segment);
	place->drop(segment);
	if (r < 0 && r != -EEXIST)
		return error_fail(-r, "can't give '%s' its name: %s", segment->name.text,
				  strerror(-r));
	return r;
}

/* What took a lost one's place is nothing that its backend knows of. */
static void unmap_segment(struct segment *segment)
{
	bool lost = segment_is_lost(segment);
	void *base = segment->region.base;
	if (segment->guard)
		guard_remove(segment->guard);
	segment->guard = NULL;
	segment->region.base = NULL;
	if (base && lost)
		os->unmap(base, segment->region.bytes);
	else if (base)
		memory_of(segment)->unmap(base, segment->region.bytes);
}

/* To be closed? A passing want of the kernel's is no reason to leave it open. */
static bool is_ours(const struct segment *segment, int fd)
{
	int same = same_inode(segment, fd);
	return (same < 0 ? same_inode(segment, fd) : same) == 1;
}

void segment_close(struct segment *segment)
{
	unmap_segment(segment);
	place_of(segment)->drop(segment);
	if (is_ours(segment, segment->fd))
		os->close(segment->fd);
	segment->fd = -1;
}

int segment_open_inherited(struct segment *segment, const struct segment *inherited)
{
	*segment = *inherited;
	segment->region.base = NULL;
	segment->guard = NULL; /* its slot is free here: guard/guard.c */
	segment->hidden[0] = '\0';
	segment->fd = segment_reopen(segment);
	if (segment->fd < 0)
		return segment->fd;
	struct os_file file = {0};
	int r = identify(segment, &file);
	if (r == 0)
		r = read_header(segment, file.bytes);
	if (r == 0)
		r = verify_and_map(segment);
	if (r == 0 && inherited->guard)
		r = segment_guard(segment);
	if (r < 0)
		segment_close(segment);
	return r;
}

void segment_take_descriptor(struct segment *segment, const struct segment *inherited)
{
	if (!is_ours(segment, inherited->fd))
		return;
	os->close(segment->fd);
	segment->fd = inherited->fd;
}

void segment_close_in_child(struct segment *segment)
{
	segment->region.base = NULL;
	segment->guard = NULL;     /* its slot is free here: guard/guard.c */
	segment->hidden[0] = '\0'; /* the parent's to remove */
	segment_close(segment);
}

/* ---- identity ---------------------------------------------------------------------------- */

static int fail_identity(const struct segment *segment, int r)
{
	return error_fail(-r, "can't examine the descriptor of '%s': %s", segment->name.text,
			  strerror(-r));
}

static int open_by_name(const struct segment *segment)
{
	int fd = place_of(segment)->open_again(segment);
	if (fd < 0)
		return fd;
	int r = same_inode(segment, fd);
	if (r == 1)
		return fd;
	os->close(fd);
	return r < 0 ? r : -ESTALE;
}

static int fail_lost(const struct segment *segment, int r)
{
	if (r == -ENOSYS)
		return error_fail(ENOSYS,
				  "'%s' has no name and is opened through /proc, which is not "
				  "mounted here; mount it (mount -t proc proc /proc)",
				  segment->name.text);
	if (r != -ENOENT && r != -ENOTDIR && r != -ESTALE)
		return error_fail(-r, "can't open '%s' again: %s", segment->name.text,
				  strerror(-r));
	return error_fail(ESTALE,
			  "'%s' can't be reached any more: its descriptor was closed and "
			  "%s",
			  segment->name.text,
			  segment->name.backend->nameless ? "it has no name" : "its name is gone");
}

int segment_fd(struct segment *segment)
{
	int same = same_inode(segment, segment->fd);
	if (same < 0)
		return fail_identity(segment, same);
	if (same)
		return segment->fd;
	int fd = open_by_name(segment);
	if (fd < 0)
		return fail_lost(segment, fd);
	segment->fd = fd;
	return fd;
}

int segment_reopen(struct segment *segment)
{
	int same = same_inode(segment, segment->fd);
	if (same < 0)
		return fail_identity(segment, same);
	if (same) {
		int fd = os->reopen(segment->fd, true);
		if (fd == -EMFILE || fd == -ENFILE)
			return error_fail(-fd, "no descriptor left to open '%s': %s",
					  segment->name.text, strerror(-fd));
		if (fd >= 0 && same_inode(segment, fd) == 1)
			return fd;
		if (fd >= 0)
			os->close(fd);
	}
	int fd = open_by_name(segment);
	return fd < 0 ? fail_lost(segment, fd) : fd;
}

int segment_is_named(const struct segment *segment)
{
	struct os_file file;
	int r = place_of(segment)->look(&segment->name, &file);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return error_fail(-r, "can't tell what '%s' leads to: %s", segment->name.text,
				  strerror(-r));
	return file.device == segment->device && file.inode == segment->inode;
}

int segment_unlink(const struct segment *segment)
{
	return place_of(segment)->unlink(segment);
}

bool segment_reread_place(struct segment *segment)
{
	struct segment_place place = segment_header(&segment->region)->place;
	return check_place(segment, &place) < 0 || segment->other_boot;
}

int segment_write_place(struct segment *segment)
{
	struct segment_place place = {.device = segment->device, .inode = segment->inode};
	int r = read_boot_id(segment, place.boot_id);
	if (r < 0)
		return r;
	place.checksum = checksum(&place, offsetof(struct segment_place, checksum));
	segment_header(&segment->region)->place = place;
	segment->other_boot = false;
	return 0;
}
