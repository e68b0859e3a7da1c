/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam for kinds of shared memory. A backend is a scheme, a `place` (how an object is found,
 * named and removed) and a `memory` (how its bytes are made and reached); what it has in common
 * with another it shares: posix and file differ in their names alone.
 *
 * Whatever the memory is, a segment has a descriptor of a file on which seats are locked
 * (segment->fd), and that file's device and inode are its identity.
 *
 * Functions that say so set the detail; the others return -errno, and the caller says what it was
 * doing.
 */
#ifndef SHOAL_SEGMENT_BACKEND_H
#define SHOAL_SEGMENT_BACKEND_H

#include "os/os.h"

#define SEGMENT_PATH_BYTES 1024
#define SEGMENT_NAME_PART  63 /* longest part of a POSIX object's name */

struct segment;
struct segment_name;
struct segment_header;

struct place_calls {
	/* Opens what the name leads to: sets segment->fd. -EIDRM: what is left under the name has
	 * lost its memory and can be discarded. Sets the detail. */
	int (*open)(struct segment *segment, bool write);
	/* One whose header was checked, before it is mapped: may it be? NULL: always. Sets the
	 * detail. */
	int (*verify)(const struct segment *segment);
	/* A fresh descriptor of what the name leads to now, whatever that is. */
	int (*open_again)(const struct segment *segment);
	/* Makes a file of no size that nobody finds: sets segment->fd. -EALREADY: somebody is
	 * faster, look again. Sets the detail. */
	int (*create)(struct segment *segment);
	/* Lets it be found. -EEXIST: somebody was faster. */
	int (*publish)(struct segment *segment);
	/* Gives back what was only needed to make it, published or not. */
	void (*drop)(struct segment *segment);
	/* What stands under the name. -ENOENT: nothing. */
	int (*look)(const struct segment_name *name, struct os_file *file);
	/* The caller holds the name lock and has seen the name lead to the segment. */
	int (*unlink)(const struct segment *segment);
	/* Takes away what can't be opened as an object, if it was meant to be one; otherwise
	 * returns `why`, whose detail is set. */
	int (*discard)(const struct segment_name *name, bool foreign, int why);
	/* NULL, or: fills in the place's own part of a new header; compares it. Sets the detail. */
	void (*sign)(const struct segment *segment, struct segment_header *header);
	int (*confirm)(const struct segment *segment, const struct segment_header *header);
};

struct memory_calls {
	int (*examine)(const struct segment *segment, struct os_file *file);
	int64_t (*read)(const struct segment *segment, void *buffer, size_t bytes, uint64_t offset);
	int (*set_size)(struct segment *segment, uint64_t bytes); /* Sets the detail. */
	/* Takes the memory now, all of it or none; `what` it is for. Mapped. Sets the detail. */
	int (*reserve)(struct segment *segment, uint64_t offset, uint64_t bytes, const char *what);
	int (*set_mode)(struct segment *segment, uint32_t mode);
	/* *ret: where it must lie (-EEXIST: something is there), NULL: anywhere. */
	int (*map)(const struct segment *segment, uint64_t bytes, enum os_map how, void **ret);
	int (*unmap)(void *address, uint64_t bytes);
	/* Puts a copy-on-write mapping in place of a part of that. NULL: the memory has none. */
	int (*map_copy)(const struct segment *segment, void *address, uint64_t offset,
			uint64_t bytes, unsigned access);
	/* It can't change its size: an object that grows has its greatest from the beginning. */
	bool fixed_size;
};

struct backend {
	const char *scheme; /* what stands before ':' in a URI */
	bool keep;          /* its objects stay by default */
	bool nameless;      /* its names lead nobody else to an object: what is gone is gone */
	uint64_t features;  /* compatible ones, in the header */
	/* Fills in what `place` needs from what follows the scheme. Sets the detail. */
	int (*parse)(const char *rest, struct segment_name *ret);
	const struct place_calls *place;
	const struct memory_calls *memory;
};

extern const struct backend backend_posix;
extern const struct backend backend_file;
extern const struct backend backend_memfd;
extern const struct backend backend_anon;
extern const struct backend backend_sysv;

extern const struct place_calls place_path;   /* a file under a path */
extern const struct place_calls place_sysv;   /* a companion file, which says where the memory is */
extern const struct memory_calls memory_file; /* the bytes of the file itself */
extern const struct memory_calls memory_sysv; /* a System V segment */

/* The sentence for a file that can't be opened. */
int place_fail_open(int err, const char *name);

/* Where POSIX objects live (SHOAL_DIR or /dev/shm), and what their file names begin with. */
const char *backend_posix_directory(void);
#define BACKEND_POSIX_PREFIX "shoal:"
/* The object's name for a file name, "shoal:g:n" -> "g/n". False when it is not one of ours. */
bool backend_posix_name(const char *entry, char *name, size_t room);
/* 0 when `full` may stand after "posix:", or an error with a detail. */
int backend_posix_check(const char *full);

/* The directory that `path` lies in. */
void backend_directory(const char *path, char directory[SEGMENT_PATH_BYTES]);

#endif
