/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded buffer in shared memory, with two counts on which one sleeps: how many messages there
 * are, and how much room. What the counts are made of is the transport: a futex, an eventfd, or a
 * POSIX semaphore, the last as textbooks have it: a third one around the buffer, and messages
 * copied in and out. In process_vm_readv's the messages stay in the sender's own memory, and the
 * taker has the kernel copy them from there.
 */
#include "jobs.h"

#include <errno.h>
#include <linux/futex.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* ---- one way of it ----------------------------------------------------------------------- */

/* A count that a futex guards, and how many sleep for it. */
struct count {
	_Alignas(BENCH_APART) _Atomic uint32_t value;
	_Atomic uint32_t sleepers;
};

struct way {
	struct count items;
	struct count room;
	_Alignas(BENCH_APART) sem_t sem_items;
	sem_t sem_room;
	sem_t sem_mutex;
	/* Of process_vm_readv: where the sender's slots are. */
	pid_t pid;
	unsigned char *slots;
};

/* In shared memory: a way in each direction, then the slots of each. */
struct area {
	struct way way[2]; /* by the side that sends */
	_Alignas(4096) unsigned char slots[];
};

struct end {
	struct way *way;
	unsigned char *slots;
	uint64_t position;
	uint64_t mask;
	int items; /* of eventfd */
	int room;
};

struct ends {
	struct end out;
	struct end in;
	unsigned char *buffer;
};

static size_t area_bytes(const struct lab_case *what)
{
	uint64_t ways = what->job == LAB_ROUND_TRIP ? 2 : 1;

	return sizeof(struct area) + ways * lab_slots(what->bytes) * what->bytes;
}

/* Who sends makes the way ready. Both have done so when they meet, before the first message. */
static void end_open(struct lab_side *me, struct end *end, int sender)
{
	struct area *area = me->memory;
	uint64_t slots = lab_slots(me->what->bytes);

	end->way = &area->way[sender];
	end->slots = area->slots + (size_t)sender * slots * me->what->bytes;
	end->mask = slots - 1;
	end->items = me->link->fd[sender][0];
	end->room = me->link->fd[sender][1];
	if (me->side != sender)
		return;
	atomic_store(&end->way->room.value, (uint32_t)slots);
	if (sem_init(&end->way->sem_items, 1, 0) < 0 ||
	    sem_init(&end->way->sem_room, 1, (unsigned)slots) < 0 ||
	    sem_init(&end->way->sem_mutex, 1, 1) < 0)
		bench_die("sem_init: %s", strerror(errno));
}

static void buffer_open(struct lab_side *me)
{
	struct ends *ends = lab_alloc(sizeof *ends);

	end_open(me, &ends->out, me->side);
	end_open(me, &ends->in, 1 - me->side);
	ends->buffer = lab_alloc(me->what->bytes);
	me->state = ends;
}

static void buffer_close(struct lab_side *me)
{
	struct ends *ends = me->state;

	free(ends->buffer);
	free(ends);
}

BENCH_INLINE unsigned char *slot_of(const struct end *end, size_t bytes)
{
	return end->slots + (end->position & end->mask) * bytes;
}

/* ---- futex ------------------------------------------------------------------------------- */

/* Two are never inside for one count: one side waits, the other posts. */
static void count_wait(struct count *count)
{
	uint32_t value = atomic_load(&count->value);

	for (;;) {
		if (value > 0) {
			if (atomic_compare_exchange_weak(&count->value, &value, value - 1))
				return;
			continue;
		}
		/* Pairs with the load in count_post: it sees the sleeper, or the kernel sees that
		 * the count is no longer 0. Both sequentially consistent. */
		atomic_fetch_add(&count->sleepers, 1);
		if (syscall(SYS_futex, &count->value, FUTEX_WAIT, 0, NULL, NULL, 0) < 0 &&
		    errno != EAGAIN && errno != EINTR)
			bench_die("FUTEX_WAIT: %s", strerror(errno));
		atomic_fetch_sub(&count->sleepers, 1);
		value = atomic_load(&count->value);
	}
}

static void count_post(struct count *count)
{
	atomic_fetch_add(&count->value, 1);
	if (atomic_load(&count->sleepers) > 0 &&
	    syscall(SYS_futex, &count->value, FUTEX_WAKE, 1, NULL, NULL, 0) < 0)
		bench_die("FUTEX_WAKE: %s", strerror(errno));
}

static void futex_send(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct end *end = &((struct ends *)me->state)->out;

	count_wait(&end->way->room);
	lab_fill(slot_of(end, bytes), bytes, number);
	end->position++;
	count_post(&end->way->items);
}

static uint64_t futex_take(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct end *end = &((struct ends *)me->state)->in;
	uint64_t sum;

	(void)number;
	count_wait(&end->way->items);
	sum = lab_sum(slot_of(end, bytes), bytes);
	end->position++;
	count_post(&end->way->room);
	return sum;
}

LAB_JOBS_OF(futex)

/* ---- eventfd ----------------------------------------------------------------------------- */

static bool eventfd_make(struct lab_link *link, const struct lab_case *what, char *reason)
{
	for (int side = 0; side < 2; side++) {
		link->fd[side][0] = eventfd(0, EFD_SEMAPHORE);
		link->fd[side][1] = eventfd((unsigned)lab_slots(what->bytes), EFD_SEMAPHORE);
		if (link->fd[side][0] < 0 || link->fd[side][1] < 0) {
			snprintf(reason, LAB_REASON, "eventfd: %s", strerror(errno));
			return false;
		}
	}
	return true;
}

static void event_wait(int fd)
{
	uint64_t value;

	while (read(fd, &value, sizeof value) < 0) {
		if (errno != EINTR)
			bench_die("reading an eventfd: %s", strerror(errno));
	}
}

static void event_post(int fd)
{
	uint64_t one = 1;

	while (write(fd, &one, sizeof one) < 0) {
		if (errno != EINTR)
			bench_die("writing an eventfd: %s", strerror(errno));
	}
}

static void eventfd_send(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct end *end = &((struct ends *)me->state)->out;

	event_wait(end->room);
	lab_fill(slot_of(end, bytes), bytes, number);
	end->position++;
	event_post(end->items);
}

static uint64_t eventfd_take(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct end *end = &((struct ends *)me->state)->in;
	uint64_t sum;

	(void)number;
	event_wait(end->items);
	sum = lab_sum(slot_of(end, bytes), bytes);
	end->position++;
	event_post(end->room);
	return sum;
}

LAB_JOBS_OF(eventfd)

/* ---- textbook ---------------------------------------------------------------------------- */

static void down(sem_t *semaphore)
{
	while (sem_wait(semaphore) < 0) {
		if (errno != EINTR)
			bench_die("sem_wait: %s", strerror(errno));
	}
}

static void up(sem_t *semaphore)
{
	if (sem_post(semaphore) < 0)
		bench_die("sem_post: %s", strerror(errno));
}

static void textbook_send(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct ends *ends = me->state;
	struct end *end = &ends->out;

	lab_fill(ends->buffer, bytes, number);
	down(&end->way->sem_room);
	down(&end->way->sem_mutex);
	memcpy(slot_of(end, bytes), ends->buffer, bytes);
	end->position++;
	up(&end->way->sem_mutex);
	up(&end->way->sem_items);
}

static uint64_t textbook_take(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct ends *ends = me->state;
	struct end *end = &ends->in;

	(void)number;
	down(&end->way->sem_items);
	down(&end->way->sem_mutex);
	memcpy(ends->buffer, slot_of(end, bytes), bytes);
	end->position++;
	up(&end->way->sem_mutex);
	up(&end->way->sem_room);
	return lab_sum(ends->buffer, bytes);
}

LAB_JOBS_OF(textbook)

/* ---- process_vm_readv -------------------------------------------------------------------- */

static size_t vm_bytes(const struct lab_case *what)
{
	(void)what;
	return sizeof(struct area);
}

static void vm_open(struct lab_side *me)
{
	struct ends *ends;

	buffer_open(me);
	ends = me->state;
	/* Where only a parent may look into its child, the child can allow others to. */
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	ends->out.slots = lab_alloc(lab_slots(me->what->bytes) * me->what->bytes);
	ends->out.way->slots = ends->out.slots;
	ends->out.way->pid = getpid();
}

static void vm_close(struct lab_side *me)
{
	free(((struct ends *)me->state)->out.slots);
	buffer_close(me);
}

static uint64_t vm_take(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct ends *ends = me->state;
	struct end *end = &ends->in;

	(void)number;
	count_wait(&end->way->items);
	for (size_t done = 0; done < bytes;) {
		unsigned char *from = end->way->slots + (end->position & end->mask) * bytes + done;
		struct iovec theirs = {from, bytes - done};
		struct iovec mine = {ends->buffer + done, bytes - done};
		ssize_t some = process_vm_readv(end->way->pid, &mine, 1, &theirs, 1, 0);

		if (some < 0 && (errno == EPERM || errno == ENOSYS))
			lab_missing(me,
				    "process_vm_readv: %s (kernel.yama.ptrace_scope, or a sandbox)",
				    strerror(errno));
		if (some <= 0)
			bench_die("process_vm_readv: %s", strerror(errno));
		done += (size_t)some;
	}
	end->position++;
	count_post(&end->way->room);
	return lab_sum(ends->buffer, bytes);
}

#define vm_send futex_send /* the slots are the sender's own, the counts are shared */
LAB_JOBS_OF(vm)

#define BUFFER_TRANSPORT(variable, called, memory, maker, opener, closer, x)                       \
	const struct lab_transport variable = {                                                    \
	    .name = called,                                                                        \
	    .modes = LAB_BIT(LAB_SLEEPING),                                                        \
	    .jobs = LAB_ALL_JOBS,                                                                  \
	    .bytes_least = 8,                                                                      \
	    .bytes_most = LAB_BYTES_MAX,                                                           \
	    .memory_bytes = memory,                                                                \
	    .make = maker,                                                                         \
	    .open = opener,                                                                        \
	    .close = closer,                                                                       \
	    .run = {x##_trip, x##_stream, x##_paced},                                              \
	}

BUFFER_TRANSPORT(lab_eventfd, "eventfd", area_bytes, eventfd_make, buffer_open, buffer_close,
		 eventfd);
BUFFER_TRANSPORT(lab_futex, "futex", area_bytes, NULL, buffer_open, buffer_close, futex);
BUFFER_TRANSPORT(lab_textbook, "textbook", area_bytes, NULL, buffer_open, buffer_close, textbook);
BUFFER_TRANSPORT(lab_process_vm, "process_vm_readv", vm_bytes, NULL, vm_open, vm_close, vm);
