/* SPDX-License-Identifier: Apache-2.0 */
/* Memory, views and store buffers. The model is in sim.h. */
#include "machine.h"

#include <stdlib.h>
#include <sys/mman.h>

uint8_t *memory_views;
uint8_t memory[FILES][FILE_MAX];
static uint8_t snapshot[FILES][FILE_MAX];
static uint64_t dirty[FILES][FILE_MAX / LINE / 64]; /* a bit each line: not as in the snapshot */

/* What memory_set has overwritten, in order. */
struct change {
	uint64_t before;
	uint32_t offset;
	uint8_t file;
	uint8_t bytes;
	uint8_t actor;
};
enum { CHANGES_MAX = 4096 };
static struct change changes[CHANGES_MAX];
uint32_t memory_changes;

void memory_open(void)
{
	/* Never touched as a whole; what lies behind a file answers with a signal. */
	void *views = mmap(NULL, VIEWS_BYTES + WINDOW, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (views == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
	memory_views = (uint8_t *)views + WINDOW / 2;
	for (uint32_t i = 0; i < ACTORS * FILES; i++)
		if (mprotect(memory_views + (uintptr_t)i * WINDOW, FILE_MAX,
			     PROT_READ | PROT_WRITE) < 0) {
			perror("mprotect");
			exit(2);
		}
}

static void mark(uint32_t file, uint32_t offset)
{
	uint32_t line = offset / LINE;
	dirty[file][line / 64] |= (uint64_t)1 << (line % 64);
}

void memory_clear(uint32_t file)
{
	memset(memory[file], 0, FILE_MAX);
	memset(dirty[file], 0xff, sizeof(dirty[file]));
}

void memory_snapshot(void)
{
	memcpy(snapshot, memory, sizeof(memory));
	memset(dirty, 0, sizeof(dirty));
}

void memory_restore(void)
{
	for (uint32_t file = 0; file < FILES; file++)
		for (uint32_t i = 0; i < sizeof(dirty[0]) / sizeof(dirty[0][0]); i++) {
			for (uint64_t bits = dirty[file][i]; bits; bits &= bits - 1) {
				size_t line = i * 64 + (size_t)__builtin_ctzll(bits);
				memcpy(&memory[file][line * LINE], &snapshot[file][line * LINE],
				       LINE);
			}
			dirty[file][i] = 0;
		}
}

static void note_change(struct spot spot, uint32_t bytes)
{
	if (unlikely(memory_changes == CHANGES_MAX))
		memory_forget_past();
	changes[memory_changes++] = (struct change){
	    .before = memory_get(spot, bytes),
	    .offset = spot.offset,
	    .file = (uint8_t)spot.file,
	    .bytes = (uint8_t)bytes,
	    .actor = (uint8_t)spot.actor,
	};
}

void memory_set(struct spot spot, uint32_t bytes, uint64_t value)
{
	note_change(spot, bytes);
	uint8_t *p = &memory[spot.file][spot.offset];
	mark(spot.file, spot.offset);
	mark(spot.file, spot.offset + bytes - 1);
	switch (bytes) {
	case 8:
		memcpy(p, &value, 8);
		break;
	case 4:
		memcpy(p, &value, 4);
		break;
	default:
		memcpy(p, &value, bytes);
	}
}

/* ---- store buffers ----------------------------------------------------------------------- */

static bool overlap(const struct store *store, struct spot spot, uint32_t bytes)
{
	return store->file == spot.file && store->offset < spot.offset + bytes &&
	       spot.offset < store->offset + store->bytes;
}

static void commit(uint32_t actor, uint32_t i)
{
	struct buffer *buffer = &machine.actors[actor].buffer;
	const struct store *store = &buffer->stores[i];
	struct spot spot = {.actor = actor, .file = store->file, .offset = store->offset};
	memory_set(spot, store->bytes, store->value);
	buffer->count--;
	memmove(&buffer->stores[i], &buffer->stores[i + 1],
		(buffer->count - i) * sizeof(buffer->stores[0]));
	if (buffer->count == 0) {
		buffer->fenced = false;
		buffer->until = DELAY_NOT;
	}
}

void memory_drain_some(uint32_t actor)
{
	struct buffer *buffer = &machine.actors[actor].buffer;
	if (machine.tracing)
		trace_note("the %u stores that waited are visible", buffer->count);
	for (uint32_t i = 0; i < buffer->count; i++) {
		const struct store *store = &buffer->stores[i];
		memory_set((struct spot){actor, store->file, store->offset}, store->bytes,
			   store->value);
	}
	buffer->count = 0;
	buffer->fenced = false;
	buffer->until = DELAY_NOT;
}

void memory_fence_registered(void)
{
	for (uint32_t i = 0; i < ACTORS; i++)
		if (machine.actors[i].registered) {
			memory_drain(i);
			memory_acquire(i, memory_changes);
		}
}

void memory_drain_bytes(uint32_t actor, struct spot spot, uint32_t bytes)
{
	struct buffer *buffer = &machine.actors[actor].buffer;
	uint32_t last = 0;
	for (uint32_t i = 0; i < buffer->count; i++)
		if (overlap(&buffer->stores[i], spot, bytes))
			last = i + 1;
	while (last-- > 0) /* in order: that is always allowed */
		commit(actor, 0);
}

/* May it become visible before all that stands before it? */
static bool may_commit(const struct buffer *buffer, uint32_t i)
{
	const struct store *store = &buffer->stores[i];
	struct spot spot = {.file = store->file, .offset = store->offset};
	if (store->release && i > 0)
		return false;
	for (uint32_t k = 0; k < i; k++)
		if (overlap(&buffer->stores[k], spot, store->bytes))
			return false;
	return true;
}

void memory_commit_one(uint32_t actor, uint32_t n)
{
	struct buffer *buffer = &machine.actors[actor].buffer;
	if (buffer->count == 0)
		return;
	uint32_t i = n % buffer->count;
	while (!may_commit(buffer, i)) /* the first one always may */
		i--;
	if (machine.tracing)
		trace_note("the store to +0x%x that waited is visible", buffer->stores[i].offset);
	commit(actor, i);
}

void memory_release_fence(uint32_t actor)
{
	struct buffer *buffer = &machine.actors[actor].buffer;
	buffer->fenced = buffer->count > 0;
}

/* What a release store finds in the buffer it must wait for, and so it waits, too. */
static bool must_wait(const struct buffer *buffer, struct spot spot, uint32_t bytes, bool release)
{
	if (release || buffer->fenced)
		return true;
	for (uint32_t i = 0; i < buffer->count; i++)
		if (overlap(&buffer->stores[i], spot, bytes))
			return true;
	return false;
}

void memory_store(uint32_t actor, struct spot spot, uint32_t bytes, uint64_t value, bool release)
{
	struct buffer *buffer = &machine.actors[actor].buffer;
	enum delay delay = machine.actors[actor].delay;
	machine.actors[actor].delay = DELAY_NOT;
	if (likely(delay == DELAY_NOT &&
		   (buffer->count == 0 || !must_wait(buffer, spot, bytes, release)))) {
		memory_set(spot, bytes, value);
		return;
	}
	if (buffer->count == BUFFER_MAX)
		memory_drain(actor);
	if (delay > buffer->until)
		buffer->until = delay;
	buffer->stores[buffer->count++] = (struct store){
	    .value = value,
	    .offset = spot.offset,
	    .file = (uint8_t)spot.file,
	    .bytes = (uint8_t)bytes,
	    .release = release || buffer->fenced,
	};
}

uint64_t memory_load_over(const struct buffer *buffer, struct spot spot, uint32_t bytes)
{
	uint64_t value = memory_get(spot, bytes);
	uint8_t *to = (uint8_t *)&value;
	for (uint32_t i = 0; i < buffer->count; i++) {
		const struct store *store = &buffer->stores[i];
		const uint8_t *from = (const uint8_t *)&store->value;
		if (!overlap(store, spot, bytes))
			continue;
		for (uint32_t k = 0; k < bytes; k++) {
			uint32_t at = spot.offset + k - store->offset;
			if (at < store->bytes)
				to[k] = from[at];
		}
	}
	return value;
}

/* ---- loads that are executed early ------------------------------------------------------- */

void memory_forget_past(void)
{
	memory_changes = 0;
	for (uint32_t i = 0; i < ACTORS; i++)
		machine.actors[i].past.horizon = machine.actors[i].past.count = 0;
}

void memory_acquire(uint32_t actor, uint32_t at)
{
	struct past *past = &machine.actors[actor].past;
	if (at > past->horizon)
		past->horizon = at;
	if (at == memory_changes)
		past->count = 0;
}

static bool touch(uint32_t a, uint32_t a_bytes, uint32_t b, uint32_t b_bytes)
{
	return a < b + b_bytes && b < a + a_bytes;
}

/* No load goes back in what it sees of the same bytes. */
static uint32_t earliest(const struct past *past, struct spot spot, uint32_t bytes)
{
	uint32_t at = past->horizon;
	for (uint32_t i = 0; i < past->count; i++) {
		const struct seen *seen = &past->seen[i];
		if (seen->file == spot.file && seen->at > at &&
		    touch(seen->offset, seen->bytes, spot.offset, bytes))
			at = seen->at;
	}
	return at;
}

static void remember(struct past *past, struct spot spot, uint32_t bytes, uint32_t at)
{
	if (at == past->horizon)
		return;
	if (past->count == SEEN_MAX) { /* fewer may be early than could */
		past->horizon = memory_changes;
		past->count = 0;
		return;
	}
	past->seen[past->count++] = (struct seen){spot.offset, bytes, spot.file, at};
}

static void undo(uint64_t *value, struct spot spot, uint32_t bytes, const struct change *change)
{
	uint8_t *to = (uint8_t *)value;
	const uint8_t *from = (const uint8_t *)&change->before;
	for (uint32_t k = 0; k < bytes; k++) {
		uint32_t at = spot.offset + k - change->offset;
		if (at < change->bytes)
			to[k] = from[at];
	}
}

/* The newest change of these bytes before `from` that this load could come before, or `earliest`
 * less one. */
static int64_t change_before(uint32_t from, uint32_t earliest_at, struct spot spot, uint32_t bytes)
{
	for (int64_t i = (int64_t)from - 1; i >= (int64_t)earliest_at; i--)
		if (changes[i].file == spot.file &&
		    touch(changes[i].offset, changes[i].bytes, spot.offset, bytes))
			return changes[i].actor == spot.actor ? (int64_t)earliest_at - 1 : i;
	return (int64_t)earliest_at - 1;
}

uint64_t memory_load_past(uint32_t actor, struct spot spot, uint32_t bytes, uint32_t *ret_at)
{
	struct past *past = &machine.actors[actor].past;
	uint64_t value = memory_load(actor, spot, bytes);
	bool early = past->for_loads > 0;
	past->for_loads -= early;
	*ret_at = memory_changes;
	if (likely(past->horizon == memory_changes))
		return value;
	const struct buffer *buffer = &machine.actors[actor].buffer;
	for (uint32_t i = 0; i < buffer->count; i++)
		if (overlap(&buffer->stores[i], spot, bytes))
			return value;
	uint32_t limit = earliest(past, spot, bytes);
	int64_t at = change_before(memory_changes, limit, spot, bytes);
	bool could = at >= (int64_t)limit;
	machine.log[machine.steps].early = could;
	if (early && could) {
		do {
			undo(&value, spot, bytes, &changes[at]);
			*ret_at = (uint32_t)at;
			at = change_before((uint32_t)at, limit, spot, bytes);
		} while (past->how != EARLY_ONE && at >= (int64_t)limit);
		if (machine.tracing)
			trace_note("the next load was executed early");
	}
	remember(past, spot, bytes, *ret_at);
	return value;
}
