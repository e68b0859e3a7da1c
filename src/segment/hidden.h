/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that is being made, where the file system has no O_TMPFILE: it has a hidden name until it
 * is linked to its own. A maker that is killed leaves it; the next maker in the same directory
 * removes it.
 *
 * The hidden name belongs to who holds the file's SEGMENT_NAME_LOCK, as the object's own name does:
 *
 *   maker     create H; lock; H still has a name? (else again)   ... fill; link; unlink H; unlock
 *   sweeper   open H; lock, or leave it alone; unlink H; unlock
 *
 * So a sweeper takes no name from a living maker, except before its lock: and then that maker sees
 * it. A maker that is killed loses its lock. What is left behind by one killed between link and
 * unlink has two names, and loses the hidden one.
 */
#ifndef SHOAL_SEGMENT_HIDDEN_H
#define SHOAL_SEGMENT_HIDDEN_H

#include "segment/backend.h"
#include "segment/segment_layout.h"

#define HIDDEN_PREFIX ".shoal-new-"

/* A new file in `directory`, which is swept first. Its descriptor, holding the lock; or -errno. */
int hidden_create(const char *directory, char ret_path[SEGMENT_PATH_BYTES]);

/* Removes the hidden name (a no-op when it is empty) and lets go of the lock. */
void hidden_drop(char path[SEGMENT_PATH_BYTES], int fd);

#endif
