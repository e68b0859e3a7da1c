/* SPDX-License-Identifier: Apache-2.0 */
#include "pubsub.h"

#include "topic/handle.h"

#include <errno.h>

struct pubsub pubsub;

enum { WORDS = 16 };

void pubsub_begin(uint32_t lanes, uint32_t subscribers, uint32_t slots)
{
	memset(&pubsub, 0, sizeof(pubsub));
	pubsub.options = (struct shoal_topic_options){
	    .size = sizeof(struct shoal_topic_options),
	    .payload_bytes = PAGE_BYTES,
	    .slots = slots,
	    .lanes = lanes,
	    .subscribers = subscribers,
	    .spin_ns = SHOAL_SPIN_NEVER,
	};
	sim_private(&pubsub, sizeof(pubsub));
}

/* Another object of that name: the one before, and its messages, are gone. */
static void meet(const void *opened)
{
	uint64_t inode = ((const struct handle *)opened)->object->segment.inode;
	SIM_CHECK(!(pubsub.gone >> inode & 1), "it is in an object that was replaced");
	if (inode == pubsub.inode)
		return;
	pubsub.gone |= (uint64_t)1 << pubsub.inode;
	pubsub.inode = inode;
	memset(pubsub.begun, 0, sizeof(pubsub.begun));
	memset(pubsub.committed, 0, sizeof(pubsub.committed));
}

int pubsub_open_pub(unsigned flags)
{
	uint32_t self = sim_actor();
	int r = shoal_pub_open(&pubsub.pubs[self], PUBSUB_NAME, flags, &pubsub.options);
	if (r < 0)
		return r;
	meet(pubsub.pubs[self]);
	uint32_t lane = pubsub.lanes[self] = shoal_pub_lane(pubsub.pubs[self]);
	uint64_t position = shoal_pub_sequence(pubsub.pubs[self]);
	SIM_CHECK(position >= pubsub.committed[lane] && position <= pubsub.begun[lane],
		  "the lane was taken over at %llu; %llu were committed and %llu begun",
		  (unsigned long long)position, (unsigned long long)pubsub.committed[lane],
		  (unsigned long long)pubsub.begun[lane]);
	pubsub.committed[lane] = pubsub.begun[lane] = position;
	return r;
}

int pubsub_open_sub(unsigned flags)
{
	uint32_t self = sim_actor();
	int r = shoal_sub_open(&pubsub.subs[self], PUBSUB_NAME, flags, &pubsub.options);
	if (r >= 0)
		meet(pubsub.subs[self]);
	return r;
}

static uint32_t bytes_of(uint64_t position)
{
	return pubsub.large ? 80 + 8 * (uint32_t)(position % 4) : 8 * (uint32_t)(position % 4);
}

static void fill(uint64_t *words, uint32_t lane, uint64_t position)
{
	for (uint32_t i = 0; i < WORDS; i++)
		words[i] = (position + 1) * 0x0101010101010101u ^ (uint64_t)lane << 56 ^
			   (uint64_t)i << 40;
}

static void check_message(const void *data, uint64_t bytes, uint32_t lane, uint64_t position)
{
	uint64_t expected[WORDS];
	fill(expected, lane, position);
	SIM_CHECK(bytes == bytes_of(position), "message %llu has %llu bytes",
		  (unsigned long long)position, (unsigned long long)bytes);
	for (uint32_t i = 0; i < bytes / 8; i++)
		SIM_CHECK(((const uint64_t *)data)[i] == expected[i],
			  "message %llu: word %u is another's", (unsigned long long)position, i);
}

int pubsub_publish(int64_t timeout_ns)
{
	uint32_t self = sim_actor(), lane = pubsub.lanes[self];
	uint64_t position = shoal_pub_sequence(pubsub.pubs[self]);
	uint64_t words[WORDS];
	fill(words, lane, position);
	pubsub.begun[lane] = position + 1;
	int r = shoal_pub_publish(pubsub.pubs[self], words, bytes_of(position), timeout_ns);
	if (r == 0)
		pubsub.committed[lane] = position + 1;
	else if (r != -ESTALE)
		pubsub.begun[lane] = position;
	return r;
}

int64_t pubsub_publish_batch(uint32_t count, int64_t timeout_ns)
{
	enum { MOST = 4 };
	uint32_t self = sim_actor(), lane = pubsub.lanes[self];
	uint64_t position = shoal_pub_sequence(pubsub.pubs[self]);
	uint64_t words[MOST][WORDS];
	struct iovec messages[MOST];
	count = min_u32(count, MOST);
	for (uint32_t i = 0; i < count; i++) {
		fill(words[i], lane, position + i);
		messages[i] = (struct iovec){words[i], bytes_of(position + i)};
	}
	pubsub.begun[lane] = position + count;
	int64_t r = shoal_pub_publishv(pubsub.pubs[self], messages, count, timeout_ns);
	if (r >= 0)
		pubsub.committed[lane] = position + (uint64_t)r;
	if (r != -ESTALE)
		pubsub.begun[lane] = pubsub.committed[lane];
	return r;
}

static void note(uint32_t self, const struct shoal_view *view)
{
	uint32_t lane = view->lane;
	SIM_CHECK(lane < PUBSUB_LANES, "lane %u", lane);
	uint64_t *next = &pubsub.next[self][lane];
	if (!pubsub.started[self][lane])
		*next = view->sequence - view->lost;
	pubsub.started[self][lane] = true;
	SIM_CHECK(view->sequence == *next + view->lost,
		  "message %llu of lane %u comes after %llu, and %llu were lost",
		  (unsigned long long)view->sequence, lane, (unsigned long long)*next,
		  (unsigned long long)view->lost);
	SIM_CHECK(view->sequence < pubsub.begun[lane], "message %llu was never published",
		  (unsigned long long)view->sequence);
	*next = view->sequence + 1;
	pubsub.received[self]++;
}

int pubsub_receive(int64_t timeout_ns)
{
	uint32_t self = sim_actor();
	uint64_t words[WORDS];
	struct shoal_view view;
	int r = shoal_sub_receive(pubsub.subs[self], words, sizeof(words), timeout_ns, &view);
	pubsub.last[self] = r;
	if (r < 0)
		return r;
	note(self, &view);
	check_message(words, view.bytes, view.lane, view.sequence);
	return 0;
}

int pubsub_borrow(int64_t timeout_ns)
{
	uint32_t self = sim_actor();
	struct shoal_view view;
	int r = shoal_sub_borrow(pubsub.subs[self], timeout_ns, &view);
	pubsub.last[self] = r;
	if (r < 0)
		return r;
	note(self, &view);
	check_message(view.data, view.bytes, view.lane, view.sequence);
	check_message(view.data, view.bytes, view.lane, view.sequence);
	r = shoal_sub_release(pubsub.subs[self], &view);
	SIM_CHECK(r == 0, "releasing: %d", r);
	return 0;
}

int pubsub_receive_batch(int64_t timeout_ns)
{
	uint32_t self = sim_actor();
	uint64_t words[2 * WORDS];
	struct shoal_view views[2];
	int64_t n =
	    shoal_sub_receivev(pubsub.subs[self], views, 2, words, sizeof(words), timeout_ns);
	pubsub.last[self] = n < 0 ? (int)n : 0;
	for (int64_t i = 0; i < n; i++) {
		note(self, &views[i]);
		check_message(views[i].data, views[i].bytes, views[i].lane, views[i].sequence);
	}
	return pubsub.last[self];
}

void pubsub_close(void)
{
	uint32_t self = sim_actor();
	pubsub.closing[self] = true;
	shoal_pub_close(pubsub.pubs[self]);
	shoal_sub_close(pubsub.subs[self]);
	pubsub.pubs[self] = NULL;
	pubsub.subs[self] = NULL;
}

/* ---- when all is over -------------------------------------------------------------------- */

/* The survivor looks through the eyes of somebody who lives and has it mapped. */
static const struct topic_map *borrowed_map(uint32_t *ret_actor)
{
	for (uint32_t i = 0; i < SURVIVOR; i++) {
		void *handle = pubsub.pubs[i] ? (void *)pubsub.pubs[i] : (void *)pubsub.subs[i];
		if (!handle || pubsub.closing[i] || sim_is_dead(i))
			continue;
		*ret_actor = i;
		return &((struct handle *)handle)->map;
	}
	return NULL;
}

uint64_t pubsub_end(uint32_t lane)
{
	uint32_t actor = 0, before = sim_actor();
	const struct topic_map *map = borrowed_map(&actor);
	if (!map)
		return pubsub.committed[lane];
	sim_as(actor);
	uint64_t end = 0;
	if (topic_lane_ready(map, lane)) {
		struct lane_map facts = topic_lane(map, lane);
		end = lane_end(&facts);
	}
	SIM_CHECK(end >= pubsub.committed[lane] && end <= pubsub.begun[lane],
		  "lane %u ends at %llu; %llu were committed and %llu begun", lane,
		  (unsigned long long)end, (unsigned long long)pubsub.committed[lane],
		  (unsigned long long)pubsub.begun[lane]);
	sim_as(before);
	return end;
}

bool pubsub_has_all(uint32_t actor)
{
	for (uint32_t lane = 0; lane < pubsub.options.lanes; lane++)
		if (pubsub.next[actor][lane] != pubsub_end(lane))
			return false;
	uint32_t who = 0;
	const struct topic_map *map = borrowed_map(&who);
	if (!map)
		return false;
	sim_as(who);
	bool over = topic_ended(map) || object_is_removed(&map->region);
	sim_as(SURVIVOR);
	return !over;
}

/* Reads the rest, without waiting. */
static void read_on(uint32_t actor)
{
	sim_as(actor);
	int r = 0;
	for (int i = 0; r == 0 && i < 64; i++)
		r = pubsub_receive(0);
	SIM_CHECK(r == -EAGAIN || r == -EPIPE || r == -ESTALE, "reading the rest: %d", r);
	if (r != -ESTALE)
		for (uint32_t lane = 0; lane < pubsub.options.lanes; lane++)
			SIM_CHECK(pubsub.next[actor][lane] == pubsub_end(lane) ||
				      !pubsub.started[actor][lane],
				  "it read up to %llu of lane %u",
				  (unsigned long long)pubsub.next[actor][lane], lane);
	sim_as(SURVIVOR);
}

void pubsub_check_readers(void)
{
	for (uint32_t lane = 0; lane < pubsub.options.lanes; lane++)
		pubsub_end(lane);
	for (uint32_t i = 0; i < SURVIVOR; i++)
		if (pubsub.subs[i] && !pubsub.closing[i] && !sim_is_dead(i) && !sim_is_busy(i))
			read_on(i);
}

void pubsub_check(void)
{
	pubsub_check_readers();
	int r = pubsub_open_sub(0);
	SIM_CHECK(r == 0 || r == -ENOENT, "joining afterwards: %d", r);
	if (r == 0) {
		struct handle *handle = (struct handle *)pubsub.subs[SURVIVOR];
		object_repair_all(handle->object);
		SIM_CHECK(topic_kind.audit(&handle->map.region) == 0, "the audit says: %s",
			  shoal_error_detail());
		pubsub_close();
	}
	uint32_t actor;
	if (!borrowed_map(&actor))
		SIM_CHECK(sim_named_inode() == 0, "nobody is in it, and it keeps its name");
}
