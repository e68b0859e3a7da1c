/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libqb's ring buffer, as files in the folder of objects. It can be made without its semaphore, but
 * then who reads knows a chunk by a magic number alone, and takes what is left of an old message
 * for one when its bytes are that number. Who writes can't wait for room: only a round trip sleeps
 * on both sides.
 */
#include "peers.h"

#include <errno.h>
#include <qb/qbrb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK_BYTES 64    /* more than a chunk's head and its filling up */
#define WAIT_MS     30000 /* longer than any message takes: the other side is gone */

struct ends {
	qb_ringbuffer_t *out;
	qb_ringbuffer_t *in;
	int wait_ms;
};

static bool qb_make(struct lab_link *link, const struct lab_case *what, char *reason)
{
	static unsigned starts;

	/* What a side that died left must not be in the way of the next. */
	snprintf(link->name, sizeof link->name, "qb-%u", starts++);
	if (what->mode == LAB_SPINNING || what->job == LAB_ROUND_TRIP)
		return true;
	snprintf(reason, LAB_REASON, "who writes can't wait for room: it would have to spin");
	return false;
}

/* The sender makes it. */
static qb_ringbuffer_t *end_open(struct lab_side *me, int sender)
{
	uint32_t flags = QB_RB_FLAG_SHARED_PROCESS;
	size_t bytes = lab_slots(me->what->bytes) * (me->what->bytes + CHUNK_BYTES);
	qb_ringbuffer_t *ring = NULL;
	char name[400];

	if ((size_t)sender >= peer_ways(me->what))
		return NULL;
	snprintf(name, sizeof name, "%s/%s-%d", me->control->scratch, me->link->name, sender);
	if (me->side == sender)
		flags |= QB_RB_FLAG_CREATE;
	ring = qb_rb_open(name, bytes, flags, 0);
	if (ring == NULL)
		bench_die("qb_rb_open of %zu bytes: %s", bytes, strerror(errno));
	return ring;
}

/* A ring must be there before it is opened, so each side makes its own first. */
static void qb_open(struct lab_side *me)
{
	struct ends *ends = lab_alloc(sizeof *ends);

	ends->out = end_open(me, me->side);
	bench_steps_meet(&me->control->steps, me->side);
	ends->in = end_open(me, 1 - me->side);
	ends->wait_ms = me->what->mode == LAB_SPINNING ? 0 : WAIT_MS;
	me->state = ends;
}

static void qb_close(struct lab_side *me)
{
	struct ends *ends = me->state;

	if (ends->in != NULL)
		qb_rb_close(ends->in);
	if (ends->out != NULL)
		qb_rb_close(ends->out);
	free(ends);
}

static void qb_send(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct ends *ends = me->state;
	void *place;

	while (!(place = qb_rb_chunk_alloc(ends->out, bytes)))
		bench_relax();
	lab_fill(place, bytes, number);
	if (qb_rb_chunk_commit(ends->out, bytes) < 0)
		bench_die("qb_rb_chunk_commit failed");
}

static uint64_t qb_take(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct ends *ends = me->state;
	ssize_t some;
	void *place;
	uint64_t sum;

	(void)number;
	while ((some = qb_rb_chunk_peek(ends->in, &place, ends->wait_ms)) <= 0) {
		if (ends->wait_ms > 0)
			bench_die("qb_rb_chunk_peek: %s", strerror((int)-some));
		bench_relax();
	}
	if ((size_t)some != bytes)
		bench_die("libqb: a message of %zd bytes", some);
	sum = lab_sum(place, bytes);
	qb_rb_chunk_reclaim(ends->in);
	return sum;
}

LAB_JOBS_OF(qb)

const struct lab_transport peer_libqb = {
    .name = "libqb",
    .note =
	"libqb, its ring buffer with its semaphore, shared by processes, chunks filled and read "
	"in place; spinning by looking at once, sleeping in the semaphore",
    .modes = LAB_BIT(LAB_SPINNING) | LAB_BIT(LAB_SLEEPING),
    LAB_DOES_ALL_OF(qb),
    .usual = true,
    .make = qb_make,
    .open = qb_open,
    .close = qb_close,
};
