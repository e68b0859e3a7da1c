/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks, killed at every instruction: the oracle of ops_block.c.
 *
 * What a block is lies in two places, the region and the length of its file, so both are looked at
 * after each instruction; whenever one has changed, survivors repair a copy of the region. What
 * they must find: the size is the one before or the one after, and never goes back; the file
 * reaches as far as it; the bytes that were there are there, the new ones zero; nothing is held by
 * the dead.
 *
 * Growing is the kernel's work, of which a copy shows nothing. So the victim is also killed for
 * real: behind each change, and before and after each system call; then a newcomer and the
 * bystander go on with the real file, grow it, and shrink it.
 */
#include "blocks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STEPS_MAX = 3000000, PLACES_MAX = 1024, ROUNDS = 4, VIOLATIONS_MAX = 10 };
#define BOUND_NS 5000000000

struct block_stage blocks;

/* ---- a picture --------------------------------------------------------------------------- */

struct picture {
	bool there; /* it has had a name */
	bool named;
	uint64_t file_bytes;
	uint8_t bytes[REGION_MAX];
};

static void take_picture(struct stage *stage, struct picture *picture)
{
	struct stat st;
	memset(picture, 0, sizeof(*picture));
	if (stage->fd < 0)
		stage->fd = open(stage->path, O_RDONLY | O_CLOEXEC);
	if (stage->fd < 0)
		return;
	if (fstat(stage->fd, &st) < 0 ||
	    pread(stage->fd, picture->bytes, sizeof(picture->bytes), 0) < 0)
		give_up("can't look at '%s': %s", stage->path, strerror(errno));
	picture->there = true;
	picture->named = st.st_nlink > 0;
	picture->file_bytes = (uint64_t)st.st_size;
}

static bool has_changed(struct stage *stage, struct picture *last)
{
	static struct picture now;
	take_picture(stage, &now);
	if (now.there == last->there && now.named == last->named &&
	    now.file_bytes == last->file_bytes &&
	    memcmp(now.bytes, last->bytes, sizeof(now.bytes)) == 0)
		return false;
	*last = now;
	return true;
}

/* ---- what must hold ---------------------------------------------------------------------- */

static bool check_bytes(struct stage *stage, uint64_t bytes)
{
	if (bytes != blocks.before && bytes != blocks.after)
		violate(stage, "it has %llu bytes", (unsigned long long)bytes);
	if (bytes == blocks.after)
		blocks.seen_after = true;
	else if (blocks.seen_after)
		violate(stage, "it had %llu bytes, and has %llu again",
			(unsigned long long)blocks.after, (unsigned long long)bytes);
	return bytes <= BLOCK_MOST;
}

static void check_data(struct stage *stage, const uint8_t *data, uint64_t bytes, const char *who)
{
	for (uint64_t i = 0; i < bytes; i++) {
		uint8_t should = i < blocks.written ? block_byte(i) : 0;
		if (data[i] != should) {
			violate(stage, "%s: byte %llu of %llu is %u, not %u", who,
				(unsigned long long)i, (unsigned long long)bytes, data[i], should);
			return;
		}
	}
}

static void check_nothing_is_held(struct stage *stage, const struct block_map *map)
{
	uint64_t resizer = atomic_load(&map->body->size.resizer);
	struct tag tag = word_tag(resizer);
	if (word_state(resizer) != BLOCK_IDLE && !(tag.seat < SEATS_MAX && stage->living[tag.seat]))
		violate(stage, "the size is held by the dead");
	for (uint32_t i = 0; i < map->region.seat_count; i++)
		if (word_state(atomic_load(&seat_entry(&map->region, i)->word)) != SEAT_FREE &&
		    !stage->living[i])
			violate(stage, "seat %u is not free", i);
}

static void repair(struct stage *stage, const struct region *region)
{
	for (uint32_t i = 0; i < region->seat_count; i++) {
		uint64_t word = atomic_load(&seat_entry(region, i)->word);
		if (word_state(word) != SEAT_FREE && !stage->living[i])
			object_roll_seat(region, &block_kind, i, word, false);
	}
	if (block_kind.audit(region) < 0)
		violate(stage, "audit after repair: %s", shoal_error_detail());
}

static void check_picture(struct stage *stage, const struct picture *picture)
{
	static _Alignas(4096) uint8_t copy[REGION_MAX], again[REGION_MAX];
	const struct segment_header *header = (const struct segment_header *)(void *)copy;
	struct block_map map;
	if (!picture->there)
		return;
	memcpy(copy, picture->bytes, sizeof(copy));
	if (segment_check_fixed(&header->fixed, picture->file_bytes, stage->name) < 0) {
		violate(stage, "%s", shoal_error_detail());
		return;
	}
	struct region region = {copy, header->fixed.total_bytes, header->fixed.body_offset,
				header->fixed.seat_count};
	if (block_kind.validate(&region) < 0 || block_kind.audit(&region) < 0 ||
	    block_map(&map, &region) < 0) {
		violate(stage, "before repair: %s", shoal_error_detail());
		return;
	}
	uint64_t bytes = atomic_load(&map.body->size.bytes);
	if (!check_bytes(stage, bytes))
		return;
	if (picture->file_bytes < map.data_offset + bytes)
		violate(stage, "its file has %llu bytes, and the block says %llu",
			(unsigned long long)picture->file_bytes, (unsigned long long)bytes);
	check_data(stage, copy + map.data_offset, bytes, "a survivor");
	if (!picture->named && !object_is_removed(&region))
		violate(stage, "it lost its name before it was removed");
	if (stage->last && (stage->op->flags & OP_LEAVES))
		check_nothing_is_held(stage, &map);
	repair(stage, &region);
	check_nothing_is_held(stage, &map);
	memcpy(again, copy, sizeof(again));
	repair(stage, &region);
	if (memcmp(copy, again, sizeof(again)) != 0)
		violate(stage, "a second repair changes something");
}

/* ---- a stage ----------------------------------------------------------------------------- */

static void begin(struct stage *stage, const struct op *op)
{
	static unsigned number;
	static struct share *share;
	if (!share)
		share = mmap(NULL, sizeof(*share), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (share == MAP_FAILED)
		give_up("mmap: %s", strerror(errno));
	memset(stage, 0, sizeof(*stage));
	memset(share, 0, sizeof(*share));
	memset(&blocks, 0, sizeof(blocks));
	blocks.before = blocks.after = blocks.written = BLOCK_FIRST;
	stage->op = op;
	stage->share = share;
	stage->fd = -1;
	const char *directory = getenv("SHOAL_DIR");
	snprintf(stage->name, sizeof(stage->name), "block-%d-%u", (int)getpid(), ++number);
	snprintf(stage->path, sizeof(stage->path), "%s/shoal:%.63s",
		 directory ? directory : "/dev/shm", stage->name);
	if (op->world)
		op->world(stage);
	victim_start(stage);
	if (blocks.other)
		stage->living[blocks.other->object->seat.tag.seat] = true;
	if (op->ready)
		op->ready(stage);
}

static void end(struct stage *stage)
{
	victim_kill(stage);
	shoal_block_close(blocks.other);
	shoal_block_close(blocks.reader);
	if (stage->fd >= 0)
		close(stage->fd);
	if (access(stage->path, F_OK) == 0) {
		/* The next one to meet it removes it, unless it is to be kept. */
		shoal_block *block = NULL;
		bool keep = stage->op->flags & OP_KEEP;
		int r = keep ? shoal_remove(stage->name, 0)
			     : shoal_block_open(&block, stage->name, 0, NULL);
		if (r != (keep ? 0 : -ENOENT))
			violate(stage, "at the end: all are gone, and there is %d", r);
		shoal_block_close(block);
	}
	if (access(stage->path, F_OK) == 0) {
		violate(stage, "at the end: the object is still there");
		unlink(stage->path);
	}
}

/* ---- every instruction ------------------------------------------------------------------- */

struct places {
	struct place at[PLACES_MAX];
	size_t count;
};

static void step_through(const struct op *op, struct totals *totals, struct places *places)
{
	static struct picture last;
	static struct trail trail;
	struct stage stage;
	begin(&stage, op);
	trail_begin(&trail);
	places->count = 0;
	take_picture(&stage, &last);
	check_picture(&stage, &last);
	bool more = true, before_call = true;
	while (more && stage.steps < STEPS_MAX) {
		struct place place;
		bool kernel = before_call || victim_at_syscall(&stage);
		more = victim_step(&stage);
		stage.steps++;
		/* What only looks may look long: /proc is parsed by the byte. */
		bool looks = op->flags & OP_LOOKS;
		bool moved = !looks && trail_add(&trail, stage.rip, &place);
		bool changed = (!looks || stage.steps % 64 == 0) && has_changed(&stage, &last);
		stage.states += changed;
		if (changed)
			check_picture(&stage, &last);
		before_call = false;
		if (more && moved && (changed || (kernel && place.passes < ROUNDS)) &&
		    places->count < PLACES_MAX)
			places->at[places->count++] = place;
	}
	stage.last = true;
	stage.states += has_changed(&stage, &last);
	if (stage.share->result != op->expect)
		violate(&stage, "it returned %lld instead of %lld", (long long)stage.share->result,
			(long long)op->expect);
	if ((op->flags & OP_LOOKS) && stage.states > 0)
		violate(&stage, "it only looks, and changed something");
	if (stage.share->result == 0 && last.there && !blocks.seen_after &&
	    blocks.after != blocks.before)
		violate(&stage, "it is done, and the size is as it was");
	check_picture(&stage, &last);
	end(&stage);
	stage.states++;
	add_up(&stage, totals, "stepped");
}

/* ---- killed for real --------------------------------------------------------------------- */

static void use_it(struct stage *stage, shoal_block *block)
{
	uint8_t *data = shoal_block_data(block);
	uint64_t bytes = shoal_block_bytes(block);
	if (check_bytes(stage, bytes))
		check_data(stage, data, bytes, "a newcomer");
	int r = shoal_block_grow(block, BLOCK_MORE, BOUND_NS);
	if (r < 0) {
		violate(stage, "a newcomer: grow: %d, %s", r, shoal_error_detail());
		return;
	}
	/* What was written before, up to where it was cut, and zeroes. */
	blocks.written = min_u64(blocks.written, bytes);
	check_data(stage, data, BLOCK_MORE, "a newcomer that let it grow");
	if (shoal_block_audit(stage->name, 0) < 0)
		violate(stage, "audit with a newcomer: %s", shoal_error_detail());
	int expected = blocks.other || blocks.reader ? -EBUSY : 0;
	uint64_t less = max_u64(blocks.written, 1);
	r = shoal_block_shrink(block, less, 0, BOUND_NS);
	if (r != expected)
		violate(stage, "a newcomer: shrink: %d instead of %d", r, expected);
	r = shoal_block_shrink(block, less, SHOAL_FORCE, BOUND_NS);
	if (r < 0)
		violate(stage, "a newcomer: shrink by force: %d", r);
	check_data(stage, data, shoal_block_bytes(block), "a newcomer that let it shrink");
}

/* In a process of its own: how much did it find wrong? */
static void newcomer(struct stage *stage, bool gone)
{
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		shoal_block *block = NULL;
		bool lives = !gone && (stage->op->flags & OP_KEEP || blocks.other);
		die_with_harness();
		stage->violations = 0;
		int r = shoal_block_open(&block, stage->name, 0, NULL);
		if (r != (lives ? 0 : -ENOENT))
			violate(stage, "a newcomer: open gives %d (%s)", r, shoal_error_detail());
		if (r == 0)
			use_it(stage, block);
		shoal_block_close(block);
		fflush(stdout);
		_exit(stage->violations > 100 ? 100 : (int)stage->violations);
	}
	int status = 0;
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		give_up("fork: %s", strerror(errno));
	if (!WIFEXITED(status))
		violate(stage, "a newcomer: ended with status 0x%x", (unsigned)status);
	else
		stage->violations += (uint64_t)WEXITSTATUS(status);
}

/* Who had it open goes on: what he could read is there still, and he can let it grow. */
static void bystander_goes_on(struct stage *stage, bool gone)
{
	if (!blocks.other)
		return;
	uint64_t bytes = shoal_block_bytes(blocks.other);
	const uint8_t *data = shoal_block_data(blocks.other);
	blocks.written = min_u64(blocks.written, bytes);
	check_data(stage, data, bytes, "the bystander");
	int r = shoal_block_grow(blocks.other, BLOCK_MOST, BOUND_NS);
	if (r != (gone ? -ESTALE : 0))
		violate(stage, "the bystander: grow: %d, %s", r, shoal_error_detail());
	if (r == 0)
		check_data(stage, data, BLOCK_MOST, "the bystander that let it grow");
}

static void kill_at(const struct op *op, struct totals *totals, const struct places *places)
{
	static struct picture picture;
	struct stage stage;
	uint64_t violations = 0, missed = 0;
	for (size_t i = 0; i < places->count && violations < VIOLATIONS_MAX; i++) {
		begin(&stage, op);
		stage.states = i + 1;
		missed += !victim_run_to(&stage, places->at[i]);
		victim_kill(&stage);
		take_picture(&stage, &picture);
		const struct segment_header *header = (const void *)picture.bytes;
		bool gone = !picture.named || word_state(header->lifetime) == LIFETIME_REMOVED;
		check_picture(&stage, &picture);
		if (access(stage.path, F_OK) == 0)
			newcomer(&stage, gone);
		bystander_goes_on(&stage, gone);
		end(&stage);
		violations += stage.violations;
	}
	stage.violations = violations;
	stage.steps = 0;
	stage.states = places->count;
	totals->kills += places->count - missed;
	if (missed * 10 > places->count)
		violate(&stage, "%llu of %zu places were not reached", (unsigned long long)missed,
			places->count);
	add_up(&stage, totals, "killed");
}

void run_block(const struct op *op, struct totals *totals)
{
	static struct places places;
	step_through(op, totals, &places);
	if (!(op->flags & OP_LOOKS))
		kill_at(op, totals, &places);
}
