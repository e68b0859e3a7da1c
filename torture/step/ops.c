/* SPDX-License-Identifier: Apache-2.0 */
/* What the tables of operations have in common: messages that can be recognised, and handles. */
#include "step.h"

#include "base/checksum.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

const struct shoal_topic_options small_topic = {
    .size = sizeof(struct shoal_topic_options),
    .message_bytes = 48,
    .payload_bytes = PAYLOAD,
    .slots = SLOTS,
    .lanes = LANES,
    .subscribers = SUBSCRIBERS,
    .spin_ns = SHOAL_SPIN_NEVER,
};

void give_up(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	printf("the test is broken: ");
	vprintf(format, arguments);
	printf(" (%s)\n", shoal_error_detail());
	va_end(arguments);
	fflush(stdout);
	exit(1);
}

size_t message_bytes(enum shape shape, uint64_t position)
{
	bool large = shape == LARGE || (shape == MIXED && position % 3 == 1) ||
		     (shape == TURNING && position < 20);
	return large ? 500 + position * 61 % 300 : position * 13 % (INLINE + 1);
}

static uint8_t message_byte(uint32_t lane, uint64_t position, size_t i)
{
	return (uint8_t)(position * 37 + lane * 101 + i * 7 + i / 251 + 1);
}

size_t message_fill(void *to, enum shape shape, uint32_t lane, uint64_t position)
{
	uint8_t *bytes = to;
	size_t n = message_bytes(shape, position);
	for (size_t i = 0; i < n; i++)
		bytes[i] = message_byte(lane, position, i);
	return n;
}

bool message_is(const void *data, size_t bytes, enum shape shape, uint32_t lane, uint64_t position)
{
	const uint8_t *p = data;
	if (bytes != message_bytes(shape, position))
		return false;
	for (size_t i = 0; i < bytes; i++)
		if (p[i] != message_byte(lane, position, i))
			return false;
	return true;
}

void publish_some(struct stage *stage, shoal_pub *pub, unsigned count)
{
	uint8_t buffer[1024];
	for (unsigned i = 0; i < count; i++) {
		size_t n = message_fill(buffer, stage->op->shape, shoal_pub_lane(pub),
					shoal_pub_sequence(pub));
		int r = shoal_pub_publish(pub, buffer, n, 0);
		if (r < 0)
			give_up("%s: publish %u of %u: %d", stage->op->name, i, count, r);
	}
}

void receive_some(shoal_sub *sub, unsigned count)
{
	uint8_t buffer[1024];
	for (unsigned i = 0; i < count; i++) {
		int r = shoal_sub_receive(sub, buffer, sizeof(buffer), 0, NULL);
		if (r < 0)
			give_up("receive %u of %u: %d", i, count, r);
	}
}

shoal_pub *open_pub(struct stage *stage, unsigned flags)
{
	shoal_pub *pub;
	unsigned keep = stage->op->flags & OP_KEEP ? SHOAL_KEEP : 0;
	int r = shoal_pub_open(&pub, stage->name, flags | keep | SHOAL_CREATE, &small_topic);
	if (r < 0)
		give_up("%s: pub_open: %d", stage->op->name, r);
	return pub;
}

shoal_sub *open_sub(struct stage *stage, unsigned flags)
{
	shoal_sub *sub;
	unsigned keep = stage->op->flags & OP_KEEP ? SHOAL_KEEP : 0;
	int r = shoal_sub_open(&sub, stage->name, flags | keep | SHOAL_CREATE, &small_topic);
	if (r < 0)
		give_up("%s: sub_open: %d", stage->op->name, r);
	return sub;
}

struct handle *handle_of(void *handle)
{
	return handle; /* both kinds of handles begin with it */
}

struct object *object_of(void *handle)
{
	return handle_of(handle)->object;
}

uint32_t entry_of(const shoal_sub *sub)
{
	const struct handle *handle = (const struct handle *)(const void *)sub;
	for (uint32_t i = 0; i < SUBSCRIBERS; i++)
		if (tag_equal(word_tag(atomic_load(&handle->map.entries[i])),
			      handle->object->seat.tag))
			return i;
	return UINT32_MAX;
}

void share_pub(struct stage *stage)
{
	stage->share->base = (uintptr_t)handle_of(stage->pub)->map.region.base;
	stage->share->lane = shoal_pub_lane(stage->pub);
}

void share_sub(struct stage *stage)
{
	stage->share->base = (uintptr_t)handle_of(stage->sub)->map.region.base;
	stage->share->entry = entry_of(stage->sub);
}

void prepare_next(struct stage *stage, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		stage->parts[i].iov_base = stage->next[i];
		stage->parts[i].iov_len = message_fill(stage->next[i], stage->op->shape,
						       shoal_pub_lane(stage->pub),
						       shoal_pub_sequence(stage->pub) + i);
	}
}

void die_with_harness(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* ---- the dead ---------------------------------------------------------------------------- */

/* Stopped is alive: so several of them get seats of their own before they die together. */
void let_die(struct stage *stage, void (*live)(struct stage *stage))
{
	int status;
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		die_with_harness();
		live(stage);
		raise(SIGSTOP);
		_exit(1);
	}
	if (pid < 0 || waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status) ||
	    stage->doomed_count == DOOMED_MAX)
		give_up("%s: the doomed did not live", stage->op->name);
	stage->doomed[stage->doomed_count++] = pid;
}

void die_in_commit(struct stage *stage, uint32_t lane, enum death death)
{
	struct topic_map map;
	if (!map_real(stage) || topic_map(&map, &stage->real) < 0)
		give_up("%s: no topic to die in", stage->op->name);
	struct lane_map facts = topic_lane(&map, lane);
	uint64_t position = atomic_load(&facts.control->position);
	uint64_t word = lane_word(position, 24);
	atomic_store(&facts.control->begun, position + 1);
	switch (death) {
	case DIED_BEGUN:
		break;
	case DIED_WAKING: /* as lane_commit_waking leaves it before the kernel publishes */
		word = (word & ~(uint64_t)UINT32_MAX) | ((word - 0x10000) & UINT32_MAX);
		atomic_store(&lane_slot(&facts, position)->word, word);
		atomic_fetch_add(&map.body->wake, WAIT_COUNT);
		break;
	case DIED_WITH_WORD:
		atomic_store(&facts.control->position, position - 1);
		atomic_store(&facts.control->begun, position);
		break;
	}
	unmap_real(stage);
}

void age_by_a_boot(struct stage *stage)
{
	if (!map_real(stage))
		give_up("%s: no object to age", stage->op->name);
	struct segment_place *place = &segment_header(&stage->real)->place;
	place->boot_id[0] ^= 1;
	place->checksum = checksum(place, offsetof(struct segment_place, checksum));
	unmap_real(stage);
}
