/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a topic and a block and looks at the files, and a histogram and looks at its memory, with
 * the numbers of docs/format alone: no internal header is included here.
 */
#include "format_tables.h"

#include <fcntl.h>
#include <setjmp.h>
#include <shoal/shoal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { LANES = 3, SUBSCRIBERS = 5, SLOTS = 16, INLINE = 56, PAYLOAD = 8192 };

struct topic {
	shoal_pub *pub;
	shoal_sub *sub;
	shoal_sub *lossy;
	int fd;
};

static const struct shoal_topic_options options = {
    .size = sizeof(options),
    .lanes = LANES,
    .subscribers = SUBSCRIBERS,
    .slots = SLOTS,
    .payload_bytes = PAYLOAD,
};

static int set_up(void **state)
{
	static struct topic topic;
	char path[512];
	assert_int_equal(shoal_pub_open(&topic.pub, "raw/bytes", SHOAL_CREATE, &options), 1);
	assert_int_equal(shoal_sub_open(&topic.sub, "raw/bytes", 0, NULL), 0);
	assert_int_equal(shoal_sub_open(&topic.lossy, "raw/bytes", SHOAL_LOSSY, NULL), 0);
	snprintf(path, sizeof(path), "%s/shoal:raw:bytes", getenv("SHOAL_DIR"));
	topic.fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(topic.fd >= 0);
	*state = &topic;
	return 0;
}

static int tear_down(void **state)
{
	struct topic *topic = *state;
	shoal_sub_close(topic->lossy);
	shoal_sub_close(topic->sub);
	shoal_pub_close(topic->pub);
	close(topic->fd);
	return 0;
}

/* ---- reading numbers ---------------------------------------------------------------------- */

static uint64_t number(const struct topic *topic, uint64_t offset, size_t bytes)
{
	uint8_t raw[8] = {0};
	uint64_t value = 0;
	assert_int_equal(pread(topic->fd, raw, bytes, (off_t)offset), bytes);
	for (size_t i = bytes; i > 0; i--)
		value = value << 8 | raw[i - 1];
	return value;
}

static uint64_t u32(const struct topic *topic, uint64_t offset)
{
	return number(topic, offset, 4);
}

static uint64_t u64(const struct topic *topic, uint64_t offset)
{
	return number(topic, offset, 8);
}

static uint64_t fnv1a(const struct topic *topic, uint64_t offset, uint64_t bytes)
{
	uint64_t hash = 0xcbf29ce484222325u;
	for (uint64_t i = 0; i < bytes; i++)
		hash = (hash ^ number(topic, offset + i, 1)) * 0x100000001b3u;
	return hash;
}

static uint64_t round_up(uint64_t value, uint64_t to)
{
	return (value + to - 1) / to * to;
}

/* The formulas of topic.md. */
static const uint64_t seats = LANES + SUBSCRIBERS + DOC_TOPIC_SPARE_SEATS;

static uint64_t body(void)
{
	return round_up(DOC_SEGMENT_HEADER_BYTES + SIZE_seat_entry * seats, 4096);
}

static uint64_t control(uint64_t lane)
{
	return body() + 256 + 256 * lane;
}

static uint64_t entry(uint64_t subscriber)
{
	return body() + 256 + 256 * LANES + 8 * subscriber;
}

static uint64_t record_bytes(void)
{
	return round_up(64 + 8 * LANES, 64);
}

static uint64_t record(uint64_t subscriber)
{
	uint64_t first = round_up(256 + 256 * LANES + 8 * SUBSCRIBERS, 64);
	return body() + first + record_bytes() * subscriber;
}

static uint64_t lane(uint64_t lane_number)
{
	uint64_t fixed = round_up(record(SUBSCRIBERS) - body(), 4096);
	uint64_t bytes = round_up(SLOTS * (8 + INLINE), 4096) + PAYLOAD;
	return body() + fixed + bytes * lane_number;
}

static uint64_t slot(uint64_t position)
{
	return lane(0) + (8 + INLINE) * (position % SLOTS);
}

static uint64_t payload(void)
{
	return lane(1) - PAYLOAD;
}

static uint64_t seat(uint64_t n)
{
	return DOC_SEGMENT_HEADER_BYTES + SIZE_seat_entry * n;
}

static uint64_t word(uint64_t state, uint64_t seat_number, uint64_t generation)
{
	return state << 56 | seat_number << 32 | generation;
}

/* ---- what is there ------------------------------------------------------------------------ */

static void test_header(void **state)
{
	const struct topic *topic = *state;
	struct stat st;
	assert_int_equal(fstat(topic->fd, &st), 0);
	char magic[8];
	assert_int_equal(pread(topic->fd, magic, 8, AT_segment_fixed_magic), 8);
	assert_memory_equal(magic, "\x89SHOAL\x1a\n", 8);
	assert_int_equal(u64(topic, AT_segment_fixed_magic), DOC_SEGMENT_MAGIC);
	assert_int_equal(u32(topic, AT_segment_fixed_layout), DOC_SHOAL_LAYOUT_VERSION);
	assert_int_equal(u32(topic, AT_segment_fixed_header_bytes), DOC_SEGMENT_HEADER_BYTES);
	assert_int_equal(u64(topic, AT_segment_fixed_incompatible), 0);
	assert_int_equal(u64(topic, AT_segment_fixed_compatible), 0);
	assert_int_equal(u32(topic, AT_segment_fixed_kind), DOC_TOPIC_KIND);
	assert_int_equal(u32(topic, AT_segment_fixed_seat_count), seats);
	assert_int_equal(u64(topic, AT_segment_fixed_total_bytes), st.st_size);
	assert_int_equal(u64(topic, AT_segment_fixed_total_bytes), lane(LANES));
	assert_int_equal(u64(topic, AT_segment_fixed_body_offset), body());
	assert_int_equal(u64(topic, AT_segment_fixed_flags) & DOC_SEGMENT_KEEP, 0);
	assert_int_equal(u64(topic, AT_segment_fixed_checksum),
			 fnv1a(topic, 0, AT_segment_fixed_checksum));
	assert_int_equal(u64(topic, AT_segment_header_lifetime), word(DOC_LIFETIME_LIVE, 0, 0));
	uint64_t place = AT_segment_header_place;
	assert_int_equal(u64(topic, place + AT_segment_place_device), st.st_dev);
	assert_int_equal(u64(topic, place + AT_segment_place_inode), st.st_ino);
	assert_int_equal(u64(topic, place + AT_segment_place_checksum),
			 fnv1a(topic, place, AT_segment_place_checksum));
}

static void test_seats(void **state)
{
	const struct topic *topic = *state;
	static const uint64_t roles[] = {DOC_TOPIC_PUBLISHER, DOC_TOPIC_SUBSCRIBER,
					 DOC_TOPIC_LOSSY};
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(u64(topic, seat(i) + AT_seat_entry_word),
				 word(DOC_SEAT_TAKEN, i, 1));
		assert_int_equal(u32(topic, seat(i) + AT_seat_entry_pid), getpid());
		assert_int_equal(u32(topic, seat(i) + AT_seat_entry_role), roles[i]);
	}
	for (uint64_t i = 3; i < seats; i++)
		assert_int_equal(u64(topic, seat(i) + AT_seat_entry_word), DOC_SEAT_FREE);
}

static int is_locked(const struct topic *topic, uint64_t offset)
{
	struct flock lock = {
	    .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = (off_t)offset, .l_len = 1};
	assert_int_equal(fcntl(topic->fd, F_OFD_GETLK, &lock), 0);
	return lock.l_type == F_WRLCK;
}

static void test_lock_bytes(void **state)
{
	const struct topic *topic = *state;
	for (uint64_t i = 0; i < seats; i++)
		assert_int_equal(is_locked(topic, DOC_SEGMENT_SEAT_LOCK + i), i < 3);
	assert_int_equal(is_locked(topic, DOC_SEGMENT_NAME_LOCK), 0);
	assert_int_equal(is_locked(topic, DOC_SEGMENT_BOOT_LOCK), 0);
}

static void test_geometry_and_shared_line(void **state)
{
	const struct topic *topic = *state;
	uint64_t at = body() + AT_topic_body_geometry;
	assert_int_equal(u32(topic, at + AT_topic_geometry_lanes), LANES);
	assert_int_equal(u32(topic, at + AT_topic_geometry_subscribers), SUBSCRIBERS);
	assert_int_equal(u32(topic, at + AT_topic_geometry_slots), SLOTS);
	assert_int_equal(u32(topic, at + AT_topic_geometry_inline_bytes), INLINE);
	assert_int_equal(u64(topic, at + AT_topic_geometry_payload_bytes), PAYLOAD);
	assert_int_equal(u64(topic, at + AT_topic_geometry_checksum),
			 fnv1a(topic, at, AT_topic_geometry_checksum));
	at = body() + AT_topic_body_shared;
	assert_int_equal(u32(topic, at + AT_topic_shared_used), 2);
	assert_int_equal(u64(topic, at + AT_topic_shared_joined), 2);
	assert_int_equal(u64(topic, at + AT_topic_shared_departures), 0);
	assert_int_equal(u64(topic, entry(0)), word(DOC_ENTRY_LOSSLESS, 1, 1));
	assert_int_equal(u64(topic, entry(1)), word(DOC_ENTRY_LOSSY, 2, 1));
	assert_int_equal(u64(topic, entry(2)), DOC_ENTRY_FREE);
}

static void test_a_lane(void **state)
{
	const struct topic *topic = *state;
	assert_int_equal(u64(topic, control(0) + AT_lane_control_owner),
			 word(DOC_LANE_TAKEN, 0, 1));
	assert_int_equal(u64(topic, control(1) + AT_lane_control_owner), DOC_LANE_FREE);
	assert_int_equal(u32(topic, control(0) + AT_lane_control_ready), 1);
	assert_int_equal(u32(topic, control(1) + AT_lane_control_ready), 0);
	assert_int_equal(u64(topic, control(0) + AT_lane_control_position), 0);
	assert_int_equal(u64(topic, slot(0)), 0);
}

static void test_messages(void **state)
{
	struct topic *topic = *state;
	char large[1000];
	char small[16] = "";
	memset(large, 'L', sizeof(large));
	assert_int_equal(shoal_pub_publish(topic->pub, "hello", 5, 0), 0);
	assert_int_equal(shoal_pub_publish(topic->pub, large, sizeof(large), 0), 0);
	assert_int_equal(shoal_pub_publish(topic->pub, large, sizeof(large), 0), 0);
	assert_int_equal(shoal_sub_receive(topic->sub, small, sizeof(small), 0, NULL), 0);

	assert_int_equal(u64(topic, control(0) + AT_lane_control_position), 3);
	assert_int_equal(u64(topic, control(0) + AT_lane_control_begun), 3);
	assert_int_equal(u64(topic, control(0) + AT_lane_control_oldest), 0);
	assert_int_equal(u64(topic, slot(0) + AT_lane_slot_word), 1 << 16 | 5);
	assert_int_equal(pread(topic->fd, small, 5, (off_t)slot(0) + AT_lane_slot_data), 5);
	assert_memory_equal(small, "hello", 5);
	for (uint64_t i = 1; i < 3; i++) {
		uint64_t start = (i - 1) * round_up(sizeof(large), DOC_LANE_PAYLOAD_ALIGN);
		uint64_t data = slot(i) + AT_lane_slot_data;
		char found[sizeof(large)];
		assert_int_equal(u64(topic, slot(i)), (i + 1) << 16 | DOC_LANE_OUTSIDE);
		assert_int_equal(u64(topic, data), start);
		assert_int_equal(u64(topic, data + 8), sizeof(large));
		assert_int_equal(pread(topic->fd, found, sizeof(found), (off_t)(payload() + start)),
				 sizeof(found));
		assert_memory_equal(found, large, sizeof(large));
	}
	assert_int_equal(u64(topic, record(0) + AT_topic_record_cursors), 1);
	assert_int_equal(u64(topic, record(1) + AT_topic_record_cursors), 0);
}

/* 20 more messages overwrite the oldest; the lossy subscriber counts what it lost. */
static void test_overwriting(void **state)
{
	struct topic *topic = *state;
	char buffer[1000];
	struct shoal_view view;
	for (uint64_t i = 0; i < 20; i++) {
		assert_int_equal(shoal_pub_publish(topic->pub, &i, sizeof(i), 0), 0);
		assert_int_equal(shoal_sub_receive(topic->sub, buffer, sizeof(buffer), 0, NULL), 0);
	}
	assert_int_equal(shoal_sub_receive(topic->lossy, buffer, sizeof(buffer), 0, &view), 0);
	uint64_t oldest = u64(topic, control(0) + AT_lane_control_oldest);
	assert_true(oldest >= 23 - SLOTS && oldest <= 23 - SLOTS + SLOTS / 8);
	assert_int_equal(view.sequence, oldest);
	assert_int_equal(u64(topic, record(1) + AT_topic_record_lost), oldest);
	assert_int_equal(u64(topic, record(1) + AT_topic_record_cursors), oldest + 1);
	assert_int_equal(u64(topic, slot(22)), 23 << 16 | 8);
	assert_int_equal(u64(topic, slot(22) + AT_lane_slot_data), 19);
}

static void test_leaving(void **state)
{
	struct topic *topic = *state;
	shoal_pub_close(topic->pub);
	topic->pub = NULL;
	assert_int_equal(u64(topic, control(0) + AT_lane_control_owner),
			 word(DOC_LANE_CLOSED, 0, 1));
	assert_int_equal(u64(topic, control(0) + AT_lane_control_departed), 1);
	assert_int_equal(u64(topic, seat(0)), word(DOC_SEAT_FREE, 0, 1));
	assert_int_equal(is_locked(topic, DOC_SEGMENT_SEAT_LOCK), 0);
	uint64_t shared = body() + AT_topic_body_shared;
	assert_int_equal(u64(topic, shared + AT_topic_shared_departures), 1);
	shoal_sub_close(topic->sub);
	topic->sub = NULL;
	assert_int_equal(u64(topic, entry(0)) >> 56, DOC_ENTRY_FREE);
	shoal_sub_close(topic->lossy);
	topic->lossy = NULL;
	/* The last one left: the file has no name any more, but we still have it open. */
	assert_int_equal(u64(topic, AT_segment_header_lifetime), word(DOC_LIFETIME_REMOVED, 0, 0));
}

static uint64_t in_memory(const void *memory, uint64_t offset)
{
	uint64_t value;
	memcpy(&value, (const char *)memory + offset, sizeof(value));
	return value;
}

/* 3 digits: 1,024 buckets to a power of two. */
static void test_histogram(void **state)
{
	(void)state;
	static uint64_t memory[SHOAL_HISTOGRAM_BYTES(3, 20) / 8];
	const unsigned char *bytes = (const unsigned char *)memory;
	struct shoal_histogram histogram;
	uint64_t hash = 0xcbf29ce484222325u;
	assert_int_equal(shoal_histogram_init(&histogram, memory, sizeof(memory), 3, (1 << 20) - 1),
			 0);
	shoal_histogram_record(&histogram, 1023);
	shoal_histogram_record_many(&histogram, 5001, 2); /* 5,000 to 5,003 have one bucket */
	shoal_histogram_record(&histogram, 1 << 20);

	assert_memory_equal(memory, "\x89SHOALH\n", 8);
	assert_int_equal(in_memory(memory, AT_histogram_fixed_magic), DOC_HISTOGRAM_MAGIC);
	assert_int_equal(in_memory(memory, AT_histogram_fixed_layout),
			 DOC_HISTOGRAM_LAYOUT_VERSION | (uint64_t)3 << 32);
	assert_int_equal(in_memory(memory, AT_histogram_fixed_highest), (1 << 20) - 1);
	assert_int_equal(in_memory(memory, AT_histogram_fixed_buckets), 11 * 1024);
	for (size_t i = 0; i < AT_histogram_fixed_checksum; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3u;
	assert_int_equal(in_memory(memory, AT_histogram_fixed_checksum), hash);
	assert_int_equal(in_memory(memory, AT_histogram_body_count), 4);
	assert_int_equal(in_memory(memory, AT_histogram_body_above), 1);
	assert_int_equal(in_memory(memory, AT_histogram_body_min), 1023);
	assert_int_equal(in_memory(memory, AT_histogram_body_max), 1 << 20);
	assert_int_equal(in_memory(memory, AT_histogram_body_sum), 1023 + 2 * 5001 + (1 << 20));
	assert_int_equal(in_memory(memory, AT_histogram_body_changes), 0);
	for (uint64_t i = 0; i < 11 * 1024; i++) {
		uint64_t count = i == 1023 ? 1 : i == 2 * 1024 + (5001 >> 2) ? 2 : 0;
		assert_int_equal(in_memory(memory, AT_histogram_body_buckets + 8 * i), count);
	}
	shoal_histogram_clear(&histogram);
	assert_int_equal(in_memory(memory, AT_histogram_body_changes), 2);
}

static void test_block(void **state)
{
	(void)state;
	struct shoal_block_options wanted = {
	    .size = sizeof(wanted), .bytes = 5000, .max_bytes = 9000, .users = 3};
	char path[512];
	shoal_block *block = NULL;
	struct stat st;
	assert_int_equal(shoal_block_open(&block, "raw/block", SHOAL_CREATE, &wanted), 1);
	snprintf(path, sizeof(path), "%s/shoal:raw:block", getenv("SHOAL_DIR"));
	struct topic file = {.fd = open(path, O_RDWR | O_CLOEXEC)};
	uint64_t at = round_up(DOC_SEGMENT_HEADER_BYTES + SIZE_seat_entry * (3 + 8), 4096);
	uint64_t data = at + DOC_BLOCK_DATA_OFFSET, size = at + AT_block_body_size;
	assert_int_equal(u32(&file, AT_segment_fixed_kind), DOC_BLOCK_KIND);
	assert_int_equal(u64(&file, AT_segment_fixed_incompatible), DOC_SEGMENT_GROWS);
	assert_int_equal(u64(&file, AT_segment_fixed_total_bytes), data + round_up(9000, 4096));
	assert_int_equal(u64(&file, at + AT_block_geometry_max_bytes), 9000);
	assert_int_equal(u32(&file, at + AT_block_geometry_users), 3);
	assert_int_equal(u64(&file, at + AT_block_geometry_checksum),
			 fnv1a(&file, at, AT_block_geometry_checksum));
	for (uint64_t bytes = 5000; bytes <= 9000; bytes += 4000) {
		assert_int_equal(shoal_block_grow(block, bytes, 0), 0);
		assert_int_equal(u64(&file, size + AT_block_size_bytes), bytes);
		assert_int_equal(u64(&file, size + AT_block_size_resizer) >> 56, DOC_BLOCK_IDLE);
		assert_int_equal(fstat(file.fd, &st), 0);
		assert_int_equal(st.st_size, data + bytes);
		((uint8_t *)shoal_block_data(block))[bytes - 1] = 42;
		assert_int_equal(number(&file, data + bytes - 1, 1), 42);
	}
	close(file.fd);
	shoal_block_close(block);
}

int main(void)
{
	/* In this order: each goes on where the one before it stopped. */
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_header),      cmocka_unit_test(test_seats),
	    cmocka_unit_test(test_lock_bytes),  cmocka_unit_test(test_geometry_and_shared_line),
	    cmocka_unit_test(test_a_lane),      cmocka_unit_test(test_messages),
	    cmocka_unit_test(test_overwriting), cmocka_unit_test(test_leaving),
	    cmocka_unit_test(test_block),       cmocka_unit_test(test_histogram),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
