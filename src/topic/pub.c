/* SPDX-License-Identifier: Apache-2.0 */
/* shoal_pub: see shoal/topic.h for the contract, lane/lane.h for how a message is written. */
#include "base/error.h"
#include "topic/handle.h"

#include <errno.h>
#include <shoal/sysv.h>
#include <string.h>

enum loan_state { LOAN_NONE, LOAN_INSIDE, LOAN_OUTSIDE };

struct shoal_pub {
	struct handle handle;
	uint32_t ready; /* 1: live, and no loan is out. 0 in a forked child, as all of this */
	struct lane_writer writer;
	enum loan_state loan;
	uint64_t loan_bytes;
	uint32_t lane;
};

#define PUB_FLAGS                                                                                  \
	(SHOAL_CREATE | SHOAL_EXCLUSIVE | SHOAL_KEEP | SHOAL_FOREIGN | SHOAL_HOLD |                \
	 SHOAL_GUARD_SIGBUS)

/* ---- open and close ---------------------------------------------------------------------- */

static int take_lane(struct shoal_pub *pub, uint64_t *ret_before)
{
	struct handle *handle = &pub->handle;
	struct tag tag = handle->object->seat.tag;
	pub->lane = topic_take_lane_from(&handle->map, tag, ret_before);
	for (int i = 0; pub->lane == UINT32_MAX && object_look_again(handle->object, i); i++)
		pub->lane = topic_take_lane_from(&handle->map, tag, ret_before);
	if (pub->lane != UINT32_MAX)
		return 0;
	return error_fail(
	    EUSERS, "all %u lanes of '%s' are held by live publishers; make it with more lanes",
	    handle->map.lane_count, handle->object->segment.name.text);
}

static int reserve_lane(struct shoal_pub *pub)
{
	const struct topic_map *map = &pub->handle.map;
	if (topic_lane_ready(map, pub->lane))
		return 0;
	uint64_t offset = map->region.body_offset + map->fixed_bytes + pub->lane * map->lane_bytes;
	int r = segment_reserve(&pub->handle.object->segment, offset, map->lane_bytes, "a lane");
	if (r == 0)
		topic_lane_is_ready(map, pub->lane);
	return r;
}

static int open_writer(struct shoal_pub *pub, unsigned flags)
{
	const struct topic_map *map = &pub->handle.map;
	struct lane_map lane = topic_lane(map, pub->lane);
	struct gate gate = topic_gate(map, pub->lane);
	gate.hold = flags & SHOAL_HOLD;
	return lane_writer_open(&pub->writer, &lane, &gate, &map->body->wake,
				pub->handle.object->fences_itself);
}

/* A publisher that could not open was never there: its leaving does not end the topic. */
static int open_lane(struct shoal_pub *pub, unsigned flags)
{
	uint64_t before;
	int r = take_lane(pub, &before);
	if (r < 0)
		return r;
	r = reserve_lane(pub);
	if (r == 0)
		r = open_writer(pub, flags);
	if (r < 0)
		topic_give_back_lane(&pub->handle.map, pub->lane, pub->handle.object->seat.tag,
				     before);
	return r;
}

int shoal_pub_open(shoal_pub **ret_pub, const char *name, unsigned flags,
		   const struct shoal_topic_options *options)
{
	struct handle *handle = NULL;
	*ret_pub = NULL;
	int made = handle_open(&handle, sizeof(struct shoal_pub), name, flags, PUB_FLAGS,
			       TOPIC_PUBLISHER, options);
	if (made < 0)
		return made;
	struct shoal_pub *pub = (struct shoal_pub *)handle;
	int r = open_lane(pub, flags);
	if (r < 0)
		return handle_fail(handle, sizeof(*pub), made, r);
	pub->ready = 1;
	*ret_pub = pub;
	return made;
}

int shoal_pub_rejoin(shoal_pub *pub)
{
	struct object fresh;
	if (!pub)
		return error_fail(EINVAL, "the publisher is NULL");
	int r = handle_rejoin(&pub->handle, sizeof(*pub), TOPIC_PUBLISHER, &fresh);
	if (r < 0)
		return r;
	r = open_lane(pub, handle_flags(&pub->handle, sizeof(*pub)));
	if (r < 0)
		return handle_unjoin(&pub->handle, sizeof(*pub), r);
	handle_rejoined(&pub->handle, sizeof(*pub));
	pub->ready = 1;
	return 0;
}

int shoal_pub_fd(shoal_pub *pub)
{
	if (!pub)
		return error_fail(EINVAL, "the publisher is NULL");
	return pub->handle.live ? handle_descriptor(&pub->handle) : handle_refuse(&pub->handle);
}

void shoal_pub_close(shoal_pub *pub)
{
	if (!pub)
		return;
	if (pub->handle.live || pub->handle.stale)
		lane_writer_close(&pub->writer);
	handle_close(&pub->handle, sizeof(*pub));
}

/* One that is reached by descriptors alone would be gone as soon as it is made. */
static int check_can_stay(const char *name)
{
	struct segment_name parsed;
	int r = segment_name_parse(name, &parsed);
	if (r < 0 || !parsed.backend->nameless || parsed.descriptor >= 0)
		return r;
	return error_fail(
	    EINVAL,
	    "'%s' would live only as long as somebody has its descriptor, and here "
	    "nobody would: open a publisher or a subscriber with SHOAL_CREATE instead",
	    parsed.text);
}

int shoal_topic_create(const char *name, unsigned flags, const struct shoal_topic_options *options)
{
	struct handle *handle = NULL;
	const unsigned allowed = SHOAL_EXCLUSIVE | SHOAL_FOREIGN;
	if (flags & ~allowed)
		return error_fail(EINVAL, "flags 0x%x have no meaning here", flags & ~allowed);
	if (name && strcmp(name, "sysv:private") == 0)
		return error_fail(EINVAL,
				  "nobody would learn the id of 'sysv:private': open a publisher "
				  "with SHOAL_CREATE and SHOAL_KEEP, and ask shoal_pub_sysv_id");
	int r = check_can_stay(name);
	if (r < 0)
		return r;
	r = handle_open(&handle, sizeof(*handle), name, flags | SHOAL_CREATE | SHOAL_KEEP,
			PUB_FLAGS, 0, options);
	if (r < 0)
		return r;
	handle_close(handle, sizeof(*handle));
	return 0;
}

/* ---- waiting for subscribers ------------------------------------------------------------- */

static bool waits_for_the_living(void *context)
{
	const struct shoal_pub *pub = context;
	return lane_blocker(&pub->writer) != UINT32_MAX;
}

/* The slowest first; behind a dead one there may be another. */
static void repair_blockers(void *context)
{
	struct shoal_pub *pub = context;
	for (uint32_t i = 0; i < pub->handle.map.subscribers; i++) {
		uint32_t blocker = lane_blocker(&pub->writer);
		if (blocker == UINT32_MAX)
			return;
		struct tag tag = word_tag(atomic_load(&pub->handle.map.entries[blocker]));
		if (object_repair_seat(pub->handle.object, tag.seat) <= 0)
			return;
	}
}

static int look_first(struct shoal_pub *pub)
{
	int r = handle_interrupted(&pub->handle);
	if (r == 0)
		r = handle_check(&pub->handle);
	pub->ready = pub->ready && pub->handle.live;
	return r;
}

/* Subscribers need not wake us for every message: a quarter of what they are behind will do. */
static void set_gate_hint(struct shoal_pub *pub)
{
	struct lane_writer *writer = &pub->writer;
	uint64_t minimum = lane_gate(writer).minimum;
	uint64_t quarter = max_u64((writer->position - minimum) / 4, 1);
	atomic_store(&writer->map.control->gate_at, minimum + quarter);
}

static int wait_at_gate(struct shoal_pub *pub, int (*look)(void *context), void *context,
			int64_t timeout_ns)
{
	struct wait wait = {
	    .word = &pub->writer.map.control->gate,
	    .look = look,
	    .unsettled = waits_for_the_living,
	    .ask_kernel = repair_blockers,
	    .context = context,
	    .timeout_ns = timeout_ns,
	    .spin_ns = pub->handle.spin_ns,
	};
	return handle_wait(&pub->handle, &wait);
}

struct room_wait {
	struct shoal_pub *pub; /* first: the other callbacks take it for the context */
	uint64_t bytes;
	void *data;
};

static bool room_unsettled(void *context)
{
	struct shoal_pub *pub = ((struct room_wait *)context)->pub;
	set_gate_hint(pub);
	return waits_for_the_living(pub);
}

static void room_ask_kernel(void *context)
{
	repair_blockers(((struct room_wait *)context)->pub);
}

static bool fits_slot(const struct shoal_pub *pub, uint64_t bytes)
{
	return bytes <= pub->writer.map.inline_bytes;
}

static int look_for_room(void *context)
{
	struct room_wait *wait = context;
	struct shoal_pub *pub = wait->pub;
	int r = 0;
	if (!fits_slot(pub, wait->bytes))
		r = lane_claim_outside(&pub->writer, wait->bytes, &wait->data);
	else if (!lane_has_room(&pub->writer))
		r = -EAGAIN;
	if (r == 0)
		return 1;
	return r == -EAGAIN ? look_first(pub) : r; /* only a wait is interrupted */
}

static int fail_size(const struct shoal_pub *pub, uint64_t bytes)
{
	return error_fail(EMSGSIZE,
			  "a message of %llu bytes does not fit: the payload area of '%s' "
			  "has %llu; make the topic with a larger payload_bytes (--payload)",
			  (unsigned long long)bytes, pub->handle.object->segment.name.text,
			  (unsigned long long)pub->writer.map.area);
}

/* Room for a message of `bytes`; *ret_data is set when it goes outside the slot. */
static int wait_for_room(struct shoal_pub *pub, uint64_t bytes, int64_t timeout_ns, void **ret_data)
{
	if (!fits_slot(pub, bytes) && bytes > pub->writer.map.area)
		return fail_size(pub, bytes);
	/* At least once a ring, whether or not the bit that tells of a removal is still there:
	 * another publisher may have taken it away and died before it put it back. */
	int r = lane_is_full(&pub->writer) ? handle_check(&pub->handle) : 0;
	pub->ready = pub->ready && pub->handle.live;
	if (r < 0)
		return r;
	struct room_wait room = {.pub = pub, .bytes = bytes};
	struct wait wait = {
	    .word = &pub->writer.map.control->gate,
	    .look = look_for_room,
	    .unsettled = room_unsettled,
	    .ask_kernel = room_ask_kernel,
	    .context = &room,
	    .timeout_ns = timeout_ns,
	    .spin_ns = pub->handle.spin_ns,
	};
	r = handle_wait(&pub->handle, &wait);
	*ret_data = room.data;
	return r;
}

/* ---- publishing -------------------------------------------------------------------------- */

SLOW_PATH static int refuse(const struct shoal_pub *pub)
{
	if (!pub)
		return error_fail(EINVAL, "the publisher is NULL");
	if (!pub->handle.live)
		return handle_refuse(&pub->handle);
	return error_fail(EBUSY, "a loan is out: commit or abort it first");
}

static inline bool is_ready(const struct shoal_pub *pub)
{
	return likely(pub && pub->ready);
}

static void set_ready(struct shoal_pub *pub)
{
	pub->ready = pub->handle.live && pub->loan == LOAN_NONE;
}

/* Somebody slept; or the object was removed, and whoever did that left the bit set for us. */
SLOW_PATH static int after_waking(struct shoal_pub *pub)
{
	if (!pub->writer.woke)
		return 0;
	pub->writer.woke = false;
	int r = handle_check(&pub->handle);
	set_ready(pub);
	return r;
}

SLOW_PATH static int publish_slow(struct shoal_pub *pub, const void *data, size_t bytes,
				  int64_t timeout_ns)
{
	void *room = NULL;
	if (!is_ready(pub))
		return refuse(pub);
	int r = wait_for_room(pub, bytes, timeout_ns, &room);
	if (r < 0)
		return r;
	bool slow;
	if (!room) { /* it goes into the slot */
		slow = lane_put(&pub->writer, data, bytes);
	} else {
		memcpy(room, data, bytes);
		slow = lane_commit_outside(&pub->writer, bytes);
	}
	return slow ? after_waking(pub) : 0;
}

int shoal_pub_publish(shoal_pub *pub, const void *data, size_t bytes, int64_t timeout_ns)
{
	if (unlikely(!is_ready(pub) || !fits_slot(pub, bytes) || lane_is_full(&pub->writer)))
		return publish_slow(pub, data, bytes, timeout_ns);
	return likely(!lane_put(&pub->writer, data, bytes)) ? 0 : after_waking(pub);
}

int64_t shoal_pub_publishv(shoal_pub *pub, const struct iovec *messages, size_t count,
			   int64_t timeout_ns)
{
	if (unlikely(!is_ready(pub)))
		return refuse(pub);
	size_t done = 0;
	while (done < count) {
		size_t n = lane_put_batch(&pub->writer, messages + done, count - done);
		int r = 0;
		if (n > 0)
			r = after_waking(pub);
		else
			r = publish_slow(pub, messages[done].iov_base, messages[done].iov_len,
					 timeout_ns);
		if (unlikely(r == -EINTR && done > 0)) /* for the next call */
			atomic_store(&pub->handle.interrupted, 1);
		if (unlikely(r < 0)) /* -ESTALE: what was published so far went nowhere */
			return done == 0 || r == -ESTALE ? r : (int64_t)done;
		done += n > 0 ? n : 1;
	}
	return (int64_t)count;
}

static inline int lend(struct shoal_pub *pub, void *data, size_t bytes, enum loan_state state,
		       struct shoal_loan *ret_loan)
{
	pub->loan = state;
	pub->loan_bytes = bytes;
	pub->ready = 0;
	*ret_loan = (struct shoal_loan){
	    .data = data,
	    .bytes = bytes,
	    .sequence = pub->writer.position,
	};
	return 0;
}

static inline void *slot_data(const struct shoal_pub *pub)
{
	return lane_slot(&pub->writer.map, pub->writer.position)->data;
}

/* All but a small message that has room in a ready lane. */
static SLOW_PATH int claim_slow(struct shoal_pub *pub, size_t bytes, int64_t timeout_ns,
				struct shoal_loan *ret_loan)
{
	void *data = NULL;
	int r = wait_for_room(pub, bytes, timeout_ns, &data);
	if (r < 0)
		return r;
	return fits_slot(pub, bytes) ? lend(pub, slot_data(pub), bytes, LOAN_INSIDE, ret_loan)
				     : lend(pub, data, bytes, LOAN_OUTSIDE, ret_loan);
}

/* A claim of more than a slot: its own function, so that the other needs no place for `data`. */
static __attribute__((noinline)) int claim_outside(struct shoal_pub *pub, size_t bytes,
						   int64_t timeout_ns, struct shoal_loan *ret_loan)
{
	void *data = NULL;
	if (lane_is_full(&pub->writer) || lane_claim_outside(&pub->writer, bytes, &data) < 0)
		return claim_slow(pub, bytes, timeout_ns, ret_loan);
	return lend(pub, data, bytes, LOAN_OUTSIDE, ret_loan);
}

int shoal_pub_claim(shoal_pub *pub, size_t bytes, int64_t timeout_ns, struct shoal_loan *ret_loan)
{
	if (unlikely(!is_ready(pub)))
		return refuse(pub);
	if (unlikely(!fits_slot(pub, bytes)))
		return claim_outside(pub, bytes, timeout_ns, ret_loan);
	if (unlikely(lane_is_full(&pub->writer)))
		return claim_slow(pub, bytes, timeout_ns, ret_loan);
	return lend(pub, slot_data(pub), bytes, LOAN_INSIDE, ret_loan);
}

/* In a forked child no loan is out. */
static inline bool is_loan(const struct shoal_pub *pub, const struct shoal_loan *loan)
{
	return likely(pub && loan && pub->loan != LOAN_NONE &&
		      loan->sequence == pub->writer.position && loan->bytes <= pub->loan_bytes);
}

SLOW_PATH static int refuse_loan(const struct shoal_pub *pub, const struct shoal_loan *loan)
{
	if (!pub || !loan)
		return error_fail(EINVAL, "the publisher or the loan is NULL");
	if (!pub->handle.live && !pub->handle.stale)
		return handle_refuse(&pub->handle);
	if (pub->loan == LOAN_NONE || loan->sequence != pub->writer.position)
		return error_fail(EINVAL, "this publisher has no such loan out");
	return error_fail(EINVAL, "the loan was for %llu bytes, not %zu",
			  (unsigned long long)pub->loan_bytes, loan->bytes);
}

int shoal_pub_commit(shoal_pub *pub, struct shoal_loan *loan)
{
	if (!is_loan(pub, loan))
		return refuse_loan(pub, loan);
	enum loan_state state = pub->loan;
	pub->loan = LOAN_NONE;
	set_ready(pub);
	bool slow = state == LOAN_INSIDE ? lane_commit_inside(&pub->writer, loan->bytes)
					 : lane_commit_outside(&pub->writer, loan->bytes);
	loan->data = NULL;
	return slow ? after_waking(pub) : 0;
}

int shoal_pub_abort(shoal_pub *pub, struct shoal_loan *loan)
{
	if (!is_loan(pub, loan))
		return refuse_loan(pub, loan);
	pub->loan = LOAN_NONE;
	set_ready(pub);
	loan->data = NULL;
	return 0;
}

/* ---- looking at subscribers -------------------------------------------------------------- */

struct count_wait {
	struct shoal_pub *pub;
	uint32_t count;
};

static int look_for_subscribers(void *context)
{
	struct count_wait *wait = context;
	int r = look_first(wait->pub);
	if (r < 0)
		return r;
	const struct topic_map *map = &wait->pub->handle.map;
	if (topic_subscribers(map) < wait->count)
		return 0;
	/* Enough, but the dead don't count: repair takes them out. */
	object_repair_all(wait->pub->handle.object);
	return topic_subscribers(map) >= wait->count;
}

int shoal_pub_wait_subscribers(shoal_pub *pub, uint32_t count, int64_t timeout_ns)
{
	if (!pub || !pub->handle.live)
		return refuse(pub);
	struct count_wait context = {pub, count};
	/* For nobody in particular: whoever joins wakes us. */
	struct wait wait = {
	    .word = &pub->writer.map.control->gate,
	    .look = look_for_subscribers,
	    .context = &context,
	    .timeout_ns = timeout_ns,
	    .spin_ns = pub->handle.spin_ns,
	};
	return handle_wait(&pub->handle, &wait);
}

static int look_for_drain(void *context)
{
	struct shoal_pub *pub = context;
	int r = look_first(pub);
	if (r < 0)
		return r;
	const struct lane_writer *writer = &pub->writer;
	if (writer->gate.hold && writer->position != 0 && atomic_load(writer->gate.joined) == 0)
		return 0;
	return lane_blocker(writer) == UINT32_MAX;
}

int shoal_pub_drain(shoal_pub *pub, int64_t timeout_ns)
{
	if (!pub || !pub->handle.live)
		return refuse(pub);
	atomic_store(&pub->writer.map.control->gate_at, pub->writer.position);
	return wait_at_gate(pub, look_for_drain, pub, timeout_ns);
}

void shoal_pub_interrupt(shoal_pub *pub)
{
	if (!pub || !pub->handle.live)
		return;
	atomic_store(&pub->handle.interrupted, 1);
	wait_wake(&pub->writer.map.control->gate);
}

int shoal_pub_sysv_id(const shoal_pub *pub)
{
	return handle_sysv_id(pub ? &pub->handle : NULL);
}

uint32_t shoal_pub_lane(const shoal_pub *pub)
{
	return pub->lane;
}

uint64_t shoal_pub_sequence(const shoal_pub *pub)
{
	return pub->writer.position;
}
