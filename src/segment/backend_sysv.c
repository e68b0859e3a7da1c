/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System V shared memory: what stands behind "sysv:", and which key that is.
 *
 * A key is 32 bits, so two names can have the same one. That is never taken for the same object:
 * the companion says whose the key is. Unlike ftok, which keeps 8 bits of the project, 16 of the
 * inode and 8 of the device, ours takes all of them: two keys are the same by chance alone.
 */
#include "segment/sysv.h"

#include "base/checksum.h"
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAILED_FTOK 0xffffffffu /* (key_t)-1 */

uint32_t sysv_key(const void *data, size_t bytes)
{
	uint64_t hash = checksum(data, bytes);
	uint32_t key = (uint32_t)(hash ^ hash >> 32);
	while (key == 0 || key == FAILED_FTOK)
		key = key * 0x01000193u + 0x53u;
	return key;
}

uint32_t sysv_file_key(uint64_t device, uint64_t inode, uint32_t project)
{
	const uint64_t all[3] = {device, inode, project};
	return sysv_key(all, sizeof(all));
}

/* A number without a sign, and nothing behind it. */
static bool read_number(const char *text, int base, unsigned long long max, uint64_t *ret)
{
	char *end;
	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	unsigned long long value = strtoull(text, &end, base);
	*ret = value;
	return errno == 0 && *end == '\0' && value <= max;
}

static int parse_key(const char *text, struct segment_name *ret)
{
	uint64_t key;
	if (!read_number(text, 0, UINT32_MAX, &key))
		return error_fail(EINVAL, "'%s': a key is a number of 32 bits, like 0x1234",
				  ret->text);
	if (key == 0)
		return error_fail(EINVAL,
				  "'%s': key 0 is IPC_PRIVATE, which everybody has for himself: "
				  "use 'sysv:private'",
				  ret->text);
	if (key == FAILED_FTOK)
		return error_fail(EINVAL,
				  "'%s': this key is what a failed ftok returns; see why it failed",
				  ret->text);
	ret->sysv.form = SYSV_KEY;
	ret->sysv.key = (uint32_t)key;
	snprintf(ret->sysv.text, sizeof(ret->sysv.text), "key=0x%08x", ret->sysv.key);
	return 0;
}

static int parse_id(const char *text, struct segment_name *ret)
{
	uint64_t id;
	if (!read_number(text, 10, INT32_MAX, &id))
		return error_fail(EINVAL, "'%s': an id is a number like ipcs shows them",
				  ret->text);
	ret->sysv.form = SYSV_ID;
	ret->sysv.id = (int32_t)id;
	return 0;
}

static int parse_private(const char *text, struct segment_name *ret)
{
	if (strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16)
		return error_fail(
		    EINVAL,
		    "'%s': make a private object with 'sysv:private' and open it with "
		    "'sysv:id=N'",
		    ret->text);
	ret->sysv.form = SYSV_PRIVATE;
	ret->sysv.token = strtoull(text, NULL, 16);
	snprintf(ret->sysv.text, sizeof(ret->sysv.text), "private=%s", text);
	return 0;
}

/* "FILE" or "FILE,proj=N": the file's identity, as ftok has it, but all of it. */
static int parse_file(const char *text, struct segment_name *ret)
{
	static const char word[] = ",proj=";
	char path[SEGMENT_PATH_BYTES];
	uint64_t project = 0;
	struct os_file file;
	const char *comma = strstr(text, word);
	for (const char *next = comma; next; next = strstr(next + 1, word))
		comma = next; /* the last one: a path may have commas */
	if (comma && !read_number(comma + strlen(word), 0, UINT32_MAX, &project))
		return error_fail(EINVAL, "'%s': proj is a number of 32 bits", ret->text);
	int length = comma ? (int)(comma - text) : (int)strlen(text);
	if (length == 0 || length >= SEGMENT_PATH_BYTES)
		return error_fail(EINVAL, "'%s' needs a path: sysv:path=/some/file,proj=65",
				  ret->text);
	snprintf(path, sizeof(path), "%.*s", length, text);
	int r = os->stat_path(path, &file);
	if (r < 0)
		return error_fail(-r, "'%s' has no key, since its file can't be examined: %s",
				  ret->text, strerror(-r));
	if (file.type == OS_SYMLINK)
		return error_fail(ELOOP,
				  "the file of '%s' is a symbolic link, and these are not "
				  "followed",
				  ret->text);
	struct sysv_name *name = &ret->sysv;
	name->form = SYSV_FILE;
	name->device = file.device;
	name->inode = file.inode;
	name->project = (uint32_t)project;
	name->key = sysv_file_key(file.device, file.inode, name->project);
	int n = snprintf(name->text, sizeof(name->text), "path=%s,proj=%u", path, name->project);
	if (n < 0 || n >= 128 || path[0] != '/') /* what others could not use, or lists not show */
		snprintf(name->text, sizeof(name->text), "key=0x%08x", name->key);
	return 0;
}

static int parse_name(const char *text, struct segment_name *ret)
{
	int r = backend_posix_check(text);
	if (r < 0)
		return r;
	ret->sysv.form = SYSV_NAME;
	ret->sysv.key = sysv_key(text, strlen(text));
	snprintf(ret->sysv.text, sizeof(ret->sysv.text), "%s", text);
	return 0;
}

static int parse_form(const char *rest, struct segment_name *ret)
{
	static const struct {
		const char *word;
		int (*parse)(const char *text, struct segment_name *ret);
	} forms[] = {{"key=", parse_key},
		     {"id=", parse_id},
		     {"path=", parse_file},
		     {"private=", parse_private}};
	if (strcmp(rest, "private") == 0) {
		ret->sysv.form = SYSV_PRIVATE;
		return 0;
	}
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (strncmp(rest, forms[i].word, strlen(forms[i].word)) == 0)
			return forms[i].parse(rest + strlen(forms[i].word), ret);
	return parse_name(rest, ret);
}

static int sysv_parse(const char *rest, struct segment_name *ret)
{
	int r = parse_form(rest, ret);
	/* What an id leads to is known when it is opened; the directory is the same. */
	if (r == 0 && !sysv_path(ret->path, ret->sysv.key, ret->sysv.token, SYSV_MADE))
		r = error_fail(ENAMETOOLONG, "the path of SHOAL_DIR is too long");
	return r;
}

const struct backend backend_sysv = {
    .scheme = "sysv",
    .keep = false,
    .features = SEGMENT_SYSV,
    .parse = sysv_parse,
    .place = &place_sysv,
    .memory = &memory_sysv,
};
