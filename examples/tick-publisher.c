/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tick-publisher [COUNT]: publishes COUNT ticks (1,000), each built in place. Waits for the first
 * subscriber rather than overwrite what nobody has read, and at the end until all is read.
 */
#include "tick.h"

#include <shoal/shoal.h>
#include <stdio.h>
#include <stdlib.h>

static int publish(shoal_pub *pub, uint64_t id)
{
	struct shoal_loan loan;
	int r = shoal_pub_claim(pub, sizeof(struct tick), SHOAL_FOREVER, &loan);
	if (r < 0)
		return r;
	/* Nobody sees this memory before commit. Die here, and there was no message. */
	struct tick *tick = loan.data;
	*tick = (struct tick){.id = id, .price = 100.0 + (double)(id % 50) / 10, .symbol = "FISH"};
	return shoal_pub_commit(pub, &loan);
}

int main(int argc, char **argv)
{
	uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000;
	struct shoal_topic_options options = {
	    .size = sizeof(options),
	    .message_bytes = sizeof(struct tick), /* the slots are made to fit */
	};
	shoal_pub *pub;
	int r = shoal_pub_open(&pub, TICK_TOPIC, SHOAL_CREATE | SHOAL_HOLD, &options);
	for (uint64_t id = 0; r >= 0 && id < count; id++)
		r = publish(pub, id);
	if (r >= 0)
		r = shoal_pub_drain(pub, SHOAL_FOREVER);
	if (r < 0)
		fprintf(stderr, "tick-publisher: %s: %s\n", shoal_strerror(r),
			shoal_error_detail());
	shoal_pub_close(pub); /* tells the subscribers that this was all */
	return r < 0;
}
