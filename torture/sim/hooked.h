/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Included before each of the library's sources when they are compiled for torture-sim: copies are
 * calls as well. (The compiler leaves those of the C library to its own runtime, which is not
 * there.)
 */
#ifndef SIM_HOOKED_H
#define SIM_HOOKED_H

#include <string.h>

void *sim_memcpy(void *to, const void *from, size_t bytes);
void *sim_memset(void *to, int byte, size_t bytes);
int sim_memcmp(const void *a, const void *b, size_t bytes);

#ifdef SHOAL_HOOKED
/* gcc says that ThreadSanitizer does not model fences. This runtime does. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wtsan"
#endif
#define memcpy(to, from, bytes) sim_memcpy(to, from, bytes)
#define memset(to, byte, bytes) sim_memset(to, byte, bytes)
#define memcmp(a, b, bytes)     sim_memcmp(a, b, bytes)
#endif

#endif
