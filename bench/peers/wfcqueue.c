/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wait-free queue of liburcu. It links nodes by pointers, so both processes map the memory at
 * the same address. It has no limit: the nodes that there are limit it, and come back to the sender
 * through a second queue.
 */
#include "peers.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define _LGPL_SOURCE /* what is a few instructions long is inlined */
#include <urcu/wfcqueue.h>

/* Of a kernel's 47 bits of addresses for programs, far from where it puts things by itself. */
#define AT ((void *)0x200000000000)

struct node {
	struct cds_wfcq_node link;
	alignas(64) unsigned char message[];
};

struct queue {
	alignas(BENCH_APART) struct __cds_wfcq_head head; /* the taker's line */
	alignas(BENCH_APART) struct cds_wfcq_tail tail;   /* the sender's */
};

struct way {
	struct queue items;
	struct queue back;
};

struct ends {
	struct way *out;
	struct way *in;
};

static size_t node_bytes(const struct lab_case *what)
{
	return (sizeof(struct node) + what->bytes + 63) / 64 * 64;
}

static size_t way_bytes(const struct lab_case *what)
{
	size_t bytes = 4096 + lab_slots(what->bytes) * node_bytes(what);

	return (bytes + 4095) / 4096 * 4096;
}

static size_t ways_bytes(const struct lab_case *what)
{
	return peer_ways(what) * way_bytes(what);
}

static struct way *end_open(struct lab_side *me, int sender)
{
	unsigned char *memory = me->memory;
	struct way *way;

	if ((size_t)sender >= peer_ways(me->what))
		return NULL;
	memory += (size_t)sender * way_bytes(me->what);
	way = (struct way *)memory;
	if (me->side != sender)
		return way;
	__cds_wfcq_init(&way->items.head, &way->items.tail);
	__cds_wfcq_init(&way->back.head, &way->back.tail);
	for (size_t i = 0; i < lab_slots(me->what->bytes); i++) {
		struct node *node = (void *)(memory + 4096 + i * node_bytes(me->what));

		cds_wfcq_node_init(&node->link);
		cds_wfcq_enqueue(&way->back.head, &way->back.tail, &node->link);
	}
	return way;
}

static void wfcq_open(struct lab_side *me)
{
	struct ends *ends = lab_alloc(sizeof *ends);
	size_t bytes = me->link->memory_bytes;

	me->memory = mmap(AT, bytes, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE, me->link->memory_fd, 0);
	if (me->memory != AT)
		lab_missing(me, "both sides must map it at %p, which is not free here", AT);
	ends->out = end_open(me, me->side);
	ends->in = end_open(me, 1 - me->side);
	me->state = ends;
}

/* One takes from a queue, so nobody need be kept out. */
static struct node *take_node(struct queue *queue)
{
	struct cds_wfcq_node *link;

	for (;;) {
		link = __cds_wfcq_dequeue_nonblocking(&queue->head, &queue->tail);
		if (link != NULL && link != CDS_WFCQ_WOULDBLOCK)
			return caa_container_of(link, struct node, link);
		bench_relax();
	}
}

static void put_node(struct queue *queue, struct node *node)
{
	cds_wfcq_node_init(&node->link);
	cds_wfcq_enqueue(&queue->head, &queue->tail, &node->link);
}

static void wfcq_send(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct way *way = ((struct ends *)me->state)->out;
	struct node *node = take_node(&way->back);

	lab_fill(node->message, bytes, number);
	put_node(&way->items, node);
}

static uint64_t wfcq_take(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct way *way = ((struct ends *)me->state)->in;
	struct node *node = take_node(&way->items);
	uint64_t sum = lab_sum(node->message, bytes);

	(void)number;
	put_node(&way->back, node);
	return sum;
}

LAB_JOBS_OF(wfcq)

const struct lab_transport peer_wfcqueue = {
    .name = "wfcqueue",
    .note = "liburcu, wfcqueue: messages in its nodes, filled and read in place, which come back "
	    "through a second queue; taken without its lock, since one takes",
    .modes = LAB_BIT(LAB_SPINNING),
    LAB_DOES_ALL_OF(wfcq),
    .usual = true,
    .memory_bytes = ways_bytes,
    .open = wfcq_open,
    .close = lab_free_state,
};
