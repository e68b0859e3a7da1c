/* SPDX-License-Identifier: Apache-2.0 */
/* Options, geometry, and opening the object under a topic. */
#include "base/checksum.h"
#include "base/error.h"
#include "object/object_handle.h"
#include "topic/topic.h"

#include <errno.h>

#define DEFAULT_SLOTS       16384u
#define DEFAULT_LANES       8u
#define DEFAULT_SUBSCRIBERS 256u
#define DEFAULT_INLINE      56u
#define DEFAULT_PAYLOAD     ((uint64_t)2 << 20)
#define GENEROUS_PAYLOAD    ((uint64_t)64 << 20) /* up to here, room for eight messages */
#define DEFAULT_SPIN_NS     20000
#define DEFAULT_MODE        0600u

int topic_options(const struct shoal_topic_options *options, struct shoal_topic_options *ret)
{
	int r = object_handle_options(options, ret, sizeof(*ret), "shoal_topic_options");
	if (r < 0)
		return r;
	if (ret->spin_ns == 0)
		ret->spin_ns = DEFAULT_SPIN_NS;
	if (ret->mode == 0)
		ret->mode = DEFAULT_MODE;
	return 0;
}

static uint64_t default_payload(uint64_t message_bytes)
{
	if (message_bytes <= DEFAULT_PAYLOAD / 8)
		return DEFAULT_PAYLOAD;
	uint64_t message = align_up(message_bytes, LANE_PAYLOAD_ALIGN);
	return max_u64(message, min_u64(message * 8, GENEROUS_PAYLOAD));
}

static int check_ranges(const struct shoal_topic_options *o)
{
	if (o->slots != 0 && (o->slots < 2 || o->slots > 1u << 24 || !is_power_of_two(o->slots)))
		return error_fail(EINVAL, "slots is %u: it must be a power of two from 2 to %u",
				  o->slots, 1u << 24);
	if (o->lanes > 1024)
		return error_fail(EINVAL, "lanes is %u: there can be 1 to 1,024", o->lanes);
	if (o->subscribers > 4096)
		return error_fail(EINVAL, "subscribers is %u: there can be 1 to 4,096",
				  o->subscribers);
	if (o->payload_bytes > (uint64_t)1 << 40 || o->message_bytes > (uint64_t)1 << 40)
		return error_fail(EINVAL, "a payload area can have up to 1 TiB");
	if (o->payload_bytes && o->message_bytes > LANE_INLINE_MAX &&
	    o->payload_bytes < o->message_bytes)
		return error_fail(EINVAL, "payload_bytes (%llu) is less than message_bytes (%llu)",
				  (unsigned long long)o->payload_bytes,
				  (unsigned long long)o->message_bytes);
	if (o->mode & ~0666u)
		return error_fail(EINVAL, "mode %04o: only reading and writing can be granted",
				  o->mode);
	return 0;
}

int topic_geometry(const struct shoal_topic_options *o, struct topic_geometry *ret)
{
	int r = check_ranges(o);
	if (r < 0)
		return r;
	uint64_t inside = o->message_bytes <= LANE_INLINE_MAX ? o->message_bytes : 0;
	uint64_t payload = o->payload_bytes ? o->payload_bytes : default_payload(o->message_bytes);
	*ret = (struct topic_geometry){
	    .lanes = o->lanes ? o->lanes : DEFAULT_LANES,
	    .subscribers = o->subscribers ? o->subscribers : DEFAULT_SUBSCRIBERS,
	    .slots = o->slots ? o->slots : DEFAULT_SLOTS,
	    .inline_bytes = (uint32_t)max_u64(align_up(inside, 8), DEFAULT_INLINE),
	    .payload_bytes = align_up(payload, PAGE_BYTES),
	};
	ret->checksum = checksum(ret, offsetof(struct topic_geometry, checksum));
	return 0;
}

static void fill_body(const struct region *region, const void *context)
{
	memcpy(region->base + region->body_offset, context, sizeof(struct topic_geometry));
}

int topic_open(struct object *object, struct topic_map *map, const char *name, unsigned flags,
	       uint32_t role, const struct shoal_topic_options *options)
{
	struct segment_name parsed;
	struct topic_geometry geometry;
	int r = segment_name_parse(name, &parsed);
	if (r < 0)
		return r;
	r = topic_geometry(options, &geometry);
	if (r < 0)
		return r;
	topic_sizes(map, &geometry);
	struct object_request request = {
	    .kind = &topic_kind,
	    .role = role,
	    .flags = flags,
	    .spec = {.kind = TOPIC_KIND,
		     .seat_count = geometry.lanes + geometry.subscribers + TOPIC_SPARE_SEATS,
		     .body_bytes = map->body_bytes,
		     .reserve_bytes = map->fixed_bytes,
		     .mode = options->mode,
		     .keep = (flags & SHOAL_KEEP) || parsed.backend->keep},
	    .fill = fill_body,
	    .context = &geometry,
	};
	int made = object_open(object, &parsed, &request);
	if (made < 0)
		return made;
	r = topic_map(map, &object->segment.region);
	if (r < 0) {
		object_close(object);
		return r;
	}
	return made;
}
