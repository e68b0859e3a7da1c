/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iceoryx 2.0 by its C interface, with a daemon (RouDi) of our own. Messages are chunks of its
 * memory pools, filled and read in place.
 */
#include "peers.h"

#include "daemon.h"

#include <grp.h>
#include <iceoryx_binding_c/log.h>
#include <iceoryx_binding_c/publisher.h>
#include <iceoryx_binding_c/runtime.h>
#include <iceoryx_binding_c/subscriber.h>
#include <iceoryx_binding_c/types.h>
#include <iceoryx_binding_c/wait_set.h>
#include <stdlib.h>
#include <unistd.h>

#define BYTES_MOST     ((uint64_t)4 << 20) /* the largest chunk of RouDi's own configuration */
#define QUEUE_MOST     256
#define OPEN_LIMIT_NS  30000000000
#define LOOK_NS        1000000
#define FILES_OF_SIDES 4
#define WAIT_S         30 /* longer than any message takes: the other side is gone */

struct ends {
	iox_pub_storage_t pub_storage;
	iox_sub_storage_t sub_storage;
	iox_ws_storage_t set_storage;
	iox_pub_t out;
	iox_sub_t in;
	iox_ws_t set; /* NULL: spinning */
};

/* What the daemon removes itself, unless it was killed. Only once it runs are they ours. */
static void name_files_of_daemon(struct lab_link *link)
{
	const struct group *group = getgrgid(getegid()); /* its pools are the group's */
	const char *const paths[] = {"/tmp/roudi", "/tmp/roudi.lock", "/tmp/iox-unique-roudi.lock",
				     "/dev/shm/iceoryx_mgmt"};
	int at = FILES_OF_SIDES;

	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++, at++)
		snprintf(link->files[at], sizeof link->files[0], "%s", paths[i]);
	if (group != NULL)
		snprintf(link->files[at], sizeof link->files[0], "/dev/shm/%s", group->gr_name);
}

static bool iceoryx_make(struct lab_link *link, const struct lab_case *what, char *reason)
{
	static const char *const command[] = {"iox-roudi", "--monitoring-mode", "off", NULL};

	if (what->bytes > BYTES_MOST) {
		snprintf(reason, LAB_REASON, "its daemon has chunks of up to %llu bytes",
			 (unsigned long long)BYTES_MOST);
		return false;
	}
	if (what->mode == LAB_SLEEPING && what->job != LAB_ROUND_TRIP) {
		snprintf(reason, LAB_REASON,
			 "who writes can't sleep until there is room: it would have to spin");
		return false;
	}
	/* Each side has a socket and a lock in /tmp, by its name. */
	snprintf(link->name, sizeof link->name, "shoal-bench-%d", (int)getpid());
	for (int side = 0; side < 2; side++) {
		snprintf(link->files[2 * side], sizeof link->files[0], "/tmp/%s-%d", link->name,
			 side);
		snprintf(link->files[2 * side + 1], sizeof link->files[0], "/tmp/%s-%d.lock",
			 link->name, side);
	}
	if (!peer_daemon_start(link, command, reason) ||
	    !peer_daemon_ready(link, "RouDi is ready for clients", reason))
		return false;
	name_files_of_daemon(link);
	return true;
}

static iox_pub_t make_publisher(struct ends *ends, const char *name)
{
	iox_pub_options_t options;

	iox_pub_options_init(&options);
	options.historyCapacity = 0;
	options.nodeName = "lab";
	options.subscriberTooSlowPolicy = ConsumerTooSlowPolicy_WAIT_FOR_CONSUMER;
	return iox_pub_init(&ends->pub_storage, "Shoal", "lab", name, &options);
}

static iox_sub_t make_subscriber(struct ends *ends, const char *name)
{
	iox_sub_options_t options;

	iox_sub_options_init(&options);
	options.historyRequest = 0;
	options.queueCapacity = QUEUE_MOST;
	options.nodeName = "lab";
	options.queueFullPolicy = QueueFullPolicy_BLOCK_PRODUCER;
	return iox_sub_init(&ends->sub_storage, "Shoal", "lab", name, &options);
}

/* The daemon brings them together, in its own time. */
static void wait_for_both(const struct ends *ends)
{
	int64_t limit_ns = bench_now_ns() + OPEN_LIMIT_NS;
	struct timespec moment = {.tv_nsec = LOOK_NS};

	while (!iox_pub_has_subscribers(ends->out) ||
	       iox_sub_get_subscription_state(ends->in) != SubscribeState_SUBSCRIBED) {
		if (bench_now_ns() > limit_ns)
			bench_die("iox-roudi does not bring the two sides together");
		nanosleep(&moment, NULL);
	}
}

static void iceoryx_open(struct lab_side *me)
{
	static const char *const names[2] = {"0", "1"};
	struct ends *ends = lab_alloc(sizeof *ends);
	char process[80];

	snprintf(process, sizeof process, "%s-%d", me->link->name, me->side);
	iox_set_loglevel(Iceoryx_LogLevel_Off);
	iox_runtime_init(process);
	ends->out = make_publisher(ends, names[me->side]);
	ends->in = make_subscriber(ends, names[1 - me->side]);
	wait_for_both(ends);
	if (me->what->mode == LAB_SLEEPING) {
		ends->set = iox_ws_init(&ends->set_storage);
		if (iox_ws_attach_subscriber_state(ends->set, ends->in, SubscriberState_HAS_DATA, 1,
						   NULL) != WaitSetResult_SUCCESS)
			bench_die("iceoryx: the wait set takes no subscriber");
	}
	me->state = ends;
}

static void iceoryx_close(struct lab_side *me)
{
	struct ends *ends = me->state;

	if (ends->set != NULL)
		iox_ws_deinit(ends->set);
	iox_sub_deinit(ends->in);
	iox_pub_deinit(ends->out);
	iox_runtime_shutdown();
	free(ends);
}

static void iceoryx_send(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct ends *ends = me->state;
	void *chunk;
	enum iox_AllocationResult result;

	/* Its pools may be empty until the other side has read. */
	while ((result = iox_pub_loan_aligned_chunk(ends->out, &chunk, (uint32_t)bytes, 64)) !=
	       AllocationResult_SUCCESS) {
		if (result != AllocationResult_RUNNING_OUT_OF_CHUNKS)
			bench_die("iox_pub_loan_aligned_chunk: error %d", (int)result);
		bench_relax();
	}
	lab_fill(chunk, bytes, number);
	iox_pub_publish_chunk(ends->out, chunk);
}

static void wait_for_chunk(struct ends *ends)
{
	iox_notification_info_t infos[1];
	uint64_t missed;

	if (ends->set == NULL) {
		bench_relax();
		return;
	}
	if (iox_ws_timed_wait(ends->set, (struct timespec){.tv_sec = WAIT_S}, infos, 1, &missed) ==
	    0)
		bench_die("iceoryx: nothing came");
}

static uint64_t iceoryx_take(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct ends *ends = me->state;
	const void *chunk;
	enum iox_ChunkReceiveResult result;
	uint64_t sum;

	(void)number;
	while ((result = iox_sub_take_chunk(ends->in, &chunk)) != ChunkReceiveResult_SUCCESS) {
		if (result != ChunkReceiveResult_NO_CHUNK_AVAILABLE)
			bench_die("iox_sub_take_chunk: error %d", (int)result);
		wait_for_chunk(ends);
	}
	sum = lab_sum(chunk, bytes);
	iox_sub_release_chunk(ends->in, chunk);
	return sum;
}

LAB_JOBS_OF(iceoryx)

const struct lab_transport peer_iceoryx = {
    .name = "iceoryx",
    .note =
	"iceoryx 2.0, C interface, iox-roudi with its own pools, chunks filled and read in place, "
	"queues of 256 that block the publisher; sleeping by a wait set",
    .modes = LAB_BIT(LAB_SPINNING) | LAB_BIT(LAB_SLEEPING),
    LAB_DOES_ALL_OF(iceoryx),
    .usual = true,
    .make = iceoryx_make,
    .unmake = peer_daemon_stop,
    .open = iceoryx_open,
    .close = iceoryx_close,
};
