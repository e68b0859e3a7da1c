/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways of the kernel that are read and written through descriptors: pipe, FIFO, sockets. The
 * driver opens both ends, and both sides inherit theirs.
 */
#include "jobs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- sending and taking ------------------------------------------------------------------ */

struct ends {
	int in;
	int out;
	unsigned char *buffer;
};

static void bytes_open(struct lab_side *me)
{
	const int *mine = me->link->fd[me->side];
	const int *theirs = me->link->fd[1 - me->side];
	struct ends *ends = lab_alloc(sizeof *ends);

	/* Else nobody would see the end when the other side dies. */
	for (int i = 0; i < 2; i++) {
		if (theirs[i] >= 0 && theirs[i] != mine[0] && theirs[i] != mine[1])
			close(theirs[i]);
	}
	ends->in = mine[0];
	ends->out = mine[1];
	ends->buffer = lab_alloc(me->what->bytes);
	me->state = ends;
}

static void bytes_close(struct lab_side *me)
{
	struct ends *ends = me->state;

	free(ends->buffer);
	free(ends);
}

static void bytes_send(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct ends *ends = me->state;

	lab_fill(ends->buffer, bytes, number);
	for (size_t done = 0; done < bytes;) {
		ssize_t some = write(ends->out, ends->buffer + done, bytes - done);

		if (some < 0 && errno != EINTR)
			bench_die("write: %s", strerror(errno));
		done += some > 0 ? (size_t)some : 0;
	}
}

static uint64_t bytes_take(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct ends *ends = me->state;

	(void)number;
	for (size_t done = 0; done < bytes;) {
		ssize_t some = read(ends->in, ends->buffer + done, bytes - done);

		if (some == 0)
			bench_die("the other side is gone");
		if (some < 0 && errno != EINTR)
			bench_die("read: %s", strerror(errno));
		done += some > 0 ? (size_t)some : 0;
	}
	return lab_sum(ends->buffer, bytes);
}

LAB_JOBS_OF(bytes)

/* ---- making ------------------------------------------------------------------------------ */

static bool failed(char *reason, const char *call)
{
	snprintf(reason, LAB_REASON, "%s: %s", call, strerror(errno));
	return false;
}

static bool pipe_make(struct lab_link *link, const struct lab_case *what, char *reason)
{
	int ends[2];

	(void)what;
	for (int side = 0; side < 2; side++) {
		if (pipe(ends) < 0)
			return failed(reason, "pipe");
		link->fd[side][1] = ends[1];
		link->fd[1 - side][0] = ends[0];
	}
	return true;
}

/* Its name is gone before anybody uses it: from there on the two descriptors are all there is. */
static bool fifo_make(struct lab_link *link, const struct lab_case *what, char *reason)
{
	char path[300];

	(void)what;
	snprintf(path, sizeof path, "%s/fifo", getenv("SHOAL_DIR"));
	for (int side = 0; side < 2; side++) {
		int in, out;

		if (mkfifo(path, 0600) < 0)
			return failed(reason, "mkfifo");
		/* Non-blocking, since a reader's open waits for a writer. */
		in = open(path, O_RDONLY | O_NONBLOCK);
		out = open(path, O_WRONLY);
		link->fd[side][1] = out;
		link->fd[1 - side][0] = in;
		if (in < 0 || out < 0 || fcntl(in, F_SETFL, 0) < 0)
			failed(reason, "a FIFO");
		unlink(path);
		if (reason[0] != '\0')
			return false;
	}
	return true;
}

static bool pair_make(struct lab_link *link, int type, char *reason)
{
	int ends[2];

	if (socketpair(AF_UNIX, type, 0, ends) < 0)
		return failed(reason, "socketpair");
	for (int side = 0; side < 2; side++) {
		link->fd[side][0] = ends[side];
		link->fd[side][1] = ends[side];
	}
	return true;
}

static bool stream_make(struct lab_link *link, const struct lab_case *what, char *reason)
{
	(void)what;
	return pair_make(link, SOCK_STREAM, reason);
}

/* A message must fit into the sender's buffer as a whole. */
static bool packet_make(struct lab_link *link, const struct lab_case *what, char *reason)
{
	/* What the kernel reports is twice what was asked for: for its bookkeeping. */
	int wanted = (int)what->bytes * 2 + 4096;
	int got = 0;
	socklen_t size = sizeof got;

	if (!pair_make(link, SOCK_SEQPACKET, reason))
		return false;
	for (int side = 0; side < 2; side++) {
		int fd = link->fd[side][1];

		if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &got, &size) < 0)
			return failed(reason, "getsockopt");
		if (got < wanted * 2)
			setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted);
		getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &got, &size);
	}
	if ((uint64_t)got > what->bytes + 4096)
		return true;
	snprintf(reason, LAB_REASON,
		 "the limit net.core.wmem_max gives a socket a buffer of %d bytes", got);
	return false;
}

static bool tcp_connect(struct lab_link *link, int listener, const struct sockaddr_in *address)
{
	int on = 1;

	link->fd[0][0] = link->fd[0][1] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(link->fd[0][0], (const struct sockaddr *)address, sizeof *address) < 0)
		return false;
	link->fd[1][0] = link->fd[1][1] = accept(listener, NULL, NULL);
	/* An answer is sent when it is there, not when there is more of it. */
	return setsockopt(link->fd[0][0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
	       setsockopt(link->fd[1][0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0;
}

static bool tcp_make(struct lab_link *link, const struct lab_case *what, char *reason)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool well;

	(void)what;
	well = listener >= 0 && bind(listener, (struct sockaddr *)&address, size) == 0 &&
	       listen(listener, 1) == 0 &&
	       getsockname(listener, (struct sockaddr *)&address, &size) == 0 &&
	       tcp_connect(link, listener, &address);
	if (!well)
		failed(reason, "TCP over loopback");
	if (listener >= 0)
		close(listener);
	return well;
}

#define BYTES_TRANSPORT(variable, called, is_usual, maker)                                         \
	const struct lab_transport variable = {                                                    \
	    .name = called,                                                                        \
	    .modes = LAB_BIT(LAB_SLEEPING),                                                        \
	    .jobs = LAB_ALL_JOBS,                                                                  \
	    .bytes_least = 8,                                                                      \
	    .bytes_most = LAB_BYTES_MAX,                                                           \
	    .usual = is_usual,                                                                     \
	    .make = maker,                                                                         \
	    .open = bytes_open,                                                                    \
	    .close = bytes_close,                                                                  \
	    .run = {bytes_trip, bytes_stream, bytes_paced},                                        \
	}

BYTES_TRANSPORT(lab_pipe, "pipe", true, pipe_make);
BYTES_TRANSPORT(lab_fifo, "fifo", false, fifo_make);
BYTES_TRANSPORT(lab_unix_stream, "unix-stream", true, stream_make);
BYTES_TRANSPORT(lab_unix_seqpacket, "unix-seqpacket", false, packet_make);
BYTES_TRANSPORT(lab_tcp, "tcp", false, tcp_make);
