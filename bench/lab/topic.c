/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shoal's topic, one each way for a round trip. Small messages are published from a buffer, large
 * ones filled in place; all are read in place. Spinning never sleeps; sleeping sleeps at once, as
 * those that wait in the kernel do. Several publishers send in turn. Several subscribers are held
 * by one process, which asks each in turn; a round trip is answered when all have the message.
 */
#include "topic_use.h"

#include "jobs.h"

#include <stdlib.h>

#define PUBLISHERS_MAX 8 /* the lanes of a topic, unless one asks for more */

struct ends {
	shoal_pub *pubs[PUBLISHERS_MAX];
	shoal_sub **subs;
	uint32_t pub_count;
	uint32_t sub_count;
	uint32_t turn;
};

static bool topic_make(struct lab_link *link, const struct lab_case *what, char *reason)
{
	static unsigned fresh;

	(void)what;
	(void)reason;
	snprintf(link->name, sizeof link->name, "bench/%u", fresh++);
	return true;
}

/* How many this side has of what goes from side 0 to side 1, or back. */
static void count_ends(struct lab_side *me, struct ends *ends)
{
	bool both = me->what->job == LAB_ROUND_TRIP;

	if (me->side == 0) {
		ends->pub_count = me->what->publishers;
		ends->sub_count = both ? 1 : 0;
	} else {
		ends->pub_count = both ? 1 : 0;
		ends->sub_count = me->what->subscribers;
	}
}

static void topic_open(struct lab_side *me)
{
	bool spins = me->what->mode == LAB_SPINNING;
	struct bench_setup setup = {
	    .bytes = me->what->bytes,
	    .pub_spin_ns = spins ? SHOAL_FOREVER : SHOAL_SPIN_NEVER,
	    .sub_spin_ns = spins ? SHOAL_FOREVER : SHOAL_SPIN_NEVER,
	    .slots = me->what->slots,
	    .buffers = me->what->bytes >= LAB_LARGE ? (uint32_t)lab_slots(me->what->bytes) : 0,
	};
	struct ends *ends = lab_alloc(sizeof *ends);
	char back[sizeof me->link->name + 8];
	const char *out = me->side == 0 ? me->link->name : back;
	const char *in = me->side == 0 ? back : me->link->name;

	snprintf(back, sizeof back, "%s.back", me->link->name);
	count_ends(me, ends);
	ends->subs = lab_alloc(sizeof(shoal_sub *) * (ends->sub_count + 1));
	for (uint32_t i = 0; i < ends->pub_count; i++)
		ends->pubs[i] = use_pub(out, &setup);
	for (uint32_t i = 0; i < ends->sub_count; i++)
		ends->subs[i] = use_sub(in, &setup);
	if (ends->sub_count > 0)
		me->copies = ends->sub_count;
	me->state = ends;
}

static void topic_close(struct lab_side *me)
{
	struct ends *ends = me->state;

	for (uint32_t i = 0; i < ends->pub_count; i++)
		shoal_pub_close(ends->pubs[i]);
	for (uint32_t i = 0; i < ends->sub_count; i++)
		shoal_sub_close(ends->subs[i]);
	free(ends->subs);
	free(ends);
}

BENCH_INLINE void topic_send(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct ends *ends = me->state;
	shoal_pub *pub = ends->pubs[ends->turn];

	if (++ends->turn == ends->pub_count)
		ends->turn = 0;
	if (bytes >= LAB_LARGE) {
		struct shoal_loan loan;

		must(shoal_pub_claim(pub, bytes, SHOAL_FOREVER, &loan), "shoal_pub_claim");
		lab_fill(loan.data, bytes, number);
		must(shoal_pub_commit(pub, &loan), "shoal_pub_commit");
	} else {
		uint64_t message[LAB_LARGE / 8];

		lab_fill(message, bytes, number);
		must(shoal_pub_publish(pub, message, bytes, SHOAL_FOREVER), "shoal_pub_publish");
	}
}

BENCH_INLINE uint64_t topic_take(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct ends *ends = me->state;
	uint64_t sum = 0;

	(void)number;
	for (uint32_t i = 0; i < ends->sub_count; i++) {
		struct shoal_view view;

		must(shoal_sub_borrow(ends->subs[i], SHOAL_FOREVER, &view), "shoal_sub_borrow");
		if (view.bytes != bytes)
			bench_die("a message of %zu bytes instead of %zu", view.bytes, bytes);
		sum += lab_sum(view.data, bytes);
		must(shoal_sub_release(ends->subs[i], &view), "shoal_sub_release");
	}
	return sum;
}

LAB_JOBS_OF(topic)

const struct lab_transport lab_topic = {
    .name = "topic",
    .modes = LAB_BIT(LAB_SPINNING) | LAB_BIT(LAB_SLEEPING),
    LAB_DOES_ALL_OF(topic),
    .usual = true,
    .publishers_most = PUBLISHERS_MAX,
    .subscribers_most = 256, /* as many as a topic has room for, unless one asks for more */
    .has_slots = true,
    .make = topic_make,
    .open = topic_open,
    .close = topic_close,
};
