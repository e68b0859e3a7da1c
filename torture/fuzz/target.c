/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include "kinds/kinds.h"
#include "topic/handle.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HANDLES = 2, CALLS_OF_ONE = 24, BUFFER = 4096, BATCH = 16 };

static struct {
	shoal_sub *subs[HANDLES];
	shoal_pub *pubs[HANDLES];
	uint8_t *buffer; /* exactly as long as it says: BUFFER */
} my;

void wrong(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fprintf(stderr, "WRONG: ");
	vfprintf(stderr, format, arguments);
	fprintf(stderr, "\n");
	va_end(arguments);
	abort();
}

/* Every code that a page of the library names. */
static void check(int64_t r, const char *call)
{
	static const int known[] = {EAGAIN,     ETIMEDOUT, EINTR,  EPIPE,  ESTALE, EBADMSG, ENOTSUP,
				    EMSGSIZE,   ENOSPC,    EUSERS, EBUSY,  ENOENT, EEXIST,  ENODATA,
				    EPROTOTYPE, EXDEV,     EINVAL, ENOMEM, ECHILD};
	if (r >= 0)
		return;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (r == -known[i])
			return;
	wrong("%s returns %lld (%s)", call, (long long)r, shoal_error_detail());
}

/* ---- from outside ------------------------------------------------------------------------ */

static void call_stat(void)
{
	struct shoal_topic_stat *stat;
	check(shoal_topic_stat(OBJECT_NAME, 0, &stat), "stat");
	shoal_topic_stat_free(stat);
}

static void call_list(void)
{
	struct shoal_object *objects;
	size_t count;
	check(shoal_list(NULL, &objects, &count), "list");
	shoal_list_free(objects);
}

/* The region, if the header lets one be; as segment_open makes it. */
static bool find_region(struct region *region)
{
	struct segment_fixed fixed;
	if (kernel_bytes() < sizeof(struct segment_header))
		return false;
	memcpy(&fixed, kernel_memory(), sizeof(fixed));
	if (segment_check_fixed(&fixed, kernel_bytes(), OBJECT_NAME) < 0)
		return false;
	if (fixed.incompatible & SEGMENT_GROWS) /* as object_fits says of a topic */
		return false;
	*region = (struct region){.base = kernel_memory(),
				  .bytes = fixed.total_bytes,
				  .body_offset = fixed.body_offset,
				  .seat_count = fixed.seat_count};
	return true;
}

static void check_total(int r, const char *call)
{
	if (r != 0 && r != -EBADMSG && r != -ENOTSUP)
		wrong("%s returns %d", call, r);
}

static void call_kind(enum call call, uint8_t argument)
{
	struct region region;
	if (!find_region(&region))
		return;
	if (call == CALL_ALERT) {
		topic_kind.alert(&region);
	} else if (call == CALL_ROLL) {
		for (uint32_t i = 0; i < region.seat_count && i < 32; i++) {
			uint64_t word = atomic_load(&seat_entry(&region, i)->word);
			object_roll_seat(&region, &topic_kind, i, word, argument & 1);
		}
		topic_kind.repair(&region, (struct tag){argument >> 1, 1}, argument & 1);
	} else {
		check_total(topic_kind.validate(&region), "validate");
		check_total(topic_kind.audit(&region), "audit");
		(void)object_is_removed(&region);
		(void)object_tag_current(&region, (struct tag){argument * 257u, 1});
	}
}

/* ---- readers ----------------------------------------------------------------------------- */

/* What came is there to be read. */
static void touch(const struct shoal_view *view)
{
	const volatile uint8_t *data = view->data;
	if (!data)
		wrong("a view without data");
	for (size_t i = 0; i < view->bytes; i++)
		(void)data[i];
}

/* A view in place lies in its own lane. */
static void check_place(shoal_sub *sub, const struct shoal_view *view)
{
	const struct topic_map *map = &((struct handle *)(void *)sub)->map;
	const uint8_t *data = view->data, *memory = kernel_memory();
	if (data < memory || data >= memory + kernel_bytes())
		return; /* a copy */
	if (view->lane >= map->lane_count)
		wrong("a message of lane %u, and there are %u", view->lane, map->lane_count);
	struct lane_map lane = topic_lane(map, view->lane);
	bool in_slot = data > lane.slots && data < lane.payload;
	uint64_t room = in_slot ? lane.inline_bytes : (uint64_t)(lane.payload + lane.area - data);
	if (data < lane.slots || data > lane.payload + lane.area || view->bytes > room)
		wrong("a message of %zu bytes does not lie in its lane", view->bytes);
}

static void open_sub(shoal_sub **sub, uint8_t argument)
{
	unsigned flags = (argument & 1 ? SHOAL_LOSSY : 0) | (argument & 2 ? SHOAL_FROM_OLDEST : 0) |
			 (argument & 4 ? SHOAL_FOLLOW : 0);
	struct shoal_topic_options options = {.size = sizeof(options), .spin_ns = SHOAL_SPIN_NEVER};
	if (argument & 8)
		options.spin_ns = 10000;
	shoal_sub_close(*sub);
	check(shoal_sub_open(sub, OBJECT_NAME, flags, &options), "sub_open");
}

static int64_t receive_once(shoal_sub *sub, enum call call, uint8_t argument, int64_t timeout_ns)
{
	struct shoal_view view, views[BATCH];
	size_t room = argument < 200 ? argument : BUFFER;
	uint8_t *to = my.buffer + BUFFER - room; /* it ends where the buffer ends */
	int64_t r;
	if (call == CALL_BORROW) {
		r = shoal_sub_borrow(sub, timeout_ns, &view);
		if (r == 0) {
			check_place(sub, &view);
			touch(&view);
			check(shoal_sub_release(sub, &view), "release");
		}
	} else if (call == CALL_RECEIVE) {
		r = shoal_sub_receive(sub, to, room, timeout_ns, &view);
		if (r == 0)
			touch(&view);
	} else {
		r = shoal_sub_receivev(sub, views, 1 + argument % BATCH, to, room, timeout_ns);
		for (int64_t i = 0; i < r; i++)
			touch(&views[i]);
	}
	check(r, "receive");
	return r;
}

static void receive(shoal_sub *sub, enum call call, uint8_t argument)
{
	int64_t timeout_ns = argument & 32 ? 3000000 : 0;
	for (int i = 0; i < CALLS_OF_ONE; i++)
		if (receive_once(sub, call, argument, timeout_ns) < 0)
			break;
}

/* ---- publishers -------------------------------------------------------------------------- */

static void open_pub(shoal_pub **pub, uint8_t argument)
{
	struct shoal_topic_options options = {.size = sizeof(options), .spin_ns = SHOAL_SPIN_NEVER};
	shoal_pub_close(*pub);
	check(shoal_pub_open(pub, OBJECT_NAME, argument & 1 ? SHOAL_HOLD : 0, &options),
	      "pub_open");
}

static size_t message_bytes(uint8_t argument)
{
	return argument < 64 ? argument : argument < 250 ? argument * 16u : 5000;
}

static void lend_once(shoal_pub *pub, enum call call, size_t bytes)
{
	struct shoal_loan loan;
	int r = shoal_pub_claim(pub, bytes, 0, &loan);
	check(r, "claim");
	if (r < 0)
		return;
	memset(loan.data, 0x5a, loan.bytes);
	check(call == CALL_COMMIT ? shoal_pub_commit(pub, &loan) : shoal_pub_abort(pub, &loan),
	      "commit or abort");
}

static void publish(shoal_pub *pub, enum call call, uint8_t argument)
{
	struct iovec messages[BATCH];
	size_t bytes = message_bytes(argument);
	int64_t timeout_ns = argument & 4 ? 3000000 : 0;
	if (call == CALL_COMMIT || call == CALL_ABORT) {
		lend_once(pub, call, bytes);
		return;
	}
	for (int i = 0; i < BATCH; i++)
		messages[i] =
		    (struct iovec){my.buffer, i % 5 == 4 ? bytes % BUFFER : 8u * (size_t)i};
	for (int i = 0; i < CALLS_OF_ONE; i++) {
		int64_t r =
		    call == CALL_PUBLISHV
			? shoal_pub_publishv(pub, messages, 1 + argument % BATCH, timeout_ns)
			: shoal_pub_publish(pub, my.buffer, bytes % BUFFER, timeout_ns);
		check(r, "publish");
		if (r < 0)
			break;
	}
}

/* ---- the script -------------------------------------------------------------------------- */

/* A peer writes a word: most of what matters lies in the first pages. */
static void tamper(uint8_t argument, uint8_t more, uint8_t value)
{
	size_t words = kernel_bytes() / 8;
	size_t at = more < 128 ? more * 8u + argument % 8 : (argument | (more & 127u) << 8);
	if (at >= words)
		return;
	_Atomic uint64_t *word = (_Atomic uint64_t *)(void *)kernel_memory() + at;
	uint64_t truth = atomic_load(word);
	static const uint64_t values[] = {0, UINT64_MAX, (uint64_t)1 << 63, 0xffff, 64, 4096};
	atomic_store(word, value < 6 ? values[value] : truth + (uint64_t)(int64_t)(int8_t)value);
}

static void call_pub(shoal_pub *pub, enum call call, uint8_t argument)
{
	if (!pub)
		return;
	if (call == CALL_DRAIN)
		check(shoal_pub_drain(pub, argument & 1 ? 3000000 : 0), "drain");
	else if (call == CALL_WAIT)
		check(shoal_pub_wait_subscribers(pub, argument, argument & 1 ? 3000000 : 0),
		      "wait_subscribers");
	else if (call == CALL_INTERRUPT)
		shoal_pub_interrupt(pub);
	else
		publish(pub, call, argument);
}

static void call_sub(shoal_sub *sub, enum call call, uint8_t argument)
{
	if (!sub)
		return;
	if (call == CALL_INTERRUPT)
		shoal_sub_interrupt(sub);
	else
		receive(sub, call, argument);
	(void)shoal_sub_lost(sub);
}

static void close_sub(shoal_sub **sub)
{
	shoal_sub_close(*sub);
	*sub = NULL;
}

static void close_pub(shoal_pub **pub)
{
	shoal_pub_close(*pub);
	*pub = NULL;
}

static void make_call(enum call call, uint8_t argument, const uint8_t *more)
{
	unsigned which = argument >> 7;
	switch (call) {
	case CALL_STAT:
		call_stat();
		break;
	case CALL_AUDIT:
		check(shoal_topic_audit(OBJECT_NAME, 0), "audit");
		break;
	case CALL_LIST:
		call_list();
		break;
	case CALL_KIND:
	case CALL_ROLL:
	case CALL_ALERT:
		call_kind(call, argument);
		break;
	case CALL_SUB_OPEN:
		open_sub(&my.subs[which], argument);
		break;
	case CALL_RECEIVE:
	case CALL_BORROW:
	case CALL_RECEIVEV:
		for (unsigned i = 0; i < HANDLES; i++)
			call_sub(my.subs[i], call, argument);
		break;
	case CALL_PUB_OPEN:
		open_pub(&my.pubs[which], argument);
		break;
	case CALL_INTERRUPT:
		call_sub(my.subs[which], call, argument);
		call_pub(my.pubs[which], call, argument);
		break;
	case CALL_PUBLISH:
	case CALL_PUBLISHV:
	case CALL_COMMIT:
	case CALL_ABORT:
	case CALL_DRAIN:
	case CALL_WAIT:
		for (unsigned i = 0; i < HANDLES; i++)
			call_pub(my.pubs[i], call, argument);
		break;
	case CALL_SUB_CLOSE:
		close_sub(&my.subs[which]);
		break;
	case CALL_PUB_CLOSE:
		close_pub(&my.pubs[which]);
		break;
	case CALL_REMOVE:
		check(shoal_remove(OBJECT_NAME, argument & 1 ? SHOAL_FORCE : 0), "remove");
		break;
	case CALL_TAMPER:
		tamper(argument, more[0], more[1]);
		break;
	case CALL_NONE:
	case CALLS:
		break;
	}
}

void run_script(const uint8_t *script)
{
	for (int i = 4; i + 4 <= SCRIPT; i += 2)
		make_call(script[i] % CALLS, script[i + 1], script + i + 2);
	for (int i = 0; i < HANDLES; i++) {
		close_sub(&my.subs[i]);
		close_pub(&my.pubs[i]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < SCRIPT)
		return -1;
	const uint8_t *script = data + size - SCRIPT;
	uint32_t living;
	memcpy(&living, script, sizeof(living));
	kernel_begin(data, size - SCRIPT, living);
	run_script(script);
	kernel_end();
	return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	const char *directory = getenv("SHOAL_FUZZ_SEEDS");
	my.buffer = calloc(1, BUFFER);
	if (!my.buffer)
		abort();
	if (directory) {
		image_write_seeds(directory);
		exit(0);
	}
	return 0;
}
