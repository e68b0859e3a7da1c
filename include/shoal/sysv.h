/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System V shared memory: objects whose names begin with "sysv:" (see object.h), and what the
 * kernel says of any segment, Shoal's or not.
 *
 * MEMORY. A segment's size is promised by the kernel when it is made and can't be changed by
 * anybody, so no peer can truncate it. Its pages are taken when they are reserved (Linux 5.14;
 * before, by one touch each): -ENOMEM then, and no SIGBUS later. The limit of a memory cgroup is
 * another matter: there the kernel may kill a process of the group, inside our call. No child
 * inherits the mapping. What is swapped out counts as taken.
 *
 * NAMESPACES. Key and id mean something in one IPC namespace; the lock file lies in SHOAL_DIR. Who
 * does not share both is refused (-EXDEV). Objects of two namespaces that share one SHOAL_DIR must
 * have different names.
 *
 * THREADS. shoal_sysv_stat may be called from any thread at any time.
 */
#ifndef SHOAL_SYSV_H
#define SHOAL_SYSV_H

#include <shoal/object.h>
#include <shoal/topic.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A System V segment, as the kernel sees it. Set `size` to sizeof(struct shoal_sysv_stat). */
struct shoal_sysv_stat {
	size_t size;
	int32_t id;
	uint32_t key; /* 0: IPC_PRIVATE, or marked for deletion */
	uint64_t bytes;
	uint64_t attached;    /* how often it is attached now, by whomever */
	uint32_t creator_pid; /* in the caller's PID namespace; 0: of another one */
	uint32_t last_pid;    /* who attached or detached last; 0: nobody ever did */
	uint32_t uid;
	uint32_t gid;
	uint32_t creator_uid;
	uint32_t mode; /* permission bits */
	int doomed;    /* 1: marked for deletion (IPC_RMID): goes when the last one detaches */
	int locked;    /* 1: SHM_LOCK keeps it in memory */
	int64_t attach_time; /* CLOCK_REALTIME in seconds, as the kernel counts here; 0: never */
	int64_t detach_time;
	int64_t change_time; /* made, or its owner or mode changed */
};

/*
 * IPC_STAT of the segment that `name` leads to: "sysv:NAME" and its like, through the object's lock
 * file; "sysv:id=N" and "sysv:key=N" also where that segment is none of Shoal's.
 * Members that this library knows and `size` leaves no room for are left out; those that it does
 * not know are not touched. Returns 0, -EINVAL (no System V name, or `size` is too small), -ENOENT,
 * -EIDRM (the object's segment was removed), -EACCES, or as opening it.
 * Cost: a few system calls; looks like an attach and a detach to others when it must ask the
 * segment for its lock file ("sysv:id=N" of a Shoal object).
 */
SHOAL_API int shoal_sysv_stat(const char *name, struct shoal_sysv_stat *ret_stat);

/*
 * The id of the handle's segment: what to hand on, by a pipe, a file or the environment, so that
 * others open "sysv:id=N". The only way to reach an object that was made as "sysv:private".
 * Returns the id (>= 0), -EINVAL when the object is no System V one, -ECHILD in a forked child.
 */
SHOAL_API int shoal_pub_sysv_id(const shoal_pub *pub);
SHOAL_API int shoal_sub_sysv_id(const shoal_sub *sub);

#ifdef __cplusplus
}
#endif

#endif
