/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What publisher and subscriber agree upon. Both sides see these very bytes, so fixed-width types,
 * no pointers, and a size that both can check.
 */
#ifndef TICK_H
#define TICK_H

#include <stdint.h>

#define TICK_TOPIC "example/ticks"

struct tick {
	uint64_t id; /* counts from 0, for each publisher */
	double price;
	char symbol[8];
};

#endif
