/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cyclone DDS over loopback: a writer and a reader each way, reliable, and nothing is ever dropped
 * to make room. Its shared memory is iceoryx with its daemon, a peer of its own: it is off.
 */
#include "peers.h"

#include "cyclonedds_message.h"

#include <dds/dds.h>
#include <dds/version.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DOMAIN_ID     77 /* its ports lie below those that the kernel gives away */
#define OPEN_LIMIT_NS 30000000000
#define LOOK_NS       1000000
#define WAIT_NS       DDS_SECS(30) /* longer than any message takes: the other side is gone */

#define SOCKET_BYTES 4194304 /* wait in a socket at most; the kernel may give less */
#define HEAD_BYTES   64      /* a message's head, about */
#define PACKET_BYTES 1024    /* what the kernel needs for a packet beside its data, about */
#define TAKE_MOST    64
#define TAKE_BYTES   262144

struct ends {
	dds_entity_t domain;
	dds_entity_t writer;
	dds_entity_t reader;
	dds_entity_t set; /* 0: spinning */
	struct cyclonedds_message out;
	/* What was taken at once, and how much of it was looked at. */
	struct cyclonedds_message in[TAKE_MOST];
	void *room[TAKE_MOST];
	dds_sample_info_t infos[TAKE_MOST];
	uint32_t most;
	uint32_t taken;
	uint32_t seen;
};

static bool cyclonedds_make(struct lab_link *link, const struct lab_case *what, char *reason)
{
	static unsigned starts;

	if (what->mode == LAB_SPINNING && what->job == LAB_STREAM) {
		snprintf(reason, LAB_REASON,
			 "who writes sleeps in dds_write until there is room: it can't spin");
		return false;
	}
	/* Whoever else is in this domain has another tag, and is not met. */
	snprintf(link->name, sizeof link->name, "shoal-bench-%d-%u", (int)getpid(), ++starts);
	return true;
}

/* ---- how it is set up -------------------------------------------------------------------- */

static int check(int result, const char *what)
{
	if (result < 0)
		bench_die("%s: %s", what, dds_strretcode(result));
	return result;
}

/* How much a socket holds, as the kernel counts it. */
static size_t socket_room(void)
{
	int wanted = SOCKET_BYTES;
	int got = 0;
	socklen_t size = sizeof got;
	int socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (socket_fd < 0 ||
	    setsockopt(socket_fd, SOL_SOCKET, SO_RCVBUF, &wanted, sizeof wanted) < 0 ||
	    getsockopt(socket_fd, SOL_SOCKET, SO_RCVBUF, &got, &size) < 0)
		bench_die("Cyclone DDS: can't ask how much a socket holds");
	close(socket_fd);
	return (size_t)got;
}

/*
 * So many bytes of messages may be sent and not yet acknowledged: what the other side's socket
 * surely holds, since a packet that it drops is asked for again only after a while. Messages of a
 * stream share a packet, others have one each.
 */
static size_t window_of(const struct lab_case *what)
{
	size_t beside = what->job == LAB_STREAM ? HEAD_BYTES : PACKET_BYTES;

	return socket_room() / 4 * what->bytes / (what->bytes + beside);
}

/* Only over loopback, and without multicast: the other side is found on one of the first ports. It
 * is alive as long as the driver says so, however busy the machine is. */
static dds_entity_t make_domain(const struct lab_side *me)
{
	size_t window = window_of(me->what);
	char text[2048];

	snprintf(text, sizeof text,
		 "<CycloneDDS><Domain Id=\"any\">"
		 "<General>"
		 "<Interfaces><NetworkInterface address=\"127.0.0.1\"/></Interfaces>"
		 "<AllowMulticast>false</AllowMulticast>"
		 "<MaxMessageSize>65500 B</MaxMessageSize>"
		 "<MaxRexmitMessageSize>65500 B</MaxRexmitMessageSize>"
		 "<FragmentSize>64000 B</FragmentSize>"
		 "</General>"
		 "<Discovery>"
		 "<Tag>%s</Tag>"
		 "<ParticipantIndex>auto</ParticipantIndex>"
		 "<MaxAutoParticipantIndex>15</MaxAutoParticipantIndex>"
		 "<Peers><Peer Address=\"127.0.0.1\"/></Peers>"
		 "<SPDPInterval>1 s</SPDPInterval>"
		 "<LeaseDuration>1 hr</LeaseDuration>"
		 "</Discovery>"
		 "<Internal>"
		 "<SocketReceiveBufferSize max=\"%d B\"/>"
		 "<NackDelay>10 ms</NackDelay>"
		 "<MaxQueuedRexmitBytes>64 MiB</MaxQueuedRexmitBytes>"
		 "<Watermarks>"
		 "<WhcHigh>%zu B</WhcHigh><WhcHighInit>%zu B</WhcHighInit>"
		 "</Watermarks>"
		 "<WriteBatch>%s</WriteBatch>"
		 "</Internal>"
		 "<SharedMemory><Enable>false</Enable></SharedMemory>"
		 "</Domain></CycloneDDS>",
		 me->link->name, SOCKET_BYTES, window, window,
		 me->what->job == LAB_STREAM ? "true" : "false");
	return check(dds_create_domain(DOMAIN_ID, text), "dds_create_domain");
}

static dds_entity_t make_topic(dds_entity_t participant, int side)
{
	static const char *const names[2] = {"lab_0", "lab_1"};

	return check(
	    dds_create_topic(participant, &cyclonedds_message_desc, names[side], NULL, NULL),
	    "dds_create_topic");
}

static void make_both(struct ends *ends, const struct lab_side *me)
{
	dds_entity_t participant =
	    check(dds_create_participant(DOMAIN_ID, NULL, NULL), "dds_create_participant");
	int32_t limit = (int32_t)lab_slots(me->what->bytes);
	dds_qos_t *qos = dds_create_qos();

	dds_qset_reliability(qos, DDS_RELIABILITY_RELIABLE, WAIT_NS);
	dds_qset_durability(qos, DDS_DURABILITY_VOLATILE);
	dds_qset_history(qos, DDS_HISTORY_KEEP_ALL, 0);
	ends->writer =
	    check(dds_create_writer(participant, make_topic(participant, me->side), qos, NULL),
		  "dds_create_writer");
	/* A reader that is full holds its writer up. */
	dds_qset_resource_limits(qos, limit, DDS_LENGTH_UNLIMITED, limit);
	ends->reader =
	    check(dds_create_reader(participant, make_topic(participant, 1 - me->side), qos, NULL),
		  "dds_create_reader");
	dds_delete_qos(qos);
	if (me->what->mode != LAB_SLEEPING)
		return;
	ends->set = check(dds_create_waitset(participant), "dds_create_waitset");
	check(dds_set_status_mask(ends->reader, DDS_DATA_AVAILABLE_STATUS), "dds_set_status_mask");
	check(dds_waitset_attach(ends->set, ends->reader, 0), "dds_waitset_attach");
}

static void wait_for_both(const struct ends *ends)
{
	int64_t limit_ns = bench_now_ns() + OPEN_LIMIT_NS;
	struct timespec moment = {.tv_nsec = LOOK_NS};

	while (dds_get_matched_subscriptions(ends->writer, NULL, 0) < 1 ||
	       dds_get_matched_publications(ends->reader, NULL, 0) < 1) {
		if (bench_now_ns() > limit_ns)
			bench_die("Cyclone DDS: the two sides do not find each other");
		nanosleep(&moment, NULL);
	}
}

static struct cyclonedds_message message_make(size_t bytes)
{
	return (struct cyclonedds_message){
	    .data =
		{
		    ._maximum = (uint32_t)bytes,
		    ._length = (uint32_t)bytes,
		    ._buffer = lab_alloc(bytes),
		},
	};
}

static void cyclonedds_open(struct lab_side *me)
{
	struct ends *ends = lab_alloc(sizeof *ends);
	uint64_t most = TAKE_BYTES / me->what->bytes;

	ends->most = most > TAKE_MOST ? TAKE_MOST : (uint32_t)(most < 1 ? 1 : most);
	ends->out = message_make(me->what->bytes);
	for (uint32_t i = 0; i < ends->most; i++) {
		ends->in[i] = message_make(me->what->bytes);
		ends->room[i] = &ends->in[i];
	}
	ends->domain = make_domain(me);
	make_both(ends, me);
	wait_for_both(ends);
	me->state = ends;
}

static void cyclonedds_close(struct lab_side *me)
{
	struct ends *ends = me->state;

	dds_delete(ends->domain);
	for (uint32_t i = 0; i < ends->most; i++)
		free(ends->in[i].data._buffer);
	free(ends->out.data._buffer);
	free(ends);
}

/* ---- the messages ------------------------------------------------------------------------ */

static void cyclonedds_send(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct ends *ends = me->state;

	lab_fill(ends->out.data._buffer, bytes, number);
	check(dds_write(ends->writer, &ends->out), "dds_write");
}

/* Who spins has the processor that the thread which receives needs: without the yield it gets it
 * late, and a message in a hundred takes milliseconds. */
static void wait_for_data(const struct ends *ends)
{
	if (ends->set == 0)
		sched_yield();
	else if (check(dds_waitset_wait(ends->set, NULL, 0, WAIT_NS), "dds_waitset_wait") == 0)
		bench_die("Cyclone DDS: nothing came");
}

static void take_some(struct ends *ends)
{
	int count;

	while (
	    (count = check(dds_take(ends->reader, ends->room, ends->infos, ends->most, ends->most),
			   "dds_take")) == 0)
		wait_for_data(ends);
	ends->taken = (uint32_t)count;
	ends->seen = 0;
}

static uint64_t cyclonedds_take(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct ends *ends = me->state;
	const struct cyclonedds_message *message;

	(void)number;
	/* One that isn't valid is news of the writer, without a message. */
	do {
		if (ends->seen == ends->taken)
			take_some(ends);
	} while (!ends->infos[ends->seen++].valid_data);
	message = ends->room[ends->seen - 1];
	if (message->data._length != bytes)
		bench_die("Cyclone DDS: a message of %u bytes", message->data._length);
	return lab_sum(message->data._buffer, bytes);
}

LAB_JOBS_OF(cyclonedds)

/* A batch leaves when it fills a packet; what is left of the last one must be sent. */
static int64_t cyclonedds_batches(struct lab_side *me, uint64_t count)
{
	int64_t took_ns = cyclonedds_stream(me, count);
	const struct ends *ends = me->state;

	dds_write_flush(ends->writer);
	return took_ns;
}

const struct lab_transport peer_cyclonedds = {
    .name = "cyclonedds",
    .note =
	"Cyclone DDS " DDS_VERSION " over UDP, loopback only, no multicast, its shared memory "
	"(iceoryx's) off and so no loans; a sequence of octets, reliable, keep-all, volatile; "
	"packets of up to 65,500 bytes, sockets of up to 4 MiB as net.core.rmem_max allows, a "
	"quarter of that unacknowledged; streams batched (WriteBatch), up to 64 messages a "
	"dds_take; its threads on their side's processor: who spins polls dds_take and yields to "
	"them, who sleeps has a wait set",
    .modes = LAB_BIT(LAB_SPINNING) | LAB_BIT(LAB_SLEEPING),
    .jobs = LAB_ALL_JOBS,
    .bytes_least = 8,
    .bytes_most = LAB_BYTES_MAX,
    .usual = true,
    .make = cyclonedds_make,
    .open = cyclonedds_open,
    .close = cyclonedds_close,
    .run = {cyclonedds_trip, cyclonedds_batches, cyclonedds_paced},
};
