/* SPDX-License-Identifier: Apache-2.0 */
/* shoal_block: what is done with its memory. See shoal/block.h for the contract. */
#include "base/error.h"
#include "block/block.h"
#include "object/object_handle.h"
#include "os/os.h"

#include <errno.h>
#include <string.h>

int block_check_handle(const struct shoal_block *block)
{
	if (!block)
		return error_fail(EINVAL, "the block is NULL");
	return block->live ? 0 : object_handle_fail_in_child();
}

void *shoal_block_data(const shoal_block *block)
{
	return block ? block->data : NULL;
}

uint64_t shoal_block_bytes(const shoal_block *block)
{
	return block && block->live ? block_bytes(&block->map) : 0;
}

int shoal_block_check(const shoal_block *block)
{
	int r = block_check_handle(block);
	return r < 0 ? r : object_check(block->object);
}

static int part_of(const shoal_block *block, uint64_t offset, uint64_t *bytes)
{
	int r = block_check_handle(block);
	return r < 0 ? r : pages_range(block_bytes(&block->map), offset, *bytes, bytes);
}

int shoal_block_sync(shoal_block *block, uint64_t offset, uint64_t bytes, enum shoal_sync how)
{
	int r = part_of(block, offset, &bytes);
	return r < 0 ? r : pages_sync(block->data + offset, bytes, how);
}

int shoal_block_advise(shoal_block *block, uint64_t offset, uint64_t bytes,
		       enum shoal_advice advice)
{
	int r = part_of(block, offset, &bytes);
	return r < 0 ? r : pages_advise(block->data + offset, bytes, advice);
}

int shoal_block_memory(const shoal_block *block, struct shoal_memory *ret_memory)
{
	if (!ret_memory)
		return error_fail(EINVAL, "ret_memory is NULL");
	memset(ret_memory, 0, sizeof(*ret_memory));
	int r = block_check_handle(block);
	return r < 0
		   ? r
		   : pages_memory(block->data, block_bytes(&block->map), block->flags, ret_memory);
}

void block_note_huge(struct shoal_block *block)
{
	struct shoal_memory memory;
	if (block->seated && !(block->flags & SHOAL_PRIVATE) &&
	    pages_memory(block->data, block_bytes(&block->map), 0, &memory) == 0)
		atomic_store_explicit(&block->map.body->size.huge_bytes, memory.huge_bytes,
				      memory_order_relaxed);
}

static int check_protect(const shoal_block *block, uint64_t offset, unsigned access)
{
	if (access & ~(SHOAL_READ | SHOAL_WRITE | SHOAL_EXECUTE | SHOAL_NO_ACCESS))
		return error_fail(EINVAL, "flags 0x%x have no meaning here", access);
	if (offset % os->page_bytes() != 0)
		return error_fail(EINVAL, "offset %llu is no multiple of the page size, %llu",
				  (unsigned long long)offset, (unsigned long long)os->page_bytes());
	if (os->page_bytes() != PAGE_BYTES)
		return error_fail(ENOTSUP,
				  "this machine has pages of %llu bytes, and this needs such "
				  "of 4,096",
				  (unsigned long long)os->page_bytes());
	if ((access & SHOAL_WRITE) && !block->seated && !(block->flags & SHOAL_PRIVATE))
		return error_fail(EACCES, "'%s' was opened with SHOAL_READ, so it can't be written",
				  block->object->segment.name.text);
	return 0;
}

int shoal_block_protect(shoal_block *block, uint64_t offset, uint64_t bytes, unsigned access)
{
	int r = block_check_handle(block);
	if (r == 0)
		r = check_protect(block, offset, access);
	if (r < 0)
		return r;
	int allowed = pages_access(access);
	if (allowed < 0)
		return allowed;
	uint64_t size = bytes == SHOAL_REST ? align_up(block->map.max_bytes, PAGE_BYTES)
					    : block_bytes(&block->map);
	r = pages_range(size, offset, bytes, &bytes);
	return r < 0 ? r : pages_protect(block->data + offset, bytes, (unsigned)allowed);
}
