/* SPDX-License-Identifier: Apache-2.0 */
/* Every transport. The two limits come first: the driver knows them by their place. */
#include "transports.h"

#include <string.h>

const struct lab_transport *const lab_transports[] = {
    &lab_line,        &lab_ring,           &lab_topic,      &lab_pipe,     &lab_fifo,
    &lab_unix_stream, &lab_unix_seqpacket, &lab_posix_mq,   &lab_sysv_msg, &lab_tcp,
    &lab_eventfd,     &lab_futex,          &lab_process_vm, &lab_textbook,
};
const uint32_t lab_transport_count = sizeof lab_transports / sizeof lab_transports[0];

uint32_t lab_transport_find(const char *name, size_t length)
{
	for (uint32_t i = 0; i < lab_transport_count; i++) {
		if (strlen(lab_transports[i]->name) == length &&
		    strncmp(lab_transports[i]->name, name, length) == 0)
			return i;
	}
	return UINT32_MAX;
}
