/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two of Boost: lockfree::spsc_queue, placed in a mapping of both, and interprocess::message_queue.
 * A spsc_queue's capacity is part of its type when it lies in shared memory, so there are a few.
 */
#include <atomic>
#include <boost/interprocess/ipc/message_queue.hpp>
#include <boost/lockfree/spsc_queue.hpp>
#include <cstdlib>
#include <cstring>
#include <new>
#include <shoal/histogram.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

extern "C" {
#include "peers.h"
}

namespace
{

namespace ipc = boost::interprocess;
namespace lockfree = boost::lockfree;

template <lab_job Job, lab_send *Send, lab_take *Take>
BENCH_INLINE int64_t loop(lab_side *me, size_t bytes, uint64_t count)
{
	if constexpr (Job == LAB_ROUND_TRIP)
		return lab_trip_loop(me, bytes, count, Send, Take);
	else if constexpr (Job == LAB_STREAM)
		return lab_stream_loop(me, bytes, count, Send, Take);
	else
		return lab_paced_loop(me, bytes, count, Send, Take);
}

/* ---- spsc_queue -------------------------------------------------------------------------- */

using values = lockfree::spsc_queue<peer_value, lockfree::capacity<16384>>;
template <size_t Entries>
using numbers = lockfree::spsc_queue<uint32_t, lockfree::capacity<Entries>>;

/* The queue, then the slots beside it: each from a page's start. */
template <typename Queue> constexpr size_t queue_bytes = (sizeof(Queue) + 4095) / 4096 * 4096;

template <typename Queue> struct end {
	Queue *queue;
	unsigned char *slots;
	uint32_t position;
	uint32_t mask;
};

template <typename Queue> struct ends {
	end<Queue> out;
	end<Queue> in;
};

/* How many numbers the queue of that type holds: at most half the slots. */
constexpr uint64_t most_entries = 1024;
constexpr uint64_t many_entries = 16;
constexpr uint64_t few_entries = 2;

template <typename Visit> auto with_queue(const lab_case *what, Visit visit)
{
	uint64_t half = lab_slots(what->bytes) / 2;

	if (what->bytes <= PEER_VALUE_BYTES)
		return visit(static_cast<values *>(nullptr));
	if (half >= most_entries)
		return visit(static_cast<numbers<most_entries> *>(nullptr));
	if (half >= many_entries)
		return visit(static_cast<numbers<many_entries> *>(nullptr));
	return visit(static_cast<numbers<few_entries> *>(nullptr));
}

size_t way_bytes(const lab_case *what)
{
	return with_queue(what, [what](auto *type) {
		return queue_bytes<std::remove_pointer_t<decltype(type)>> + peer_slots_bytes(what);
	});
}

size_t ways_bytes(const lab_case *what)
{
	return peer_ways(what) * way_bytes(what);
}

template <typename Queue> void end_open(lab_side *me, end<Queue> *end, int sender)
{
	auto *way = static_cast<unsigned char *>(me->memory);

	if (static_cast<size_t>(sender) >= peer_ways(me->what))
		return;
	way += static_cast<size_t>(sender) * way_bytes(me->what);
	end->queue = reinterpret_cast<Queue *>(way);
	end->slots = way + queue_bytes<Queue>;
	end->mask = static_cast<uint32_t>(lab_slots(me->what->bytes)) - 1;
	if (me->side == sender)
		new (way) Queue;
}

void spsc_open(lab_side *me)
{
	with_queue(me->what, [me](auto *type) {
		using queue = std::remove_pointer_t<decltype(type)>;
		auto *both = static_cast<ends<queue> *>(lab_alloc(sizeof(ends<queue>)));

		end_open(me, &both->out, me->side);
		end_open(me, &both->in, 1 - me->side);
		me->state = both;
	});
}

BENCH_INLINE void value_send(lab_side *me, size_t bytes, uint64_t number)
{
	auto &end = static_cast<ends<values> *>(me->state)->out;
	peer_value value;

	lab_fill(value.words, bytes, number);
	while (!end.queue->push(value))
		bench_relax();
}

BENCH_INLINE uint64_t value_take(lab_side *me, size_t bytes, uint64_t)
{
	auto &end = static_cast<ends<values> *>(me->state)->in;
	uint64_t sum = 0;

	while (!end.queue->consume_one(
	    [&sum, bytes](const peer_value &value) { sum = lab_sum(value.words, bytes); }))
		bench_relax();
	return sum;
}

void value_send_many(lab_side *me, size_t bytes, uint64_t number, size_t count)
{
	auto &end = static_cast<ends<values> *>(me->state)->out;
	peer_value some[LAB_BATCH_MESSAGES];

	for (size_t i = 0; i < count; i++)
		lab_fill(some[i].words, bytes, number + i);
	for (size_t sent = 0; sent < count;) {
		size_t pushed = end.queue->push(some + sent, count - sent);

		if (pushed == 0)
			bench_relax();
		sent += pushed;
	}
}

size_t value_take_many(lab_side *me, size_t bytes, size_t most, uint64_t *sum)
{
	auto &end = static_cast<ends<values> *>(me->state)->in;
	peer_value some[LAB_BATCH_MESSAGES];
	size_t count;

	while ((count = end.queue->pop(some, most)) == 0)
		bench_relax();
	for (size_t i = 0; i < count; i++)
		*sum += lab_sum(some[i].words, bytes);
	return count;
}

int64_t spsc_batch(lab_side *me, uint64_t count)
{
	return lab_batch_loop(me, me->what->bytes, count, value_send_many, value_take_many);
}

template <typename Queue> void number_send(lab_side *me, size_t bytes, uint64_t number)
{
	auto &end = static_cast<ends<Queue> *>(me->state)->out;
	uint32_t slot = end.position++ & end.mask;

	lab_fill(end.slots + slot * bytes, bytes, number);
	while (!end.queue->push(slot))
		bench_relax();
}

template <typename Queue> uint64_t number_take(lab_side *me, size_t bytes, uint64_t)
{
	auto &end = static_cast<ends<Queue> *>(me->state)->in;
	uint64_t sum = 0;

	while (!end.queue->consume_one([&sum, &end, bytes](uint32_t slot) {
		sum = lab_sum(end.slots + (slot & end.mask) * bytes, bytes);
	}))
		bench_relax();
	return sum;
}

template <lab_job Job> int64_t spsc_run(lab_side *me, uint64_t count)
{
	if (me->what->bytes == 64)
		return loop<Job, value_send, value_take>(me, 64, count);
	return with_queue(me->what, [me, count](auto *type) {
		using queue = std::remove_pointer_t<decltype(type)>;

		if constexpr (std::is_same_v<queue, values>)
			return loop<Job, value_send, value_take>(me, me->what->bytes, count);
		else
			return loop<Job, number_send<queue>, number_take<queue>>(
			    me, me->what->bytes, count);
	});
}

lab_transport spsc_transport()
{
	lab_transport it = {};

	it.name = "spsc-queue";
	it.note =
	    "Boost 1.74 or later, lockfree::spsc_queue in memory that both map: up to 64 bytes "
	    "as values, read in place; larger ones in slots, whose numbers go through it; one a "
	    "call, in batches push and pop of "
	    "arrays, which copies";
	it.modes = LAB_BIT(LAB_SPINNING);
	it.jobs = LAB_ALL_JOBS | LAB_BIT(LAB_BATCH);
	it.bytes_least = 8;
	it.bytes_most = LAB_BYTES_MAX;
	it.usual = true;
	it.memory_bytes = ways_bytes;
	it.open = spsc_open;
	it.close = lab_free_state;
	it.run[LAB_ROUND_TRIP] = spsc_run<LAB_ROUND_TRIP>;
	it.run[LAB_STREAM] = spsc_run<LAB_STREAM>;
	it.run[LAB_OPEN_LOOP] = spsc_run<LAB_OPEN_LOOP>;
	it.run[LAB_BATCH] = spsc_batch;
	return it;
}

/* ---- message_queue ----------------------------------------------------------------------- */

struct queues {
	ipc::message_queue *out;
	ipc::message_queue *in;
	unsigned char *buffer;
};

/* On Linux the name is that of a file. The janitor knows it before there is one. */
#define SHM "/dev/shm/"

const char *queue_name(const lab_link *link, size_t way)
{
	return link->files[way] + strlen(SHM);
}

bool queue_make(lab_link *link, const lab_case *what, char *reason)
{
	for (size_t way = 0; way < peer_ways(what); way++) {
		snprintf(link->files[way], sizeof link->files[way], SHM "shoal-bench-%d-%zu",
			 static_cast<int>(getpid()), way);
		try {
			ipc::message_queue queue(ipc::create_only, queue_name(link, way),
						 lab_slots(what->bytes), what->bytes,
						 ipc::permissions(0600));
		} catch (const ipc::interprocess_exception &error) {
			snprintf(reason, LAB_REASON, "message_queue: %s", error.what());
			return false;
		}
	}
	return true;
}

ipc::message_queue *queue_of(lab_side *me, int sender)
{
	if (static_cast<size_t>(sender) >= peer_ways(me->what))
		return nullptr;
	return new ipc::message_queue(ipc::open_only,
				      queue_name(me->link, static_cast<size_t>(sender)));
}

void queue_open(lab_side *me)
{
	auto *both = new queues();

	try {
		both->out = queue_of(me, me->side);
		both->in = queue_of(me, 1 - me->side);
	} catch (const ipc::interprocess_exception &error) {
		bench_die("message_queue: %s", error.what());
	}
	both->buffer = static_cast<unsigned char *>(lab_alloc(me->what->bytes));
	me->state = both;
}

void queue_close(lab_side *me)
{
	auto *both = static_cast<queues *>(me->state);

	delete both->out;
	delete both->in;
	free(both->buffer);
	delete both;
}

void queue_send(lab_side *me, size_t bytes, uint64_t number)
{
	auto *both = static_cast<queues *>(me->state);

	lab_fill(both->buffer, bytes, number);
	if (me->what->mode == LAB_SLEEPING) {
		both->out->send(both->buffer, bytes, 0);
		return;
	}
	while (!both->out->try_send(both->buffer, bytes, 0))
		bench_relax();
}

uint64_t queue_take(lab_side *me, size_t bytes, uint64_t)
{
	auto *both = static_cast<queues *>(me->state);
	ipc::message_queue::size_type some = 0;
	unsigned priority = 0;

	if (me->what->mode == LAB_SLEEPING) {
		both->in->receive(both->buffer, bytes, some, priority);
	} else {
		while (!both->in->try_receive(both->buffer, bytes, some, priority))
			bench_relax();
	}
	if (some != bytes)
		bench_die("message_queue: a message of %zu bytes", static_cast<size_t>(some));
	return lab_sum(both->buffer, bytes);
}

template <lab_job Job> int64_t queue_run(lab_side *me, uint64_t count)
{
	return loop<Job, queue_send, queue_take>(me, me->what->bytes, count);
}

lab_transport queue_transport()
{
	lab_transport it = {};

	it.name = "message-queue";
	it.note =
	    "Boost 1.74 or later, interprocess::message_queue, as many messages as the others' "
	    "rings have; spinning by try_send and try_receive, sleeping by send and receive";
	it.modes = LAB_BIT(LAB_SPINNING) | LAB_BIT(LAB_SLEEPING);
	it.jobs = LAB_ALL_JOBS;
	it.bytes_least = 8;
	it.bytes_most = LAB_BYTES_MAX;
	it.usual = true;
	it.make = queue_make;
	it.open = queue_open;
	it.close = queue_close;
	it.run[LAB_ROUND_TRIP] = queue_run<LAB_ROUND_TRIP>;
	it.run[LAB_STREAM] = queue_run<LAB_STREAM>;
	it.run[LAB_OPEN_LOOP] = queue_run<LAB_OPEN_LOOP>;
	return it;
}

} // namespace

const lab_transport peer_spsc_queue = spsc_transport();
const lab_transport peer_message_queue = queue_transport();
