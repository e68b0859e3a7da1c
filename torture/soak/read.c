/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A subscriber and its oracle. Before each call the book says what is acked in each lane; when the
 * call finds nothing more, all of that must have been read.
 */
#include "soak.h"

#include <inttypes.h>

static uint64_t room[(160 << 10) / 8];

static void snapshot_acked(const struct grip *grip, uint64_t acked[LANES])
{
	for (uint32_t i = 0; i < LANES; i++)
		acked[i] = atomic_load(&lane_log(grip->topic, grip->object, i)->acked);
}

/* The worker that wrote in that lane last, for its notes. */
static uint32_t writer_of(const struct grip *grip, uint32_t lane)
{
	uint64_t owner = atomic_load(&lane_log(grip->topic, grip->object, lane)->owner);
	return owner ? worker_of(owner) : UINT32_MAX;
}

/* ---- open, close --------------------------------------------------------------------------- */

static bool open_may_fail(int topic, int r)
{
	if (r == -EUSERS || r == -EBUSY)
		return true;
	if (r == -ENOENT)
		return !topics[topic].kept;
	return r == -ENOSPC && topics[topic].small;
}

/* The first message of each lane is none that was acked before we came, and none that was begun
 * after we were there. */
static void limit_first(struct grip *grip, const uint64_t before[LANES])
{
	struct held *held = held_of(grip);
	for (uint32_t i = 0; i < LANES; i++) {
		grip->first_max[i] = atomic_load(&lane_log(grip->topic, grip->object, i)->about);
		grip->first_min[i] = grip->from_oldest ? 0 : before[i];
		/* A lossy one that is late finds its first one further on. */
		atomic_store(&held->have[i],
			     grip->kind == LOSSLESS ? grip->first_max[i] : UINT64_MAX);
	}
}

bool reader_open(int topic, unsigned flags)
{
	struct grip *grip = free_grip();
	uint64_t before[LANES] = {0};
	if (!grip || topics[topic].left_out)
		return false;
	uint64_t forced = atomic_load(&book->topics[topic].forced);
	bool may_go = somebody_forces(topic);
	const char *name = go_to(topic);
	shoal_sub *sub = NULL;
	if (topics[topic].kept)
		for (uint32_t i = 0; i < LANES; i++)
			before[i] = atomic_load(&lane_log(topic, 0, i)->acked);
	begin_op(OP_SUB_OPEN, 0);
	int r = shoal_sub_open(&sub, name, flags, &topics[topic].options);
	end_op(topic, -1, flags, r);
	if (r < 0) {
		if (!open_may_fail(topic, r))
			violate(UINT32_MAX, "sub_open '%s': %d, %s", name, r, shoal_error_detail());
		return false;
	}
	*grip = (struct grip){.kind = flags & SHOAL_LOSSY ? LOSSY : LOSSLESS,
			      .topic = topic,
			      .sub = sub,
			      .from_oldest = flags & SHOAL_FROM_OLDEST,
			      .object = object_of(topic, sub)};
	limit_first(grip, before);
	grip_opened(grip, forced, may_go);
	return true;
}

void reader_close(struct grip *grip)
{
	int topic = grip->topic;
	shoal_sub *sub = grip->sub;
	atomic_store(&held_of(grip)->what, 0);
	grip->sub = NULL; /* a signal handler may come */
	begin_op(OP_SUB_CLOSE, 0);
	shoal_sub_close(sub);
	end_op(topic, -1, 0, 0);
	grip_forget(grip);
}

/* ---- one message --------------------------------------------------------------------------- */

static void check_first(const struct grip *grip, const struct shoal_view *view)
{
	uint64_t min = grip->first_min[view->lane], max = grip->first_max[view->lane];
	if (view->sequence < min || (view->sequence > max && grip->kind == LOSSLESS))
		violate(writer_of(grip, view->lane),
			"lost: the first message of lane %u of '%s' is %" PRIu64
			", but it must be in %" PRIu64 "..%" PRIu64,
			view->lane, topics[grip->topic].name, view->sequence, min, max);
}

static void check_next(const struct grip *grip, const struct shoal_view *view)
{
	uint64_t expect = grip->expect[view->lane];
	uint64_t lost = view->sequence - expect;
	if (lost == view->lost && (lost == 0 || grip->kind == LOSSY))
		return;
	violate(writer_of(grip, view->lane),
		"%s: message %" PRIu64 " of lane %u of '%s' came, not %" PRIu64 " (%" PRIu64
		" said to be lost; acked %" PRIu64 ")",
		view->sequence < expect ? "twice" : "lost", view->sequence, view->lane,
		topics[grip->topic].name, expect, view->lost,
		atomic_load(&lane_log(grip->topic, grip->object, view->lane)->acked));
}

static void check_message(struct grip *grip, const struct shoal_view *view)
{
	if (view->lane >= LANES)
		violate(UINT32_MAX, "a message of lane %u of '%s'", view->lane,
			topics[grip->topic].name);
	uint64_t about = atomic_load(&lane_log(grip->topic, grip->object, view->lane)->about);
	if (view->sequence >= about)
		violate(writer_of(grip, view->lane),
			"message %" PRIu64 " of lane %u of '%s': only %" PRIu64 " were begun",
			view->sequence, view->lane, topics[grip->topic].name, about);
	if (grip->known[view->lane])
		check_next(grip, view);
	else
		check_first(grip, view);
	int64_t wrong =
	    message_wrong(grip->topic, view->data, view->bytes, view->lane, view->sequence);
	if (wrong >= 0)
		violate(writer_of(grip, view->lane),
			"message %" PRIu64 " of lane %u of '%s', %zu bytes (should be %zu): byte "
			"%" PRId64 " is wrong",
			view->sequence, view->lane, topics[grip->topic].name, view->bytes,
			message_bytes(grip->topic, view->lane, view->sequence), wrong);
	grip->known[view->lane] = true;
	grip->expect[view->lane] = view->sequence + 1;
	if (plant_now(PLANT_SKIP))
		grip->expect[view->lane]--;
}

/* It can't come again: the book may say that it was read. */
static void has_read(struct grip *grip, uint32_t lane)
{
	if (grip->kind == LOSSLESS)
		atomic_store(&held_of(grip)->have[lane], grip->expect[lane]);
	atomic_fetch_add(&book->messages_read, 1);
}

/* ---- nothing came -------------------------------------------------------------------------- */

static void check_drained(const struct grip *grip, const uint64_t acked[LANES], int64_t r)
{
	for (uint32_t i = 0; i < LANES; i++) {
		uint64_t have = grip->known[i] ? grip->expect[i] : grip->first_max[i];
		/* Before its first message a lossy one may have lost everything. */
		if (have >= acked[i] || (!grip->known[i] && grip->kind == LOSSY))
			continue;
		violate(writer_of(grip, i),
			"lost: lane %u of '%s': %" PRIu64 " were acked before we looked, we have "
			"read up to %" PRIu64 ", and the result was %" PRId64,
			i, topics[grip->topic].name, acked[i], have, r);
	}
}

static void nothing_came(struct grip *grip, const uint64_t acked[LANES], int64_t timeout_ns,
			 int64_t r)
{
	if (r == -ESTALE && may_be_stale(grip)) {
		grip->over = true;
		return;
	}
	if (r == -EINTR)
		return;
	if (r != -EPIPE && r != (timeout_ns ? -ETIMEDOUT : -EAGAIN))
		violate(UINT32_MAX, "reading '%s': %" PRId64 ", %s", topics[grip->topic].name, r,
			shoal_error_detail());
	check_drained(grip, acked, r);
	grip->over = r == -EPIPE;
}

/* ---- reading ------------------------------------------------------------------------------- */

static void read_in_place(struct grip *grip, int64_t timeout_ns)
{
	uint64_t acked[LANES];
	snapshot_acked(grip, acked);
	begin_op(OP_BORROW, timeout_ns);
	int r = shoal_sub_borrow(grip->sub, timeout_ns, &grip->view);
	end_op(grip->topic, r == 0 ? (int)grip->view.lane : -1, grip->view.sequence, r);
	if (r < 0) {
		nothing_came(grip, acked, timeout_ns, r);
		return;
	}
	check_message(grip, &grip->view);
	grip->out = true;
	if (roll(8))
		reader_release(grip);
}

void reader_release(struct grip *grip)
{
	uint32_t lane = grip->view.lane;
	/* Nobody may have touched it meanwhile. */
	if (grip->kind == LOSSLESS && message_wrong(grip->topic, grip->view.data, grip->view.bytes,
						    lane, grip->view.sequence) >= 0)
		violate(writer_of(grip, lane),
			"message %" PRIu64 " of lane %u of '%s' changed while it was borrowed",
			grip->view.sequence, lane, topics[grip->topic].name);
	begin_op(OP_RELEASE, 0);
	int r = shoal_sub_release(grip->sub, &grip->view);
	end_op(grip->topic, (int)lane, grip->view.sequence, r);
	grip->out = false;
	if (r < 0)
		violate(UINT32_MAX, "release in '%s': %d, %s", topics[grip->topic].name, r,
			shoal_error_detail());
	has_read(grip, lane);
}

static void read_copy(struct grip *grip, int64_t timeout_ns)
{
	uint64_t acked[LANES];
	struct shoal_view view = {0};
	size_t bytes = roll(16) ? sizeof(room) : roll(64);
	snapshot_acked(grip, acked);
	begin_op(OP_RECEIVE, timeout_ns);
	int r = shoal_sub_receive(grip->sub, room, bytes, timeout_ns, &view);
	end_op(grip->topic, r == 0 ? (int)view.lane : -1, view.sequence, r);
	if (r == -EMSGSIZE && bytes < sizeof(room)) {
		if (view.bytes <= bytes)
			violate(UINT32_MAX, "receive in '%s': -EMSGSIZE for %zu bytes in %zu",
				topics[grip->topic].name, view.bytes, bytes);
		return;
	}
	if (r < 0) {
		nothing_came(grip, acked, timeout_ns, r);
		return;
	}
	check_message(grip, &view);
	has_read(grip, view.lane);
}

static void read_batch(struct grip *grip, int64_t timeout_ns)
{
	uint64_t acked[LANES];
	struct shoal_view views[BATCH];
	size_t count = 1 + roll(BATCH);
	snapshot_acked(grip, acked);
	begin_op(OP_RECEIVEV, timeout_ns);
	int64_t r = shoal_sub_receivev(grip->sub, views, count, room, sizeof(room), timeout_ns);
	end_op(grip->topic, r > 0 ? (int)views[0].lane : -1, r > 0 ? views[0].sequence : 0, r);
	if (r < 0) {
		nothing_came(grip, acked, timeout_ns, r);
		return;
	}
	if (r == 0 || r > (int64_t)count)
		violate(UINT32_MAX, "receivev of %zu gave %" PRId64, count, r);
	for (int64_t i = 0; i < r; i++) {
		check_message(grip, &views[i]);
		has_read(grip, views[i].lane);
	}
}

void reader_read(struct grip *grip, int64_t timeout_ns)
{
	uint64_t dice = roll(3);
	if (dice == 0)
		read_in_place(grip, timeout_ns);
	else if (dice == 1)
		read_copy(grip, timeout_ns);
	else
		read_batch(grip, timeout_ns);
}
