/* SPDX-License-Identifier: Apache-2.0 */
/* The calls that a hostile peer lies to: all that read shared bytes. */
#include "../hostile.h"

#include "pubsub.h"

#include "topic/handle.h"

#include <errno.h>
#include <sys/mman.h>

/* ---- the world: others who publish and read, and some who died ----------------------------- */

enum { MESSAGES = 6, BUFFER = 4096, PATIENCE = 20000000 };

static shoal_pub *pub;
static shoal_sub *sub;
static uint8_t *buffer; /* ends where nothing is mapped */

static void make_buffer(void)
{
	if (buffer)
		return;
	uint8_t *memory =
	    mmap(NULL, 2 * BUFFER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	SIM_CHECK(memory != MAP_FAILED && mprotect(memory + BUFFER, BUFFER, PROT_NONE) == 0,
		  "no memory");
	buffer = memory;
}

static void open_pub(uint32_t actor, unsigned flags)
{
	sim_as(actor);
	int r = pubsub_open_pub(flags);
	SIM_CHECK(r >= 0, "opening: %d", r);
}

static void open_sub(uint32_t actor, unsigned flags)
{
	sim_as(actor);
	int r = pubsub_open_sub(flags);
	SIM_CHECK(r >= 0, "opening: %d", r);
}

static void publish(uint32_t actor, int count, bool large)
{
	sim_as(actor);
	pubsub.large = large;
	for (int i = 0; i < count; i++)
		pubsub_publish(0);
}

/* Actors 2 and 3 have died, a publisher and a subscriber; actor 1 lives and publishes. */
static void begin(bool kept)
{
	make_buffer();
	pubsub_begin(3, 4, 8);
	sim_private((void *)&pub, sizeof(void *));
	sim_private((void *)&sub, sizeof(void *));
	open_pub(1, SHOAL_CREATE | (kept ? SHOAL_KEEP : 0));
	open_pub(2, 0);
	open_sub(3, 0);
	publish(2, 2, false);
	sim_bury(2);
	sim_bury(3);
	sim_as(0);
}

static void others(void)
{
	begin(false);
	publish(1, MESSAGES, false);
	sim_as(0);
}

static void others_of_another_boot(void)
{
	begin(true);
	sim_as(1);
	struct handle *handle = (struct handle *)pubsub.pubs[1];
	segment_header(&handle->map.region)->place.boot_id[0] ^= 1;
	sim_as(0);
}

static void only_the_dead(void)
{
	begin(true);
	sim_bury(1);
}

static void reader_of(bool large, unsigned flags)
{
	begin(false);
	open_sub(0, flags);
	sub = pubsub.subs[0];
	publish(1, MESSAGES, large);
	sim_as(0);
}

static void reader(void)
{
	reader_of(false, 0);
}

static void reader_of_large(void)
{
	reader_of(true, 0);
}

static void lossy_reader(void)
{
	reader_of(false, SHOAL_LOSSY);
	publish(1, 3 * MESSAGES, false);
	sim_as(0);
}

static void lossy_reader_of_large(void)
{
	reader_of(true, SHOAL_LOSSY);
}

static void reader_of_nothing(void)
{
	begin(false);
	open_sub(0, 0);
	sub = pubsub.subs[0];
}

static void publisher(void)
{
	begin(false);
	open_sub(1, 0);
	open_pub(0, 0);
	pub = pubsub.pubs[0];
	sim_as(0);
}

static void publisher_of_full_lane(void)
{
	publisher();
	publish(0, 12, false);
	sim_as(0);
}

static void publisher_of_full_area(void)
{
	publisher();
	publish(0, 7, true);
	sim_as(0);
}

/* ---- the calls ----------------------------------------------------------------------------- */

static int64_t call_open_pub(void)
{
	int r = shoal_pub_open(&pub, PUBSUB_NAME, SHOAL_CREATE, &pubsub.options);
	if (r >= 0)
		shoal_pub_close(pub);
	return r;
}

static int64_t call_open_sub(void)
{
	int r = shoal_sub_open(&sub, PUBSUB_NAME, SHOAL_FROM_OLDEST, &pubsub.options);
	if (r >= 0)
		shoal_sub_close(sub);
	return r;
}

static int64_t call_open_lossy(void)
{
	int r = shoal_sub_open(&sub, PUBSUB_NAME, SHOAL_LOSSY, &pubsub.options);
	if (r >= 0)
		shoal_sub_close(sub);
	return r;
}

static int64_t call_list(void)
{
	struct shoal_object *objects;
	size_t count;
	int r = shoal_list(NULL, &objects, &count);
	if (r >= 0)
		shoal_list_free(objects);
	return r;
}

static int64_t call_stat(void)
{
	struct shoal_topic_stat *stat;
	int r = shoal_topic_stat(PUBSUB_NAME, 0, &stat);
	if (r >= 0)
		shoal_topic_stat_free(stat);
	return r;
}

static int64_t call_audit(void)
{
	return shoal_topic_audit(PUBSUB_NAME, 0);
}

static int64_t call_audit_mapped(void)
{
	return topic_kind.audit(&((struct handle *)sub)->map.region);
}

/* All that was said to be the message can be read. */
static void use(const struct shoal_view *view)
{
	size_t at = (size_t)((const uint8_t *)view->data - (const uint8_t *)buffer);
	if (view->bytes == 0 || at < BUFFER)
		return;
	const volatile uint8_t *bytes = view->data;
	(void)bytes[0];
	(void)bytes[view->bytes / 2];
	(void)bytes[view->bytes - 1];
}

static int64_t call_borrow(void)
{
	struct shoal_view view;
	int r = 0;
	for (int i = 0; i < MESSAGES && r == 0; i++) {
		r = shoal_sub_borrow(sub, PATIENCE, &view);
		if (r == 0) {
			use(&view);
			r = shoal_sub_release(sub, &view);
		}
	}
	return r;
}

static int64_t call_receive(void)
{
	struct shoal_view view;
	int r = 0;
	for (int i = 0; i < MESSAGES && r == 0; i++) {
		size_t room = i % 2 ? 64 : 512;
		r = shoal_sub_receive(sub, buffer + BUFFER - room, room, PATIENCE, &view);
	}
	return r;
}

static int64_t call_receivev(void)
{
	struct shoal_view views[MESSAGES];
	int64_t r = 0;
	for (int i = 0; i < 3 && r >= 0; i++)
		r = shoal_sub_receivev(sub, views, MESSAGES, buffer + BUFFER - 512, 512, PATIENCE);
	return r;
}

static const uint8_t bytes_to_send[1024];

static int64_t call_publish(void)
{
	int r = 0;
	for (int i = 0; i < 12 && r == 0; i++)
		r = shoal_pub_publish(pub, bytes_to_send, 8, PATIENCE);
	return r;
}

static int64_t call_publish_large(void)
{
	int r = 0;
	for (int i = 0; i < 6 && r == 0; i++)
		r = shoal_pub_publish(pub, bytes_to_send, 900, PATIENCE);
	return r;
}

static int64_t call_publishv(void)
{
	struct iovec messages[MESSAGES];
	for (size_t i = 0; i < MESSAGES; i++)
		messages[i] = (struct iovec){(void *)(uintptr_t)bytes_to_send, 8 + 100 * (i % 2)};
	int64_t r = 0;
	for (int i = 0; i < 3 && r >= 0; i++)
		r = shoal_pub_publishv(pub, messages, MESSAGES, PATIENCE);
	return r;
}

static int64_t call_claim(void)
{
	struct shoal_loan loan;
	int r = shoal_pub_claim(pub, 900, PATIENCE, &loan);
	if (r < 0)
		return r;
	memcpy(loan.data, bytes_to_send, 900);
	return shoal_pub_commit(pub, &loan);
}

static int64_t call_drain(void)
{
	return shoal_pub_drain(pub, PATIENCE);
}

static int64_t call_await(void)
{
	return shoal_pub_wait_subscribers(pub, 3, PATIENCE);
}

static int64_t call_repair(void)
{
	return object_repair_all(((struct handle *)sub)->object);
}

static int64_t call_remove(void)
{
	return shoal_remove(PUBSUB_NAME, 0);
}

static int64_t call_remove_by_force(void)
{
	return shoal_remove(PUBSUB_NAME, SHOAL_FORCE);
}

static int64_t call_close_pub(void)
{
	shoal_pub_close(pub);
	return 0;
}

static int64_t call_close_sub(void)
{
	shoal_sub_close(sub);
	return 0;
}

/* ---- the table ------------------------------------------------------------------------------ */

static const int open_errors[] = {ENOENT, EEXIST, ENOSPC,     EUSERS,  EPERM,  EBADMSG, ENOTSUP,
				  ESTALE, EXDEV,  EPROTOTYPE, ENODATA, ENOMEM, EBUSY,   0};
static const int read_errors[] = {EAGAIN, ETIMEDOUT, EPIPE, EBADMSG, ESTALE, EMSGSIZE, ENOMEM, 0};
static const int write_errors[] = {EAGAIN, ETIMEDOUT, EBADMSG, ESTALE, 0};
static const int wait_errors[] = {EAGAIN, ETIMEDOUT, ESTALE, 0};
static const int no_errors[] = {0};

const struct hostile_entry hostile_entries[] = {
    {"open a publisher", others, call_open_pub, open_errors, true},
    {"open a subscriber", others, call_open_sub, open_errors, true},
    {"open a lossy subscriber", others, call_open_lossy, open_errors, true},
    {"open what another boot left", others_of_another_boot, call_open_sub, open_errors, true},
    {"open what the dead left", only_the_dead, call_open_pub, open_errors, true},
    {"list", others, call_list, open_errors, true},
    {"stat", others, call_stat, open_errors, true},
    {"audit", others, call_audit, open_errors, true},
    {"audit of a mapping", reader, call_audit_mapped, open_errors, false},
    {"borrow", reader, call_borrow, read_errors, false},
    {"borrow large ones", reader_of_large, call_borrow, read_errors, false},
    {"borrow and wait", reader_of_nothing, call_borrow, read_errors, false},
    {"borrow, lossy", lossy_reader, call_borrow, read_errors, false},
    {"receive", reader, call_receive, read_errors, false},
    {"receive large ones", reader_of_large, call_receive, read_errors, false},
    {"receive, lossy", lossy_reader, call_receive, read_errors, false},
    {"receive large ones, lossy", lossy_reader_of_large, call_receive, read_errors, false},
    {"receivev", reader, call_receivev, read_errors, false},
    {"receivev of large ones", reader_of_large, call_receivev, read_errors, false},
    {"receivev, lossy", lossy_reader, call_receivev, read_errors, false},
    {"publish", publisher, call_publish, write_errors, false},
    {"publish at the gate", publisher_of_full_lane, call_publish, write_errors, false},
    {"publish large ones at the gate", publisher_of_full_area, call_publish_large, write_errors,
     false},
    {"publishv at the gate", publisher_of_full_lane, call_publishv, write_errors, false},
    {"claim and commit", publisher_of_full_area, call_claim, write_errors, false},
    {"drain", publisher_of_full_lane, call_drain, wait_errors, false},
    {"wait for subscribers", publisher, call_await, wait_errors, false},
    {"repair", reader, call_repair, no_errors, false},
    {"remove", only_the_dead, call_remove, open_errors, true},
    {"remove by force", others, call_remove_by_force, open_errors, true},
    {"close a publisher", publisher_of_full_lane, call_close_pub, no_errors, false},
    {"close a subscriber", reader, call_close_sub, no_errors, false},
};
const size_t hostile_entry_count = sizeof(hostile_entries) / sizeof(hostile_entries[0]);
