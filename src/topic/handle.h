/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What publisher and subscriber handles have in common. A handle lies in memory that reads as
 * zeroes in a forked child, so there `live` is 0 without anybody having to ask. Behind it lies what
 * the child inherits, to close the descriptor or to join with it: the object, and how the handle
 * was opened.
 */
#ifndef SHOAL_TOPIC_HANDLE_H
#define SHOAL_TOPIC_HANDLE_H

#include "topic/topic.h"

struct handle {
	uint32_t live;  /* 0: forked child, or stale */
	uint32_t stale; /* the object was removed */
	_Atomic uint32_t interrupted;
	bool guarded;    /* SHOAL_GUARD_SIGBUS */
	int64_t spin_ns; /* 0: none, negative: never sleep */
	struct topic_map map;
	struct object *object;
};

/* Opens the object for a new handle of `bytes` bytes that begins with a struct handle. `options`
 * is filled with the checked copy. Returns as topic_open. */
int handle_open(struct handle **ret, size_t bytes, const char *name, unsigned flags,
		unsigned allowed, uint32_t role, const struct shoal_topic_options *given);
/*
 * In a forked child: joins the object that the inherited handle was opened on, into `fresh`, which
 * the handle uses from there on. The caller does what follows an open; then handle_rejoined, which
 * moves it into the handle, or handle_unjoin, after which the handle is as it was. `role` by the
 * flags that it was opened with (handle_flags).
 */
unsigned handle_flags(const struct handle *handle, size_t bytes);
int handle_rejoin(struct handle *handle, size_t bytes, uint32_t role, struct object *fresh);
void handle_rejoined(struct handle *handle, size_t bytes);
int handle_unjoin(struct handle *handle, size_t bytes, int error);
/* The object's descriptor, or why there is none. */
int handle_descriptor(struct handle *handle);
/* Leaves the object and frees the handle; in a forked child it only frees. */
void handle_close(struct handle *handle, size_t bytes);
/* Leaves nothing behind after a failed open, not even a topic that was `made` for it and is to be
 * kept. Returns `error`. */
int handle_fail(struct handle *handle, size_t bytes, int made, int error);

/* shoal_pub_sysv_id and its like. */
int handle_sysv_id(const struct handle *handle);

/* Why a handle that is not live can't be used. Sets the detail. */
SLOW_PATH int handle_refuse(const struct handle *handle);
/* Looks at the lifetime: 0, or -ESTALE and the handle is not live any more. */
int handle_check(struct handle *handle);
/* The same, but what was removed, and not lost, is fine: it can be read to its end. */
int handle_check_lost(struct handle *handle);
/* As wait_until. A guarded handle looks every HANDLE_LOOK_NS whether its object was truncated: who
 * sleeps touches nothing, and those who would wake it can't. */
#define HANDLE_LOOK_NS 1000000000
int handle_wait(struct handle *handle, struct wait *wait);
/* -EINTR, once, when interrupt() was called. */
int handle_interrupted(struct handle *handle);

#endif
