/* SPDX-License-Identifier: Apache-2.0 */
/* nng, a pair of sockets through a Unix socket without a name in the file system. */
#include "peers.h"

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <stdlib.h>
#include <unistd.h>

#define WAIT_MS     30000 /* longer than any message takes: the other side is gone */
#define BUFFER_MOST 1024

struct ends {
	nng_socket socket;
};

static bool nng_peer_make(struct lab_link *link, const struct lab_case *what, char *reason)
{
	(void)what;
	(void)reason;
	snprintf(link->name, sizeof link->name, "abstract://shoal-bench-nng-%d", (int)getpid());
	return true;
}

static void check(int r, const char *what)
{
	if (r != 0)
		bench_die("%s: %s", what, nng_strerror(r));
}

/* So many messages may wait on either side; of the large ones as many as a ring of ours holds. */
static int buffer_of(const struct lab_case *what)
{
	uint64_t slots = lab_slots(what->bytes);

	return (int)(slots < BUFFER_MOST ? slots : BUFFER_MOST);
}

static void nng_peer_open(struct lab_side *me)
{
	struct ends *ends = lab_alloc(sizeof *ends);
	int buffer = buffer_of(me->what);

	check(nng_pair0_open(&ends->socket), "nng_pair0_open");
	check(nng_socket_set_int(ends->socket, NNG_OPT_SENDBUF, buffer), "NNG_OPT_SENDBUF");
	check(nng_socket_set_int(ends->socket, NNG_OPT_RECVBUF, buffer), "NNG_OPT_RECVBUF");
	check(nng_socket_set_size(ends->socket, NNG_OPT_RECVMAXSZ, 0), "NNG_OPT_RECVMAXSZ");
	check(nng_socket_set_ms(ends->socket, NNG_OPT_RECONNMINT, 1), "NNG_OPT_RECONNMINT");
	check(nng_socket_set_ms(ends->socket, NNG_OPT_SENDTIMEO, WAIT_MS), "NNG_OPT_SENDTIMEO");
	check(nng_socket_set_ms(ends->socket, NNG_OPT_RECVTIMEO, WAIT_MS), "NNG_OPT_RECVTIMEO");
	if (me->side == 0)
		check(nng_listen(ends->socket, me->link->name, NULL, 0), "nng_listen");
	else
		check(nng_dial(ends->socket, me->link->name, NULL, NNG_FLAG_NONBLOCK), "nng_dial");
	me->state = ends;
}

static void nng_peer_close(struct lab_side *me)
{
	struct ends *ends = me->state;

	nng_close(ends->socket);
	free(ends);
}

static void nng_peer_send(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct ends *ends = me->state;
	nng_msg *message;

	check(nng_msg_alloc(&message, bytes), "nng_msg_alloc");
	lab_fill(nng_msg_body(message), bytes, number);
	check(nng_sendmsg(ends->socket, message, 0), "nng_sendmsg");
}

static uint64_t nng_peer_take(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct ends *ends = me->state;
	nng_msg *message;
	uint64_t sum;

	(void)number;
	check(nng_recvmsg(ends->socket, &message, 0), "nng_recvmsg");
	if (nng_msg_len(message) != bytes)
		bench_die("nng: a message of %zu bytes", nng_msg_len(message));
	sum = lab_sum(nng_msg_body(message), bytes);
	nng_msg_free(message);
	return sum;
}

LAB_JOBS_OF(nng_peer)

const struct lab_transport peer_nng = {
    .name = "nng",
    .note = "nng, two pair0 sockets over an abstract Unix socket, its threads on their side's "
	    "processor; messages filled and read in its own buffers, up to 1,024 wait on each side",
    .modes = LAB_BIT(LAB_SLEEPING),
    LAB_DOES_ALL_OF(nng_peer),
    .usual = true,
    .make = nng_peer_make,
    .open = nng_peer_open,
    .close = nng_peer_close,
};
