/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations that the other tables lack: waits that sleep outside of an object; opening on kernels
 * that can less than this one; and the planted mistakes, each of which must be found.
 */
#include "failing.h"

#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void publisher_and_subscriber(struct stage *stage)
{
	stage->other_sub = open_sub(stage, 0);
	stage->other_pub = open_pub(stage, 0);
	publish_some(stage, stage->other_pub, 3);
}

/* ---- waiting ----------------------------------------------------------------------------- */

static int64_t wait_existing(struct stage *stage)
{
	return shoal_wait_exists(stage->name, 2000000);
}

static int64_t wait_in_vain(struct stage *stage)
{
	char name[320];
	snprintf(name, sizeof(name), "%s-not", stage->name);
	return shoal_wait_exists(name, 2000000);
}

static const struct op still_ops[] = {
    {.name = "wait for existence",
     .flags = OP_BY_NAME,
     .world = publisher_and_subscriber,
     .run = wait_existing},
    {.name = "wait for existence, in vain",
     .flags = OP_BY_NAME,
     .world = publisher_and_subscriber,
     .run = wait_in_vain,
     .expect = -ETIMEDOUT},
};
const struct group still_group = {"still", still_ops, sizeof(still_ops) / sizeof(still_ops[0])};

/* ---- lesser kernels ---------------------------------------------------------------------- */

static struct os_calls lesser;

static int no_unnamed(const char *directory)
{
	(void)directory;
	return -EOPNOTSUPP;
}

static int no_barrier(void)
{
	return -ENOSYS;
}

static int no_wake_op(const void *word, void *add, unsigned shift)
{
	(void)word, (void)add, (void)shift;
	return -ENOSYS;
}

/* As overlayfs does: the mapping does not keep the lock. Here: it maps another description. */
static int map_without_lock(int fd, uint64_t bytes, enum os_map how, void **ret)
{
	if (how != OS_MAP_NONE)
		return os_linux.map(fd, bytes, how, ret);
	int other = os_linux.reopen(fd, true);
	int r = other < 0 ? other : os_linux.map(other, bytes, how, ret);
	if (other >= 0)
		os_linux.close(other);
	return r;
}

static void without_unnamed_files(struct stage *stage)
{
	(void)stage;
	lesser = os_linux;
	lesser.create_unnamed = no_unnamed;
	os = &lesser;
}

static void without_lasting_locks(struct stage *stage)
{
	(void)stage;
	lesser = os_linux;
	lesser.map = map_without_lock;
	os = &lesser;
}

static void without_barriers(struct stage *stage)
{
	(void)stage;
	lesser = os_linux;
	lesser.barrier_register = no_barrier;
	lesser.barrier = no_barrier;
	lesser.futex_add_and_wake = no_wake_op;
	os = &lesser;
}

static int64_t pub_open_create(struct stage *stage)
{
	return shoal_pub_open(&stage->pub, stage->name, SHOAL_CREATE, &small_topic);
}

static int64_t sub_open(struct stage *stage)
{
	return shoal_sub_open(&stage->sub, stage->name, 0, &small_topic);
}

static int64_t pub_open_memory(struct stage *stage)
{
	return shoal_pub_open(&stage->pub, "memfd:failing", SHOAL_CREATE, &small_topic);
}

static const struct op lesser_ops[] = {
    {.name = "pub_open, making one without a name", .run = pub_open_memory, .expect = 1},
    {.name = "pub_open, making the topic without O_TMPFILE",
     .flags = OP_BY_NAME,
     .prepare = without_unnamed_files,
     .run = pub_open_create,
     .expect = 1},
    {.name = "sub_open, locks go with the descriptor",
     .world = publisher_and_subscriber,
     .prepare = without_lasting_locks,
     .run = sub_open},
    {.name = "sub_open, no membarrier and no FUTEX_WAKE_OP",
     .world = publisher_and_subscriber,
     .prepare = without_barriers,
     .run = sub_open},
};
const struct group lesser_group = {"lesser", lesser_ops,
				   sizeof(lesser_ops) / sizeof(lesser_ops[0])};

/* ---- planted mistakes -------------------------------------------------------------------- */

static int64_t leak_descriptor(struct stage *stage)
{
	struct os_file file;
	int fd = os->open(stage->path, true);
	if (fd < 0)
		return error_fail(-fd, "can't open");
	int r = os->stat_fd(fd, &file);
	if (r < 0)
		return error_fail(ENOMEM, "can't examine"); /* and the descriptor? */
	os->close(fd);
	return 0;
}

static int64_t leak_mapping(struct stage *stage)
{
	void *page = NULL;
	int r = os->map_private(PAGE_BYTES, &page);
	int fd = r < 0 ? r : os->open(stage->path, true);
	if (fd < 0)
		return error_fail(ENOMEM, "can't open");
	os->close(fd);
	os->unmap(page, PAGE_BYTES);
	return 0;
}

static int64_t keep_lock(struct stage *stage)
{
	shoal_sub *sub;
	int r = shoal_sub_open(&sub, stage->name, 0, &small_topic);
	if (r < 0)
		return r;
	struct object *object = object_of(sub);
	if (os->stat_path(stage->path, &(struct os_file){0}) < 0) {
		object->seat.lock_page = NULL; /* nobody unlocks it any more */
		shoal_sub_close(sub);
		return error_fail(ENOMEM, "gone?");
	}
	shoal_sub_close(sub);
	return 0;
}

static int64_t keep_seat(struct stage *stage)
{
	shoal_sub *sub;
	int r = shoal_sub_open(&sub, stage->name, 0, &small_topic);
	if (r < 0)
		return r;
	uint32_t seat = object_of(sub)->seat.tag.seat;
	struct region region = object_of(sub)->segment.region;
	uint64_t word = atomic_load(&seat_entry(&region, seat)->word);
	r = os->stat_path(stage->path, &(struct os_file){0});
	if (r < 0 && map_real(stage)) {
		shoal_sub_close(sub);
		atomic_store(&seat_entry(&stage->real, seat)->word, word);
		unmap_real(stage);
		return error_fail(ENOMEM, "gone?");
	}
	shoal_sub_close(sub);
	return 0;
}

static int64_t wrong_code(struct stage *stage)
{
	struct os_file file;
	int r = os->stat_path(stage->path, &file);
	return r < 0 ? error_fail(EAGAIN, "try again") : 0;
}

static int64_t no_sentence(struct stage *stage)
{
	struct os_file file;
	return os->stat_path(stage->path, &file) < 0 ? -ENOMEM : 0;
}

static bool gave_up;

static int64_t never_again(struct stage *stage)
{
	struct os_file file;
	gave_up |= os->stat_path(stage->path, &file) < 0;
	return gave_up ? error_fail(ENOMEM, "not any more") : 0;
}

static int64_t left_behind(struct stage *stage)
{
	char path[300];
	snprintf(path, sizeof(path), "%s.new", stage->path);
	int fd = os->create_named(path);
	if (fd < 0)
		return error_fail(ENOMEM, "can't make");
	os->close(fd);
	return os->unlink(path) < 0 ? error_fail(ENOMEM, "can't remove") : 0;
}

static int64_t crash(struct stage *stage)
{
	void *page = NULL;
	os->map_private(PAGE_BYTES, &page);
	*(volatile char *)page = 1; /* without a look at whether there is one */
	os->unmap(page, PAGE_BYTES);
	(void)stage;
	return 0;
}

#define MISTAKE(text, function)                                                                    \
	{                                                                                          \
		.name = "wrong: " text, .flags = OP_WRONG, .world = publisher_and_subscriber,      \
		.run = function                                                                    \
	}
static const struct op mistakes[] = {
    MISTAKE("leaks a descriptor", leak_descriptor),
    MISTAKE("leaks a mapping", leak_mapping),
    MISTAKE("keeps a lock", keep_lock),
    MISTAKE("keeps a seat", keep_seat),
    MISTAKE("the wrong error", wrong_code),
    MISTAKE("no sentence", no_sentence),
    MISTAKE("never again", never_again),
    MISTAKE("leaves a file", left_behind),
    MISTAKE("crashes", crash),
};
const struct group mistakes_group = {"mistakes", mistakes, sizeof(mistakes) / sizeof(mistakes[0])};
