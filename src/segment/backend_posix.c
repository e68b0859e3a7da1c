/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POSIX shared memory: files of a tmpfs. "GROUP/NAME" is the file "shoal:GROUP:NAME"; ':' can't
 * stand in a name, so the way back is unique. Opened as files and not through shm_open, which
 * allows no O_TMPFILE and follows no SHOAL_DIR.
 */
#include "segment/segment.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *backend_posix_directory(void)
{
	const char *directory = os->privileged_exec() ? NULL : getenv("SHOAL_DIR");
	return directory && *directory ? directory : "/dev/shm";
}

static bool is_name_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

static const char rules[] = "a name is NAME or GROUP/NAME, 1 to 63 bytes each of letters, digits, "
			    "'.', '_' and '-', not starting with '.'";

/* Checks one part of a name. Control characters are not echoed: they would reach a terminal. */
static int check_part(const char *part, size_t length)
{
	if (length == 0)
		return error_fail(EINVAL, "empty name or group: %s", rules);
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)part[i];
		if (!is_name_character(part[i]))
			return error_fail(EINVAL, "byte 0x%02x can't stand in a name: %s", c,
					  rules);
	}
	if (length > SEGMENT_NAME_PART)
		return error_fail(ENAMETOOLONG, "'%.20s...' has %zu bytes: %s", part, length,
				  rules);
	if (part[0] == '.')
		return error_fail(EINVAL, "'%.*s' starts with '.': %s", (int)length, part, rules);
	return 0;
}

int backend_posix_check(const char *full)
{
	const char *slash = strchr(full, '/');
	const char *name = slash ? slash + 1 : full;
	int r = slash ? check_part(full, (size_t)(slash - full)) : 0;
	if (r == 0 && strchr(name, '/'))
		r = error_fail(EINVAL, "more than one '/': %s", rules);
	return r < 0 ? r : check_part(name, strlen(name));
}

static int posix_parse(const char *rest, struct segment_name *ret)
{
	int r = backend_posix_check(rest);
	if (r < 0)
		return r;
	const char *slash = strchr(rest, '/');
	int n = snprintf(ret->path, SEGMENT_PATH_BYTES, "%s/" BACKEND_POSIX_PREFIX "%.*s%s%s",
			 backend_posix_directory(), slash ? (int)(slash - rest) : 0, rest,
			 slash ? ":" : "", slash ? slash + 1 : rest);
	if (n < 0 || n >= SEGMENT_PATH_BYTES)
		return error_fail(ENAMETOOLONG, "the path of SHOAL_DIR is too long");
	return 0;
}

bool backend_posix_name(const char *entry, char *name, size_t room)
{
	size_t prefix = strlen(BACKEND_POSIX_PREFIX);
	if (strncmp(entry, BACKEND_POSIX_PREFIX, prefix) != 0 || strchr(entry, '/'))
		return false;
	int n = snprintf(name, room, "%s", entry + prefix);
	if (n < 0 || (size_t)n >= room)
		return false;
	char *colon = strchr(name, ':');
	if (colon)
		*colon = '/';
	return backend_posix_check(name) == 0;
}

const struct backend backend_posix = {
    .scheme = "posix",
    .keep = false,
    .parse = posix_parse,
    .place = &place_path,
    .memory = &memory_file,
};
