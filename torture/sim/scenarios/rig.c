/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include "base/checksum.h"

#include <errno.h>

struct rig rig;

static void fill_geometry(const struct region *region, const void *context)
{
	memcpy(region->base + region->body_offset, context, sizeof(struct topic_geometry));
}

static void join(uint32_t actor, const struct topic_geometry *geometry)
{
	struct member *member = &rig.members[actor];
	struct segment_name name;
	SIM_CHECK(segment_name_parse("sim", &name) == 0, "the name");
	topic_sizes(&member->map, geometry);
	struct object_request request = {
	    .kind = &topic_kind,
	    .flags = actor == 0 ? SHOAL_CREATE : 0,
	    .spec = {.kind = TOPIC_KIND,
		     .seat_count = geometry->lanes + geometry->subscribers + 4,
		     .body_bytes = member->map.body_bytes,
		     .reserve_bytes = member->map.fixed_bytes,
		     .mode = 0600},
	    .fill = fill_geometry,
	    .context = geometry,
	};
	sim_as(actor);
	int r = object_open(&member->object, &name, &request);
	SIM_CHECK(r >= 0, "joining: %d", r);
	SIM_CHECK(topic_map(&member->map, &member->object.segment.region) == 0, "the map");
	for (uint32_t i = 0; i < geometry->lanes; i++)
		topic_lane_is_ready(&member->map, i);
}

void rig_make(const struct rig_spec *spec)
{
	struct topic_geometry geometry = {
	    .lanes = spec->lanes,
	    .subscribers = spec->subscribers,
	    .slots = spec->slots,
	    .inline_bytes = 16,
	    .payload_bytes = PAGE_BYTES,
	};
	geometry.checksum = checksum(&geometry, offsetof(struct topic_geometry, checksum));
	memset(&rig, 0, sizeof(rig));
	rig.spec = *spec;
	for (uint32_t i = 0; i < ACTORS; i++)
		join(i, &geometry);
	sim_private(&rig, sizeof(rig));
	sim_as(0);
}

struct member *rig_me(void)
{
	return &rig.members[sim_actor()];
}

static struct lane_map map_of(const struct member *member, uint32_t lane)
{
	struct lane_map map = topic_lane(&member->map, lane);
	if (rig.spec.area)
		map.area = rig.spec.area; /* everybody does so */
	return map;
}

void rig_take_lane(void)
{
	struct member *me = rig_me();
	me->lane = topic_take_lane(&me->map, me->object.seat.tag);
	SIM_CHECK(me->lane != UINT32_MAX, "there is no lane left");
	struct lane_map map = map_of(me, me->lane);
	struct gate gate = topic_gate(&me->map, me->lane);
	gate.hold = rig.spec.hold;
	int r = lane_writer_open(&me->writer, &map, &gate, &me->map.body->wake,
				 me->object.fences_itself);
	SIM_CHECK(r == 0, "taking lane %u over: %d", me->lane, r);
	uint64_t position = me->writer.position;
	SIM_CHECK(position >= rig.committed[me->lane] && position <= rig.begun[me->lane],
		  "the lane was taken over at %llu; %llu were committed and %llu begun",
		  (unsigned long long)position, (unsigned long long)rig.committed[me->lane],
		  (unsigned long long)rig.begun[me->lane]);
	rig.committed[me->lane] = rig.begun[me->lane] = position;
}

void rig_read_from_cursor(uint32_t lane)
{
	struct member *me = rig_me();
	me->reader = (struct lane_reader){
	    .map = map_of(me, lane),
	    .cursor = &topic_record(&me->map, me->entry)->cursors[lane],
	    .number = lane,
	};
	me->reader.position = atomic_load(me->reader.cursor);
	me->first = me->next = me->reader.position;
	me->reads = true;
}

/* What was committed before it came back is behind a reader that starts now; what is committed
 * afterwards is before it. */
void rig_subscribe(bool lossy, bool from_oldest)
{
	struct member *me = rig_me();
	/* Nobody can know of what is not visible yet. */
	uint64_t before = sim_all_visible(0) ? rig.committed[0] : 0;
	me->entry = topic_take_entry(&me->map, me->object.seat.tag);
	SIM_CHECK(me->entry != UINT32_MAX, "there is no entry left");
	topic_activate(&me->map, me->entry, me->object.seat.tag, lossy, from_oldest);
	uint64_t after = rig.begun[0]; /* perhaps it saw one whose call has not come back */
	rig_read_from_cursor(0);
	SIM_CHECK(me->first <= after, "it starts at %llu, and %llu were begun",
		  (unsigned long long)me->first, (unsigned long long)after);
	if (!from_oldest && !lossy)
		SIM_CHECK(me->first >= before, "it starts at %llu, and %llu were committed before",
			  (unsigned long long)me->first, (unsigned long long)before);
}

/* ---- messages ---------------------------------------------------------------------------- */

uint32_t rig_bytes(uint64_t position)
{
	if (rig.spec.outside)
		return position % 3 == 2 ? 8 : rig.spec.outside;
	return position % 3 == 0 ? 8 : 16;
}

static uint64_t word_of(uint32_t lane, uint64_t position, uint32_t i)
{
	return (position + 1) * 0x0101010101010101u ^ ((uint64_t)lane << 56) ^ (uint64_t)i << 40;
}

void rig_check_message(const struct lane_message *message, uint32_t lane, uint64_t position)
{
	SIM_CHECK(message->bytes == rig_bytes(position), "message %llu has %llu bytes",
		  (unsigned long long)position, (unsigned long long)message->bytes);
	const struct unaligned_word *words = (const void *)message->data;
	for (uint32_t i = 0; i < message->bytes / 8; i++) {
		uint64_t word = words[i].word;
		SIM_CHECK(word == word_of(lane, position, i),
			  "message %llu: word %u is 0x%llx, of another message",
			  (unsigned long long)position, i, (unsigned long long)word);
	}
}

bool rig_publish(void)
{
	struct member *me = rig_me();
	struct lane_writer *writer = &me->writer;
	uint64_t position = writer->position;
	uint32_t bytes = rig_bytes(position);
	uint64_t words[RIG_WORDS];
	void *data = NULL;
	for (uint32_t i = 0; i < bytes / 8; i++)
		words[i] = word_of(me->lane, position, i);
	if (bytes <= writer->map.inline_bytes ? !lane_has_room(writer)
					      : lane_claim_outside(writer, bytes, &data) < 0)
		return false;
	rig.begun[me->lane] = position + 1;
	if (data) {
		memcpy(data, words, bytes);
		lane_commit_outside(writer, bytes);
	} else {
		lane_put(writer, words, bytes);
	}
	rig.committed[me->lane] = position + 1;
	return true;
}

uint32_t rig_publish_batch(uint32_t count)
{
	enum { MOST = 4 };
	struct member *me = rig_me();
	uint64_t position = me->writer.position;
	uint64_t words[MOST][2];
	struct iovec messages[MOST];
	count = min_u32(count, MOST);
	for (uint32_t i = 0; i < count; i++) {
		words[i][0] = word_of(me->lane, position + i, 0);
		words[i][1] = word_of(me->lane, position + i, 1);
		messages[i] = (struct iovec){words[i], rig_bytes(position + i)};
	}
	uint64_t before = rig.begun[me->lane];
	rig.begun[me->lane] = position + count;
	size_t done = lane_put_batch(&me->writer, messages, count);
	SIM_CHECK(done <= count, "more than there were");
	rig.begun[me->lane] = done ? position + done : before;
	rig.committed[me->lane] = position + done;
	return (uint32_t)done;
}

bool rig_read(void)
{
	struct member *me = rig_me();
	struct lane_reader *reader = &me->reader;
	struct lane_message message;
	int r = lane_peek(reader, &message);
	SIM_CHECK(r >= 0, "message %llu is damaged", (unsigned long long)reader->position);
	if (r == 0)
		return false;
	SIM_CHECK(reader->position == me->next, "it reads %llu instead of %llu",
		  (unsigned long long)reader->position, (unsigned long long)me->next);
	SIM_CHECK(me->next < rig.begun[reader->number], "message %llu was never published",
		  (unsigned long long)me->next);
	rig_check_message(&message, reader->number, reader->position);
	rig_check_message(&message, reader->number, reader->position);
	lane_pass(reader);
	lane_open_gate(reader, me->object.fences_itself);
	me->next++;
	return true;
}

static int no_growing(struct lane_buffer *buffer, uint64_t bytes)
{
	(void)buffer;
	sim_fail("a lossy reader wants room for %llu bytes", (unsigned long long)bytes);
}

bool rig_copy(void)
{
	struct member *me = rig_me();
	struct lane_reader *reader = &me->reader;
	struct lane_buffer buffer = {(uint8_t *)me->copy, sizeof(me->copy), no_growing};
	uint64_t bytes = 0;
	int r = lane_copy(reader, &buffer, &bytes);
	SIM_CHECK(r >= 0, "message %llu is damaged", (unsigned long long)reader->position);
	SIM_CHECK(me->next + reader->lost == reader->position,
		  "after %llu come %llu lost ones and then %llu", (unsigned long long)me->next,
		  (unsigned long long)reader->lost, (unsigned long long)reader->position);
	if (r == 0)
		return false;
	SIM_CHECK(reader->position < rig.begun[reader->number], "it was never published");
	struct lane_message message = {(const uint8_t *)me->copy, bytes};
	rig_check_message(&message, reader->number, reader->position);
	me->lost += reader->lost;
	reader->lost = 0;
	lane_pass(reader);
	me->next = reader->position;
	return true;
}

/* ---- when all is over -------------------------------------------------------------------- */

uint64_t rig_end(uint32_t lane)
{
	struct lane_map map = map_of(rig_me(), lane);
	uint64_t end = lane_end(&map);
	SIM_CHECK(end >= rig.committed[lane] && end <= rig.begun[lane],
		  "lane %u ends at %llu; %llu were committed and %llu begun", lane,
		  (unsigned long long)end, (unsigned long long)rig.committed[lane],
		  (unsigned long long)rig.begun[lane]);
	return end;
}

void rig_settle(void)
{
	struct member *me = rig_me();
	object_repair_all(&me->object);
	for (uint32_t i = 0; i < rig.spec.lanes; i++)
		rig_end(i);
	if (rig.spec.area == 0) /* the audit takes the area for larger than it is here */
		SIM_CHECK(topic_kind.audit(&me->map.region) == 0, "the audit says: %s",
			  shoal_error_detail());
	for (uint32_t i = 0; i < ACTORS; i++) {
		struct tag tag = rig.members[i].object.seat.tag;
		uint64_t word = atomic_load(&seat_entry(&me->map.region, tag.seat)->word);
		SIM_CHECK(word == word_make(sim_is_dead(i) ? SEAT_FREE : SEAT_TAKEN, tag),
			  "the seat of actor %u is 0x%llx", i, (unsigned long long)word);
	}
}

void rig_read_to_end(uint32_t actor)
{
	if (!rig.members[actor].reads || sim_is_dead(actor))
		return;
	uint32_t before = sim_actor();
	sim_as(actor);
	struct member *me = rig_me();
	uint64_t end = rig_end(me->reader.number);
	while (rig_read())
		;
	SIM_CHECK(me->next == end, "it read up to %llu, and the lane ends at %llu",
		  (unsigned long long)me->next, (unsigned long long)end);
	sim_as(before);
}

void rig_go_round(void)
{
	struct member *me = rig_me();
	rig_take_lane();
	for (uint32_t i = 0; i <= rig.spec.slots; i++) {
		SIM_CHECK(rig_publish(), "the dead hold up the living: message %llu has no room",
			  (unsigned long long)me->writer.position);
		for (uint32_t k = 0; k < SURVIVOR; k++)
			rig_read_to_end(k);
	}
}
