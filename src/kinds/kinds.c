/* SPDX-License-Identifier: Apache-2.0 */
#include "kinds/kinds.h"

#include "base/error.h"
#include "block/block.h"
#include "registry/registry.h"
#include "topic/topic.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct kind *const kinds[] = {&topic_kind, &block_kind, NULL};

const char *shoal_health_name(enum shoal_health health)
{
	switch (health) {
	case SHOAL_ALIVE:
		return "alive";
	case SHOAL_STOPPED:
		return "stopped";
	case SHOAL_DEAD:
		return "dead";
	case SHOAL_IDLE:
		return "idle";
	case SHOAL_LEFTOVER:
		return "leftover";
	case SHOAL_FOREIGN_OWNER:
		return "foreign";
	case SHOAL_DAMAGED:
		return "damaged";
	}
	return "unknown";
}

int shoal_list(const char *prefix, struct shoal_object **ret_objects, size_t *ret_count)
{
	*ret_objects = NULL;
	*ret_count = 0;
	return registry_list(prefix, kinds, ret_objects, ret_count);
}

void shoal_list_free(struct shoal_object *objects)
{
	free(objects);
}

int shoal_remove(const char *name, unsigned flags)
{
	struct segment_name parsed;
	const unsigned known = SHOAL_FORCE | SHOAL_FOREIGN | SHOAL_IF_LEFTOVER;
	if (flags & ~known)
		return error_fail(EINVAL, "flags 0x%x have no meaning here", flags & ~known);
	if ((flags & SHOAL_FORCE) && (flags & SHOAL_IF_LEFTOVER))
		return error_fail(EINVAL,
				  "SHOAL_FORCE and SHOAL_IF_LEFTOVER contradict each other");
	int r = segment_name_parse(name, &parsed);
	return r < 0 ? r : object_remove(&parsed, flags, kinds);
}

static int is_there(void *context)
{
	struct os_file file;
	const struct segment_name *name = context;
	int r = name->backend->place->look(name, &file);
	return r == 0 ? 1 : r == -ENOENT ? 0 : r;
}

int shoal_wait_exists(const char *name, int64_t timeout_ns)
{
	struct segment_name parsed;
	int r = segment_name_parse(name, &parsed);
	if (r < 0)
		return r;
	if (parsed.backend->nameless)
		return error_fail(
		    EINVAL,
		    "'%s' can't be waited for: it has no name to appear under; wait for "
		    "its descriptor (shoal_object_receive)",
		    parsed.text);
	char directory[SEGMENT_PATH_BYTES];
	backend_directory(parsed.path, directory);
	r = os->wait_entry(directory, timeout_ns, is_there, &parsed);
	if (r == 0 || r == -EAGAIN || r == -ETIMEDOUT || r == -EINTR)
		return r;
	return error_fail(-r, "can't wait for '%s': %s", parsed.text, strerror(-r));
}
