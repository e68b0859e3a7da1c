/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NATS over loopback, through a server of our own on a port that it chooses. The server drops what
 * a slow client does not fetch, so a stream has a window: the taker says how far it is.
 */
#include "peers.h"

#include "daemon.h"

#include <errno.h>
#include <jansson.h>
#include <nats/nats.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define START_LIMIT_NS 10000000000
#define LOOK_NS        2000000
#define WAIT_MS        30000 /* longer than any message takes: the other side is gone */
#define WINDOW_MOST    1024
#define BYTES_MOST     1048576 /* the server's default */

struct ends {
	natsConnection *connection;
	natsSubscription *in;
	natsSubscription *credit;
	unsigned char *buffer;
	const char *out;
	uint64_t sent;
	uint64_t taken;
	uint64_t allowed; /* so many may be sent */
	uint64_t window;  /* 0: a round trip needs none */
};

static const char *const subjects[2] = {"lab.0", "lab.1"};

/* ---- the server -------------------------------------------------------------------------- */

/* The server writes it when it listens: {"nats": ["nats://127.0.0.1:PORT"]} */
static bool read_address(struct lab_link *link, const char *path)
{
	json_t *ports = json_load_file(path, 0, NULL);
	const char *address = json_string_value(json_array_get(json_object_get(ports, "nats"), 0));

	if (address != NULL)
		snprintf(link->name, sizeof link->name, "%s", address);
	json_decref(ports);
	return link->name[0] != '\0';
}

static bool nats_make(struct lab_link *link, const struct lab_case *what, char *reason)
{
	const char *folder = getenv("SHOAL_DIR");
	const char *command[] = {"nats-server",      "-a",   "127.0.0.1", "-p", "-1",
				 "--ports_file_dir", folder, NULL};
	int64_t limit_ns = bench_now_ns() + START_LIMIT_NS;
	struct timespec moment = {.tv_nsec = LOOK_NS};
	char path[512];

	if (what->bytes > BYTES_MOST) {
		snprintf(reason, LAB_REASON, "its server takes messages of up to %d bytes",
			 BYTES_MOST);
		return false;
	}
	if (!peer_daemon_start(link, command, reason))
		return false;
	snprintf(path, sizeof path, "%s/nats-server_%d.ports", folder, link->daemon);
	while (!read_address(link, path)) {
		if (bench_now_ns() > limit_ns) {
			snprintf(reason, LAB_REASON, "nats-server does not listen");
			return false;
		}
		nanosleep(&moment, NULL);
	}
	return true;
}

/* ---- the sides --------------------------------------------------------------------------- */

static void check(natsStatus status, const char *what)
{
	if (status != NATS_OK)
		bench_die("%s: %s", what, natsStatus_GetText(status));
}

static natsSubscription *subscribe(struct ends *ends, const char *subject)
{
	natsSubscription *made;

	check(natsConnection_SubscribeSync(&made, ends->connection, subject), "subscribing");
	check(natsSubscription_SetPendingLimits(made, -1, -1), "pending limits");
	return made;
}

static uint64_t window_of(const struct lab_case *what)
{
	uint64_t slots = lab_slots(what->bytes);

	if (what->job == LAB_ROUND_TRIP)
		return 0;
	return slots < WINDOW_MOST ? slots : WINDOW_MOST;
}

/* A stream leaves in as large pieces as it can; what is waited for leaves at once. */
static void nats_peer_open(struct lab_side *me)
{
	struct ends *ends = lab_alloc(sizeof *ends);
	natsOptions *options;

	check(natsOptions_Create(&options), "natsOptions_Create");
	check(natsOptions_SetURL(options, me->link->name), "natsOptions_SetURL");
	check(natsOptions_SetSendAsap(options, me->what->job != LAB_STREAM), "SetSendAsap");
	check(natsConnection_Connect(&ends->connection, options), "natsConnection_Connect");
	natsOptions_Destroy(options);
	ends->in = subscribe(ends, subjects[1 - me->side]);
	ends->credit = subscribe(ends, "lab.credit");
	check(natsConnection_Flush(ends->connection), "natsConnection_Flush");
	ends->buffer = lab_alloc(me->what->bytes);
	ends->out = subjects[me->side];
	ends->window = ends->allowed = window_of(me->what);
	me->state = ends;
}

static void nats_peer_close(struct lab_side *me)
{
	struct ends *ends = me->state;

	natsSubscription_Destroy(ends->in);
	natsSubscription_Destroy(ends->credit);
	natsConnection_Destroy(ends->connection);
	nats_Close();
	free(ends->buffer);
	free(ends);
}

static void wait_for_room(struct ends *ends)
{
	natsMsg *message;

	while (ends->window > 0 && ends->sent == ends->allowed) {
		check(natsSubscription_NextMsg(&message, ends->credit, WAIT_MS), "credit");
		natsMsg_Destroy(message);
		ends->allowed += ends->window / 2;
	}
}

static void nats_peer_send(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct ends *ends = me->state;

	wait_for_room(ends);
	lab_fill(ends->buffer, bytes, number);
	check(natsConnection_Publish(ends->connection, ends->out, ends->buffer, (int)bytes),
	      "natsConnection_Publish");
	ends->sent++;
}

static uint64_t nats_peer_take(struct lab_side *me, size_t bytes, uint64_t number)
{
	struct ends *ends = me->state;
	natsMsg *message;
	uint64_t sum;

	(void)number;
	check(natsSubscription_NextMsg(&message, ends->in, WAIT_MS), "natsSubscription_NextMsg");
	if ((size_t)natsMsg_GetDataLength(message) != bytes)
		bench_die("NATS: a message of %d bytes", natsMsg_GetDataLength(message));
	/* Its data begins where the head ends, at any address. */
	memcpy(ends->buffer, natsMsg_GetData(message), bytes);
	natsMsg_Destroy(message);
	sum = lab_sum(ends->buffer, bytes);
	ends->taken++;
	if (ends->window > 0 && ends->taken % (ends->window / 2) == 0)
		check(natsConnection_Publish(ends->connection, "lab.credit", "", 0), "credit");
	return sum;
}

LAB_JOBS_OF(nats_peer)

const struct lab_transport peer_nats = {
    .name = "nats",
    .note =
	"NATS core, nats-server on 127.0.0.1 with its defaults; round trips and open loops sent "
	"at once (SendAsap), streams buffered by the client, with a window of up to 1,024",
    .modes = LAB_BIT(LAB_SLEEPING),
    LAB_DOES_ALL_OF(nats_peer),
    .usual = true,
    .make = nats_make,
    .unmake = peer_daemon_stop,
    .open = nats_peer_open,
    .close = nats_peer_close,
};
