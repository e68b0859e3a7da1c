/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tick-subscriber: reads ticks in batches, copied out of shared memory, until the last publisher
 * has closed; then says how many came and what their mean price was. Its messages are copies, so
 * what was checked stays so.
 */
#include "tick.h"

#include <errno.h>
#include <shoal/shoal.h>
#include <stdio.h>

#define BATCH 64

struct sum {
	uint64_t ticks;
	double price;
};

/* A stranger may have published something else here: look before you use it. */
static void add(struct sum *sum, const struct shoal_view *view)
{
	if (view->bytes != sizeof(struct tick)) {
		fprintf(stderr, "tick-subscriber: a message of %zu bytes is no tick\n",
			view->bytes);
		return;
	}
	const struct tick *tick = view->data;
	sum->ticks++;
	sum->price += tick->price;
}

int main(void)
{
	struct sum sum = {0, 0};
	struct shoal_view views[BATCH];
	struct tick buffer[BATCH];
	shoal_sub *sub;
	int64_t n = shoal_sub_open(&sub, TICK_TOPIC, SHOAL_CREATE | SHOAL_FROM_OLDEST, NULL);
	while (n >= 0) {
		/* Waits for the first only, then takes what is there. */
		n = shoal_sub_receivev(sub, views, BATCH, buffer, sizeof(buffer), SHOAL_FOREVER);
		for (int64_t i = 0; i < n; i++)
			add(&sum, &views[i]);
	}
	if (n != -EPIPE) /* the usual end: every publisher has closed */
		fprintf(stderr, "tick-subscriber: %s: %s\n", shoal_strerror((int)n),
			shoal_error_detail());
	printf("%llu ticks, mean price %.2f\n", (unsigned long long)sum.ticks,
	       sum.ticks ? sum.price / (double)sum.ticks : 0.0);
	shoal_sub_close(sub);
	return n != -EPIPE;
}
