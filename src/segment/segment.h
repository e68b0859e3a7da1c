/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A segment: the file under an object, its header, and its mapping.
 *
 * A segment is created without a name, filled, and then published under its name in one step, so
 * that nobody ever meets a half-made one. What is read from the header is copied out once and
 * checked; afterwards only that copy is used.
 */
#ifndef SHOAL_SEGMENT_SEGMENT_H
#define SHOAL_SEGMENT_SEGMENT_H

#include "guard/guard.h"
#include "os/os.h"
#include "segment/backend.h"
#include "segment/segment_layout.h"

/* What the code above works on: bytes and the facts about them that were checked. It may be a
 * mapping, or a copy of one. */
struct region {
	uint8_t *base;
	uint64_t bytes;
	uint64_t body_offset;
	uint32_t seat_count;
};

/* What stands behind "sysv:". */
struct sysv_name {
	uint32_t form; /* enum sysv_form; 0: another backend's */
	uint32_t key;
	int32_t id; /* SYSV_ID */
	uint32_t project;
	uint64_t device;
	uint64_t inode;
	uint64_t token; /* 0: a private one that is to be made */
	char text[248]; /* as it is recorded */
};

struct segment_name {
	const struct backend *backend;
	char path[SEGMENT_PATH_BYTES]; /* of the file on which seats are locked */
	struct sysv_name sysv;
	char text[160]; /* for sentences: the name as it was given, cut */
	int descriptor; /* memfd: the one that leads there; -1: none */
	uint32_t pid;   /* memfd: the process whose that is; 0: this one */
};

/* Of a System V segment. */
struct sysv_segment {
	int32_t id;     /* -1: none yet, or none at all */
	bool published; /* its name leads to it: nothing to take back */
	bool looking;   /* opened for reading only */
	uint64_t instance[2];
	uint64_t name; /* checksum of its text */
};

struct segment {
	struct region region;
	struct segment_fixed fixed; /* checked copy */
	struct segment_name name;
	int fd; /* holds no lock once published: probes go through it. The user may close it behind
		   us */
	uint64_t device;
	uint64_t inode;
	bool other_boot;                 /* the place names an earlier boot: adopt before use */
	bool doomed;                     /* its memory was removed without us: finish that */
	char hidden[SEGMENT_PATH_BYTES]; /* see segment/hidden.h */
	struct guard *guard;             /* SHOAL_GUARD_SIGBUS; or NULL */
	struct sysv_segment sysv;
};

struct segment_spec {
	uint32_t kind;
	uint32_t seat_count;
	uint64_t body_bytes;    /* all of it */
	uint64_t reserve_bytes; /* of the body: memory that is taken at once */
	bool grows;             /* the file has that much and no more until segment_resize */
	uint32_t mode;
	bool keep;
};

/* "g/n", "posix:g/n", "file:PATH", "sysv:...", "memfd:fd=3"... Sets the detail. */
int segment_name_parse(const char *name, struct segment_name *ret);

static inline struct segment_header *segment_header(const struct region *region)
{
	return (struct segment_header *)(void *)region->base;
}

/* A page-aligned body after a header and `seat_count` seats of 64 bytes. */
uint64_t segment_body_offset(uint32_t seat_count);

/* Makes a segment without a name, mapped, its header filled but for the lifetime word (0). */
int segment_create(struct segment *segment, const struct segment_name *name,
		   const struct segment_spec *spec);
/* Gives it its name. -EEXIST: somebody was faster. */
int segment_publish(struct segment *segment);
/* Opens and checks a published one, and maps it. `foreign`: another user's is fine. */
int segment_open(struct segment *segment, const struct segment_name *name, bool foreign);
/* From here on a page that is lost does not kill (SHOAL_GUARD_SIGBUS). Sets the detail. */
int segment_guard(struct segment *segment);
/* Were pages lost, and is what is mapped private memory since? Then nothing in it is the object's.
 */
static inline bool segment_is_lost(const struct segment *segment)
{
	return segment->guard && guard_is_lost(segment->guard);
}
/* -ESTALE, with a detail that says what became of it. */
int segment_fail_lost(const struct segment *segment);
/* Looks whether a guarded one is still as large as it was, before somebody touches what is gone:
 * if not, it is lost from here on. */
void segment_look_for_loss(struct segment *segment);

/* Opens it for reading only and checks it, but does not map it: for those who only look.
 * `region.base` stays NULL. */
int segment_peek(struct segment *segment, const struct segment_name *name, bool foreign);
/*
 * In a forked child, which has the descriptor and not the mapping: opens again by that, or else by
 * name, what `inherited` was opened on, and maps it. That one stays as it is.
 */
int segment_open_inherited(struct segment *segment, const struct segment *inherited);
/* Takes over its descriptor, which the program may know by its number. */
void segment_take_descriptor(struct segment *segment, const struct segment *inherited);
/* Does the name lead to an object now? For who saw something else there, and holds its name lock.
 */
bool segment_is_sound(const struct segment_name *name, bool foreign);
/* Maps one that was peeked at, to be read. */
int segment_map_to_read(struct segment *segment);
/* As segment_close, in a forked child. */
void segment_close_in_child(struct segment *segment);
/* Unmaps and closes. A segment that was never published is gone then. */
void segment_close(struct segment *segment);

/* Facts about its memory, and a part of it copied out: as os->stat_fd and os->read_at. */
int segment_examine(const struct segment *segment, struct os_file *file);
int64_t segment_read(const struct segment *segment, void *buffer, size_t bytes, uint64_t offset);

/* A checked descriptor for probes, or -errno: opens it again when the user closed ours. */
int segment_fd(struct segment *segment);
/* A fresh file description of the same inode, for a lock. The caller closes it. */
int segment_reopen(struct segment *segment);
/* 1 when the name leads to this very segment, 0 when not; or -errno with a detail. */
int segment_is_named(const struct segment *segment);
/* Takes its name away. The caller holds the name lock and has seen it lead here. */
int segment_unlink(const struct segment *segment);

/* Looks again whether the place is one of another boot, under the boot lock. */
bool segment_reread_place(struct segment *segment);
/* Writes the place: this boot, this inode. The caller holds the boot lock or is the creator. */
int segment_write_place(struct segment *segment);

/* Checks a header's fixed part: `file_bytes` is the size of the file. Total on garbage. */
int segment_check_fixed(const struct segment_fixed *fixed, uint64_t file_bytes,
			const char *name_text);

/* ---- segment_memory.c: for objects whose memory is the user's own ------------------------ */

/* Maps it elsewhere: at `address` (-EEXIST: the detail says what is there), or, if that is NULL, at
 * a multiple of `alignment`. */
int segment_move(struct segment *segment, void *address, uint64_t alignment, enum os_map how);
/* The rest of it, from `offset` on, copy-on-write from now on. */
int segment_copy_on_write(struct segment *segment, uint64_t offset, unsigned access);
/* How large the memory is now. */
int segment_size(const struct segment *segment, uint64_t *ret);
/* Takes memory from `from` to `to`, and lets the file end there: all of it, or -ENOSPC and nothing.
 * What lay behind `from` is gone. The caller is the only one who changes the size. */
int segment_grow(struct segment *segment, uint64_t from, uint64_t to);
/* Lets the file end at `to`. */
int segment_cut(struct segment *segment, uint64_t to);
/* What stands behind the descriptor, whoever gave it to us: 0 when it is an object that can be
 * opened by it (memfd:fd=N). `what` begins the sentence. Opens nothing, waits for nobody. */
int segment_check_descriptor(int fd, const char *what);

/* Reserves memory for a part of the file. -ENOSPC sets a detail with limit and remedy. */
int segment_reserve(struct segment *segment, uint64_t offset, uint64_t bytes, const char *what);

#endif
