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
 * LIFETIME. An object lives while a seat in it is held by a live process, and is gone after that:
 * the last to close removes it; if all were killed, the next open removes what is left. An
 * object made with SHOAL_KEEP (always so for "file:") stays until it is removed.
 *
 * OWNERSHIP. An object's mode is what was asked for at creation (0600 by default; the umask does
 * not apply). An object that belongs to another user is refused unless SHOAL_FOREIGN is given.
 *
 * GUARD. Whoever may write to an object may truncate its file, and a disk or memory can fail. A
 * process that then touches what is gone is killed by SIGBUS, as with every mapped file; nothing
 * checked beforehand prevents that. Opened with SHOAL_GUARD_SIGBUS, it lives: the handle is dead,
 * the call in which it happens and all that follow answer -ESTALE, and the detail says so. What is
 * mapped is private memory of zeroes from then on; nothing more is read from the object or written
 * to it, and closing does not leave it: to others it is as if this process had died. A handle that
 * waits looks once a second. It costs a signal handler, and no instruction of any other call.
 *   The handler is the process's: it is installed with the first guarded handle and put back with
 * the last. It passes on every SIGBUS that is not for guarded memory to the one it found, as the
 * kernel would have. A handler that is installed while guarded handles are open must do the same
 * (call the one it found), and stays when the last is closed; a thread that blocks SIGBUS is not
 * guarded. Don't unload the library while such a handler may still call it.
 *   What is not seen: within the page in which a truncated file ends, and in one that was truncated
 * and made longer again, bytes are zeroes without a signal: a peer's lie like any other. A system
 * call that is given lost memory (read, write) answers EFAULT; the next touch ends the handle.
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
#define SHOAL_CREATE       0x0001u /* make the object if there is none */
#define SHOAL_EXCLUSIVE    0x0002u /* with SHOAL_CREATE: -EEXIST if there is one */
#define SHOAL_KEEP         0x0004u /* with SHOAL_CREATE: stays when the last one leaves */
#define SHOAL_FOREIGN      0x0008u /* accept an object that another user owns */
#define SHOAL_LOSSY        0x0010u /* subscriber: hold up nobody, lose what is overwritten */
#define SHOAL_FROM_OLDEST  0x0020u /* subscriber: start at the oldest message still there */
#define SHOAL_FOLLOW       0x0040u /* subscriber: no -EPIPE at the end, wait for a new publisher */
#define SHOAL_HOLD         0x0080u /* publisher: overwrite nothing until somebody has subscribed */
#define SHOAL_FORCE        0x0100u /* remove: even while it is in use */
#define SHOAL_GUARD_SIGBUS 0x0200u /* open: survive the loss of the object's pages (GUARD) */

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
 * The POSIX objects whose names begin with `prefix`: NULL or "" for all, "GROUP" or "GROUP/" for
 * a group, "GROUP/NAME" or "NAME" for one. Sorted by name. Reads the files without mapping them,
 * takes no seat and changes nothing.
 * `ret_objects` is malloc'ed; free it with shoal_list_free. 0 objects is success.
 * Returns 0, -EINVAL, -ENOMEM, -EACCES or another error of the directory.
 * Cost: a few system calls an object, one more for each seat taken.
 */
SHOAL_API int shoal_list(const char *prefix, struct shoal_object **ret_objects, size_t *ret_count);
SHOAL_API void shoal_list_free(struct shoal_object *objects);

/*
 * Removes the object `name`. Without flags only one in which no seat is alive: -EBUSY otherwise.
 * With SHOAL_FORCE in any case; those who are in it get -ESTALE from then on. SHOAL_FOREIGN
 * allows another user's. An object too damaged to be read is removed only with SHOAL_FORCE
 * (-EBADMSG or what opening it would give, otherwise), and a file that was never an object is
 * never removed.
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
