/* SPDX-License-Identifier: Apache-2.0 */
/* Which object a handle is in. The handle is our own memory, and begins with a struct handle. */
#include "topic/handle.h"

uint64_t instance_of(const void *handle);
void lose_seat(const void *handle);

uint64_t instance_of(const void *handle)
{
	uint64_t instance;
	memcpy(&instance, ((const struct handle *)handle)->object->segment.fixed.instance,
	       sizeof(instance));
	return instance | 1;
}

void lose_seat(const void *handle)
{
	seat_unlock(&((const struct handle *)handle)->object->seat);
}
