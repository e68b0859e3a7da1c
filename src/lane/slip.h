/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slipping: a reader that keeps away from the heels of the writer.
 *
 * Close behind it, both are slow: the reader's processor fetches lines ahead of what it reads, and
 * those are the ones that the writer is writing, so each line travels several times. And close
 * they stay, since that is where the two are equally slow: 4 to 16 messages apart, at a half or a
 * third of the speed. So at the end of a turn the reader looks whether it is too close, and if so
 * lets the writer get ahead, as long as that one goes on writing, and fast. That delays messages
 * that could be read: by SLIP_NS at most, and by SLIP_LOOKS looks, some 500 ns, when the writer
 * stops just then. When the writer did not get far in that time it was in vain, and the next
 * delay comes a turn later, then after two, and so on to one in SLIP_REST.
 * Not when it waited for many messages of the turn anyway: they come one at a time, and are
 * answered perhaps. (Giacomoni, Moseley, Vachharajani: FastForward, PPoPP 2008, "temporal
 * slipping".)
 */
#ifndef SHOAL_LANE_SLIP_H
#define SHOAL_LANE_SLIP_H

#include "lane/lane.h"

#define SLIP_CLOSE 48   /* messages behind: closer than that is too close */
#define SLIP_FAR   128  /* far enough */
#define SLIP_STEP  8    /* it looks at each 8th slot on the way */
#define SLIP_LOOKS 24   /* that found nothing new: the writer has stopped */
#define SLIP_NS    6400 /* in all: below 20 million messages a second nothing is to be won */
#define SLIP_WAITS 16   /* in a turn: messages come one at a time */
#define SLIP_REST  64   /* turns without a look, at most, after one in vain */

/* All zero to begin with. Private to the reader. */
struct slip {
	uint32_t waits; /* in this turn */
	uint32_t rest;  /* turns to go without looking */
	uint32_t vain;  /* how many there were after the last look in vain */
};

/* A message was not there when the reader came. */
static inline void slip_waited(struct slip *slip)
{
	slip->waits++;
}

/* A turn of the reader is over: looks, lets the writer get ahead if it should, begins the next
 * one. Looks at slots only; bounded, whatever they hold. */
SLOW_PATH void slip_at_turn(struct slip *slip, const struct lane_reader *reader);

#endif
