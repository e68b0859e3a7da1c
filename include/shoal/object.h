/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects: what all kinds have in common. One object is one segment of shared memory.
 *
 * NAMES. "NAME" or "GROUP/NAME": 1 to 63 bytes each of letters, digits, '.', '_' and '-', not
 * starting with '.'. A URI names the backend:
 *
 *   posix:GROUP/NAME   the default: the file /dev/shm/shoal:GROUP:NAME. The environment variable
 *                      SHOAL_DIR moves these objects to another directory; it is ignored in
 *                      set-user-ID programs.
 *   file:PATH          a mapped file, absolute or relative path
 *   memfd:NAME         memory without a name outside (GROUP/NAME as well): with SHOAL_CREATE always
 *                      a new object, else -ENOENT. Needs no /dev/shm and is not bound by its size.
 *   memfd:fd=N         the memfd object behind descriptor N of this process: inherited, received
 *                      (shoal_object_receive) or asked for (shoal_pub_fd). Another descriptor of
 *                      the library's own is opened through /proc, which must be mounted and must
 *                      let the object's mode do so; the caller keeps N and may close it at once.
 *   memfd:pid=P,fd=N   the one behind descriptor N of process P, for who may look into that process
 *   anon:NAME, anon:   as memfd:NAME; says that it is for this process and its forked children,
 *                      which reach it by shoal_pub_rejoin and shoal_sub_rejoin
 *
 * Errors of their own: -EBADF (that descriptor is not open), -ESRCH (no process P), -EINVAL (the
 * descriptor is no memfd), -EBADMSG (it is not sealed, or no object), -ENOSYS (no /proc), -ESTALE
 * (the object was removed: without a name, no other can come in its place).
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
 * object made with SHOAL_KEEP (always so for "file:") stays until it is removed. A "memfd:" or
 * "anon:" object lives as long as anybody has a descriptor or a mapping of it, a descriptor on its
 * way through a socket included, and then is gone: there is nothing to clean up. Its size is
 * sealed, so no peer can cut it off under its users.
 *
 * In a directory with the sticky bit, as /dev/shm has, only the owner of a file may remove it: when
 * the last to leave another user's object is not its owner, it stays as a leftover, and nobody but
 * the owner and root can remove it or open one of that name. Let users share kept objects, or a
 * SHOAL_DIR without that bit.
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
#define SHOAL_IF_LEFTOVER  0x0400u /* remove: only a leftover, not one that was made to stay */

/* What can be seen of a seat or of an object from outside. */
enum shoal_health {
	SHOAL_ALIVE = 1,         /* object: some seat is held by a live process */
	SHOAL_STOPPED = 2,       /* seat: alive, but stopped by a signal or a debugger; one of
				  * another PID namespace is just SHOAL_ALIVE */
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
 * With SHOAL_FORCE in any case; those who are in it get -ESTALE from then on. With
 * SHOAL_IF_LEFTOVER only what shoal_list calls a leftover (-EBUSY otherwise): for who has seen one
 * a while ago, when the name may be another object's by now. SHOAL_FOREIGN allows another user's.
 * An object too damaged to be read is removed only with SHOAL_FORCE (-EBADMSG or what opening it
 * would give, otherwise). So is whatever bears an object's file name among the POSIX objects; any
 * other file that was never an object is never removed. A System V segment that was never an object
 * is removed with SHOAL_FORCE if it is named by its id or key, as ipcrm does.
 * Returns 0, -ENOENT, -EBUSY, -EPERM, -EACCES, -EINVAL, or what opening it would give.
 */
SHOAL_API int shoal_remove(const char *name, unsigned flags);

/*
 * Hands the descriptor `fd` of a memfd: or anon: object (shoal_pub_fd, shoal_sub_fd, or one that
 * was received) to whoever is at the other end of `socket`, a connected unix socket (SOCK_STREAM or
 * SOCK_SEQPACKET), blocking or not. `fd` stays the caller's. While it is on its way the object
 * lives. Objects of other backends are found by their names and not handed on.
 * Returns 0 or: -EAGAIN (timeout_ns is 0 and the socket is full), -ETIMEDOUT, -EINTR (a signal),
 * -EPIPE (the other side is gone; no SIGPIPE), -EINVAL (no unix socket, or `fd` is no memfd),
 * -EBADMSG (`fd` is no object), -EBADF, -ENOTSOCK, -ETOOMANYREFS and what else sendmsg says.
 * After -ETIMEDOUT a part may have been sent: close the socket then.
 */
SHOAL_API int shoal_object_send(int socket, int fd, int64_t timeout_ns);

/*
 * Takes such a descriptor from `socket`. On success *ret_fd is a new close-on-exec descriptor, the
 * caller's to close: open the object as memfd:fd=*ret_fd, and close it then if nobody else is to
 * have it. What the other side sends is doubted: anything but one descriptor of an object, with the
 * message that shoal_object_send sends along, is -EBADMSG (or -EINVAL: no memfd) and is closed; no
 * byte behind that message is read. *ret_fd is -1 on failure.
 * Returns 0 or: -EAGAIN (timeout_ns is 0 and nothing is there), -ETIMEDOUT, -EINTR (a signal,
 * before anything came), -EPIPE (the other side closed), -EMFILE, -EBADMSG, -ENOTSUP (an object of
 * another layout), -EINVAL, -EBADF, -ENOTSOCK and what else recvmsg says. After a failure but
 * -EAGAIN and -EINTR (and -ETIMEDOUT, on SOCK_SEQPACKET) a part may have been read: close the
 * socket then.
 */
SHOAL_API int shoal_object_receive(int socket, int64_t timeout_ns, int *ret_fd);

/*
 * Waits until there is an object of that name (of whatever kind). Sleeps without polling where
 * inotify works. Returns 0, -EAGAIN, -ETIMEDOUT, -EINTR (a signal), -EINVAL (also for memfd: and
 * anon:, under whose names nothing appears).
 */
SHOAL_API int shoal_wait_exists(const char *name, int64_t timeout_ns);

#ifdef __cplusplus
}
#endif

#endif
