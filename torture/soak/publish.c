/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A publisher and its oracle. The lane is ours alone while we hold it, so what the book says of it
 * is what its last holder wrote, dead or not: the lane goes on somewhere between what was acked and
 * what was about to be.
 */
#include "soak.h"

#include <inttypes.h>

static uint8_t *buffer(void)
{
	static uint64_t bytes[BATCH][(128 << 10) / 8];
	return (uint8_t *)bytes;
}
#define PART ((size_t)128 << 10)

static struct lane_log *log_of(const struct grip *grip)
{
	return lane_log(grip->topic, grip->object, grip->lane);
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

static void check_lane(struct grip *grip)
{
	struct lane_log *lane = log_of(grip);
	uint64_t owner = atomic_load(&lane->owner);
	uint64_t about = atomic_load(&lane->about);
	uint64_t acked = atomic_load(&lane->acked);
	if (owner != 0 && is_alive(owner))
		violate(worker_of(owner),
			"robbed: lane %u of '%s' was given to us and is held by worker %u, which "
			"lives",
			grip->lane, topics[grip->topic].name, worker_of(owner));
	if (grip->next < acked || grip->next > about)
		violate(owner ? worker_of(owner) : UINT32_MAX,
			"lane %u of '%s' goes on at %" PRIu64 ", but %" PRIu64
			" were acked and %" PRIu64 " were about to be published",
			grip->lane, topics[grip->topic].name, grip->next, acked, about);
	if (owner != 0)
		atomic_fetch_add(&book->inherited, 1);
	atomic_store(&lane->owner, who_am_i());
	atomic_store(&lane->about, grip->next);
	atomic_store(&lane->acked, grip->next);
}

bool publisher_open(int topic, unsigned flags)
{
	struct grip *grip = free_grip();
	if (!grip || topics[topic].left_out)
		return false;
	uint64_t forced = atomic_load(&book->topics[topic].forced);
	bool may_go = somebody_forces(topic);
	const char *name = go_to(topic);
	shoal_pub *pub = NULL;
	begin_op(OP_PUB_OPEN, 0);
	int r = shoal_pub_open(&pub, name, flags, &topics[topic].options);
	end_op(topic, pub ? (int)shoal_pub_lane(pub) : -1, pub ? shoal_pub_sequence(pub) : 0, r);
	if (r < 0) {
		if (!open_may_fail(topic, r))
			violate(UINT32_MAX, "pub_open '%s': %d, %s", name, r, shoal_error_detail());
		return false;
	}
	*grip = (struct grip){.kind = PUBLISHER,
			      .topic = topic,
			      .pub = pub,
			      .lane = shoal_pub_lane(pub),
			      .next = shoal_pub_sequence(pub),
			      .object = object_of(topic, pub)};
	if (grip->lane >= LANES)
		violate(UINT32_MAX, "pub_open '%s': lane %u", name, grip->lane);
	check_lane(grip);
	grip_opened(grip, forced, may_go);
	if (plant_now(PLANT_ROBBED))
		lose_seat(pub);
	return true;
}

void publisher_close(struct grip *grip)
{
	uint64_t owner = who_am_i();
	int topic = grip->topic;
	atomic_compare_exchange_strong(&log_of(grip)->owner, &owner, 0);
	shoal_pub *pub = grip->pub;
	atomic_store(&held_of(grip)->what, 0);
	grip->pub = NULL; /* a signal handler may come */
	begin_op(OP_PUB_CLOSE, 0);
	shoal_pub_close(pub);
	end_op(topic, (int)grip->lane, grip->next, 0);
	grip_forget(grip);
}

/* ---- publishing ---------------------------------------------------------------------------- */

static void about_to(struct grip *grip, uint64_t count)
{
	atomic_store(&log_of(grip)->about, grip->next + count);
}

/* `done` messages exist for certain. */
static void acked(struct grip *grip, uint64_t done)
{
	bool lie = done > 0 && plant_now(PLANT_LOSS);
	grip->next += done;
	atomic_store(&log_of(grip)->about, grip->next + lie);
	atomic_store(&log_of(grip)->acked, grip->next + lie);
	atomic_fetch_add(&book->messages_sent, done);
	if (lie)
		nap_ns(5 * MS);
}

/* Nothing was published; or the topic is gone, and nobody knows. */
static void refused(struct grip *grip, int64_t timeout_ns, int64_t r)
{
	bool waited = r == -ETIMEDOUT && timeout_ns > 0 && timeout_ns < BOUND;
	if (r == -ESTALE && may_be_stale(grip)) {
		grip->over = true;
		return;
	}
	if (r == -ETIMEDOUT && timeout_ns >= BOUND)
		violate(UINT32_MAX, "stuck: '%s' lane %u had no room for %" PRIu64 " within 10 s",
			topics[grip->topic].name, grip->lane, grip->next);
	if (!waited && r != -EINTR && !(r == -EAGAIN && timeout_ns == 0))
		violate(UINT32_MAX, "publishing %" PRIu64 " in lane %u of '%s': %" PRId64 ", %s",
			grip->next, grip->lane, topics[grip->topic].name, r, shoal_error_detail());
	about_to(grip, 0);
}

static void check_position(const struct grip *grip)
{
	uint64_t position = shoal_pub_sequence(grip->pub);
	if (position != grip->next)
		violate(UINT32_MAX, "lane %u of '%s' is at %" PRIu64 ", not at %" PRIu64,
			grip->lane, topics[grip->topic].name, position, grip->next);
}

void publisher_publish(struct grip *grip, int64_t timeout_ns)
{
	size_t bytes = message_bytes(grip->topic, grip->lane, grip->next);
	message_fill(grip->topic, buffer(), bytes, grip->lane, grip->next);
	about_to(grip, 1);
	begin_op(OP_PUBLISH, timeout_ns);
	int r = shoal_pub_publish(grip->pub, buffer(), bytes, timeout_ns);
	if (r == 0 && plant_now(PLANT_TWICE))
		shoal_pub_publish(grip->pub, buffer(), bytes, timeout_ns);
	end_op(grip->topic, (int)grip->lane, grip->next, r);
	if (r < 0)
		refused(grip, timeout_ns, r);
	else
		acked(grip, 1);
	if (!grip->over && plant == PLANT_NONE)
		check_position(grip);
}

void publisher_publishv(struct grip *grip, int64_t timeout_ns)
{
	struct iovec messages[BATCH];
	size_t count = 1 + roll(BATCH);
	for (size_t i = 0; i < count; i++) {
		size_t bytes = message_bytes(grip->topic, grip->lane, grip->next + i);
		messages[i] = (struct iovec){buffer() + i * PART, bytes};
		message_fill(grip->topic, messages[i].iov_base, bytes, grip->lane, grip->next + i);
	}
	about_to(grip, count);
	begin_op(OP_PUBLISHV, timeout_ns * (int64_t)count);
	int64_t r = shoal_pub_publishv(grip->pub, messages, count, timeout_ns);
	end_op(grip->topic, (int)grip->lane, grip->next, r);
	if (r < 0)
		refused(grip, timeout_ns, r);
	else if (r == 0 || r > (int64_t)count)
		violate(UINT32_MAX, "publishv of %zu gave %" PRId64, count, r);
	else
		acked(grip, (uint64_t)r);
	if (!grip->over && plant == PLANT_NONE)
		check_position(grip);
}

void publisher_claim(struct grip *grip, int64_t timeout_ns)
{
	size_t bytes = message_bytes(grip->topic, grip->lane, grip->next);
	size_t more = bytes + roll(2) * roll(64);
	begin_op(OP_CLAIM, timeout_ns);
	int r = shoal_pub_claim(grip->pub, more, timeout_ns, &grip->loan);
	end_op(grip->topic, (int)grip->lane, grip->next, r);
	if (r < 0) {
		refused(grip, timeout_ns, r);
		return;
	}
	if (grip->loan.sequence != grip->next || grip->loan.bytes != more)
		violate(UINT32_MAX, "a loan of %zu bytes for %" PRIu64 ", not of %zu for %" PRIu64,
			grip->loan.bytes, grip->loan.sequence, more, grip->next);
	grip->out = true;
	message_fill(grip->topic, grip->loan.data, bytes, grip->lane, grip->next);
	grip->loan.bytes = bytes;
}

void publisher_finish(struct grip *grip)
{
	bool commit = roll(4) != 0;
	if (commit)
		about_to(grip, 1);
	begin_op(commit ? OP_COMMIT : OP_ABORT, 0);
	int r = commit ? shoal_pub_commit(grip->pub, &grip->loan)
		       : shoal_pub_abort(grip->pub, &grip->loan);
	end_op(grip->topic, (int)grip->lane, grip->next, r);
	grip->out = false;
	if (r < 0)
		refused(grip, 0, r);
	else if (commit)
		acked(grip, 1);
}

void publisher_wait(struct grip *grip, int64_t timeout_ns)
{
	bool drain = roll(2);
	begin_op(drain ? OP_DRAIN : OP_WAIT_SUBSCRIBERS, timeout_ns);
	int r = drain ? shoal_pub_drain(grip->pub, timeout_ns)
		      : shoal_pub_wait_subscribers(grip->pub, (uint32_t)roll(4), timeout_ns);
	end_op(grip->topic, (int)grip->lane, grip->next, r);
	if (r == -ESTALE && may_be_stale(grip))
		grip->over = true;
	else if (r != 0 && r != -EINTR && r != (timeout_ns ? -ETIMEDOUT : -EAGAIN))
		violate(UINT32_MAX, "%s on '%s': %d, %s", drain ? "drain" : "wait_subscribers",
			topics[grip->topic].name, r, shoal_error_detail());
}
