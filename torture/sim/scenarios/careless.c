/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that trust shared bytes, as none of the library's does: the attacker must bring each of
 * them down, or his answers prove nothing.
 */
#include "../hostile.h"

#include "pubsub.h"

#include "topic/handle.h"

#include <errno.h>

static struct topic_map *map;

static void set_up(void)
{
	pubsub_begin(2, 2, 4);
	sim_private((void *)&map, sizeof(void *));
	SIM_CHECK(pubsub_open_pub(SHOAL_CREATE) == 1, "opening");
	SIM_CHECK(pubsub_open_sub(0) == 0, "opening");
	for (int i = 0; i < 3; i++)
		pubsub_publish(0);
	map = &((struct handle *)pubsub.subs[0])->map;
}

/* What they lead to must lie where the harness can tell that it is outside before it is touched: so
 * indexes have few bits here. */

/* An index that is used as it was found. */
static int64_t unchecked_index(void)
{
	uint64_t word = atomic_load(&map->controls[0].owner);
	const struct seat_entry *entry = seat_entry(&map->region, word_tag(word).seat & 0x7ff);
	return atomic_load(&entry->word) == 0;
}

/* Looked at, found good, and fetched again to be used. */
static int64_t double_fetch(void)
{
	if ((atomic_load(&map->body->shared.used) & 0xffff) > map->subscribers)
		return -EBADMSG;
	uint32_t used = atomic_load(&map->body->shared.used) & 0xffff;
	return used == 0 || atomic_load(&map->entries[used - 1]) == 0;
}

/* By a plain load. */
static int64_t length_as_found(void)
{
	const struct lane_map lane = topic_lane(map, 1);
	const struct lane_slot *slot = lane_slot(&lane, 0);
	uint64_t bytes = atomic_load(&slot->word) & 0xffff;
	const uint8_t *last = (const uint8_t *)slot->data + bytes;
	return *last == 1;
}

/* Goes on until the numbers agree. */
static int64_t loop_without_bound(void)
{
	uint64_t i = atomic_load(&map->controls[0].oldest);
	for (; i != atomic_load(&map->controls[0].position); i++)
		;
	return 0;
}

static int64_t error_of_its_own(void)
{
	return word_state(atomic_load(&map->controls[0].owner)) == LANE_TAKEN ? 0 : -EINVAL;
}

static int64_t leaves_it_open(void)
{
	struct object *object = ((struct handle *)pubsub.subs[0])->object;
	int fd = segment_reopen(&object->segment);
	if (word_state(atomic_load(&map->controls[0].owner)) != LANE_TAKEN)
		return -EBADMSG;
	os->close(fd);
	return 0;
}

static const int errors[] = {EBADMSG, 0};

const struct hostile_entry careless_entries[] = {
    {"an index that is used as it was found", set_up, unchecked_index, errors, false},
    {"a number that is checked and fetched again", set_up, double_fetch, errors, false},
    {"a length that is used as it was found", set_up, length_as_found, errors, false},
    {"a loop whose end is a stranger's", set_up, loop_without_bound, errors, false},
    {"an error that is not in the contract", set_up, error_of_its_own, errors, false},
    {"a failure that leaves something open", set_up, leaves_it_open, errors, true},
};
const size_t careless_entry_count = sizeof(careless_entries) / sizeof(careless_entries[0]);
