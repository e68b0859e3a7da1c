/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHOAL_BASE_CHECKSUM_H
#define SHOAL_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/*
 * FNV-1a over bytes: tells damage from data in the few hundred bytes of a header. It is part of
 * the layout, so it stays this function for ever. No protection against intent.
 */
static inline uint64_t checksum(const void *data, size_t bytes)
{
	const unsigned char *p = data;
	uint64_t hash = 0xcbf29ce484222325u;
	for (size_t i = 0; i < bytes; i++)
		/* The analyzer does not follow a struct that was set by fields, byte by byte. */
		/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
		hash = (hash ^ p[i]) * 0x100000001b3u;
	return hash;
}

#endif
