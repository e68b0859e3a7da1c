/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Other people's ways between two processes, as transports of the lab (bench/lab/lab.h): one file
 * each, in its fastest sensible configuration, which `note` puts into words. A peer whose package
 * was not there when this was built is a row that says which one it is.
 */
#ifndef PEERS_H
#define PEERS_H

#include "jobs.h"

extern const struct lab_transport peer_ck_ring;
extern const struct lab_transport peer_rte_ring;
extern const struct lab_transport peer_wfcqueue;
extern const struct lab_transport peer_spsc_queue;
extern const struct lab_transport peer_message_queue;
extern const struct lab_transport peer_zeromq;
extern const struct lab_transport peer_nng;
extern const struct lab_transport peer_libqb;
extern const struct lab_transport peer_iceoryx;
extern const struct lab_transport peer_nats;
extern const struct lab_transport peer_cyclonedds;

/* Where a ring holds values of a size that is known when it is compiled, messages up to this size
 * are its values: half of what moves between the cores. Larger ones lie in slots beside it, and its
 * values are their numbers. */
#define PEER_VALUE_BYTES 64

struct peer_value {
	uint64_t words[PEER_VALUE_BYTES / 8];
};

/*
 * The slots beside such a ring. They are used in turn, so that the oldest is filled next; a ring of
 * half as many entries keeps the sender from the one that is being read. Lines that two cores write
 * are kept apart.
 */
static inline size_t peer_slots_bytes(const struct lab_case *what)
{
	if (what->bytes <= PEER_VALUE_BYTES)
		return 0;
	return (lab_slots(what->bytes) * what->bytes + 4095) / 4096 * 4096;
}

/* As many entries as the lab's other rings have; half of it where slots lie beside it. */
static inline uint32_t peer_entries(const struct lab_case *what)
{
	uint64_t slots = lab_slots(what->bytes);

	return (uint32_t)(what->bytes <= PEER_VALUE_BYTES ? slots : slots / 2);
}

/* A round trip takes two ways, everything else one. */
static inline size_t peer_ways(const struct lab_case *what)
{
	return what->job == LAB_ROUND_TRIP ? 2 : 1;
}

#endif
