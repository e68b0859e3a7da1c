/* SPDX-License-Identifier: Apache-2.0 */
/* An object's descriptor over a unix socket: to friends, to the slow, and from anybody. */
#include "support.h"

#include "leak_check.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>

#define MS ((int64_t)1000000)

static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_STREAM | SOCK_NONBLOCK};
enum { TYPES = 3 };

static int ends[2];
static int object = -1; /* a descriptor of one, for as long as the test wants it to live */

static void open_ends(int type)
{
	CHECK(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) == 0);
}

static void close_ends(void)
{
	close(ends[0]);
	close(ends[1]);
}

static void make_object(void)
{
	struct shoal_topic_options o = options();
	shoal_pub *pub;
	o.slots = 8;
	o.payload_bytes = 4096;
	CHECK_R(1, shoal_pub_open(&pub, "memfd:x", SHOAL_CREATE, &o));
	CHECK_R(0, shoal_pub_publish(pub, "x", 1, 0));
	object = fcntl(shoal_pub_fd(pub), F_DUPFD_CLOEXEC, 3);
	CHECK(object >= 0);
	shoal_pub_close(pub);
}

static void drop_object(void)
{
	close(object);
	object = -1;
}

static void read_one(int fd)
{
	char name[32], c;
	shoal_sub *sub;
	snprintf(name, sizeof(name), "memfd:fd=%d", fd);
	CHECK_R(0, shoal_sub_open(&sub, name, SHOAL_FROM_OLDEST, NULL));
	CHECK(close(fd) == 0);
	CHECK_R(0, shoal_sub_receive(sub, &c, 1, BOUND, NULL));
	CHECK(c == 'x');
	shoal_sub_close(sub);
}

/* ---- friends ----------------------------------------------------------------------------- */

static void receive_one(void *context)
{
	int fd;
	(void)context;
	close(ends[0]);
	CHECK_R(0, shoal_object_receive(ends[1], BOUND, &fd));
	CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
	read_one(fd);
	CHECK_R(-EPIPE, shoal_object_receive(ends[1], BOUND, &fd));
	CHECK(fd == -1);
}

static void another_process_receives_it(void)
{
	for (int i = 0; i < TYPES; i++) {
		open_ends(types[i]);
		pid_t pid = spawn(receive_one, NULL); /* it inherits the ends and nothing else */
		make_object();
		CHECK_R(0, shoal_object_send(ends[0], object, BOUND));
		drop_object();
		close_ends();
		reap_ok(pid);
	}
}

/* Nobody else has a descriptor, a mapping or a seat. */
static void a_descriptor_on_its_way_keeps_the_object(void)
{
	int fd;
	for (int i = 0; i < TYPES; i++) {
		open_ends(types[i]);
		make_object();
		CHECK_R(0, shoal_object_send(ends[0], object, 0));
		drop_object();
		CHECK_R(0, shoal_object_receive(ends[1], 0, &fd));
		read_one(fd);
		close_ends();
	}
}

static void what_comes_behind_it_stays_in_the_stream(void)
{
	char text[8] = "";
	int fd;
	make_object();
	open_ends(SOCK_STREAM);
	CHECK_R(0, shoal_object_send(ends[0], object, 0));
	CHECK(write(ends[0], "behind", 6) == 6);
	CHECK_R(0, shoal_object_send(ends[0], object, 0));
	CHECK_R(0, shoal_object_receive(ends[1], 0, &fd));
	close(fd);
	CHECK(read(ends[1], text, 6) == 6 && strcmp(text, "behind") == 0);
	CHECK_R(0, shoal_object_receive(ends[1], 0, &fd));
	close(fd);
	close_ends();
	drop_object();
}

/* The receiver asks for the sender's credentials; these come in the same place. */
static void other_control_messages_do_not_disturb(void)
{
	int on = 1, fd;
	make_object();
	open_ends(SOCK_STREAM);
	CHECK(setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0);
	CHECK_R(0, shoal_object_send(ends[0], object, 0));
	CHECK_R(0, shoal_object_receive(ends[1], 0, &fd));
	read_one(fd);
	close_ends();
	drop_object();
}

/* ---- waiting ----------------------------------------------------------------------------- */

static void fill_up(void)
{
	int r;
	while ((r = shoal_object_send(ends[0], object, 0)) == 0)
		;
	/* More on their way than may be open is another answer of the kernel's. */
	CHECKF(r == -EAGAIN || r == -ETOOMANYREFS, "%s", shoal_error_detail());
}

static void a_wait_ends_with_its_time(void)
{
	int fd;
	make_object();
	for (int i = 0; i < TYPES; i++) {
		open_ends(types[i]);
		CHECK_R(-EAGAIN, shoal_object_receive(ends[1], 0, &fd));
		int64_t start = now_ns();
		CHECK_R(-ETIMEDOUT, shoal_object_receive(ends[1], 20 * MS, &fd));
		CHECK(now_ns() - start >= 20 * MS && fd == -1);
		int small = 1;
		CHECK(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) == 0);
		fill_up();
		start = now_ns();
		CHECK_R(-ETIMEDOUT, shoal_object_send(ends[0], object, 20 * MS));
		CHECK(now_ns() - start >= 20 * MS);
		/* What got through is whole. */
		while (shoal_object_receive(ends[1], 0, &fd) == 0)
			close(fd);
		CHECK_R(0, shoal_object_send(ends[0], object, 0));
		close_ends();
	}
	drop_object();
}

static void count_signal(int number)
{
	(void)number;
}

static void a_signal_ends_a_wait_for_the_beginning(void)
{
	struct sigaction action = {.sa_handler = count_signal}, old;
	struct itimerval timer = {{0, 1000}, {0, 1000}}, off = {{0, 0}, {0, 0}};
	int fd;
	open_ends(SOCK_STREAM);
	CHECK(sigaction(SIGALRM, &action, &old) == 0);
	CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
	CHECK_R(-EINTR, shoal_object_receive(ends[1], SHOAL_FOREVER, &fd));
	/* In the middle it goes on: what was read can't be put back. */
	CHECK(write(ends[0], "\x89", 1) == 1);
	CHECK_R(-EBADMSG, shoal_object_receive(ends[1], 20 * MS, &fd)); /* without a descriptor */
	CHECK(setitimer(ITIMER_REAL, &off, NULL) == 0);
	CHECK(sigaction(SIGALRM, &old, NULL) == 0);
	close_ends();
}

static void the_end_is_told_on_both_sides(void)
{
	int fd;
	make_object();
	for (int i = 0; i < TYPES; i++) {
		open_ends(types[i]);
		close(ends[1]);
		CHECK_R(-EPIPE, shoal_object_send(ends[0], object, SHOAL_FOREVER));
		close(ends[0]);
		open_ends(types[i]);
		close(ends[0]);
		CHECK_R(-EPIPE, shoal_object_receive(ends[1], SHOAL_FOREVER, &fd));
		close(ends[1]);
	}
	drop_object();
}

/* ---- from anybody ------------------------------------------------------------------------ */

static const char hello[16] = "\x89SHOAL\x1a\nobject\1";

/* `count` times descriptor `fd`, with `bytes` bytes. */
static void send_raw(const void *bytes, size_t length, int fd, unsigned count)
{
	static union {
		struct cmsghdr align;
		char room[CMSG_SPACE(253 * sizeof(int))];
	} control;
	struct iovec part = {(void *)(uintptr_t)bytes, length};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	if (count) {
		message.msg_control = control.room;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		*header = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
					   .cmsg_type = SCM_RIGHTS,
					   .cmsg_len = CMSG_LEN(count * sizeof(int))};
		for (unsigned i = 0; i < count; i++)
			memcpy(CMSG_DATA(header) + i * sizeof(int), &fd, sizeof(int));
	}
	CHECKF(sendmsg(ends[0], &message, MSG_NOSIGNAL) == (ssize_t)length, "%s", strerror(errno));
}

static void expect(int error, const char *words)
{
	struct holdings before = holdings_now();
	int fd;
	CHECK_R(error, shoal_object_receive(ends[1], 50 * MS, &fd));
	CHECKF(strstr(shoal_error_detail(), words), "the sentence: %s", shoal_error_detail());
	CHECK(fd == -1);
	holdings_check(&before, words);
	close_ends();
}

static void other_messages_are_refused(int type)
{
	open_ends(type);
	send_raw("some other program's", 16, object, 1);
	expect(-EBADMSG, "other bytes");
	open_ends(type);
	send_raw(hello, sizeof(hello), -1, 0);
	expect(-EBADMSG, "no descriptor");
	open_ends(type);
	send_raw(hello, sizeof(hello), object, 2);
	expect(-EBADMSG, "more than one");
	open_ends(type);
	send_raw(hello, sizeof(hello), object, 253);
	expect(-EBADMSG, "more than one");
	open_ends(type);
	send_raw("", 1, object, 1);
	expect(-EBADMSG, type == SOCK_STREAM ? "other bytes" : "");
	open_ends(type);
	send_raw(hello, 7, object, 1);
	close(ends[0]);
	ends[0] = dup(ends[1]);
	expect(-EBADMSG, type == SOCK_STREAM ? "in the middle" : "shorter");
}

static void what_is_not_from_us_is_refused_and_closed(void)
{
	char longer[32] = "";
	make_object();
	other_messages_are_refused(SOCK_STREAM);
	other_messages_are_refused(SOCK_SEQPACKET);
	memcpy(longer, hello, sizeof(hello));
	open_ends(SOCK_SEQPACKET);
	send_raw(longer, sizeof(longer), object, 1);
	expect(-EBADMSG, "longer");
	/* Byte by byte, each with a descriptor. */
	open_ends(SOCK_STREAM);
	for (size_t i = 0; i < sizeof(hello); i++)
		send_raw(hello + i, 1, object, 1);
	expect(-EBADMSG, "more than one");
	/* It begins well, and then nothing comes. */
	open_ends(SOCK_STREAM);
	send_raw(hello, 5, object, 1);
	expect(-ETIMEDOUT, "");
	drop_object();
}

static void a_message_in_pieces_is_one(void)
{
	int fd;
	make_object();
	open_ends(SOCK_STREAM);
	send_raw(hello, 1, object, 1);
	for (size_t i = 1; i < sizeof(hello); i++)
		send_raw(hello + i, 1, -1, 0);
	CHECK_R(0, shoal_object_receive(ends[1], BOUND, &fd));
	read_one(fd);
	close_ends();
	drop_object();
}

static void descriptors_of_other_things_are_refused_and_closed(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int plain = memfd_create("plain", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CHECK(null >= 0 && plain >= 0 && ftruncate(plain, 8192) == 0);
	open_ends(SOCK_STREAM);
	send_raw(hello, sizeof(hello), null, 1);
	expect(-EINVAL, "no memfd");
	open_ends(SOCK_STREAM);
	send_raw(hello, sizeof(hello), ends[0], 1);
	expect(-EINVAL, "no memfd");
	open_ends(SOCK_STREAM);
	send_raw(hello, sizeof(hello), plain, 1);
	expect(-EBADMSG, "not sealed");
	CHECK(fcntl(plain, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0);
	open_ends(SOCK_STREAM);
	send_raw(hello, sizeof(hello), plain, 1);
	expect(-EBADMSG, "magic");
	close(plain);
	close(null);
}

static void without_a_free_descriptor_it_is_lost_and_said(void)
{
	struct rlimit files, none;
	int fd;
	make_object();
	open_ends(SOCK_STREAM);
	CHECK_R(0, shoal_object_send(ends[0], object, 0));
	CHECK(getrlimit(RLIMIT_NOFILE, &files) == 0);
	none = (struct rlimit){.rlim_cur = 3, .rlim_max = files.rlim_max};
	CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
	CHECK_R(-EMFILE, shoal_object_receive(ends[1], 0, &fd));
	CHECK(setrlimit(RLIMIT_NOFILE, &files) == 0);
	close_ends();
	drop_object();
}

/* ---- wrong arguments --------------------------------------------------------------------- */

static void wrong_arguments_have_their_sentences(void)
{
	struct shoal_topic_options o = options();
	int pipes[2], pair[2], fd, closed = fcntl(0, F_DUPFD_CLOEXEC, 500);
	shoal_pub *pub;
	CHECK(close(closed) == 0);
	make_object();
	CHECK(pipe2(pipes, O_CLOEXEC) == 0);
	CHECK_R(-ENOTSOCK, shoal_object_send(pipes[1], object, 0));
	CHECK_R(-ENOTSOCK, shoal_object_receive(pipes[0], 0, &fd));
	CHECK_R(-EBADF, shoal_object_send(closed, object, 0));
	CHECK_R(-EBADF, shoal_object_receive(closed, 0, &fd));
	CHECK_R(-EBADF, shoal_object_receive(-1, 0, &fd));
	int inet = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (inet >= 0) {
		CHECK_R(-EINVAL, shoal_object_send(inet, object, 0));
		close(inet);
	}
	CHECK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) == 0);
	CHECK_R(-EINVAL, shoal_object_receive(pair[0], 0, &fd));
	close(pair[0]);
	close(pair[1]);
	open_ends(SOCK_STREAM);
	CHECK_R(-EBADF, shoal_object_send(ends[0], closed, 0));
	CHECK_R(-EBADF, shoal_object_send(ends[0], -1, 0));
	CHECK_R(-EINVAL, shoal_object_send(ends[0], pipes[0], 0));
	o.slots = 8;
	o.payload_bytes = 4096;
	CHECK_R(1, shoal_pub_open(&pub, "named", SHOAL_CREATE, &o));
	CHECK_R(-EINVAL, shoal_object_send(ends[0], shoal_pub_fd(pub), 0));
	CHECK(strstr(shoal_error_detail(), "name"));
	shoal_pub_close(pub);
	CHECK_R(-EAGAIN, shoal_object_receive(ends[1], 0, &fd)); /* none of these was sent */
	close_ends();
	close(pipes[0]);
	close(pipes[1]);
	drop_object();
}

#define CASE(name)                                                                                 \
	{                                                                                          \
#name, name                                                                        \
	}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
	    CASE(another_process_receives_it),
	    CASE(a_descriptor_on_its_way_keeps_the_object),
	    CASE(what_comes_behind_it_stays_in_the_stream),
	    CASE(other_control_messages_do_not_disturb),
	    CASE(a_wait_ends_with_its_time),
	    CASE(a_signal_ends_a_wait_for_the_beginning),
	    CASE(the_end_is_told_on_both_sides),
	    CASE(what_is_not_from_us_is_refused_and_closed),
	    CASE(a_message_in_pieces_is_one),
	    CASE(descriptors_of_other_things_are_refused_and_closed),
	    CASE(without_a_free_descriptor_it_is_lost_and_said),
	    CASE(wrong_arguments_have_their_sentences),
	};
	return RUN_TESTS(argc, argv, tests);
}
