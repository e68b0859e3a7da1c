/* SPDX-License-Identifier: Apache-2.0 */
/* The companion's name and its 512 bytes: a stranger's, until they are checked. */
#include "segment/sysv.h"

#include "base/checksum.h"
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BY_KEY   "key:"
#define BY_TOKEN "private:"

bool sysv_path(char path[SEGMENT_PATH_BYTES], uint32_t key, uint64_t token, enum sysv_stage stage)
{
	const char *prefix = stage == SYSV_MADE ? SYSV_PREFIX : SYSV_NEW_PREFIX;
	const char *directory = backend_posix_directory();
	int n =
	    key ? snprintf(path, SEGMENT_PATH_BYTES, "%s/%s" BY_KEY "%08x", directory, prefix, key)
		: snprintf(path, SEGMENT_PATH_BYTES, "%s/%s" BY_TOKEN "%016llx", directory, prefix,
			   (unsigned long long)token);
	return n > 0 && n < SEGMENT_PATH_BYTES;
}

/* So many hexadecimal digits in lower case, and nothing behind them. */
static bool is_number(const char *text, size_t digits)
{
	return strspn(text, "0123456789abcdef") == digits && text[digits] == '\0';
}

bool sysv_entry(const char *entry, char *name, size_t room)
{
	static const char *const prefixes[] = {SYSV_PREFIX, SYSV_NEW_PREFIX};
	for (size_t i = 0; i < 2; i++) {
		size_t length = strlen(prefixes[i]);
		if (strncmp(entry, prefixes[i], length) != 0)
			continue;
		const char *rest = entry + length;
		bool by_key = strncmp(rest, BY_KEY, strlen(BY_KEY)) == 0;
		bool by_token = strncmp(rest, BY_TOKEN, strlen(BY_TOKEN)) == 0;
		rest += by_key ? strlen(BY_KEY) : by_token ? strlen(BY_TOKEN) : 0;
		if (!(by_key && is_number(rest, 8)) && !(by_token && is_number(rest, 16)))
			return false;
		int n = snprintf(name, room, "%s%s", by_key ? "key=0x" : "private=", rest);
		return n > 0 && (size_t)n < room;
	}
	return false;
}

/* ---- writing ----------------------------------------------------------------------------- */

int sysv_record_begin(struct sysv_record *record, const struct segment *segment)
{
	const struct sysv_name *name = &segment->name.sysv;
	memset(record, 0, sizeof(*record));
	record->magic = SYSV_MAGIC;
	record->layout = SYSV_LAYOUT;
	record->key = name->key;
	record->form = name->form;
	record->project = name->project;
	record->device = name->device;
	record->inode = name->inode;
	record->token = name->token;
	record->bytes = segment->region.bytes;
	record->id = -1;
	record->ipc_namespace = os->ipc_namespace();
	record->pid_namespace = os->pid_namespace();
	record->start_time = os->start_time();
	record->made_ns = os->realtime_ns();
	record->pid = os->pid();
	snprintf(record->text, sizeof(record->text), "%s", name->text);
	int r = os->boot_id(record->boot_id);
	if (r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -EBUSY)
		return error_fail(-r, "can't tell which boot '%s' is of: %s", segment->name.text,
				  strerror(-r));
	return 0;
}

int sysv_record_write(int fd, struct sysv_record *record)
{
	record->checksum = checksum(record, offsetof(struct sysv_record, checksum));
	return os->write_at(fd, record, sizeof(*record), 0);
}

/* ---- reading ----------------------------------------------------------------------------- */

static bool is_text(const char *text, size_t room)
{
	size_t length = 0;
	for (; length < room && text[length]; length++)
		if ((unsigned char)text[length] < 0x20 || text[length] == 0x7f)
			return false;
	return length > 0 && length < room;
}

static bool makes_sense(const struct sysv_record *record)
{
	bool keyed = record->form >= SYSV_NAME && record->form <= SYSV_FILE;
	return (keyed || record->form == SYSV_PRIVATE) && keyed == (record->key != 0) &&
	       record->id >= -1 && record->id <= INT32_MAX &&
	       is_text(record->text, sizeof(record->text));
}

int sysv_record_read(int fd, const char *name, struct sysv_record *ret)
{
	int64_t n = os->read_at(fd, ret, sizeof(*ret), 0);
	if (n < 0)
		return error_fail((int)-n, "can't read the lock file of '%s': %s", name,
				  strerror((int)-n));
	if (n != (int64_t)sizeof(*ret) || ret->magic != SYSV_MAGIC)
		return error_fail(EBADMSG, "the lock file of '%s' is none of Shoal's", name);
	if (ret->layout != SYSV_LAYOUT)
		return error_fail(ENOTSUP,
				  "the lock file of '%s' has layout %u, this library knows layout "
				  "%u; use the same library version on both sides",
				  name, ret->layout, SYSV_LAYOUT);
	if (ret->checksum != checksum(ret, offsetof(struct sysv_record, checksum)) ||
	    !makes_sense(ret))
		return error_fail(EBADMSG, "the lock file of '%s' is damaged", name);
	return 0;
}

int sysv_record_here(const struct sysv_record *record, const char *name)
{
	uint8_t boot_id[16];
	int r = os->boot_id(boot_id);
	if (r < 0 && r != -ENOENT)
		return error_fail(-r, "can't tell which boot '%s' is of: %s", name, strerror(-r));
	if (r == 0 && memcmp(boot_id, record->boot_id, sizeof(boot_id)) != 0)
		return error_fail(
		    EIDRM, "'%s' is of an earlier boot, which no System V segment survives", name);
	if (record->ipc_namespace != os->ipc_namespace())
		return error_fail(EXDEV,
				  "'%s' is of another IPC namespace, whose segments can't be "
				  "reached from here; give each its own SHOAL_DIR (or remove the "
				  "lock file with shoal rm --force)",
				  name);
	return 0;
}

bool sysv_is_of(const struct sysv_record *record, const struct os_shm *shm)
{
	/* Whoever removes a segment that is attached takes its key away. */
	return shm->bytes == record->bytes && (shm->key == record->key || shm->doomed);
}
