/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's two message queues, POSIX and System V. Both limit the size of a message; a larger
 * one goes in pieces, as a program would have to send it.
 */
#include "jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <unistd.h>

struct ends {
	mqd_t in;
	mqd_t out;
	int queue;
	size_t piece;
	/* Of System V: what is sent begins with its type, which says to whom. */
	struct {
		long type;
		unsigned char text[];
	} * message;
	unsigned char *buffer;
};

/* The number in a file of /proc/sys, or `otherwise`. */
static long limit_of(const char *path, long otherwise)
{
	FILE *file = fopen(path, "re");
	char line[32];

	if (file != NULL && fgets(line, sizeof line, file) != NULL)
		otherwise = strtol(line, NULL, 10);
	if (file != NULL)
		fclose(file);
	return otherwise;
}

static void ends_open(struct lab_side *me)
{
	struct ends *ends = lab_alloc(sizeof *ends);

	ends->in = me->link->fd[me->side][0];
	ends->out = me->link->fd[me->side][1];
	ends->queue = me->link->queue;
	ends->piece = me->link->piece;
	ends->buffer = lab_alloc(me->what->bytes);
	ends->message = lab_alloc(sizeof *ends->message + ends->piece);
	me->state = ends;
}

static void ends_close(struct lab_side *me)
{
	struct ends *ends = me->state;

	free(ends->message);
	free(ends->buffer);
	free(ends);
}

static size_t piece_of(const struct ends *ends, size_t left)
{
	return left < ends->piece ? left : ends->piece;
}

/* ---- POSIX ------------------------------------------------------------------------------- */

/* Both sides inherit the descriptors, so the name can go at once. */
static bool posix_one(struct lab_link *link, int from, size_t piece, char *reason)
{
	long most = limit_of("/proc/sys/fs/mqueue/msg_max", 10);
	struct mq_attr attributes = {.mq_maxmsg = most, .mq_msgsize = (long)piece};
	char name[48];
	mqd_t queue;

	snprintf(name, sizeof name, "/shoal-bench-%d", (int)getpid());
	queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
	if (queue < 0) {
		/* EMFILE here is about bytes. */
		snprintf(reason, LAB_REASON, "a queue of %ld messages of %zu bytes: %s", most,
			 piece, errno == EMFILE ? "more than ulimit -q allows" : strerror(errno));
		return false;
	}
	mq_unlink(name);
	fcntl(queue, F_SETFD, 0);
	link->fd[from][1] = queue;
	link->fd[1 - from][0] = queue;
	return true;
}

static bool posix_make(struct lab_link *link, const struct lab_case *what, char *reason)
{
	long most = limit_of("/proc/sys/fs/mqueue/msgsize_max", 8192);

	link->piece = what->bytes < (uint64_t)most ? what->bytes : (size_t)most;
	return posix_one(link, 0, link->piece, reason) && posix_one(link, 1, link->piece, reason);
}

static void posix_send(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct ends *ends = me->state;

	lab_fill(ends->buffer, bytes, number);
	for (size_t done = 0; done < bytes;) {
		size_t piece = piece_of(ends, bytes - done);

		if (mq_send(ends->out, (char *)ends->buffer + done, piece, 0) == 0)
			done += piece;
		else if (errno != EINTR)
			bench_die("mq_send: %s", strerror(errno));
	}
}

static uint64_t posix_take(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct ends *ends = me->state;

	(void)number;
	for (size_t done = 0; done < bytes;) {
		/* The room must be that of the queue's largest message: the last piece, too. */
		char *to = bytes - done < ends->piece ? (char *)ends->message->text
						      : (char *)ends->buffer + done;
		ssize_t some = mq_receive(ends->in, to, ends->piece, NULL);

		if (some < 0 && errno != EINTR)
			bench_die("mq_receive: %s", strerror(errno));
		if (some > 0 && (size_t)some > bytes - done)
			bench_die("mq_receive: a piece of %zd bytes", some);
		if (some > 0 && to == (char *)ends->message->text)
			memcpy(ends->buffer + done, to, (size_t)some);
		done += some > 0 ? (size_t)some : 0;
	}
	return lab_sum(ends->buffer, bytes);
}

LAB_JOBS_OF(posix)

/* ---- System V ---------------------------------------------------------------------------- */

static bool sysv_make(struct lab_link *link, const struct lab_case *what, char *reason)
{
	long most = limit_of("/proc/sys/kernel/msgmax", 8192);

	link->piece = what->bytes < (uint64_t)most ? what->bytes : (size_t)most;
	link->queue = msgget(IPC_PRIVATE, 0600);
	if (link->queue >= 0)
		return true;
	snprintf(reason, LAB_REASON, "msgget: %s", strerror(errno));
	return false;
}

static void sysv_unmake(struct lab_link *link)
{
	if (link->queue >= 0)
		msgctl(link->queue, IPC_RMID, NULL);
}

static void sysv_send(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct ends *ends = me->state;
	bool whole = bytes <= ends->piece;

	lab_fill(whole ? ends->message->text : ends->buffer, bytes, number);
	for (size_t done = 0; done < bytes;) {
		size_t piece = piece_of(ends, bytes - done);

		ends->message->type = 1 + me->side;
		if (!whole)
			memcpy(ends->message->text, ends->buffer + done, piece);
		if (msgsnd(ends->queue, ends->message, piece, 0) == 0)
			done += piece;
		else if (errno != EINTR)
			bench_die("msgsnd: %s", strerror(errno));
	}
}

static uint64_t sysv_take(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct ends *ends = me->state;
	bool whole = bytes <= ends->piece;

	(void)number;
	for (size_t done = 0; done < bytes;) {
		ssize_t some = msgrcv(ends->queue, ends->message, piece_of(ends, bytes - done),
				      2 - me->side, 0);

		if (some < 0 && errno != EINTR)
			bench_die("msgrcv: %s", strerror(errno));
		if (some <= 0)
			continue;
		if (!whole)
			memcpy(ends->buffer + done, ends->message->text, (size_t)some);
		done += (size_t)some;
	}
	return lab_sum(whole ? ends->message->text : ends->buffer, bytes);
}

LAB_JOBS_OF(sysv)

const struct lab_transport lab_posix_mq = {
    .name = "posix-mq",
    .modes = LAB_BIT(LAB_SLEEPING),
    LAB_DOES_ALL_OF(posix),
    .usual = true,
    .make = posix_make,
    .open = ends_open,
    .close = ends_close,
};

const struct lab_transport lab_sysv_msg = {
    .name = "sysv-msg",
    .modes = LAB_BIT(LAB_SLEEPING),
    LAB_DOES_ALL_OF(sysv),
    .usual = true,
    .make = sysv_make,
    .unmake = sysv_unmake,
    .open = ends_open,
    .close = ends_close,
};
