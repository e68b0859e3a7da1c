/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A subscriber's handle, for the files that make it up:
 *
 *   sub.c       opening and closing
 *   sub_find.c  the next message: which lane, whose turn, waiting
 *   sub_read.c  the calls: borrow and release, receive, receivev
 */
#ifndef SHOAL_TOPIC_SUB_H
#define SHOAL_TOPIC_SUB_H

#include "lane/slip.h"
#include "topic/handle.h"

/*
 * A TURN is a stretch of the current lane that may take the quick path: small messages, to a
 * lossless subscriber. It is over (position == turn_end) whenever anything is out of the ordinary,
 * and in a forked child, where all of this reads as zeroes.
 */
struct shoal_sub {
	struct handle handle;
	struct lane_reader reader; /* of the current lane, a copy: see go_to_lane */
	uint64_t turn_end;         /* a position in it */
	uint64_t turn_used;        /* the same, unless something came between */
	const void *lent;          /* the view that is out, or NULL */
	bool fences_itself;
	bool lossy;
	bool follow;
	bool held; /* `message` was found and not passed yet */
	struct lane_message message;
	struct lane_reader *readers; /* one a lane; those of ready lanes first, in `active` */
	uint32_t active;
	uint32_t current; /* UINT32_MAX: none yet */
	uint32_t epoch;
	int failed; /* an error that came behind the messages of a batch: for the next call */
	uint64_t message_lost;
	struct slip slip;
	struct lane_buffer buffer; /* lossy: the private copy */
	struct topic_record *record;
	uint32_t entry;
	uint64_t lost;
};

/* ---- sub_find.c -------------------------------------------------------------------------- */

/* Makes sure that a message is held, where the quick path found none. 0, or why there is none. */
SLOW_PATH int sub_find_message(struct shoal_sub *sub, int64_t timeout_ns);
/* In this turn or the next one: looks at its slot for about as long as a round trip takes; not
 * while others wait, since a turn can last as long as 64 round trips. True: a small message. */
bool sub_quick_wait(struct shoal_sub *sub, int64_t timeout_ns, struct lane_message *message);
/* 1: there is a message, and it is held; 0: none; < 0. Each lane in turn, from the next on. */
int sub_look_in_lanes(struct shoal_sub *sub);
/* The message that is held, found the long way, was read; the next ones may be quick. Returns as
 * sub_move_on. */
int sub_pass_held(struct shoal_sub *sub);
/* The gate is shut: a publisher sleeps, or it is the mark of lost memory, -ESTALE. */
SLOW_PATH int sub_push_gate(struct shoal_sub *sub);

/* ---- turns ------------------------------------------------------------------------------- */

static inline bool sub_in_turn(const struct shoal_sub *sub)
{
	return likely(sub && !sub->lent && sub->reader.position != sub->turn_end);
}

static inline void sub_end_turn(struct shoal_sub *sub)
{
	sub->turn_end = sub->reader.position;
}

/* What was read of the message came before this. 0; or -ESTALE: by then the memory was lost, and
 * what was read may be zeroes. */
static inline int sub_move_on(struct shoal_sub *sub)
{
	lane_pass(&sub->reader);
	return lane_gate_is_shut(&sub->reader, sub->fences_itself) ? sub_push_gate(sub) : 0;
}

#endif
