/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of those peers whose packages were not there when this was built. */
#include "peers.h"

#define ABSENT(peer, called, package)                                                              \
	static bool peer##_make(struct lab_link *link, const struct lab_case *what, char *reason)  \
	{                                                                                          \
		(void)link;                                                                        \
		(void)what;                                                                        \
		snprintf(reason, LAB_REASON, "not built: install %s, and build again", package);   \
		return false;                                                                      \
	}                                                                                          \
	const struct lab_transport peer_##peer = {                                                 \
	    .name = called,                                                                        \
	    .modes = LAB_BIT(LAB_SPINNING) | LAB_BIT(LAB_SLEEPING),                                \
	    .jobs = LAB_ALL_JOBS,                                                                  \
	    .bytes_least = 8,                                                                      \
	    .bytes_most = LAB_BYTES_MAX,                                                           \
	    .usual = true,                                                                         \
	    .make = peer##_make,                                                                   \
	};

#ifndef HAVE_ck_ring
ABSENT(ck_ring, "ck-ring", "libck-dev")
#endif
#ifndef HAVE_rte_ring
ABSENT(rte_ring, "rte-ring", "libdpdk-dev")
#endif
#ifndef HAVE_wfcqueue
ABSENT(wfcqueue, "wfcqueue", "liburcu-dev")
#endif
#ifndef HAVE_spsc_queue
ABSENT(spsc_queue, "spsc-queue", "libboost-dev and g++")
ABSENT(message_queue, "message-queue", "libboost-dev and g++")
#endif
#ifndef HAVE_zeromq
ABSENT(zeromq, "zeromq", "libzmq3-dev")
#endif
#ifndef HAVE_nng
ABSENT(nng, "nng", "libnng-dev")
#endif
#ifndef HAVE_libqb
ABSENT(libqb, "libqb", "libqb-dev")
#endif
#ifndef HAVE_nats
ABSENT(nats, "nats", "libnats-dev and nats-server")
#endif
#ifndef HAVE_iceoryx
ABSENT(iceoryx, "iceoryx", "iceoryx and libiceoryx-binding-c-dev")
#endif
#ifndef HAVE_cyclonedds
ABSENT(cyclonedds, "cyclonedds", "cyclonedds-dev and cyclonedds-tools")
#endif
