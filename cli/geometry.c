/* SPDX-License-Identifier: Apache-2.0 */
/* The geometry options, which pub and create share. */
#include "options.h"

#include <stdio.h>

struct geometry geometry;

const struct option geometry_options[] = {
    {OPTION_SIZE32, 0, "slots", &geometry.slots, "N",
     "messages a lane can hold: a power of two (default 16384)"},
    {OPTION_SIZE, 0, "payload", &geometry.payload, "SIZE",
     "room in a lane for messages too large for a slot, and so the largest one "
     "(default 2M)"},
    {OPTION_SIZE, 0, "message", &geometry.message, "SIZE",
     "size of a usual message; slots and payload are made to fit"},
    {OPTION_U32, 0, "lanes", &geometry.lanes, "N", "publishers at a time (default 8)"},
    {OPTION_U32, 0, "subscribers", &geometry.subscribers, "N",
     "subscribers at a time (default 256)"},
    {OPTION_MODE, 0, "mode", &geometry.mode, "MODE", "permission bits, octal (default 0600)"},
    {OPTION_END, 0, NULL, NULL, NULL, NULL},
};

bool geometry_given(void)
{
	return geometry.slots || geometry.payload || geometry.message || geometry.lanes ||
	       geometry.subscribers || geometry.mode;
}

struct shoal_topic_options geometry_for_library(void)
{
	return (struct shoal_topic_options){
	    .size = sizeof(struct shoal_topic_options),
	    .message_bytes = geometry.message,
	    .payload_bytes = geometry.payload,
	    .slots = geometry.slots,
	    .lanes = geometry.lanes,
	    .subscribers = geometry.subscribers,
	    .mode = geometry.mode,
	};
}

void geometry_text(const struct shoal_topic_stat *stat, char *buffer, size_t size)
{
	char slots[32], payload[32];

	format_count(stat->slots, slots, sizeof slots);
	format_size(stat->payload_bytes, payload, sizeof payload);
	snprintf(buffer, size,
		 "%u lane%s of %s slots (%u bytes in place) with a payload area of %s each, "
		 "%u subscriber%s",
		 stat->lane_count, plural(stat->lane_count), slots, stat->inline_bytes, payload,
		 stat->subscribers_max, plural(stat->subscribers_max));
}
