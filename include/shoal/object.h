/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects: what all kinds have in common. One object is one segment of shared memory.
 *
 * NAMES. "NAME" or "GROUP/NAME": 1 to 63 bytes each of letters, digits, '.', '_' and '-', not
 * starting with '.'. A URI names the backend: "posix:GROUP/NAME" (the default backend; the file
 * /dev/shm/shoal:GROUP:NAME) or "file:PATH" (a mapped file, absolute or relative path). The
 * environment variable SHOAL_DIR moves the POSIX objects to another directory; it is ignored in
 * set-user-ID programs.
 *
 * SYSTEM V. "sysv:NAME", "sysv:GROUP/NAME": a System V segment whose key is a hash of the name.
 * "sysv:key=0x1234": one with that key (not 0, not 0xffffffff). "sysv:path=/some/file,proj=65": the
 * key comes from the file's device and inode and the number, all bits of them; the file must be
 * there. "sysv:private": always a new one, without a key (IPC_PRIVATE); "private" is therefore no
 * name here. "sysv:id=5": one that is there, whatever its key; see shoal/sysv.h. A key that belongs
 * to another name, or to a segment that is none of Shoal's, is -EEXIST with both in the detail.
 * Each has a lock file in SHOAL_DIR, which all who use it must see, in the same IPC namespace
 * (-EXDEV otherwise). Limits: -EINVAL above kernel.shmmax, -ENOSPC at kernel.shmmni and
 * kernel.shmall, -ENOMEM, -EACCES. A process that attached by itself, with shmat, is not seen: it
 * keeps no object alive. When others remove the segment (ipcrm) those who are in it go on until
 * the next one opens the name; then they get -ESTALE.
 *
 * LIFETIME. An object lives while a seat in it is held by a live process, and is gone after that:
 * the last to close removes it; if all were killed, the next open removes what is left. An
 * object made with SHOAL_KEEP (always so for "file:") stays until it is removed.
 *
 * OWNERSHIP. An object's mode is what was asked for at creation (0600 by default; the umask does
 * not apply). An object that belongs to another user is refused unless SHOAL_FOREIGN is given.
 *
 * THREADS. Every function on this page may be called from any thread at any time.
 */
#ifndef SHOAL_OBJECT_H
#define SHOAL_OBJECT_H

#include <shoal/error.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Timeouts are nanoseconds in an int64_t: 0 tries once, negative waits for ever. */
#define SHOAL_FOREVER ((int64_t)-1)

/* Flags of the open, create and remove functions. A flag that a function has no use for is
 * -EINVAL. */
#define SHOAL_CREATE      0x0001u /* make the object if there is none */
#define SHOAL_EXCLUSIVE   0x0002u /* with SHOAL_CREATE: -EEXIST if there is one */
#define SHOAL_KEEP        0x0004u /* with SHOAL_CREATE: stays when the last one leaves */
#define SHOAL_FOREIGN     0x0008u /* accept an object that another user owns */
#define SHOAL_LOSSY       0x0010u /* subscriber: hold up nobody, lose what is overwritten */
#define SHOAL_FROM_OLDEST 0x0020u /* subscriber: start at the oldest message still there */
#define SHOAL_FOLLOW      0x0040u /* subscriber: no -EPIPE at the end, wait for a new publisher */
#define SHOAL_HOLD        0x0080u /* publisher: overwrite nothing until somebody has subscribed */
#define SHOAL_FORCE       0x0100u /* remove: even while it is in use */

/* What can be seen of a seat or of an object from outside. */
enum shoal_health {
	SHOAL_ALIVE = 1,         /* object: some seat is held by a live process */
	SHOAL_STOPPED = 2,       /* seat: alive, but stopped by a signal or a debugger */
	SHOAL_DEAD = 3,          /* seat: its process died; repair is due */
	SHOAL_IDLE = 4,          /* object: nobody is in it, and it was made to stay (SHOAL_KEEP) */
	SHOAL_LEFTOVER = 5,      /* object: nobody is alive in it; gc or the next open removes it */
	SHOAL_FOREIGN_OWNER = 6, /* object: another user's, and not readable */
	SHOAL_DAMAGED = 7        /* object: its bytes fail validation; `problem` says why */
};

/* Text for a health: "alive", "stopped", "dead", "idle", "leftover", "foreign", "damaged". */
SHOAL_API const char *shoal_health_name(enum shoal_health health);

/* One object of this host, as a listing shows it. A plain value. */
struct shoal_object {
	char name[160]; /* as other calls take it: "GROUP/NAME" */
	char kind[16];  /* "topic"; "" when damaged or not readable */
	enum shoal_health health;
	uint32_t seats_taken; /* seats in use, dead ones included */
	uint32_t seats_alive; /* of these, held by live processes */
	uint32_t seats_max;
	int kept; /* 1: stays when nobody is in it (SHOAL_KEEP) */
	uint32_t owner_uid;
	uint32_t mode;       /* permission bits */
	uint64_t bytes;      /* address space: the size of the file */
	uint64_t bytes_used; /* memory really taken */
	int64_t created_ns;  /* CLOCK_REALTIME, 0 when unknown */
	char problem[160];   /* why it is damaged or could not be read; else "" */
};

/*
 * The objects whose names begin with `prefix`: NULL or "" for all, "GROUP" or "GROUP/" for a
 * group, "GROUP/NAME" or "NAME" for one; with "sysv:" before it, System V objects, where
 * "sysv:id=5" and the like name one. Objects in files are not listed. Sorted by name. Reads the
 * files without mapping them, takes no seat and changes nothing. `ret_objects` is malloc'ed; free
 * it with shoal_list_free. 0 objects is success. Returns 0, -EINVAL, -ENOMEM, -EACCES or another
 * error of the directory. Cost: a few system calls an object, one more for each seat taken.
 */
SHOAL_API int shoal_list(const char *prefix, struct shoal_object **ret_objects, size_t *ret_count);
SHOAL_API void shoal_list_free(struct shoal_object *objects);

/*
 * Removes the object `name`. Without flags only one in which no seat is alive: -EBUSY otherwise.
 * With SHOAL_FORCE in any case; those who are in it get -ESTALE from then on. SHOAL_FOREIGN
 * allows another user's. An object too damaged to be read is removed only with SHOAL_FORCE
 * (-EBADMSG or what opening it would give, otherwise), and a file that was never an object is
 * never removed. A System V segment that was never an object is removed with SHOAL_FORCE if it is
 * named by its id or key, as ipcrm does.
 * Returns 0, -ENOENT, -EBUSY, -EPERM, -EACCES, -EINVAL, or what opening it would give.
 */
SHOAL_API int shoal_remove(const char *name, unsigned flags);

/*
 * Waits until there is an object of that name (of whatever kind). Sleeps without polling where
 * inotify works. Returns 0, -EAGAIN, -ETIMEDOUT, -EINTR (a signal), -EINVAL.
 */
SHOAL_API int shoal_wait_exists(const char *name, int64_t timeout_ns);

#ifdef __cplusplus
}
#endif

#endif
