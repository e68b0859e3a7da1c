/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For ThreadSanitizer: publishers and subscribers as threads. Handles have a mapping each, so what
 * it sees of them is everything but the shared bytes; for these, the second half runs writer and
 * readers of a lane on one piece of memory. It does not model fences, but what a lossless reader
 * relies on is said by acquire and release alone: the slot's word one way, the cursor the other.
 * Lossy readers copy with atomics out of slots; out of the payload area they race by design with
 * the publisher's plain writes, and throw away what they got: that is not run here.
 */
#include "backend.h"
#include "support.h"

#include "topic/topic.h"

#include <pthread.h>

#define NAME "threads"

static pthread_t start(void *(*body)(void *), void *context)
{
	pthread_t thread;
	CHECK(pthread_create(&thread, NULL, body, context) == 0);
	return thread;
}

static void join(pthread_t thread)
{
	CHECK(pthread_join(thread, NULL) == 0);
}

/* ---- handles ----------------------------------------------------------------------------- */

enum { PUBLISHERS = 2, SUBSCRIBERS = 3 };

static uint64_t messages;
static _Atomic int ready;
static _Atomic int ended;

static void *publish(void *context)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	uint8_t buffer[2048];
	shoal_pub *pub;
	(void)context;
	CHECK(pthread_mutex_lock(&mutex) == 0); /* one lane each, from 0 */
	CHECK_R(0, open_pub(&pub, NAME, 0, NULL));
	CHECK(pthread_mutex_unlock(&mutex) == 0);
	atomic_fetch_add(&ready, 1);
	WAIT_FOR(atomic_load(&ready) == SUBSCRIBERS + PUBLISHERS);
	uint32_t lane = shoal_pub_lane(pub);
	for (uint64_t i = 0; i < messages; i++) {
		size_t bytes = message_size(SMALL, lane, i);
		message_fill(buffer, bytes, lane, i);
		CHECK_R(0, shoal_pub_publish(pub, buffer, bytes, BOUND));
	}
	shoal_pub_close(pub);
	return NULL;
}

static void *subscribe(void *context)
{
	bool lossy = context != NULL;
	uint64_t next[PUBLISHERS] = {0};
	struct shoal_view view;
	shoal_sub *sub;
	int r;
	CHECK_R(0, open_sub(&sub, NAME, lossy ? SHOAL_LOSSY : 0, NULL));
	atomic_fetch_add(&ready, 1);
	while ((r = shoal_sub_borrow(sub, BOUND, &view)) == 0) {
		CHECK(view.lane < PUBLISHERS && (lossy || view.lost == 0));
		CHECK(view.sequence == next[view.lane] + view.lost);
		next[view.lane] = view.sequence + 1;
		message_check(SMALL, &view);
		CHECK_R(0, shoal_sub_release(sub, &view));
	}
	CHECK_R(-EPIPE, r);
	for (int i = 0; i < PUBLISHERS; i++)
		CHECK(next[i] == messages);
	shoal_sub_close(sub);
	return NULL;
}

static void *come_and_go(void *context)
{
	(void)context;
	while (!atomic_load(&ended)) {
		shoal_sub *sub;
		struct shoal_view view;
		struct shoal_topic_stat *stat;
		CHECK_R(0, open_sub(&sub, NAME, SHOAL_FROM_OLDEST | SHOAL_FOLLOW, NULL));
		for (int i = 0; i < 50 && shoal_sub_borrow(sub, SECONDS / 100, &view) == 0; i++) {
			message_check(SMALL, &view);
			CHECK_R(0, shoal_sub_release(sub, &view));
		}
		shoal_sub_close(sub);
		CHECK_R(0, stat_topic(NAME, 0, &stat));
		shoal_topic_stat_free(stat);
	}
	return NULL;
}

static void handles_of_threads_do_not_disturb_each_other(void)
{
	static int lossy;
	pthread_t threads[PUBLISHERS + SUBSCRIBERS], joiner;
	struct shoal_topic_options o = options();
	int n = 0;
	messages = rounds("SHOAL_MESSAGES", 200000);
	o.slots = 256;
	atomic_store(&ready, 0);
	atomic_store(&ended, 0);
	CHECK_R(0, create_topic(NAME, 0, &o));
	for (int i = 0; i < SUBSCRIBERS; i++)
		threads[n++] = start(subscribe, i == 0 ? &lossy : NULL);
	for (int i = 0; i < PUBLISHERS; i++)
		threads[n++] = start(publish, NULL);
	joiner = start(come_and_go, NULL);
	for (int i = 0; i < n; i++)
		join(threads[i]);
	atomic_store(&ended, 1);
	join(joiner);
	CHECK_R(0, audit_topic(NAME, 0));
	CHECK_R(0, remove_topic(NAME, 0));
}

/* ---- one piece of memory ----------------------------------------------------------------- */

struct stage {
	struct topic_map map;
	uint64_t messages;
	uint32_t lane;
	struct lane_writer writer;
	enum sizes sizes;
	_Atomic int done;
};

/* A topic in plain memory: the operations need no file. */
static void build(struct stage *stage, const struct shoal_topic_options *o)
{
	struct topic_geometry geometry;
	struct tag tag = {1, 1};
	memset(stage, 0, sizeof(*stage));
	CHECK_R(0, topic_geometry(o, &geometry));
	topic_sizes(&stage->map, &geometry);
	struct region region = {.body_offset = segment_body_offset(16), .seat_count = 16};
	region.bytes = region.body_offset + stage->map.body_bytes;
	region.base = aligned_alloc(4096, region.bytes);
	CHECK(region.base);
	memset(region.base, 0, region.bytes);
	memcpy(region.base + region.body_offset, &geometry, sizeof(geometry));
	CHECK_R(0, topic_map(&stage->map, &region));
	stage->lane = topic_take_lane(&stage->map, tag);
	CHECK(stage->lane == 0);
	topic_lane_is_ready(&stage->map, stage->lane);
	struct lane_map lane = topic_lane(&stage->map, 0);
	struct gate gate = topic_gate(&stage->map, 0);
	CHECK_R(0, lane_writer_open(&stage->writer, &lane, &gate, &stage->map.body->wake, true));
}

static void tear_down(struct stage *stage)
{
	lane_writer_close(&stage->writer);
	free(stage->map.region.base);
}

static void write_message(struct lane_writer *writer, enum sizes sizes, uint64_t sequence)
{
	uint64_t small[LANE_INLINE_MAX / 8];
	size_t bytes = message_size(sizes, 0, sequence);
	if (bytes <= writer->map.inline_bytes) {
		message_fill(small, bytes, 0, sequence);
		WAIT_FOR(lane_has_room(writer));
		lane_put(writer, small, bytes);
		return;
	}
	void *data = NULL;
	int r;
	WAIT_FOR((r = lane_claim_outside(writer, bytes, &data)) != -EAGAIN);
	CHECK_R(0, r);
	message_fill(data, bytes, 0, sequence);
	lane_commit_outside(writer, bytes);
}

static void *write_all(void *context)
{
	struct stage *stage = context;
	for (uint64_t i = 0; i < stage->messages; i++)
		write_message(&stage->writer, stage->sizes, i);
	atomic_store(&stage->done, 1);
	return NULL;
}

struct part {
	struct stage *stage;
	uint32_t entry;
	struct tag tag;
};

static struct lane_reader enter(struct part *part, bool lossy, bool from_oldest)
{
	struct topic_map *map = &part->stage->map;
	part->entry = topic_take_entry(map, part->tag);
	CHECK(part->entry != UINT32_MAX);
	topic_activate(map, part->entry, part->tag, lossy, from_oldest);
	_Atomic uint64_t *cursor = &topic_record(map, part->entry)->cursors[0];
	return (struct lane_reader){
	    .map = topic_lane(map, 0), .cursor = cursor, .position = atomic_load(cursor)};
}

static void leave(struct part *part)
{
	topic_kind.repair(&part->stage->map.region, part->tag, true);
}

/* 1: read and checked; 0: none. */
static int read_one(struct part *part, struct lane_reader *reader)
{
	struct lane_message message;
	int r = lane_peek(reader, &message);
	if (r <= 0) {
		CHECK_R(0, r);
		return 0;
	}
	struct shoal_view view = {
	    .data = message.data, .bytes = message.bytes, .sequence = reader->position};
	message_check(part->stage->sizes, &view);
	lane_pass(reader);
	lane_open_gate(reader, true);
	return 1;
}

struct beginning {
	struct part part;
	struct lane_reader reader;
};

static void *read_all(void *context)
{
	struct beginning *beginning = context;
	struct part *part = &beginning->part;
	while (beginning->reader.position < part->stage->messages)
		WAIT_FOR(read_one(part, &beginning->reader));
	leave(part);
	return NULL;
}

static void *join_and_read(void *context)
{
	struct part *part = context;
	for (uint32_t i = 1; !atomic_load(&part->stage->done); i++) {
		part->tag.generation = i;
		struct lane_reader reader = enter(part, false, i % 2);
		for (int k = 0; k < 40; k++)
			if (read_one(part, &reader) == 0)
				breathe();
		leave(part);
	}
	return NULL;
}

static int no_growing(struct lane_buffer *buffer, uint64_t bytes)
{
	(void)buffer;
	(void)bytes;
	return -ENOMEM;
}

static void *copy_all(void *context)
{
	struct beginning *beginning = context;
	struct lane_reader *reader = &beginning->reader;
	uint64_t room[LANE_INLINE_MAX / 8], next = 0, bytes;
	struct lane_buffer buffer = {(uint8_t *)room, sizeof(room), no_growing};
	while (next < beginning->part.stage->messages) {
		int r = lane_copy(reader, &buffer, &bytes);
		CHECK(r >= 0);
		if (r == 0) {
			breathe();
			continue;
		}
		CHECK(reader->position == next + reader->lost);
		struct shoal_view view = {
		    .data = room, .bytes = bytes, .sequence = reader->position};
		message_check(beginning->part.stage->sizes, &view);
		next = reader->position + 1;
		reader->lost = 0;
		lane_pass(reader);
	}
	leave(&beginning->part);
	return NULL;
}

static void share_a_lane(uint32_t slots, enum sizes sizes, uint64_t count, bool lossy)
{
	struct stage stage;
	struct shoal_topic_options o = options();
	o.lanes = 1;
	o.subscribers = 4;
	o.slots = slots;
	o.payload_bytes = MESSAGE_MAX;
	build(&stage, &o);
	stage.sizes = sizes;
	stage.messages = count;
	struct beginning lossless = {.part = {.stage = &stage, .tag = {2, 1}}};
	struct beginning copier = {.part = {.stage = &stage, .tag = {3, 1}}};
	struct part newcomer = {.stage = &stage, .tag = {4, 1}};
	lossless.reader = enter(&lossless.part, false, false);
	pthread_t threads[4];
	int n = 0;
	if (lossy) {
		copier.reader = enter(&copier.part, true, false);
		threads[n++] = start(copy_all, &copier);
	}
	threads[n++] = start(read_all, &lossless);
	threads[n++] = start(join_and_read, &newcomer);
	threads[n++] = start(write_all, &stage);
	for (int i = 0; i < n; i++)
		join(threads[i]);
	tear_down(&stage);
}

static void a_lane_shared_by_threads_has_no_race(void)
{
	share_a_lane(64, SMALL, rounds("SHOAL_MESSAGES", 200000), false);
	share_a_lane(4, SMALL, rounds("SHOAL_MESSAGES", 100000), false);
	share_a_lane(64, MIXED, rounds("SHOAL_MESSAGES", 5000), false);
	share_a_lane(16, LARGE, rounds("SHOAL_MESSAGES", 20000), false);
}

static void a_lossy_reader_of_slots_has_no_race(void)
{
	share_a_lane(64, TINY, rounds("SHOAL_MESSAGES", 200000), true);
	share_a_lane(4, TINY, rounds("SHOAL_MESSAGES", 100000), true);
}

#define CASE(name)                                                                                 \
	{                                                                                          \
#name, name                                                                        \
	}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
	    CASE(handles_of_threads_do_not_disturb_each_other),
	    CASE(a_lane_shared_by_threads_has_no_race),
	    CASE(a_lossy_reader_of_slots_has_no_race),
	};
	return RUN_TESTS(argc, argv, tests);
}
