/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom a wait is for: looked up when it has taken a second, said once for each change.
 */
#ifndef CLI_WAIT_H
#define CLI_WAIT_H

#include "cli.h"

struct wait_note {
	const char *name; /* of the topic */
	unsigned flags;   /* for shoal_topic_stat */
	char said[512];
};

/* A publisher that waits for room: the subscribers that hold it up. */
void wait_note_room(struct wait_note *note);
/* A publisher that waits until all is read: the subscribers that lag behind. */
void wait_note_drain(struct wait_note *note);
/* A publisher that waits for so many subscribers. */
void wait_note_subscribers(struct wait_note *note, uint32_t wanted);
/* A subscriber to which nothing comes: a publisher that is stopped or gone. A live one that has
 * nothing to say is none of its business. */
void wait_note_messages(struct wait_note *note);

/* "pid 7 (name)", "pid 7 (name), stopped" */
void seat_text(const struct shoal_topic_seat *seat, char *buffer, size_t size);

#endif
