/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three numbers, each with its own rule:
 *   library version   what you compiled against; SHOAL_VERSION_* and shoal_version()
 *   ABI version       the SONAME, libshoal.so.0; changes only when a program must be rebuilt
 *   layout version    the bytes in shared memory; processes with the same one can share objects
 */
#ifndef SHOAL_VERSION_H
#define SHOAL_VERSION_H

#define SHOAL_VERSION_MAJOR  0
#define SHOAL_VERSION_MINOR  1
#define SHOAL_VERSION_PATCH  0
#define SHOAL_VERSION_STRING "0.1.0"

/* The version of the shared layout that this library reads and writes. */
#define SHOAL_LAYOUT_VERSION 1

#if defined(__has_attribute)
#if __has_attribute(noplt) /* a call is one jump, not two: of a short call that is a twentieth */
#define SHOAL_API __attribute__((visibility("default"), noplt))
#endif
#endif
#if !defined(SHOAL_API) && defined(__GNUC__)
#define SHOAL_API __attribute__((visibility("default")))
#elif !defined(SHOAL_API)
#define SHOAL_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The library version at run time, "0.1.0". Static text; never NULL. Any thread. */
SHOAL_API const char *shoal_version(void);

#ifdef __cplusplus
}
#endif

#endif
