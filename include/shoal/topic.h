/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Topics: publishers send, every subscriber gets every message.
 *
 * ORDER. Each publisher's messages arrive in its order. Between publishers no order is promised.
 *
 * LOSS. A lossless subscriber (the default) loses nothing from its first message on: publishers
 * wait for it while it is alive, however slow, and go on at once when it dies. A lossy subscriber
 * (SHOAL_LOSSY) holds up nobody; what was overwritten before it came is counted exactly in the
 * `lost` of its next message. With no lossless subscriber the oldest messages are overwritten.
 *
 * DEATH. A publisher or subscriber may be killed at any instruction: what was committed stays
 * readable once and whole, what was not is never seen, and nobody waits for the dead.
 *
 * HANDLES. A handle is used by one thread at a time. It has a seat of its own in the topic, so
 * several may be open in one process. After fork the child's copy answers -ECHILD: let it rejoin
 * there (shoal_pub_rejoin), or close it (it costs nothing and touches nobody).
 *
 * SIGNALS. A signal handler does not end a wait. shoal_pub_interrupt and shoal_sub_interrupt do;
 * they may be called from a signal handler and from any thread.
 *
 * COST. Publishing or receiving a small message makes no system call, no fence and no atomic
 * read-modify-write, and moves one cache line. A waiting call spins for options.spin_ns, then
 * sleeps in the kernel.
 */
#ifndef SHOAL_TOPIC_H
#define SHOAL_TOPIC_H

#include <shoal/object.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A publisher: holds one lane of the topic. Close it with shoal_pub_close. */
typedef struct shoal_pub shoal_pub;
/* A subscriber: holds one entry of the topic. Close it with shoal_sub_close. */
typedef struct shoal_sub shoal_sub;

/*
 * Geometry and habits. Zero means default. The geometry (all but spin_ns) is fixed when the topic
 * is made and ignored when it exists already. Set `size = sizeof(struct shoal_topic_options)`.
 */
struct shoal_topic_options {
	size_t size;
	/* The size of a usual message. Up to 1,024 bytes it travels inside a slot of this size
	 * (at least 56 bytes); for larger ones the payload area is sized to hold several.
	 * Messages of any other size up to payload_bytes work too. */
	uint64_t message_bytes;
	uint64_t payload_bytes; /* of a lane, for messages too large for a slot; up to 1 TiB.
				 * Default 2 MiB; 8 large messages, as far as these take 64 MiB. */
	uint32_t slots;         /* messages a lane can hold: a power of two, 2 to 2^24. 16,384 */
	uint32_t lanes;         /* publishers at a time, 1 to 1,024. Default 8 */
	uint32_t subscribers;   /* subscribers at a time, 1 to 4,096. Default 256 */
	uint32_t mode;          /* permission bits of the object. Default 0600 */
	int64_t spin_ns;        /* how long this handle spins before it sleeps. Default 20,000;
				 * SHOAL_SPIN_NEVER sleeps at once, SHOAL_FOREVER never sleeps */
};
#define SHOAL_SPIN_NEVER ((int64_t)1)

/*
 * Makes a topic and leaves it: implies SHOAL_CREATE and SHOAL_KEEP. `flags`: SHOAL_EXCLUSIVE,
 * SHOAL_FOREIGN. Returns 0 (also when it was there already, unless SHOAL_EXCLUSIVE) or what
 * shoal_pub_open returns.
 */
SHOAL_API int shoal_topic_create(const char *name, unsigned flags,
				 const struct shoal_topic_options *options);

/* ---- publisher ------------------------------------------------------------------------- */

/*
 * Opens a publisher on the topic `name` and takes a lane in it.
 * `flags`: SHOAL_CREATE, SHOAL_EXCLUSIVE, SHOAL_KEEP, SHOAL_FOREIGN, SHOAL_HOLD,
 * SHOAL_GUARD_SIGBUS.
 * Returns 0 (1 when the topic was made by this call) or: -ENOENT, -EEXIST, -ENOSPC, -EUSERS,
 * -EPERM, -EACCES, -EBADMSG, -ENOTSUP, -ESTALE, -EPROTOTYPE, -EISDIR, -ELOOP, -ENODATA, -EXDEV,
 * -EINVAL, -E2BIG, -ENAMETOOLONG, -ENOMEM, -EMFILE, -EBUSY (being removed by a stopped process),
 * what object.h says of memfd: names, or what the kernel said (error.h).
 * On failure *ret_pub is NULL. Cost: some 20 system calls; the first publisher in a lane also
 * reserves the lane's memory.
 */
SHOAL_API int shoal_pub_open(shoal_pub **ret_pub, const char *name, unsigned flags,
			     const struct shoal_topic_options *options);

/*
 * In a forked child: takes a seat and a lane of its own for the handle that it inherited, with the
 * flags and spin_ns that it was opened with, so that it works again; until then each call on it is
 * -ECHILD. The object is found by the inherited descriptor, or by its name where that was closed
 * meanwhile; its name may be gone. The parent's handle, lane and seat are not touched, and a loan
 * that was out stays the parent's. Any number of children may rejoin, and their children in turn.
 * Returns 0, -EINVAL (the handle is not inherited: it has its seat), -ESTALE (the object was
 * removed, or everybody who was in it has ended and it was not to be kept), -EUSERS, -ENOSPC, or
 * what else shoal_pub_open returns. On failure the handle is as it was: close it, or try again.
 * Cost: as shoal_pub_open.
 */
SHOAL_API int shoal_pub_rejoin(shoal_pub *pub);

/* The descriptor that the publisher holds its object by, borrowed: close-on-exec, valid until the
 * handle is closed; don't close it, lock it or change its size. Of a memfd: or anon: object it can
 * be handed on (shoal_object_send, or inherited as a dup without close-on-exec) and opened as
 * memfd:fd=N. -EINVAL, -ECHILD, -ESTALE. */
SHOAL_API int shoal_pub_fd(shoal_pub *pub);

/* Closes in order: tells subscribers, gives back the lane, and removes the topic if this was the
 * last seat in it. A loan that is out is aborted. NULL is fine. */
SHOAL_API void shoal_pub_close(shoal_pub *pub);

/* Writable memory for one message, in place, between claim and commit or abort. What is in it
 * before you write has no meaning. */
struct shoal_loan {
	void *data;        /* aligned to at least 8 bytes; 64 for messages outside a slot */
	size_t bytes;      /* as claimed; set it lower before commit to send less */
	uint64_t sequence; /* the position that the message will have in its lane */
};

/*
 * Takes memory for a message of `bytes` bytes. One loan at a time: -EBUSY when one is out.
 * Waits while a lossless subscriber still needs the room. Returns 0, -EAGAIN, -ETIMEDOUT,
 * -EINTR, -EMSGSIZE, -EBUSY, -ESTALE, -EBADMSG, -ECHILD, -ENOMEM.
 */
SHOAL_API int shoal_pub_claim(shoal_pub *pub, size_t bytes, int64_t timeout_ns,
			      struct shoal_loan *ret_loan);
/* Publishes the loan: from here on every subscriber sees it. Never waits. Returns 0, -EINVAL (not
 * this publisher's loan, or `bytes` was raised), -ECHILD, -ESTALE (the topic was removed: nobody
 * new will read it). The loan is over in every case but -EINVAL. */
SHOAL_API int shoal_pub_commit(shoal_pub *pub, struct shoal_loan *loan);
/* Gives the loan back; nothing was visible. Returns 0, -EINVAL, -ECHILD. */
SHOAL_API int shoal_pub_abort(shoal_pub *pub, struct shoal_loan *loan);

/* claim, copy, commit in one. `data` may be NULL when `bytes` is 0. Returns as claim. */
SHOAL_API int shoal_pub_publish(shoal_pub *pub, const void *data, size_t bytes, int64_t timeout_ns);
/*
 * Publishes `count` messages, one for each element, in order; each becomes visible by itself (a
 * batch is no transaction). Waits as publish does for each. Returns how many were published, at
 * least 1 unless count is 0; an error only if the first could not be (a later one then comes
 * with the next call), or if the topic was removed meanwhile (-ESTALE).
 */
SHOAL_API int64_t shoal_pub_publishv(shoal_pub *pub, const struct iovec *messages, size_t count,
				     int64_t timeout_ns);

/* Waits until at least `count` subscribers are in the topic. 0, -EAGAIN, -ETIMEDOUT, -EINTR,
 * -ESTALE, -ECHILD. */
SHOAL_API int shoal_pub_wait_subscribers(shoal_pub *pub, uint32_t count, int64_t timeout_ns);
/* Waits until every lossless subscriber that is alive has read all that this publisher
 * committed (with SHOAL_HOLD: until somebody subscribed, too). Returns as the one above. */
SHOAL_API int shoal_pub_drain(shoal_pub *pub, int64_t timeout_ns);
/* Ends this handle's wait, or its next one, with -EINTR. Async-signal-safe; any thread. */
SHOAL_API void shoal_pub_interrupt(shoal_pub *pub);
/* The lane of this publisher, and the position of its next message. */
SHOAL_API uint32_t shoal_pub_lane(const shoal_pub *pub);
SHOAL_API uint64_t shoal_pub_sequence(const shoal_pub *pub);

/* ---- subscriber ------------------------------------------------------------------------ */

/*
 * Opens a subscriber on the topic `name`. It starts now: with the first message that is committed
 * after this call (and perhaps some committed during it); with SHOAL_FROM_OLDEST at the oldest
 * message that is still there.
 * `flags`: SHOAL_CREATE, SHOAL_EXCLUSIVE, SHOAL_KEEP, SHOAL_FOREIGN, SHOAL_LOSSY,
 * SHOAL_FROM_OLDEST, SHOAL_FOLLOW, SHOAL_GUARD_SIGBUS. Returns as shoal_pub_open.
 */
SHOAL_API int shoal_sub_open(shoal_sub **ret_sub, const char *name, unsigned flags,
			     const struct shoal_topic_options *options);
/* In a forked child, as shoal_pub_rejoin: takes a seat and an entry of its own. It starts now, or
 * at the oldest message if it was opened with SHOAL_FROM_OLDEST: wherever the parent is. */
SHOAL_API int shoal_sub_rejoin(shoal_sub *sub);
/* As shoal_pub_fd. */
SHOAL_API int shoal_sub_fd(shoal_sub *sub);
/* Gives back the entry and removes the topic if this was the last seat in it. A view that is out
 * is released. NULL is fine. */
SHOAL_API void shoal_sub_close(shoal_sub *sub);

/* One message, read in place. */
struct shoal_view {
	/* NULL never; valid until release. A lossless subscriber reads the shared bytes
	 * themselves: a broken publisher can change them while you look. */
	const void *data;
	size_t bytes;
	uint64_t sequence; /* its position in its lane, from 0, without gaps */
	uint64_t lost;     /* messages of this lane lost directly before this one (lossy only) */
	uint32_t lane;
	uint32_t reserved;
};

/*
 * The next message, in place. One view at a time: -EBUSY when one is out. A lossy subscriber gets
 * a private copy (a message that was overwritten meanwhile is skipped and counted).
 * Returns 0, -EAGAIN, -ETIMEDOUT, -EINTR, -EPIPE (see error.h; not with SHOAL_FOLLOW), -EBADMSG
 * (the message fails validation and is skipped), -ESTALE, -ECHILD, -EBUSY, -ENOMEM.
 */
SHOAL_API int shoal_sub_borrow(shoal_sub *sub, int64_t timeout_ns, struct shoal_view *ret_view);
/* Gives the view back; its memory may be overwritten from here on. 0, -EINVAL, -ECHILD; -ESTALE
 * with SHOAL_GUARD_SIGBUS when the topic's pages were lost before this call: what was read through
 * the view, its length too, may be zeroes. The view is over in every case but -EINVAL. */
SHOAL_API int shoal_sub_release(shoal_sub *sub, struct shoal_view *view);

/*
 * Copies the next message into `buffer`. `ret_view` (may be NULL) tells about it, with data =
 * buffer. -EMSGSIZE when it is larger than `buffer_bytes`: it stays the next one, and
 * ret_view->bytes says how large it is. Else as borrow.
 */
SHOAL_API int shoal_sub_receive(shoal_sub *sub, void *buffer, size_t buffer_bytes,
				int64_t timeout_ns, struct shoal_view *ret_view);
/*
 * Copies up to `count` messages, packed one after the other at 8-byte boundaries, into `buffer`;
 * views[i].data points to each. Waits for the first only. Returns how many, at least 1; an error
 * only when there is none (as receive). Messages that don't fit stay.
 */
SHOAL_API int64_t shoal_sub_receivev(shoal_sub *sub, struct shoal_view *views, size_t count,
				     void *buffer, size_t buffer_bytes, int64_t timeout_ns);

/* Ends this handle's wait, or its next one, with -EINTR. Async-signal-safe; any thread. */
SHOAL_API void shoal_sub_interrupt(shoal_sub *sub);
/* Messages lost by this subscriber so far, over all lanes. */
SHOAL_API uint64_t shoal_sub_lost(const shoal_sub *sub);

/* ---- what is going on ------------------------------------------------------------------ */

struct shoal_topic_lane {
	uint32_t lane;
	uint32_t seat;     /* of its publisher; UINT32_MAX when there is none */
	uint64_t position; /* messages committed to it, ever */
	uint64_t oldest;   /* the oldest that is still promised to a newcomer */
	int allocated;     /* 1: its memory is reserved */
	int closed;        /* 1: its last publisher closed in order, 0: died or never was */
};

struct shoal_topic_seat {
	uint32_t seat;
	int32_t pid;              /* as its own PID namespace numbers it */
	int same_pid_namespace;   /* 1: `pid` means the same to the caller */
	enum shoal_health health; /* SHOAL_ALIVE, SHOAL_STOPPED or SHOAL_DEAD */
	char role[16];            /* "publisher", "subscriber", "lossy" or "joining" */
	char name[16];            /* of the process, as it was when it joined */
	int64_t joined_ns;        /* CLOCK_REALTIME */
	uint32_t lane;            /* publisher: its lane; else UINT32_MAX */
	uint64_t position;        /* publisher: committed. Subscriber: read, over all lanes */
	uint64_t lag;  /* subscriber: messages committed and not yet read, over all lanes */
	uint64_t lost; /* lossy subscriber: messages lost, over all lanes */
	int holds_up;  /* 1: a publisher is waiting, or soon must, for this lossless
			* subscriber: it is the slowest of a lane that is full */
};

/* A snapshot of a topic. Free it with shoal_topic_stat_free. */
struct shoal_topic_stat {
	struct shoal_object object;
	uint64_t payload_bytes;
	uint32_t slots;
	uint32_t inline_bytes;
	uint32_t lane_count; /* the geometry's; `lanes` has as many elements */
	uint32_t subscribers_max;
	uint32_t publishers;      /* lanes held, dead publishers included */
	uint32_t subscribers;     /* entries held, dead ones included */
	uint64_t subscribed_ever; /* how many subscribers ever joined */
	int ended;                /* 1: no publisher; the last one to go closed in order */
	uint32_t seat_count;      /* elements of `seats`: those that are taken */
	struct shoal_topic_lane *lanes;
	struct shoal_topic_seat *seats;
};

/*
 * Reads the topic without mapping it: takes no seat and changes nothing, so it works on a topic
 * whose seats are all taken or stuck. The values are read one after another while others go on.
 * `flags`: SHOAL_FOREIGN. Returns 0, or as shoal_pub_open; *ret_stat is NULL on failure.
 */
SHOAL_API int shoal_topic_stat(const char *name, unsigned flags,
			       struct shoal_topic_stat **ret_stat);
SHOAL_API void shoal_topic_stat_free(struct shoal_topic_stat *stat);

/*
 * Checks every invariant of the topic's shared bytes, in a copy. Returns 0, or -EBADMSG with the
 * first broken one in shoal_error_detail(), or as shoal_topic_stat. While others are at work it
 * looks at a moving picture: call it when they are stopped or gone.
 */
SHOAL_API int shoal_topic_audit(const char *name, unsigned flags);

#ifdef __cplusplus
}
#endif

#endif
