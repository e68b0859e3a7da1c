/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctest: TIMEOUT 300
 *
 * Random steps on a lane, held against a model of a few lines: messages are numbered and their
 * bytes follow from the number, readers have a position, and nobody may miss, repeat or mix
 * anything. Steps: publish (any size), claim and never commit, read, hold a view, leave, join at
 * now or at oldest, read lossily, and take the lane over from a dead writer.
 */
#include "lane/lane_rig.h"

#include <shoal/error.h>

#define LOSSLESS 3 /* readers 0 to 2; 3 is lossy */

struct model {
	struct rig rig;
	uint64_t random;
	struct lane_reader readers[LOSSLESS];
	bool joined[LOSSLESS];
	bool held[LOSSLESS];
	struct lane_message views[LOSSLESS];
	struct lane_reader lossy;
	uint64_t lossy_next; /* what it has read or was told it lost, up to here */
	struct lane_buffer buffer;
	uint64_t published;
	uint64_t gated;
	uint64_t takeovers;
	uint64_t lost;
};

static int grow(struct lane_buffer *buffer, uint64_t bytes)
{
	buffer->data = realloc(buffer->data, bytes);
	assert_non_null(buffer->data);
	buffer->room = bytes;
	return 0;
}

static uint64_t random_size(struct model *model)
{
	const struct lane_map *map = &model->rig.map;
	switch (random_below(&model->random, 8)) {
	case 0:
		return random_below(&model->random, map->area) + 1;
	case 1:
		return map->area - random_below(&model->random, 130);
	case 2:
	case 3:
		return random_below(&model->random, map->area / 4) + 1;
	default:
		return random_below(&model->random, map->inline_bytes + 1);
	}
}

/* Does a reader stand in the way? Else every message that fits the area has room. */
static bool somebody_is_behind(const struct model *model)
{
	for (int i = 0; i < LOSSLESS; i++)
		if (model->joined[i] && model->readers[i].position != model->published)
			return true;
	return false;
}

static void publish(struct model *model)
{
	uint64_t bytes = random_size(model);
	int r = rig_publish(&model->rig, bytes);
	if (r == 0) {
		model->published++;
		return;
	}
	assert_int_equal(r, -EAGAIN);
	assert_true(somebody_is_behind(model));
	assert_int_not_equal(lane_blocker(&model->rig.writer), UINT32_MAX);
	model->gated++;
}

/* What a publisher wrote and did not commit is seen by nobody. */
static void claim_and_forget(struct model *model)
{
	void *data = NULL;
	uint64_t bytes = random_size(model);
	if (bytes > model->rig.map.inline_bytes &&
	    lane_claim_outside(&model->rig.writer, bytes, &data) == 0)
		memset(data, 0xee, bytes);
}

static void check_view(const struct model *model, int i)
{
	rig_check(model->views[i].data, model->readers[i].position, model->views[i].bytes);
}

static void read_one(struct model *model, int i)
{
	struct lane_reader *reader = &model->readers[i];
	if (!model->joined[i])
		return;
	if (model->held[i]) {
		check_view(model, i); /* still, after all that was published meanwhile */
		lane_pass(reader);
		model->held[i] = false;
		return;
	}
	int r = lane_peek(reader, &model->views[i]);
	assert_int_equal(r, reader->position != model->published);
	if (r == 1) {
		check_view(model, i);
		model->held[i] = true;
	}
}

static void join(struct model *model, uint32_t i)
{
	bool from_oldest = random_below(&model->random, 2);
	model->readers[i] = rig_join(&model->rig, i, ENTRY_LOSSLESS, from_oldest);
	model->joined[i] = true;
	assert_true(model->published - model->readers[i].position <= model->rig.map.slot_count);
	if (!from_oldest)
		assert_int_equal(model->readers[i].position, model->published);
}

static void join_or_leave(struct model *model, uint32_t i)
{
	if (!model->joined[i]) {
		join(model, i);
		return;
	}
	rig_leave(&model->rig, i);
	model->joined[i] = false;
	model->held[i] = false;
}

static void read_lossy(struct model *model)
{
	uint64_t bytes = 0;
	int r = lane_copy(&model->lossy, &model->buffer, &bytes);
	assert_true(r == 0 || r == 1);
	assert_int_equal(model->lossy.position, model->lossy_next + model->lossy.lost);
	if (r == 0) {
		assert_int_equal(model->lossy.position, model->published);
		return;
	}
	rig_check(model->buffer.data, model->lossy.position, bytes);
	model->lost += model->lossy.lost;
	model->lossy.lost = 0;
	lane_pass(&model->lossy);
	model->lossy_next = model->lossy.position;
}

/* The writer is gone without a word, perhaps before it counted its last message. */
static void take_over(struct model *model)
{
	struct lane_control *control = model->rig.map.control;
	/* Unless it raised `oldest` since, for a claim: then the last one was counted. */
	if (model->published > control->oldest && random_below(&model->random, 2)) {
		control->position = model->published - 1;
		control->begun = model->published;
	}
	lane_writer_close(&model->rig.writer);
	int audit = lane_audit(&model->rig.map, 0, true);
	if (audit)
		fail_msg("%s", shoal_error_detail());
	rig_take_over(&model->rig);
	assert_int_equal(model->rig.writer.position, model->published);
	model->takeovers++;
}

static void step(struct model *model)
{
	uint64_t what = random_below(&model->random, 1000);
	if (what < 450)
		publish(model);
	else if (what < 455)
		claim_and_forget(model);
	else if (what < 880)
		read_one(model, (int)random_below(&model->random, LOSSLESS));
	else if (what < 960)
		read_lossy(model);
	else if (what < 980)
		join_or_leave(model, (uint32_t)random_below(&model->random, LOSSLESS));
	else if (what < 990)
		take_over(model);
}

static void run(uint64_t seed, uint64_t slots, uint64_t inline_bytes, uint64_t area, int steps)
{
	static struct model model;
	memset(&model, 0, sizeof(model));
	model.random = seed;
	model.buffer.grow = grow;
	rig_open(&model.rig, slots, inline_bytes, area);
	model.lossy = rig_join(&model.rig, LOSSLESS, ENTRY_LOSSY, false);
	for (int i = 0; i < steps; i++)
		step(&model);
	assert_int_equal(lane_audit(&model.rig.map, 0, true), 0);
	/* Everybody reads what is there; then there is room for the largest message. */
	for (int i = 0; i < LOSSLESS; i++)
		while (model.joined[i] &&
		       (model.held[i] || model.readers[i].position != model.published))
			read_one(&model, i);
	assert_int_equal(rig_publish(&model.rig, area), 0);
	assert_true(model.published > (uint64_t)steps / 20 && model.takeovers > 0);
	assert_true(model.gated > 0 && model.lost > 0); /* else this tested too little */
	free(model.buffer.data);
	rig_close(&model.rig);
}

static void test_small_lanes(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		run(seed, 2, 16, 4096, 4000);
		run(seed, 4, 56, 4096, 4000);
		run(seed, 8, 24, 8192, 4000);
	}
}

static void test_lanes_limited_by_their_slots(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++)
		run(seed, 16, 56, 65536, 10000);
}

static void test_lanes_limited_by_their_payload_area(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		run(seed, 64, 56, 4096, 10000);
		run(seed, 256, 1024, 8192, 20000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_small_lanes),
	    cmocka_unit_test(test_lanes_limited_by_their_slots),
	    cmocka_unit_test(test_lanes_limited_by_their_payload_area),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
