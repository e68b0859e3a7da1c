/* SPDX-License-Identifier: Apache-2.0 */
/* Every transport. The two limits come first: the driver knows them by their place. */
#include "transports.h"

const struct lab_transport *const lab_transports[] = {
    &lab_line,        &lab_ring,           &lab_topic,      &lab_pipe,     &lab_fifo,
    &lab_unix_stream, &lab_unix_seqpacket, &lab_posix_mq,   &lab_sysv_msg, &lab_tcp,
    &lab_eventfd,     &lab_futex,          &lab_process_vm, &lab_textbook,
};
const uint32_t lab_transport_count = sizeof lab_transports / sizeof lab_transports[0];
