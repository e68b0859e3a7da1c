/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Of which backend the objects are. The rules are the same for all of them, but for what a backend
 * has not: where objects stay by themselves, none goes with its last member; where they have no
 * names, none is made or found by one, and the harness makes it for everybody beforehand.
 *
 * A new backend: a row, and what world.c needs to be its kernel.
 */
#include "step.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct row {
	const char *name;
	bool keeps;
	bool nameless;
} rows[] = {
    {"posix", false, false},
    {"file", true, false},
    {"memfd", true, true},
};

static const struct row *chosen = rows;

bool backend_choose(const char *name)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(rows[i].name, name) == 0) {
			chosen = &rows[i];
			return true;
		}
	return false;
}

bool backend_nameless(void)
{
	return chosen->nameless;
}

bool backend_means(const struct op *op, struct op *ret)
{
	const unsigned without = (chosen->keeps ? OP_GOES : 0) |
				 (chosen->nameless ? OP_BY_NAME : 0) |
				 (chosen != rows ? OP_LISTED | OP_WRONG : 0);
	*ret = *op;
	if (chosen->keeps)
		ret->flags |= OP_KEEP;
	return !(op->flags & without);
}

/* The object of a stage without a name, in this process and all that are forked from it. As
 * shoal_topic_create makes one with a name: nobody has published or subscribed. */
static void make_nameless(void)
{
	struct handle *handle;
	int r = handle_open(&handle, sizeof(*handle), "memfd:crash", SHOAL_CREATE, SHOAL_CREATE, 0,
			    &small_topic);
	if (r != 1 || dup3(handle_descriptor(handle), NAMELESS_FD, O_CLOEXEC) != NAMELESS_FD)
		give_up("memfd: %d", r);
	handle_close(handle, sizeof(*handle));
}

void backend_begin(struct stage *stage, unsigned number)
{
	const char *directory = getenv("SHOAL_DIR") ? getenv("SHOAL_DIR") : "/dev/shm";
	snprintf(stage->name, sizeof(stage->name), "crash-%d-%u", (int)getpid(), number);
	snprintf(stage->path, sizeof(stage->path), "%.200s/shoal:%.40s", directory, stage->name);
	if (chosen->nameless) {
		snprintf(stage->name, sizeof(stage->name), "memfd:fd=%d", NAMELESS_FD);
		snprintf(stage->path, sizeof(stage->path), "/proc/self/fd/%d", NAMELESS_FD);
		make_nameless();
	} else if (chosen->keeps) {
		snprintf(stage->name, sizeof(stage->name), "file:%s", stage->path);
	}
}

void backend_end(void)
{
	if (chosen->nameless)
		close(NAMELESS_FD);
}
