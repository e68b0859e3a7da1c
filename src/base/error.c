/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char detail[512];

void error_set(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);
}

const char *error_size(unsigned long long bytes, struct size_text *text)
{
	static const char units[][4] = {"B", "KiB", "MiB", "GiB", "TiB"};
	size_t unit = 0;
	unsigned long long scaled = bytes < ULLONG_MAX / 16 ? bytes * 10 : ULLONG_MAX / 2;
	while (scaled >= 10240 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		scaled = (scaled + 1023) / 1024; /* rounded up: "needs 1.1 MiB" must be enough */
		unit++;
	}
	if (scaled % 10 == 0)
		snprintf(text->text, sizeof(text->text), "%llu %s", scaled / 10, units[unit]);
	else
		snprintf(text->text, sizeof(text->text), "%llu.%llu %s", scaled / 10, scaled % 10,
			 units[unit]);
	return text->text;
}

static const struct {
	int err;
	const char *text;
} texts[] = {
    {0, "success"},
    {EAGAIN, "nothing to be had just now"},
    {ETIMEDOUT, "timed out"},
    {EINTR, "interrupted on request"},
    {EPIPE, "every publisher has closed"},
    {ESTALE, "object was removed"},
    {EBADMSG, "shared bytes are invalid"},
    {ENOTSUP, "layout or file system is not supported"},
    {EMSGSIZE, "message or size is too large"},
    {ERANGE, "reaches past the end"},
    {ENOSPC, "no room in the file system"},
    {EUSERS, "no free place in the object"},
    {ECHILD, "handle belongs to the parent process"},
    {EBUSY, "in use"},
    {ENOENT, "no such object"},
    {EEXIST, "object exists already"},
    {EPERM, "belongs to another user"},
    {EISDIR, "is a directory"},
    {ELOOP, "is a symbolic link"},
    {ENODATA, "file is empty"},
    {EPROTOTYPE, "object is of another kind"},
    {EXDEV, "file is a copy of the object"},
    {EIDRM, "System V segment was removed"},
    {E2BIG, "options are newer than the library"},
    {ENAMETOOLONG, "name is too long"},
};

const char *shoal_strerror(int err)
{
	/* INT_MIN has no positive twin. */
	int positive = err < 0 ? (err == -2147483647 - 1 ? 2147483647 : -err) : err;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].err == positive)
			return texts[i].text;
	static _Thread_local char other[128];
	return strerror_r(positive, other, sizeof(other));
}

const char *shoal_error_detail(void)
{
	return detail;
}

const char *shoal_version(void)
{
	return SHOAL_VERSION_STRING;
}
