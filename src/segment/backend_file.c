/* SPDX-License-Identifier: Apache-2.0 */
/* A mapped file at any path: survives a reboot, may be larger than memory. */
#include "segment/segment.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int file_parse(const char *rest, struct segment_name *ret)
{
	if (*rest == '\0')
		return error_fail(EINVAL, "'file:' needs a path: file:/var/lib/x or file:./x");
	if (rest[strlen(rest) - 1] == '/')
		return error_fail(EISDIR, "'file:%s' names a directory, not a file", rest);
	int n = snprintf(ret->path, SEGMENT_PATH_BYTES, "%s", rest);
	if (n < 0 || n >= SEGMENT_PATH_BYTES)
		return error_fail(ENAMETOOLONG, "the path after 'file:' is longer than %d bytes",
				  SEGMENT_PATH_BYTES - 1);
	return 0;
}

const struct backend backend_file = {
    .scheme = "file",
    .keep = true,
    .parse = file_parse,
    .place = &place_path,
    .memory = &memory_file,
};
