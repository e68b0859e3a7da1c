/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only place with system calls, through one table that tests can replace: the library calls
 * os->x(), never x(). Every function returns >= 0, or -errno. Nothing here sets the error detail:
 * callers know what they were doing.
 *
 * -EAGAIN and -EINTR mean something of ours (shoal/error.h), so only those return them that say so:
 * lock (held by somebody else), futex_wait, wait_entry and the three of sockets. Elsewhere a call
 * that a signal broke off is made again, and a passing want of the kernel's has another code.
 */
#ifndef SHOAL_OS_OS_H
#define SHOAL_OS_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct os_file {
	uint64_t device;
	uint64_t inode;
	uint64_t bytes;
	uint64_t bytes_used;
	uint32_t type; /* enum os_type */
	uint32_t mode; /* permission bits */
	uint32_t uid;
	uint32_t links;
};

enum os_type { OS_REGULAR, OS_DIRECTORY, OS_SYMLINK, OS_OTHER };

/* What a file lets nobody do any more. */
enum os_seals { OS_SEAL_SEALS = 1, OS_SEAL_SHRINK = 2, OS_SEAL_GROW = 4 };

enum os_socket { OS_SOCKET_OTHER, OS_SOCKET_STREAM, OS_SOCKET_PACKETS }; /* unix sockets */

struct os_received {
	int fd;       /* the first descriptor that came; begin with -1 */
	bool surplus; /* there was more than one, or more than fits: all of that was closed */
};

struct os_room {
	uint64_t total;
	uint64_t available;
	bool remote; /* NFS, FUSE, 9p...: locks and mappings can't be trusted there */
};

enum os_map { OS_MAP_NONE, OS_MAP_READ, OS_MAP_WRITE };

/* What may be done with memory. */
enum os_access { OS_READ = 1, OS_WRITE = 2, OS_EXECUTE = 4 };

/* A part of a file in memory. All but `access` and the rest are whole pages. */
struct os_part {
	void *address;   /* where it must lie; NULL: anywhere */
	uint64_t offset; /* in the file */
	uint64_t bytes;
	unsigned access;
	bool replace; /* in place of what is the caller's own there; else -EEXIST */
	bool copy;    /* copy-on-write: changes stay here */
	bool inherit; /* a forked child has it, too */
};

enum os_sync { OS_SYNC_WAIT, OS_SYNC_START, OS_SYNC_INVALIDATE };

enum os_advice {
	OS_NORMAL,
	OS_SEQUENTIAL,
	OS_RANDOM,
	OS_WILL_NEED,
	OS_NOT_NEEDED, /* the contents stay, the memory may go */
	OS_HUGE,
	OS_NO_HUGE,
	OS_COLLAPSE, /* makes huge pages of small ones, now */
	OS_POPULATE, /* brings it all in, now */
	OS_LOCK,     /* and keeps it in */
	OS_UNLOCK,
};

/* What the kernel has made of a piece of memory. */
struct os_mapped {
	uint64_t resident_bytes; /* mapped here just now */
	uint64_t locked_bytes;
	uint64_t huge_bytes; /* of the resident ones: in huge pages */
};

/* Text for what lies somewhere: a path, "[stack]", "anonymous memory". */
#define OS_OCCUPANT_BYTES 128
/* A System V segment, as IPC_STAT and /proc/sysvipc/shm show it. */
struct os_shm {
	int32_t id;
	uint32_t key; /* 0: IPC_PRIVATE, or removed and still attached */
	uint64_t bytes;
	uint32_t mode; /* permission bits */
	uint32_t uid;
	uint32_t gid;
	uint32_t creator_uid;
	uint32_t creator_pid; /* as the caller's PID namespace numbers it; 0: not in there */
	uint32_t last_pid;    /* who attached or detached last; 0: nobody ever */
	uint64_t attached;
	int64_t attach_time; /* CLOCK_REALTIME, in seconds */
	int64_t detach_time;
	int64_t change_time;
	bool doomed; /* removed: it goes when the last one detaches */
	bool locked; /* in memory, by SHM_LOCK */
	/* From shm_each alone: */
	uint64_t resident;
	uint64_t swapped;
};

struct os_shm_limits {
	uint64_t bytes_max; /* of a segment: kernel.shmmax */
	uint64_t bytes_min;
	uint64_t segments_max; /* kernel.shmmni */
	uint64_t segments;
	uint64_t total_max; /* of all together: kernel.shmall, in bytes */
	uint64_t total;
};

#define OS_SHM_CREATE    1u /* shm_get: a new one, or -EEXIST */
#define OS_SHM_HUGE      2u /* shm_get: of huge pages, or an error */
#define OS_SHM_READ_ONLY 4u /* shm_attach */
#define OS_SHM_ROUND     8u /* shm_attach: the address rounded down to what fits (SHM_RND) */

struct os_process {
	bool exists;
	bool stopped;
	uint64_t start_time; /* clock ticks since boot: tells a reused pid */
};

struct os_calls {
	/* files */
	int (*open)(const char *path, bool write); /* an existing file; never through a symlink */
	int (*create_unnamed)(const char *directory); /* O_TMPFILE, mode 0600 */
	int (*create_named)(const char *path);        /* O_EXCL, mode 0600 */
	int (*reopen)(int fd, bool write); /* a fresh file description of the same file */
	/* The same of a descriptor of that process; 0: of this one, whatever it leads to. */
	int (*reopen_of)(uint32_t pid, int fd, bool write);
	int (*create_memory)(const char *name); /* a memfd that can be sealed, close-on-exec */
	int (*seal)(int fd, unsigned seals);
	int (*seals)(int fd);                     /* -EINVAL: a file that can have none */
	int (*link_fd)(int fd, const char *path); /* gives an unnamed file its name */
	int (*link)(const char *from, const char *to);
	int (*unlink)(const char *path);
	int (*close)(int fd);
	int (*stat_fd)(int fd, struct os_file *file);
	int (*stat_path)(const char *path, struct os_file *file); /* the link itself */
	int (*room)(int fd, struct os_room *room);
	int (*access)(int fd); /* enum os_access, as it was opened */
	int (*set_mode)(int fd, uint32_t mode);
	int (*set_size)(int fd, uint64_t bytes);
	int (*reserve)(int fd, uint64_t offset, uint64_t bytes); /* fallocate; retries EINTR */
	int (*release)(int fd, uint64_t offset, uint64_t bytes); /* gives memory back: zeroes */
	int64_t (*read_at)(int fd, void *buffer, size_t bytes, uint64_t offset);
	int (*write_at)(int fd, const void *buffer, size_t bytes, uint64_t offset); /* all of it */
	/* Calls each(context, name) for every entry that begins with prefix; stops on non-zero. */
	int (*each_entry)(const char *directory, const char *prefix,
			  int (*each)(void *context, const char *name), void *context);
	/* Open file description locks, of one byte */
	int (*lock)(int fd, uint64_t offset); /* for writing; -EAGAIN when somebody has it */
	int (*unlock)(int fd, uint64_t offset);
	int (*lock_shared)(int fd, uint64_t offset); /* for reading; -EAGAIN as above */
	int (*lock_held)(int fd, uint64_t offset);   /* 1: another description has a write lock */
	int (*lock_any)(int fd, uint64_t offset);    /* 1: another one has it, for whatever */
	int (*keep_across_fork)(int fd); /* closes it in children that fork makes from here on */
	void (*forget_across_fork)(int fd);
	int (*hold_forks)(void); /* forks by other threads and signal handlers wait until
				  * let_forks */
	void (*let_forks)(void);
	/* memory */
	/* Never inherited. *ret: where it must lie (-EEXIST: something is there), NULL: anywhere.
	 */
	int (*map)(int fd, uint64_t bytes, enum os_map how, void **ret);
	int (*map_part)(int fd, const struct os_part *part, void **ret);
	int (*map_private)(uint64_t bytes, void **ret); /* anonymous; never inherited */
	/* Anonymous, and copied to a forked child as usual, but for the first `wiped` bytes (whole
	 * pages), which read as zeroes there. */
	int (*map_handle)(uint64_t wiped, uint64_t bytes, void **ret);
	int (*unmap)(void *address, uint64_t bytes);
	/* Puts anonymous memory of zeroes (never inherited) in the place of what is mapped there,
	 * in one step, after fill(context, memory) has written to it. Async-signal-safe. */
	int (*map_over)(void *address, uint64_t bytes,
			void (*fill)(const void *context, uint8_t *memory), const void *context);
	/* From here on repair(address) is asked about memory that failed under a thread (SIGBUS).
	 * True: the thread goes on; else whoever was asked before is asked. Callers see to it that
	 * catch and let do not run at the same time. See os_fault.c. */
	int (*catch_faults)(bool (*repair)(uintptr_t address));
	void (*let_faults)(void);
	/* An address at which so much is free just now, a multiple of `alignment`. */
	int (*find_room)(uint64_t bytes, uint64_t alignment, void **ret);
	int (*protect)(void *address, uint64_t bytes, unsigned access); /* enum os_access */
	int (*sync)(void *address, uint64_t bytes, enum os_sync how);
	int (*advise)(void *address, uint64_t bytes, enum os_advice advice);
	/* How many of its pages are in memory, by whomever they were brought in. */
	int (*resident)(const void *address, uint64_t bytes, uint64_t *ret_pages);
	int (*mapped)(const void *address, uint64_t bytes, struct os_mapped *ret);
	/* What lies in the way. */
	void (*occupant)(const void *address, uint64_t bytes, char text[OS_OCCUPANT_BYTES]);
	uint64_t (*page_bytes)(void);
	/* Takes the memory of a mapping now, whatever is in it. -ENOMEM: it is not to be had. */
	int (*populate)(void *address, uint64_t bytes);
	/* Gives back the memory of a part of a shared mapping, for everybody: zeroes. */
	int (*unpopulate)(void *address, uint64_t bytes);
	/* For each 4,096 bytes: bit 0 says that they are in memory. `address` is a page's. */
	int (*pages_in_memory)(const void *address, uint64_t bytes, uint8_t *pages);
	/* System V shared memory */
	int (*shm_get)(uint32_t key, uint64_t bytes, unsigned flags, uint32_t mode); /* its id */
	/* Never inherited. `address` NULL: the kernel chooses; else there or not at all, and never
	 * over another mapping. `bytes`: its size. */
	int (*shm_attach)(int id, void *address, unsigned flags, uint64_t bytes, void **ret);
	int (*shm_detach)(void *address);
	int (*shm_stat)(int id, struct os_shm *shm);
	int (*shm_set)(int id, uint32_t uid, uint32_t gid, uint32_t mode);
	int (*shm_remove)(int id);
	int (*shm_lock)(int id, bool lock);
	int (*shm_limits)(struct os_shm_limits *limits);
	/* Every segment of this IPC namespace; stops on non-zero. */
	int (*shm_each)(int (*each)(void *context, const struct os_shm *shm), void *context);
	/* waiting */
	int (*futex_wait)(const void *word, uint32_t value, int64_t timeout_ns);
	int (*futex_wake)(const void *word, int count);
	/* Adds 1 << shift to *add (32 bits) and wakes all who sleep on word; no kill, not even of
	 * this process, comes between. */
	int (*futex_add_and_wake)(const void *word, void *add, unsigned shift);
	int (*barrier_register)(void); /* membarrier: 0 when this process answers barriers */
	int (*barrier)(void);          /* a fence in every registered process */
	int (*wait_entry)(const char *directory, int64_t timeout_ns, int (*there)(void *context),
			  void *context);
	void (*yield)(void);
	/* unix sockets. None of them waits but wait_socket, which a signal ends: -EINTR */
	int (*socket_kind)(int socket);
	int64_t (*send_descriptor)(int socket, const void *bytes, size_t length, int fd);
	int64_t (*receive_descriptor)(int socket, void *bytes, size_t length,
				      struct os_received *received);
	int (*wait_socket)(int socket, bool write, int64_t timeout_ns); /* -ETIMEDOUT */
	/* time */
	int64_t (*now_ns)(void);      /* CLOCK_MONOTONIC */
	int64_t (*realtime_ns)(void); /* CLOCK_REALTIME */
	/* who and where */
	int (*random)(void *buffer, size_t bytes);
	int (*boot_id)(uint8_t id[16]); /* zeroes when /proc is not there */
	uint32_t (*user)(void);         /* effective uid */
	bool (*privileged_exec)(void);  /* set-user-ID: the environment is a stranger's */
	uint32_t (*pid)(void);
	uint64_t (*pid_namespace)(void); /* 0 when unknown */
	uint64_t (*ipc_namespace)(void); /* the same */
	void (*process_name)(char name[16]);
	uint64_t (*start_time)(void); /* of this process */
	int (*process)(uint32_t pid, struct os_process *process);
};

extern const struct os_calls os_linux;
/* The table in use. Only tests assign to it, while nothing else runs. */
extern const struct os_calls *os;

#endif
