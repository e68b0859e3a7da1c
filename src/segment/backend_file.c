/* SPDX-License-Identifier: Apache-2.0 */
/* A mapped file at any path: survives a reboot, may be larger than memory. */
#include "segment/backend.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int file_path(const char *rest, char path[SEGMENT_PATH_BYTES])
{
	if (*rest == '\0')
		return error_fail(EINVAL, "'file:' needs a path: file:/var/lib/x or file:./x");
	if (rest[strlen(rest) - 1] == '/')
		return error_fail(EISDIR, "'file:%s' names a directory, not a file", rest);
	int n = snprintf(path, SEGMENT_PATH_BYTES, "%s", rest);
	if (n < 0 || n >= SEGMENT_PATH_BYTES)
		return error_fail(ENAMETOOLONG, "the path after 'file:' is longer than %d bytes",
				  SEGMENT_PATH_BYTES - 1);
	return 0;
}

const struct backend backend_file = {.scheme = "file", .keep = true, .path = file_path};
