/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel.h"

bool hostile_on;

uint64_t hostile_answer(struct spot spot, uint32_t bytes, uint64_t truth)
{
	(void)spot;
	(void)bytes;
	return truth;
}

void hostile_spoil(void *copy, size_t bytes)
{
	(void)copy;
	(void)bytes;
}
