/* SPDX-License-Identifier: Apache-2.0 */
#include "lane/slip.h"

static bool is_ahead_by(const struct lane_reader *reader, uint64_t messages)
{
	return lane_is_there(&reader->map, reader->position + messages);
}

/* False: the writer has stopped, or is in no hurry. */
static bool let_writer_go_ahead(const struct lane_reader *reader)
{
	const int64_t limit = os->now_ns() + SLIP_NS;
	uint64_t ahead = 0;
	for (int looks = 0; ahead < SLIP_FAR; looks++) {
		if (is_ahead_by(reader, ahead + SLIP_STEP)) {
			if (os->now_ns() > limit)
				return false;
			ahead += SLIP_STEP;
			looks = 0;
		} else if (looks == SLIP_LOOKS) {
			return false;
		} else {
			cpu_pause();
		}
	}
	return true;
}

/* In a small lane the writer would wait for us. */
static bool is_worth_it(const struct slip *slip, const struct lane_reader *reader)
{
	return slip->waits <= SLIP_WAITS && reader->map.slot_count >= 4 * SLIP_FAR;
}

void slip_at_turn(struct slip *slip, const struct lane_reader *reader)
{
	bool worth_it = is_worth_it(slip, reader);
	slip->waits = 0;
	if (!worth_it || is_ahead_by(reader, SLIP_CLOSE))
		return;
	if (slip->rest > 0) {
		slip->rest--;
		return;
	}
	if (let_writer_go_ahead(reader))
		slip->vain = 0;
	else
		slip->vain = slip->vain ? min_u32(2 * slip->vain, SLIP_REST) : 1;
	slip->rest = slip->vain;
}
