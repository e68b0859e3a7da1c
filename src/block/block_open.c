/* SPDX-License-Identifier: Apache-2.0 */
/* shoal_block: opening and closing. See shoal/block.h for the contract. */
#include "base/checksum.h"
#include "base/error.h"
#include "block/block.h"
#include "object/object_handle.h"
#include "os/os.h"

#include <errno.h>
#include <string.h>

#define DEFAULT_USERS 56u
#define DEFAULT_MODE  0600u

#define OBJECT_FLAGS (SHOAL_CREATE | SHOAL_EXCLUSIVE | SHOAL_KEEP | SHOAL_FOREIGN)
#define MEMORY_FLAGS                                                                               \
	(SHOAL_READ | SHOAL_EXECUTE | SHOAL_NO_ACCESS | SHOAL_PRIVATE | SHOAL_LOCKED |             \
	 SHOAL_POPULATE | SHOAL_HUGE)

/* ---- options ----------------------------------------------------------------------------- */

static int check_flags(unsigned flags)
{
	int r = object_handle_flags(flags, OBJECT_FLAGS | MEMORY_FLAGS);
	if (r < 0)
		return r;
	if ((flags & SHOAL_READ) && (flags & SHOAL_CREATE))
		return error_fail(EINVAL, "who only reads (SHOAL_READ) can't make a block");
	if ((flags & SHOAL_NO_ACCESS) && (flags & (SHOAL_EXECUTE | SHOAL_LOCKED | SHOAL_POPULATE)))
		return error_fail(EINVAL,
				  "with SHOAL_NO_ACCESS there is nothing to run, to lock or "
				  "to populate");
	return 0;
}

static int check_bytes(const struct shoal_block_options *o, unsigned flags)
{
	if (o->bytes == 0 && (flags & SHOAL_CREATE))
		return error_fail(EINVAL, "to make a block, options.bytes must say how large");
	if (o->bytes > BLOCK_BYTES_MAX || o->max_bytes > BLOCK_BYTES_MAX)
		return error_fail(EINVAL, "a block can have up to 64 TiB, not %llu bytes",
				  (unsigned long long)max_u64(o->bytes, o->max_bytes));
	if (o->max_bytes && o->max_bytes < o->bytes)
		return error_fail(EINVAL, "max_bytes (%llu) is less than bytes (%llu)",
				  (unsigned long long)o->max_bytes, (unsigned long long)o->bytes);
	return 0;
}

static int check_options(const struct shoal_block_options *given, unsigned flags,
			 struct shoal_block_options *ret)
{
	int r = object_handle_options(given, ret, sizeof(*ret), "shoal_block_options");
	if (r == 0)
		r = check_bytes(ret, flags);
	if (r < 0)
		return r;
	if (ret->users > 4096)
		return error_fail(EINVAL, "users is %u: there can be 1 to 4,096", ret->users);
	if (ret->mode & ~0666u)
		return error_fail(EINVAL, "mode %04o: only reading and writing can be granted",
				  ret->mode);
	if ((uintptr_t)ret->address % os->page_bytes() != 0)
		return error_fail(EINVAL, "address %p is no multiple of the page size, %llu",
				  ret->address, (unsigned long long)os->page_bytes());
	if (ret->max_bytes == 0)
		ret->max_bytes = ret->bytes;
	if (ret->users == 0)
		ret->users = DEFAULT_USERS;
	if (ret->mode == 0)
		ret->mode = DEFAULT_MODE;
	return 0;
}

/* ---- with a seat ------------------------------------------------------------------------- */

struct first {
	struct block_geometry geometry;
	uint64_t bytes;
};

static void fill_body(const struct region *region, const void *context)
{
	const struct first *first = context;
	struct block_body *body = (struct block_body *)(void *)(region->base + region->body_offset);
	body->geometry = first->geometry;
	atomic_store(&body->size.bytes, first->bytes);
}

static int open_seated(struct shoal_block *block, const struct segment_name *name,
		       const struct shoal_block_options *options)
{
	struct first first = {
	    .geometry = {.max_bytes = options->max_bytes,
			 .asked = block->flags & SHOAL_HUGE ? BLOCK_ASKED_HUGE : 0,
			 .users = options->users},
	    .bytes = options->bytes,
	};
	first.geometry.checksum =
	    checksum(&first.geometry, offsetof(struct block_geometry, checksum));
	struct object_request request = {
	    .kind = &block_kind,
	    .role = BLOCK_USER,
	    .flags = block->flags,
	    .spec = {.kind = BLOCK_KIND,
		     .seat_count = options->users + BLOCK_SPARE_SEATS,
		     .body_bytes = block_body_bytes(options->max_bytes),
		     .reserve_bytes = BLOCK_DATA_OFFSET + options->bytes,
		     .grows = true,
		     .mode = options->mode,
		     .keep = (block->flags & SHOAL_KEEP) || name->backend->keep},
	    .fill = fill_body,
	    .context = &first,
	};
	int made = object_open(block->object, name, &request);
	block->seated = made >= 0;
	return made;
}

/* ---- without one ------------------------------------------------------------------------- */

/* Who only reads can't remove what is left over, but it is gone for him, too. */
static int check_lives(struct object *object)
{
	bool keep = object->segment.fixed.flags & SEGMENT_KEEP;
	object->seat.tag.seat = UINT32_MAX;
	if (object_is_removed(&object->segment.region) || (!keep && !object_has_member(object)))
		return error_fail(
		    ENOENT,
		    "there is no object '%s', only what its last users left when they "
		    "died (shoal gc removes it)",
		    object->segment.name.text);
	return 0;
}

/* The lock tells who shrinks the block that it is read; the description that holds it is that of
 * the mapping. */
static int lock_as_reader(struct segment *segment)
{
	int r = os->lock_shared(segment->fd, SEGMENT_READER_LOCK);
	if (r == -EAGAIN)
		return error_fail(EBUSY, "'%s' is locked against readers by somebody",
				  segment->name.text);
	return r == 0 ? 0 : error_fail(-r, "can't lock '%s': %s", segment->name.text, strerror(-r));
}

static int open_reader(struct shoal_block *block, const struct segment_name *name)
{
	struct object *object = block->object;
	struct segment *segment = &object->segment;
	object->kind = &block_kind;
	object->seat.kept_fd = -1;
	int r = segment_peek(segment, name, block->flags & SHOAL_FOREIGN);
	if (r < 0)
		return r;
	if (segment->fixed.kind != BLOCK_KIND)
		r = error_fail(EPROTOTYPE, "'%s' is an object of another kind, not a block",
			       segment->name.text);
	if (r == 0)
		r = segment_map_to_read(segment);
	if (r == 0)
		r = block_kind.validate(&segment->region);
	if (r == 0)
		r = lock_as_reader(segment);
	atomic_thread_fence(memory_order_seq_cst); /* between the lock and a look at the resizer */
	if (r == 0)
		r = check_lives(object);
	if (r < 0)
		segment_close(segment);
	return r;
}

static void close_reader(struct segment *segment)
{
	if (segment->region.base && segment->fd >= 0)
		os->unlock(segment->fd, SEGMENT_READER_LOCK); /* a child may have it, too */
	segment_close(segment);
}

/* ---- the memory -------------------------------------------------------------------------- */

static unsigned access_of(unsigned flags)
{
	if (flags & SHOAL_NO_ACCESS)
		return 0;
	bool writes = !(flags & SHOAL_READ) || (flags & SHOAL_PRIVATE);
	return OS_READ | (writes ? OS_WRITE : 0) | (flags & SHOAL_EXECUTE ? OS_EXECUTE : 0);
}

/* The size that was published has a file to it. Both may change under our eyes: only twice the same
 * is one moment. */
static int check_size(const struct shoal_block *block)
{
	const struct segment *segment = &block->object->segment;
	uint64_t bytes = 0, file = 0;
	for (int i = 0; i < 100; i++) {
		bytes = atomic_load(&block->map.body->size.bytes);
		int r = segment_size(segment, &file);
		if (r < 0)
			return r;
		if (bytes == 0 || bytes > block->map.max_bytes)
			return error_fail(EBADMSG, "'%s' says that it has %llu bytes of %llu",
					  segment->name.text, (unsigned long long)bytes,
					  (unsigned long long)block->map.max_bytes);
		if (file >= block->map.data_offset + bytes)
			return 0;
	}
	return error_fail(
	    ESTALE,
	    "'%s' was truncated: its file has %llu bytes and should have %llu; remove "
	    "it (shoal rm --force)",
	    segment->name.text, (unsigned long long)file,
	    (unsigned long long)(block->map.data_offset + bytes));
}

/* To where it shall lie, if that is anywhere. */
static int move(struct shoal_block *block, void *address)
{
	struct segment *segment = &block->object->segment;
	uint64_t offset = block->map.data_offset;
	enum os_map how = block->seated ? OS_MAP_WRITE : OS_MAP_READ;
	if (address && (uintptr_t)address <= offset)
		return error_fail(EINVAL, "data can't lie at %p: %llu bytes lie before it", address,
				  (unsigned long long)offset);
	if (address)
		return segment_move(segment, (uint8_t *)address - offset, 0, how);
	return block->flags & SHOAL_HUGE ? segment_move(segment, NULL, HUGE_BYTES, how) : 0;
}

static int set_access(struct shoal_block *block)
{
	struct segment *segment = &block->object->segment;
	unsigned access = access_of(block->flags);
	unsigned is = block->seated ? OS_READ | OS_WRITE : OS_READ;
	if (block->flags & SHOAL_PRIVATE)
		return segment_copy_on_write(segment, block->map.data_offset, access);
	return access == is ? 0
			    : pages_protect(segment->region.base + block->map.data_offset,
					    segment->region.bytes - block->map.data_offset, access);
}

static int check_page_size(const struct shoal_block *block)
{
	if (os->page_bytes() == PAGE_BYTES ||
	    !(block->flags & (SHOAL_PRIVATE | SHOAL_EXECUTE | SHOAL_NO_ACCESS)))
		return 0;
	return error_fail(ENOTSUP,
			  "this machine has pages of %llu bytes, and SHOAL_PRIVATE, "
			  "SHOAL_EXECUTE and SHOAL_NO_ACCESS need such of 4,096",
			  (unsigned long long)os->page_bytes());
}

static int take_memory(struct shoal_block *block, void *address)
{
	struct segment *segment = &block->object->segment;
	int r = block_map(&block->map, &segment->region);
	if (r == 0)
		r = check_page_size(block);
	if (r == 0)
		r = block_settle(block);
	if (r == 0)
		r = check_size(block);
	if (r < 0)
		return r;
	if (block->map.asked & BLOCK_ASKED_HUGE)
		block->flags |= SHOAL_HUGE;
	r = move(block, address);
	if (r == 0)
		r = set_access(block);
	if (r == 0) /* it may lie elsewhere now */
		r = block_map(&block->map, &segment->region);
	if (r < 0)
		return r;
	block->data = segment->region.base + block->map.data_offset;
	return pages_apply(block->data, block_bytes(&block->map), block->flags);
}

/* ---- the calls --------------------------------------------------------------------------- */

static void close_object(struct shoal_block *block, int made, bool failed)
{
	/* A failed open leaves nothing, not even what it made and was to keep. */
	if (failed && made > 0)
		block->object->segment.fixed.flags &= ~(uint64_t)SEGMENT_KEEP;
	if (block->seated)
		object_close(block->object);
	else
		close_reader(&block->object->segment);
}

static int open_named(struct shoal_block *block, const char *name,
		      const struct shoal_block_options *options)
{
	struct segment_name parsed;
	int r = segment_name_parse(name, &parsed);
	if (r < 0)
		return r;
	int made = block->flags & SHOAL_READ ? open_reader(block, &parsed)
					     : open_seated(block, &parsed, options);
	if (made < 0)
		return made;
	r = take_memory(block, options->address);
	if (r < 0) {
		close_object(block, made, true);
		return r;
	}
	if (block->flags & SHOAL_HUGE)
		block_note_huge(block);
	return made;
}

int shoal_block_open(shoal_block **ret_block, const char *name, unsigned flags,
		     const struct shoal_block_options *given)
{
	struct shoal_block_options options;
	struct object_kept *kept = NULL;
	void *memory = NULL;
	if (!ret_block)
		return error_fail(EINVAL, "ret_block is NULL");
	*ret_block = NULL;
	int r = check_flags(flags);
	if (r == 0)
		r = check_options(given, flags, &options);
	if (r == 0)
		r = object_handle_new(&memory, sizeof(struct shoal_block), &kept);
	if (r < 0)
		return r;
	shoal_block *block = memory;
	block->object = &kept->object;
	block->flags = flags;
	r = open_named(block, name, &options);
	if (r < 0) {
		object_handle_free(block, sizeof(*block));
		return r;
	}
	block->live = 1;
	*ret_block = block;
	return r;
}

void shoal_block_close(shoal_block *block)
{
	if (!block)
		return;
	if (block->live)
		close_object(block, 0, false);
	else
		object_handle_close_in_child(block, sizeof(*block));
	object_handle_free(block, sizeof(*block));
}

int shoal_block_create(const char *name, unsigned flags, const struct shoal_block_options *options)
{
	shoal_block *block = NULL;
	const unsigned allowed = SHOAL_EXCLUSIVE | SHOAL_FOREIGN | SHOAL_HUGE;
	if (flags & ~allowed)
		return error_fail(EINVAL, "flags 0x%x have no meaning here", flags & ~allowed);
	int r = shoal_block_open(&block, name, flags | SHOAL_CREATE | SHOAL_KEEP, options);
	shoal_block_close(block);
	return r < 0 ? r : 0;
}
