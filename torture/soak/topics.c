/* SPDX-License-Identifier: Apache-2.0 */
/* The topics that everybody works on, and what is in their messages. */
#include "soak.h"

struct topic topics[TOPICS];
struct grip grips[HANDLES];

static struct shoal_topic_options shape(uint64_t message_bytes, uint32_t slots,
					uint64_t payload_bytes, int64_t spin_ns)
{
	return (struct shoal_topic_options){
	    .size = sizeof(struct shoal_topic_options),
	    .message_bytes = message_bytes,
	    .payload_bytes = payload_bytes,
	    .slots = slots,
	    .lanes = LANES,
	    .subscribers = SUBSCRIBERS,
	    .spin_ns = spin_ns,
	};
}

void topics_make(const char *directory, const char *small)
{
	static char in_file[256];
	snprintf(in_file, sizeof(in_file), "file:%s/in-a-file", directory);
	const struct topic made[TOPICS] = {
	    {.name = "soak/small",
	     .kept = true,
	     .largest = 300,
	     .options = shape(48, 256, 64 << 10, 0)},
	    {.name = "soak/mixed",
	     .kept = true,
	     .largest = 24 << 10,
	     .options = shape(256, 64, 96 << 10, SHOAL_SPIN_NEVER)},
	    {.name = "soak/two",
	     .kept = true,
	     .largest = 2000,
	     .options = shape(24, 2, 4096, SHOAL_SPIN_NEVER)},
	    {.name = in_file,
	     .kept = true,
	     .largest = 1500,
	     .options = shape(1024, 32, 32 << 10, SHOAL_SPIN_NEVER)},
	    {.name = "memfd:fd=700",
	     .kept = true,
	     .nameless = true,
	     .largest = 1500,
	     .options = shape(48, 64, 32 << 10, SHOAL_SPIN_NEVER)},
	    {.name = "soak/gone",
	     .forced = true,
	     .largest = 300,
	     .options = shape(56, 16, 4096, SHOAL_SPIN_NEVER)},
	    {.name = "soak/last", .largest = 300, .options = shape(56, 16, 4096, 0)},
	    {.name = "soak/full",
	     .small = true,
	     .forced = true,
	     .largest = 100 << 10,
	     .options = shape(256, 512, 1 << 20, SHOAL_SPIN_NEVER),
	     .left_out = small == NULL},
	};
	memcpy(topics, made, sizeof(made));
	for (int i = 0; i < TOPICS; i++)
		topics[i].directory = topics[i].small && small ? small : directory;
}

const char *go_to(int topic)
{
	static const char *now;
	if (now != topics[topic].directory) {
		now = topics[topic].directory;
		setenv("SHOAL_DIR", now, 1);
	}
	return topics[topic].name;
}

uint32_t object_of(int topic, const void *handle)
{
	uint64_t instance = instance_of(handle);
	struct object_log *objects = book->topics[topic].objects;
	for (uint32_t i = 0; i < OBJECTS; i++) {
		uint64_t seen = atomic_load(&objects[i].instance);
		if (seen == 0 &&
		    atomic_compare_exchange_strong(&objects[i].instance, &seen, instance))
			return i;
		if (seen == instance)
			return i;
	}
	violate(UINT32_MAX, "%d objects of '%s' in one round: the book is full", OBJECTS,
		topics[topic].name);
	return 0;
}

size_t message_bytes(int topic, uint64_t lane, uint64_t sequence)
{
	uint64_t h = mix(lane << 56 ^ (uint64_t)topic << 48 ^ sequence);
	uint64_t pick = h >> 16;
	uint64_t inside = topics[topic].options.message_bytes;
	switch (h % 16) {
	case 0:
		return 0;
	case 1:
		return pick % (topics[topic].largest + 1);
	case 2:
	case 3:
		return pick % (topics[topic].largest / 8 + 1);
	default:
		return pick % (inside + 1);
	}
}

static uint64_t first_word(int topic, uint64_t lane, uint64_t sequence)
{
	return lane << 56 ^ (uint64_t)topic << 48 ^ sequence;
}

void message_fill(int topic, void *data, size_t bytes, uint64_t lane, uint64_t sequence)
{
	uint64_t word = first_word(topic, lane, sequence);
	uint64_t step = mix(word) | 1;
	uint8_t *p = data;
	size_t left = bytes;
	for (; left >= 8; left -= 8, p += 8, word += step)
		memcpy(p, &word, 8);
	memcpy(p, &word, left);
	if (bytes > 0 && plant_now(PLANT_CONTENT))
		((uint8_t *)data)[bytes / 2] ^= 1;
}

int64_t message_wrong(int topic, const void *data, size_t bytes, uint64_t lane, uint64_t sequence)
{
	if (bytes != message_bytes(topic, lane, sequence))
		return (int64_t)bytes;
	uint64_t word = first_word(topic, lane, sequence);
	uint64_t step = mix(word) | 1;
	const uint8_t *p = data;
	size_t left = bytes;
	for (; left >= 8; left -= 8, p += 8, word += step)
		if (memcmp(p, &word, 8) != 0)
			return p - (const uint8_t *)data;
	return memcmp(p, &word, left) != 0 ? p - (const uint8_t *)data : -1;
}
