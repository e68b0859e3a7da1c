/* SPDX-License-Identifier: Apache-2.0 */
/* Valid images. The interesting ones are made by using a topic, and stopping in the middle. */
#include "fuzz.h"

#include "base/checksum.h"

#include <stdio.h>
#include <stdlib.h>

size_t image_make(uint8_t *to, size_t room, uint32_t lanes, uint32_t subscribers, uint32_t slots,
		  bool keep)
{
	struct topic_geometry geometry = {
	    .lanes = lanes,
	    .subscribers = subscribers,
	    .slots = slots,
	    .inline_bytes = 56,
	    .payload_bytes = PAGE_BYTES,
	};
	struct topic_map map;
	topic_sizes(&map, &geometry);
	uint32_t seats = lanes + subscribers + TOPIC_SPARE_SEATS;
	uint64_t body = segment_body_offset(seats);
	size_t bytes = body + map.body_bytes;
	if (bytes > room)
		return 0;
	memset(to, 0, bytes);
	struct segment_header header = {
	    .fixed = {.magic = SEGMENT_MAGIC,
		      .layout = SHOAL_LAYOUT_VERSION,
		      .header_bytes = SEGMENT_HEADER_BYTES,
		      .kind = TOPIC_KIND,
		      .seat_count = seats,
		      .total_bytes = bytes,
		      .body_offset = body,
		      .flags = keep ? SEGMENT_KEEP : 0},
	    .lifetime = word_make(LIFETIME_LIVE, (struct tag){0, 0}),
	};
	kernel_place(&header.place);
	memcpy(to, &header, sizeof(header));
	memcpy(to + body, &geometry, sizeof(geometry));
	image_seal(to, bytes);
	return bytes;
}

static void seal_at(uint8_t *image, size_t bytes, uint64_t offset, size_t length)
{
	uint64_t sum;
	if (offset > bytes || bytes - offset < length + sizeof(sum))
		return;
	sum = checksum(image + offset, length);
	memcpy(image + offset + length, &sum, sizeof(sum));
}

void image_seal(uint8_t *image, size_t bytes)
{
	uint64_t body;
	seal_at(image, bytes, 0, offsetof(struct segment_fixed, checksum));
	seal_at(image, bytes, offsetof(struct segment_header, place),
		offsetof(struct segment_place, checksum));
	if (bytes < SEGMENT_HEADER_BYTES)
		return;
	memcpy(&body, image + offsetof(struct segment_fixed, body_offset), sizeof(body));
	seal_at(image, bytes, body, offsetof(struct topic_geometry, checksum));
}

/* ---- seeds ------------------------------------------------------------------------------- */

static void write_input(const char *directory, int number, const uint8_t *script)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/seed-%02d", directory, number);
	FILE *file = fopen(path, "wb");
	if (!file || fwrite(kernel_memory(), 1, kernel_bytes(), file) != kernel_bytes() ||
	    fwrite(script, 1, SCRIPT, file) != SCRIPT || fclose(file) != 0) {
		perror(path);
		exit(1);
	}
}

/* What is done with a topic that was left in the middle. Every seat may be held by the living, or
 * none; and a call follows another. */
static const uint8_t scripts[][SCRIPT] = {
    {0, 0, 0, 0, CALL_STAT, 0, CALL_AUDIT, 0, CALL_LIST, 0, CALL_KIND, 0, CALL_ROLL, 0, CALL_ALERT},
    {0, 0, 0, 0, CALL_SUB_OPEN, 2, CALL_RECEIVE, 40, CALL_BORROW, 4, CALL_RECEIVEV, 9, CALL_RECEIVE,
     250},
    {0, 0, 0, 0, CALL_SUB_OPEN, 3, CALL_RECEIVE, 250, CALL_RECEIVEV, 99, CALL_BORROW, 4, CALL_WAIT,
     1, CALL_SUB_CLOSE},
    {0, 0, 0, 0, CALL_PUB_OPEN, 0, CALL_PUBLISH, 9, CALL_PUBLISHV, 30, CALL_COMMIT, 200, CALL_ABORT,
     3, CALL_DRAIN, 0, CALL_PUB_CLOSE},
    {255,          3,   0,           0, CALL_SUB_OPEN, 2,  CALL_PUB_OPEN, 0,  CALL_PUBLISH,  200,
     CALL_RECEIVE, 100, CALL_TAMPER, 8, CALL_TAMPER,   77, CALL_RECEIVEV, 20, CALL_PUBLISHV, 9,
     CALL_REMOVE,  1,   CALL_BORROW, 2},
    {0, 0, 0, 0, CALL_SUB_OPEN, 10, CALL_RECEIVE, 232, CALL_RECEIVE, 232, CALL_RECEIVE, 232,
     CALL_RECEIVE, 232, CALL_RECEIVEV, 239, CALL_BORROW, 32},
    {255, 3, 0, 0, CALL_REMOVE, 0, CALL_SUB_OPEN, 4, CALL_SUB_OPEN, 7, CALL_RECEIVE, 200,
     CALL_INTERRUPT, 0, CALL_RECEIVEV, 3},
};

enum { SCRIPTS = sizeof(scripts) / sizeof(scripts[0]) };

static void fill(shoal_pub *pub, int count, bool small)
{
	static const size_t sizes[] = {8, 56, 700, 0, 3, 1500, 41};
	static uint8_t data[2048];
	for (int i = 0; i < count; i++)
		shoal_pub_publish(pub, data, small ? (size_t)i % 57 : sizes[i % 7], 0);
}

/* A topic in which `messages` were published and a few read. All of them are still there. */
static void use(int messages, bool lossy, bool small, uint8_t *image, size_t bytes,
		const char *directory, int number)
{
	shoal_sub *sub = NULL;
	shoal_pub *pub = NULL, *other = NULL;
	uint8_t buffer[2048];
	kernel_begin(image, bytes, 0);
	/* Somebody must be there already, or it is a leftover: make it a kept one. */
	if (shoal_pub_open(&pub, OBJECT_NAME, 0, NULL) < 0 ||
	    shoal_sub_open(&sub, OBJECT_NAME, lossy ? SHOAL_LOSSY : 0, NULL) < 0)
		wrong("a seed can't be opened: %s", shoal_error_detail());
	fill(pub, messages, small);
	for (int i = 0; i < messages / 2; i++)
		shoal_sub_receive(sub, buffer, sizeof(buffer), 0, NULL);
	if (shoal_pub_open(&other, OBJECT_NAME, 0, NULL) == 0) {
		fill(other, 2, small);
		shoal_pub_close(other);
	}
	for (int i = 0; i < SCRIPTS; i++)
		write_input(directory, number + i, scripts[i]);
	shoal_sub_close(sub);
	shoal_pub_close(pub);
	kernel_end();
}

void image_write_seeds(const char *directory)
{
	static uint8_t image[IMAGE_MAX];
	static const struct {
		uint32_t lanes, subscribers, slots;
		int messages;
		bool lossy;
	} topics[] = {{2, 3, 4, 0, false}, {2, 3, 4, 3, false}, {1, 2, 8, 21, true},
		      {3, 2, 4, 9, true},  {1, 1, 2, 4, false}, {1, 1, 512, 300, false}};
	for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
		size_t bytes = image_make(image, sizeof(image), topics[i].lanes,
					  topics[i].subscribers, topics[i].slots, true);
		use(topics[i].messages, topics[i].lossy, topics[i].slots >= 512, image, bytes,
		    directory, (int)i * SCRIPTS);
	}
}
