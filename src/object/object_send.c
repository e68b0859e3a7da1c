/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The descriptor of an object, over a unix socket: shoal_object_send, shoal_object_receive.
 *
 * The message is 16 bytes with the descriptor attached to the first of them. On a stream they may
 * come in pieces; nothing behind the sixteenth is read, since that is the caller's. The kernel does
 * not read across a message with a descriptor, and gives it with the first byte of its piece.
 *
 * The other side may be anybody: it may send other bytes, no descriptor, many, one of anything,
 * one with each byte, stop in the middle, or leave. One descriptor at most is ever kept here.
 */
#include "object/object.h"

#include "base/error.h"

#include <errno.h>
#include <string.h>

static const uint8_t hello[16] = "\x89SHOAL\x1a\nobject\1"; /* the last: of this form */

/* A transfer that is under way, or waits. */
struct transfer {
	int socket;
	bool write;
	int64_t timeout_ns;
	int64_t deadline_ns;
	size_t done; /* bytes of the message */
};

static int begin(struct transfer *transfer, int socket, bool write, int64_t timeout_ns)
{
	int64_t now = os->now_ns();
	*transfer = (struct transfer){.socket = socket, .write = write, .timeout_ns = timeout_ns};
	transfer->deadline_ns = timeout_ns < 0 || timeout_ns > INT64_MAX - now ? INT64_MAX
									       : now + timeout_ns;
	int kind = os->socket_kind(socket);
	if (kind < 0)
		return error_fail(-kind, "descriptor %d is no socket: %s", socket, strerror(-kind));
	if (kind == OS_SOCKET_OTHER)
		return error_fail(EINVAL,
				  "descriptor %d is no connected unix socket (SOCK_STREAM or "
				  "SOCK_SEQPACKET): only these carry descriptors",
				  socket);
	return kind;
}

/* Until the socket is ready. In the middle of a message a signal is no reason to leave. */
static int await(const struct transfer *transfer)
{
	for (;;) {
		int64_t left =
		    transfer->deadline_ns == INT64_MAX ? -1 : transfer->deadline_ns - os->now_ns();
		if (transfer->timeout_ns == 0 && transfer->done == 0)
			return -EAGAIN;
		if (left != -1 && left <= 0)
			return -ETIMEDOUT;
		int r = os->wait_socket(transfer->socket, transfer->write, left);
		if (r == -EINTR && transfer->done > 0)
			continue;
		return r == 0 || r == -EINTR || r == -ETIMEDOUT
			   ? r
			   : error_fail(-r, "can't wait for a socket: %s", strerror(-r));
	}
}

static int fail_socket(int64_t r, const char *what)
{
	if (r == -EPIPE || r == -ECONNRESET || r == -ENOTCONN)
		return error_fail(EPIPE, "can't %s the descriptor: the other side is gone", what);
	return error_fail((int)-r, "can't %s the descriptor: %s", what, strerror((int)-r));
}

int shoal_object_send(int socket, int fd, int64_t timeout_ns)
{
	struct transfer transfer;
	int r = begin(&transfer, socket, true, timeout_ns);
	if (r < 0)
		return r;
	r = segment_check_descriptor(fd, "this descriptor is not handed on");
	while (r >= 0 && transfer.done < sizeof(hello)) {
		int64_t n = os->send_descriptor(socket, hello + transfer.done,
						sizeof(hello) - transfer.done,
						transfer.done == 0 ? fd : -1);
		if (n == -EAGAIN)
			r = await(&transfer);
		else if (n < 0)
			r = fail_socket(n, "send");
		else
			transfer.done += (size_t)n;
	}
	return r < 0 ? r : 0;
}

static int fail_stranger(const char *why)
{
	return error_fail(EBADMSG, "what came over the socket is not from shoal_object_send: %s",
			  why);
}

/* One piece more. 0, or why no more will come. */
static int receive_piece(struct transfer *transfer, uint8_t *bytes, struct os_received *received)
{
	int64_t n = os->receive_descriptor(transfer->socket, bytes + transfer->done,
					   sizeof(hello) - transfer->done, received);
	if (n == -EAGAIN)
		return await(transfer);
	if (n < 0)
		return fail_socket(n, "receive");
	if (received->surplus && received->fd < 0)
		return error_fail(EMFILE, "this process has no descriptor left for the one that "
					  "came over the socket: it is lost");
	if (received->surplus)
		return fail_stranger("more than one descriptor, or a longer message");
	if (n == 0 && transfer->done == 0)
		return -EPIPE;
	if (n == 0)
		return fail_stranger("it ended in the middle of the message");
	transfer->done += (size_t)n;
	if (memcmp(bytes, hello, transfer->done) != 0)
		return fail_stranger("other bytes");
	return received->fd < 0 ? fail_stranger("no descriptor") : 0;
}

int shoal_object_receive(int socket, int64_t timeout_ns, int *ret_fd)
{
	struct transfer transfer;
	struct os_received received = {.fd = -1};
	uint8_t bytes[sizeof(hello)];
	*ret_fd = -1;
	int kind = begin(&transfer, socket, false, timeout_ns);
	int r = kind;
	while (r >= 0 && transfer.done < sizeof(hello)) {
		size_t before = transfer.done;
		r = receive_piece(&transfer, bytes, &received);
		if (r == 0 && kind == OS_SOCKET_PACKETS && transfer.done > before &&
		    transfer.done < sizeof(hello))
			r = fail_stranger("a shorter message");
	}
	if (r >= 0)
		r = segment_check_descriptor(received.fd, "what came over the socket");
	if (r < 0 && received.fd >= 0)
		os->close(received.fd);
	if (r < 0)
		return r;
	*ret_fd = received.fd;
	return 0;
}
