/* SPDX-License-Identifier: Apache-2.0 */
/* shoal/sysv.h: what the kernel says of a System V segment. */
#include "base/error.h"
#include "segment/sysv.h"

#include <errno.h>
#include <shoal/sysv.h>
#include <string.h>

/* The segment itself, whatever it holds. -1: only a lock file can tell. */
static int id_of(const struct sysv_name *name)
{
	return name->form == SYSV_KEY ? os->shm_get(name->key, 0, 0, 0) : -1;
}

/* Its id: by the lock file; a key that has none may still have a segment. */
static int find(const struct segment_name *name)
{
	struct segment segment;
	if (name->sysv.form == SYSV_ID)
		return name->sysv.id;
	int r = segment_peek(&segment, name, true);
	int id = r < 0 ? id_of(&name->sysv) : segment.sysv.id;
	if (r == 0)
		segment_close(&segment);
	return id < 0 ? r : id;
}

static void fill(const struct os_shm *shm, struct shoal_sysv_stat *ret)
{
	*ret = (struct shoal_sysv_stat){
	    .id = shm->id,
	    .key = shm->key,
	    .bytes = shm->bytes,
	    .attached = shm->attached,
	    .creator_pid = shm->creator_pid,
	    .last_pid = shm->last_pid,
	    .uid = shm->uid,
	    .gid = shm->gid,
	    .creator_uid = shm->creator_uid,
	    .mode = shm->mode,
	    .doomed = shm->doomed,
	    .locked = shm->locked,
	    .attach_time = shm->attach_time,
	    .detach_time = shm->detach_time,
	    .change_time = shm->change_time,
	};
}

int shoal_sysv_stat(const char *name, struct shoal_sysv_stat *ret_stat)
{
	struct segment_name parsed;
	struct shoal_sysv_stat stat;
	struct os_shm shm;
	size_t size = ret_stat ? ret_stat->size : 0;
	if (size < offsetof(struct shoal_sysv_stat, bytes))
		return error_fail(EINVAL, "size is %zu: set it to sizeof(struct shoal_sysv_stat)",
				  size);
	int r = segment_name_parse(name, &parsed);
	if (r == 0 && parsed.backend != &backend_sysv)
		return error_fail(EINVAL, "'%s' is no name of System V shared memory (sysv:...)",
				  parsed.text);
	int id = r < 0 ? r : find(&parsed);
	if (id < 0)
		return id;
	r = os->shm_stat(id, &shm);
	if ((r == -EINVAL || r == -EIDRM) && parsed.sysv.form == SYSV_ID)
		return error_fail(ENOENT, "there is no System V segment with the id %d", id);
	if (r < 0)
		return sysv_fail_call(parsed.text, id, "look at", r);
	fill(&shm, &stat);
	stat.size = size;
	memcpy(ret_stat, &stat, size < sizeof(stat) ? size : sizeof(stat));
	return 0;
}
