/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of one's own where objects live, for what must leave nothing of itself behind. */
#ifndef CLI_SCRATCH_H
#define CLI_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>

/* Makes SHOAL_DIR/shoal-VERB.XXXXXX. 0 or -errno; the path is empty then. */
int scratch_make(const char *verb, char *ret_path, size_t size);
/* Removes it with all that is in it. An empty path is fine. False when it is still there. */
bool scratch_remove(const char *path);

#endif
