/* SPDX-License-Identifier: Apache-2.0 */
/* ZeroMQ, a pair of sockets through a Unix socket without a name in the file system. */
#include "peers.h"

#include <stdlib.h>
#include <unistd.h>
#include <zmq.h>

#define WAIT_MS 30000 /* longer than any message takes: the other side is gone */

struct ends {
	void *context;
	void *socket;
};

static bool zeromq_make(struct lab_link *link, const struct lab_case *what, char *reason)
{
	(void)what;
	(void)reason;
	snprintf(link->name, sizeof link->name, "ipc://@shoal-bench-zmq-%d", (int)getpid());
	return true;
}

static void check(int r, const char *what)
{
	if (r < 0)
		bench_die("%s: %s", what, zmq_strerror(zmq_errno()));
}

static void set_option(void *socket, int option, int value)
{
	check(zmq_setsockopt(socket, option, &value, sizeof value), "zmq_setsockopt");
}

static void zeromq_open(struct lab_side *me)
{
	struct ends *ends = lab_alloc(sizeof *ends);

	ends->context = zmq_ctx_new();
	ends->socket = ends->context ? zmq_socket(ends->context, ZMQ_PAIR) : NULL;
	if (ends->socket == NULL)
		bench_die("zmq_socket: %s", zmq_strerror(zmq_errno()));
	set_option(ends->socket, ZMQ_LINGER, 0);
	set_option(ends->socket, ZMQ_SNDTIMEO, WAIT_MS);
	set_option(ends->socket, ZMQ_RCVTIMEO, WAIT_MS);
	set_option(ends->socket, ZMQ_RECONNECT_IVL, 1);
	if (me->side == 0)
		check(zmq_bind(ends->socket, me->link->name), "zmq_bind");
	else
		check(zmq_connect(ends->socket, me->link->name), "zmq_connect");
	me->state = ends;
}

static void zeromq_close(struct lab_side *me)
{
	struct ends *ends = me->state;

	zmq_close(ends->socket);
	zmq_ctx_term(ends->context);
	free(ends);
}

static void zeromq_send(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct ends *ends = me->state;
	zmq_msg_t message;

	check(zmq_msg_init_size(&message, bytes), "zmq_msg_init_size");
	lab_fill(zmq_msg_data(&message), bytes, number);
	check(zmq_msg_send(&message, ends->socket, 0), "zmq_msg_send");
}

static uint64_t zeromq_take(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct ends *ends = me->state;
	zmq_msg_t message;
	uint64_t sum;

	(void)number;
	check(zmq_msg_init(&message), "zmq_msg_init");
	check(zmq_msg_recv(&message, ends->socket, 0), "zmq_msg_recv");
	if (zmq_msg_size(&message) != bytes)
		bench_die("ZeroMQ: a message of %zu bytes", zmq_msg_size(&message));
	sum = lab_sum(zmq_msg_data(&message), bytes);
	zmq_msg_close(&message);
	return sum;
}

LAB_JOBS_OF(zeromq)

const struct lab_transport peer_zeromq = {
    .name = "zeromq",
    .note = "ZeroMQ, two PAIR sockets over ipc, one I/O thread a side on that side's processor; "
	    "messages filled and read in its own buffers, high-water marks as they are (1,000)",
    .modes = LAB_BIT(LAB_SLEEPING),
    LAB_DOES_ALL_OF(zeromq),
    .usual = true,
    .make = zeromq_make,
    .open = zeromq_open,
    .close = zeromq_close,
};
