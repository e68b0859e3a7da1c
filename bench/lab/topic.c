/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shoal's topic, one each way for a round trip. Small messages are published from a buffer, large
 * ones filled in place; all are read in place. Spinning never sleeps; sleeping sleeps at once, as
 * those that wait in the kernel do. Several publishers send in turn. Several subscribers are held
 * by one process, which asks each in turn; a round trip is answered when all have the message.
 * Batches are publishv and receivev.
 */
#include "topic_use.h"

#include "jobs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#define PUBLISHERS_MAX 8 /* the lanes of a topic, unless one asks for more */
#define BUFFERS_LEAST  4
#define SLOTS_USUAL    16384
#define SLOT_BYTES     64
#define BESIDE_BYTES   (1u << 20) /* header, seats, subscribers: less than this */

struct ends {
	shoal_pub *pubs[PUBLISHERS_MAX];
	shoal_sub **subs;
	uint32_t pub_count;
	uint32_t sub_count;
	uint32_t turn;
};

/* What the file system under SHOAL_DIR, the lab's own folder, has room for. */
static uint64_t bytes_free(void)
{
	const char *directory = getenv("SHOAL_DIR");
	struct statvfs space;

	if (directory == NULL || statvfs(directory, &space) < 0)
		return UINT64_MAX; /* who opens the topic will say what is wrong */
	return (uint64_t)space.f_bavail * space.f_frsize;
}

/* A lane of large messages, and what is beside it in a topic's file. */
static uint64_t lane_bytes(const struct lab_case *what, uint32_t buffers)
{
	uint64_t slots = what->slots > 0 ? what->slots : SLOTS_USUAL;

	return buffers * what->bytes + slots * SLOT_BYTES + BESIDE_BYTES;
}

/* As many buffers as all others have, fewer where /dev/shm is small: half of 64 MiB, as containers
 * have it, is less than a round trip of 1 MiB wants. */
static bool choose_buffers(struct lab_link *link, const struct lab_case *what, char *reason)
{
	uint32_t usual = (uint32_t)lab_slots(what->bytes);
	uint32_t lanes = what->publishers + (what->job == LAB_ROUND_TRIP ? 1 : 0);
	uint64_t most = bytes_free() / lanes;
	uint32_t buffers = usual;

	while (buffers > BUFFERS_LEAST && lane_bytes(what, buffers) > most)
		buffers /= 2;
	if (lane_bytes(what, buffers) > most) {
		snprintf(reason, LAB_REASON,
			 "no %" PRIu64 " MiB left; SHOAL_DIR names another place",
			 (lane_bytes(what, buffers) * lanes >> 20) + 1);
		return false;
	}
	link->buffers = buffers < usual ? buffers : 0;
	return true;
}

static bool topic_make(struct lab_link *link, const struct lab_case *what, char *reason)
{
	static unsigned fresh;

	snprintf(link->name, sizeof link->name, "bench/%u", fresh++);
	return what->bytes < LAB_LARGE || choose_buffers(link, what, reason);
}

static uint32_t buffers_of(const struct lab_side *me)
{
	if (me->what->bytes < LAB_LARGE)
		return 0;
	return me->link->buffers > 0 ? me->link->buffers : (uint32_t)lab_slots(me->what->bytes);
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
	    .buffers = buffers_of(me),
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

static void topic_send_many(struct lab_side *me, size_t bytes, uint64_t number, size_t count)
{
	struct ends *ends = me->state;
	shoal_pub *pub = ends->pubs[ends->turn];
	uint64_t messages[LAB_BATCH_MESSAGES][LAB_BATCH_BYTES / 8];
	struct iovec vector[LAB_BATCH_MESSAGES];

	if (++ends->turn == ends->pub_count)
		ends->turn = 0;
	for (size_t i = 0; i < count; i++) {
		payload_fill(messages[i], bytes, number + i);
		vector[i] = (struct iovec){messages[i], bytes};
	}
	for (size_t sent = 0; sent < count;) {
		int64_t some = shoal_pub_publishv(pub, vector + sent, count - sent, SHOAL_FOREVER);

		must(some, "shoal_pub_publishv");
		sent += (size_t)some;
	}
}

static size_t receive_many(shoal_sub *sub, size_t bytes, size_t most, uint64_t *sum)
{
	uint64_t buffer[LAB_BATCH_MESSAGES * LAB_BATCH_BYTES / 8];
	struct shoal_view views[LAB_BATCH_MESSAGES];
	int64_t some = shoal_sub_receivev(sub, views, most, buffer, sizeof buffer, SHOAL_FOREVER);

	must(some, "shoal_sub_receivev");
	for (int64_t i = 0; i < some; i++) {
		if (views[i].bytes != bytes)
			bench_die("a message of %zu bytes instead of %zu", views[i].bytes, bytes);
		*sum += payload_sum(views[i].data, bytes);
	}
	return (size_t)some;
}

/* What the first subscriber has, the others get, too. */
static size_t topic_take_many(struct lab_side *me, size_t bytes, size_t most, uint64_t *sum)
{
	struct ends *ends = me->state;
	size_t count = receive_many(ends->subs[0], bytes, most, sum);

	for (uint32_t i = 1; i < ends->sub_count; i++) {
		for (size_t done = 0; done < count;)
			done += receive_many(ends->subs[i], bytes, count - done, sum);
	}
	return count;
}

LAB_JOBS_OF(topic)
LAB_BATCH_OF(topic)

const struct lab_transport lab_topic = {
    .name = "topic",
    .modes = LAB_BIT(LAB_SPINNING) | LAB_BIT(LAB_SLEEPING),
    LAB_DOES_BATCHES_TOO_OF(topic),
    .usual = true,
    .publishers_most = PUBLISHERS_MAX,
    .subscribers_most = 256, /* as many as a topic has room for, unless one asks for more */
    .has_slots = true,
    .make = topic_make,
    .open = topic_open,
    .close = topic_close,
};
