/* SPDX-License-Identifier: Apache-2.0 */
/* Files without a name: made, sealed, found by their descriptors, handed on over sockets. */
#include "os/os_linux.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL /* Linux 6.3 */
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef SCM_PIDFD /* Linux 6.5 */
#define SCM_PIDFD 0x04
#endif

_Static_assert(OS_SEAL_SEALS == F_SEAL_SEAL, "passed on as they are");
_Static_assert(OS_SEAL_SHRINK == F_SEAL_SHRINK, "passed on as they are");
_Static_assert(OS_SEAL_GROW == F_SEAL_GROW, "passed on as they are");

/* ---- memory files ------------------------------------------------------------------------ */

int os_create_memory(const char *name)
{
	const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd = memfd_create(name, flags | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL) /* an older kernel does not know the last one */
		fd = memfd_create(name, flags);
	return os_above_standard(fd);
}

int os_seal(int fd, unsigned seals)
{
	return fcntl(fd, F_ADD_SEALS, seals) < 0 ? -errno : 0;
}

int os_seals(int fd)
{
	int r = fcntl(fd, F_GET_SEALS);
	return r < 0 ? -errno : r;
}

/* What the descriptor leads to may be anything: a FIFO or a terminal must not hold us up. */
int os_reopen_of(uint32_t pid, int fd, bool write)
{
	char path[64];
	if (pid)
		snprintf(path, sizeof(path), "/proc/%u/fd/%d", pid, fd);
	else
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return os_open_path(path, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

/* ---- sockets ----------------------------------------------------------------------------- */

/* Room for the descriptors of a sender that sends too many, and for what the receiver's own
 * options add: credentials, a pidfd, a security label. What does not fit the kernel closes. */
union control {
	struct cmsghdr align;
	char bytes[1024];
};

enum { TRIES = 10000 }; /* signals may come for ever */

static int failure(void)
{
	return errno == EINTR ? -EBUSY : errno == EWOULDBLOCK ? -EAGAIN : -errno;
}

int64_t os_send_descriptor(int socket, const void *bytes, size_t length, int fd)
{
	union control control;
	struct iovec part = {(void *)(uintptr_t)bytes, length};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	if (fd >= 0) {
		memset(&control, 0, sizeof(control));
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(sizeof(int));
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &fd, sizeof(int));
	}
	ssize_t n;
	int tries = 0;
	do
		n = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR && ++tries < TRIES);
	return n < 0 ? failure() : n;
}

/* Takes the descriptors of one control message: the first is kept, if none is yet. */
static void take_descriptors(struct cmsghdr *header, struct os_received *received)
{
	bool wanted = header->cmsg_type == SCM_RIGHTS;
	if (header->cmsg_level != SOL_SOCKET || (!wanted && header->cmsg_type != SCM_PIDFD))
		return;
	size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	for (size_t i = 0; i < count; i++) {
		int fd;
		memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
		if (wanted && received->fd < 0)
			received->fd = fd;
		else
			close(fd);
		received->surplus |= wanted && fd != received->fd;
	}
}

int64_t os_receive_descriptor(int socket, void *bytes, size_t length, struct os_received *received)
{
	union control control;
	struct iovec part = {bytes, length};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes)};
	ssize_t n;
	int tries = 0;
	do
		n = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR && ++tries < TRIES);
	if (n < 0)
		return failure();
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&message); h; h = CMSG_NXTHDR(&message, h))
		take_descriptors(h, received);
	received->surplus |= (message.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) != 0;
	return n;
}

int os_socket_kind(int socket)
{
	int domain = 0, type = 0;
	socklen_t length = sizeof(domain);
	if (getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &length) < 0)
		return -errno;
	length = sizeof(type);
	if (getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &length) < 0)
		return -errno;
	if (domain != AF_UNIX)
		return OS_SOCKET_OTHER;
	return type == SOCK_STREAM      ? OS_SOCKET_STREAM
	       : type == SOCK_SEQPACKET ? OS_SOCKET_PACKETS
					: OS_SOCKET_OTHER;
}

int os_wait_socket(int socket, bool write, int64_t timeout_ns)
{
	struct pollfd poll_fd = {.fd = socket, .events = write ? POLLOUT : POLLIN};
	struct timespec ts = {.tv_sec = timeout_ns / 1000000000,
			      .tv_nsec = timeout_ns % 1000000000};
	int r = ppoll(&poll_fd, 1, timeout_ns < 0 ? NULL : &ts, NULL);
	return r < 0 ? -errno : r == 0 ? -ETIMEDOUT : 0;
}
