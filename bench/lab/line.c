/* SPDX-License-Identifier: Apache-2.0 */
/* The limit of a round trip: one line each way, which is the message itself. */
#include "line.h"

#include "jobs.h"

struct lines {
	struct line way[2]; /* by the side that writes it */
};

static size_t lines_bytes(const struct lab_case *what)
{
	(void)what;
	return sizeof(struct lines);
}

BENCH_INLINE void line_send_one(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct lines *lines = me->memory;

	line_send(&lines->way[me->side], bytes, number);
}

BENCH_INLINE uint64_t line_take_one(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct lines *lines = me->memory;

	return line_take(&lines->way[1 - me->side], bytes, number);
}

static int64_t line_trip(struct lab_side *me, uint64_t count)
{
	return lab_trip_loop(me, LINE_BYTES_MAX, count, line_send_one, line_take_one);
}

/* A line holds one message, so nothing can be sent before the last one was read. */
const struct lab_transport lab_line = {
    .name = "line",
    .modes = LAB_BIT(LAB_SPINNING),
    .jobs = LAB_BIT(LAB_ROUND_TRIP),
    .bytes_least = LINE_BYTES_MAX,
    .bytes_most = LINE_BYTES_MAX,
    .usual = true,
    .memory_bytes = lines_bytes,
    .run = {[LAB_ROUND_TRIP] = line_trip},
};
