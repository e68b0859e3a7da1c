/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What publisher and subscriber handles have in common. A handle lies in memory that reads as
 * zeroes in a forked child, so there `live` is 0 without anybody having to ask. Behind it lies the
 * object, which the child inherits: it needs it to close the descriptor.
 */
#ifndef SHOAL_TOPIC_HANDLE_H
#define SHOAL_TOPIC_HANDLE_H

#include "topic/topic.h"

struct handle {
	uint32_t live;  /* 0: forked child, or stale */
	uint32_t stale; /* the object was removed */
	_Atomic uint32_t interrupted;
	int64_t spin_ns; /* 0: none, negative: never sleep */
	struct topic_map map;
	struct object *object;
};

/* Opens the object for a new handle of `bytes` bytes that begins with a struct handle. `options`
 * is filled with the checked copy. Returns as topic_open. */
int handle_open(struct handle **ret, size_t bytes, const char *name, unsigned flags,
		unsigned allowed, uint32_t role, const struct shoal_topic_options *given);
/* Leaves the object and frees the handle; in a forked child it only frees. */
void handle_close(struct handle *handle, size_t bytes);
/* Leaves nothing behind after a failed open, not even a topic that was `made` for it and is to be
 * kept. Returns `error`. */
int handle_fail(struct handle *handle, size_t bytes, int made, int error);

/* shoal_pub_sysv_id and its like. */
int handle_sysv_id(const struct handle *handle);

/* Why a handle that is not live can't be used. Sets the detail. */
int handle_refuse(const struct handle *handle);
/* Looks at the lifetime: 0, or -ESTALE and the handle is not live any more. */
int handle_check(struct handle *handle);
/* -EINTR, once, when interrupt() was called. */
int handle_interrupted(struct handle *handle);

#endif
