/* SPDX-License-Identifier: Apache-2.0 */
#include "payload.h"

void large_fill(void *to, size_t bytes, uint64_t sequence)
{
	memset(to, (int)(sequence & 0xff), bytes);
}

bool large_is(const void *from, size_t bytes, uint64_t sequence)
{
	const uint64_t *words = from;
	uint64_t expected = (sequence & 0xff) * 0x0101010101010101u;
	uint64_t wrong = 0;

	for (size_t i = 0; i < bytes / 8; i += 8)
		wrong |= words[i] ^ expected;
	return wrong == 0;
}
