/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Most bytes of an image are room for messages, and a changed byte in the header is a wrong
 * checksum and no more. So words are changed where they lead somewhere, to values that hurt who
 * does not check; and every other time the checksums are made right again.
 */
#include "fuzz.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

static uint64_t evil(uint64_t *random, uint64_t truth)
{
	uint64_t x = next_random(random);
	uint64_t small = x >> 32 & 0xff;
	switch (x % 16) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX;
	case 2:
		return truth + 1;
	case 3:
		return truth - 1;
	case 4:
		return truth + small;
	case 5:
		return truth - small;
	case 6:
		return small;
	case 7:
		return (uint64_t)1 << (x >> 40) % 64;
	case 8:
		return truth ^ (uint64_t)1 << (x >> 40) % 64;
	case 9: /* another state, seat, generation */
		return word_make((unsigned)small % 6,
				 (struct tag){(uint32_t)(x >> 40) & 31, (uint32_t)(x >> 48) & 3});
	case 10:
		return (truth & 0x00ffffffffffffffu) | small % 6 << 56;
	case 11: /* another message, another length */
		return truth + (small % 16 << 16);
	case 12:
		return (truth & ~(uint64_t)0xffff) | (x >> 32 & 0xffff);
	case 13:
		return truth | 0xffff;
	case 14:
		return small * 64;
	default:
		return next_random(random);
	}
}

static void spoil(uint8_t *image, size_t bytes, uint64_t offset, uint64_t *random)
{
	uint64_t word;
	if (bytes < 8 || offset > bytes - 8)
		return;
	memcpy(&word, image + offset, 8);
	word = evil(random, word);
	/* Half of what is there is numbers of 32 bits. */
	memcpy(image + offset, &word, next_random(random) % 3 == 0 ? 4 : 8);
}

/* Where the parts of the body lie by its own geometry, right or wrong. False: there is no body. */
struct body {
	uint64_t offset, entries, records, lanes, subscribers, slots, stride;
	struct topic_map sizes;
};

static bool find_body(const uint8_t *image, size_t bytes, struct body *body)
{
	struct segment_fixed fixed;
	struct topic_geometry geometry;
	memcpy(&fixed, image, sizeof(fixed));
	body->offset = fixed.body_offset;
	if (body->offset > bytes || bytes - body->offset < sizeof(struct topic_body))
		return false;
	memcpy(&geometry, image + body->offset, sizeof(geometry));
	topic_sizes(&body->sizes, &geometry);
	body->lanes = geometry.lanes % 64 + 1;
	body->subscribers = geometry.subscribers % 64 + 1;
	body->slots = geometry.slots % 64 + 1;
	body->stride = 8 + (uint64_t)geometry.inline_bytes;
	body->entries = body->offset + sizeof(struct topic_body) +
			geometry.lanes % 64 * sizeof(struct lane_control);
	body->records = align_up(body->entries + geometry.subscribers % 64 * 8, CACHE_LINE);
	return true;
}

static uint64_t control_of(const struct body *body, uint64_t lane)
{
	return body->offset + sizeof(struct topic_body) + lane * sizeof(struct lane_control);
}

static uint64_t slot_of(const struct body *body, uint64_t lane, uint64_t position)
{
	return body->offset + body->sizes.fixed_bytes + lane * body->sizes.lane_bytes +
	       position % body->slots * body->stride;
}

static uint64_t place_in_body(const struct body *body, uint64_t *random)
{
	static const uint16_t words[] = {0, 8, 16, 24, 32, 128, 136};
	uint64_t x = next_random(random), pick = x >> 8;
	switch (x % 8) {
	case 0:
		return body->offset + 64 + pick % 24 * 8;
	case 1:
		return body->offset + pick % 8 * 8;
	case 2:
	case 3:
		return control_of(body, pick % body->lanes) + words[(pick >> 16) % 7];
	case 4:
		return body->entries + pick % body->subscribers * 8;
	case 5:
		return body->records + pick % body->subscribers * body->sizes.record_bytes + 64 +
		       (pick >> 16) % body->lanes * 8;
	default: /* a slot's word and what follows */
		return slot_of(body, pick % body->lanes, pick >> 16) + (pick >> 32) % 3 * 8;
	}
}

static void put(uint8_t *image, size_t bytes, uint64_t offset, uint64_t word)
{
	if (bytes >= 8 && offset <= bytes - 8)
		memcpy(image + offset, &word, 8);
}

/* A message that is there, of any length and place: at the end of a lane, or before. */
static void add_message(uint8_t *image, size_t bytes, const struct body *body, uint64_t *random)
{
	uint64_t x = next_random(random), position = 0;
	uint64_t lane = x % body->lanes, control = control_of(body, lane);
	if (control + sizeof(struct lane_control) > bytes)
		return;
	memcpy(&position, image + control + offsetof(struct lane_control, position), 8);
	position -= x >> 8 & 3;
	uint64_t slot = slot_of(body, lane, position);
	bool outside = x >> 10 & 1;
	put(image, bytes, slot, lane_word(position, outside ? LANE_OUTSIDE : x >> 32 & 0x7f));
	if (outside) {
		put(image, bytes, slot + 8, (x >> 16 & 0xff) * LANE_PAYLOAD_ALIGN);
		put(image, bytes, slot + 16, x >> 40 & 0x1fff);
	}
	if (x >> 11 & 1) {
		uint32_t ready = 1;
		memcpy(image + control + offsetof(struct lane_control, ready), &ready, 4);
	}
}

static void change_image(uint8_t *image, size_t bytes, uint64_t *random)
{
	uint64_t x = next_random(random);
	struct body body;
	if (bytes < SEGMENT_HEADER_BYTES) {
		spoil(image, bytes, x % (bytes + 1), random);
		return;
	}
	switch (x % 8) {
	case 0: /* the header */
		spoil(image, bytes, (x >> 8) % 12 * 8, random);
		break;
	case 1:
		spoil(image, bytes, (x >> 8) % 2 ? 128 : 192 + (x >> 16) % 5 * 8, random);
		break;
	case 2: /* a seat */
		spoil(image, bytes,
		      256 + (x >> 8) % 24 * 64 + ((x >> 16) % 4 ? 0 : (x >> 24) % 8 * 8), random);
		break;
	case 3:
		spoil(image, bytes, ((x >> 8) % bytes) & ~(uint64_t)7, random);
		break;
	case 4:
		if (find_body(image, bytes, &body))
			add_message(image, bytes, &body, random);
		break;
	default:
		if (find_body(image, bytes, &body))
			spoil(image, bytes, place_in_body(&body, random), random);
	}
}

static size_t another_geometry(uint8_t *data, size_t room, uint64_t *random)
{
	uint64_t x = next_random(random);
	size_t bytes = image_make(data, room, 1 + (uint32_t)(x & 3), 1 + (uint32_t)(x >> 2 & 7),
				  x >> 8 & 15 ? 2u << (x >> 5 & 3) : 512, x >> 7 & 1);
	return bytes;
}

static void change_script(uint8_t *script, uint64_t *random)
{
	uint64_t x = next_random(random);
	if (x % 4 == 0)
		script[x >> 8 & 3] = (uint8_t)(x >> 16);
	else if (x % 4 == 1)
		LLVMFuzzerMutate(script, SCRIPT, SCRIPT);
	else
		script[4 + (x >> 8) % (SCRIPT - 4)] = (x >> 8) % 2 ? (uint8_t)(x >> 16)
								   : (uint8_t)((x >> 16) % CALLS);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	uint64_t random = seed;
	uint8_t script[SCRIPT] = {0};
	if (max_size < SCRIPT)
		return LLVMFuzzerMutate(data, size, max_size);
	size_t bytes = size > SCRIPT ? size - SCRIPT : 0;
	if (size >= SCRIPT)
		memcpy(script, data + bytes, SCRIPT);
	if (bytes == 0 || next_random(&random) % 64 == 0)
		bytes = another_geometry(data, max_size - SCRIPT, &random);
	else if (next_random(&random) % 64 == 0)
		bytes = next_random(&random) % (bytes + 1);
	for (uint64_t i = next_random(&random) % 4; i > 0; i--)
		change_image(data, bytes, &random);
	for (uint64_t i = next_random(&random) % 3; i > 0; i--)
		change_script(script, &random);
	if (next_random(&random) % 2)
		image_seal(data, bytes);
	memcpy(data + bytes, script, SCRIPT);
	return bytes + SCRIPT;
}
