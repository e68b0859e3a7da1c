/* SPDX-License-Identifier: Apache-2.0 */
/* Every transport of shoal-bench-peers: the two limits, Shoal, and the peers. */
#include "transports.h"

#include "peers.h"

const struct lab_transport *const lab_transports[] = {
    &lab_line,      &lab_ring,        &lab_topic,          &peer_ck_ring,    &peer_rte_ring,
    &peer_wfcqueue, &peer_spsc_queue, &peer_message_queue, &peer_zeromq,     &peer_nng,
    &peer_libqb,    &peer_nats,       &peer_iceoryx,       &peer_cyclonedds,
};
const uint32_t lab_transport_count = sizeof lab_transports / sizeof lab_transports[0];
