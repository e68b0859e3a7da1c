/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of blocks on real objects in SHOAL_DIR. */
#ifndef SHOAL_BLOCK_BLOCK_RIG_H
#define SHOAL_BLOCK_BLOCK_RIG_H

#include "block/block.h"
#include "os/os.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <shoal/shoal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static inline struct shoal_block_options rig_options(uint64_t bytes, uint64_t max_bytes)
{
	return (struct shoal_block_options){
	    .size = sizeof(struct shoal_block_options),
	    .bytes = bytes,
	    .max_bytes = max_bytes,
	};
}

static inline shoal_block *rig_make(const char *name, uint64_t bytes, uint64_t max_bytes)
{
	struct shoal_block_options options = rig_options(bytes, max_bytes);
	shoal_block *block = NULL;
	int r = shoal_block_open(&block, name, SHOAL_CREATE, &options);
	if (r != 1)
		fail_msg("making '%s': %d, %s", name, r, shoal_error_detail());
	return block;
}

static inline shoal_block *rig_open(const char *name, unsigned flags)
{
	shoal_block *block = NULL;
	int r = shoal_block_open(&block, name, flags, NULL);
	if (r != 0)
		fail_msg("opening '%s': %d, %s", name, r, shoal_error_detail());
	return block;
}

#endif
