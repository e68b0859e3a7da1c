/* SPDX-License-Identifier: Apache-2.0 */
/* Ways of a worker: looking from outside, removing, and what makes a process odd. */
#ifndef SOAK_WAYS_H
#define SOAK_WAYS_H

/* stat, list, audit, wait_exists; with its own handles in the picture. */
void look_around(int topic);
/* Removes, with force or without, and makes. Topics that stay are only asked for. */
void remove_or_make(int topic);

/* A child that finds every handle of ours unusable, closes them, and lives on for a while. The
 * first is a signal handler. */
void fork_in_the_middle(int number);
void fork_now(void);
/* All descriptors, the library's among them; everything goes on. */
void close_descriptors(void);
void in_a_thread(void (*body)(void));
/* Takes what is left of the small file system, for a moment. */
void fill_up(void);
/* From here on our seats are dead, though we live. These two don't return. */
__attribute__((noreturn)) void unmap_everything(void);
__attribute__((noreturn)) void become_another(void);

#endif
