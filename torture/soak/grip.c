/* SPDX-License-Identifier: Apache-2.0 */
/* What publishers and subscribers of a worker have in common. */
#include "soak.h"

struct held *held_of(const struct grip *grip)
{
	return &book->workers[me].held[grip - grips];
}

struct grip *free_grip(void)
{
	for (int i = 0; i < HANDLES; i++)
		if (grips[i].kind == 0)
			return &grips[i];
	return NULL;
}

static uint64_t what_of(const struct grip *grip)
{
	return (uint64_t)1 << 63 | (uint64_t)grip->kind << 56 | (uint64_t)grip->topic << 48 |
	       (uint64_t)(grip->object & 0xffff) << 32 | my_life;
}

bool somebody_forces(int topic)
{
	for (int i = 0; i < WORKERS; i++)
		if (atomic_load(&book->workers[i].forcing) == topic + 1)
			return true;
	return false;
}

bool may_be_stale(const struct grip *grip)
{
	const struct held *held = held_of(grip);
	return atomic_load(&held->may_go) ||
	       atomic_load(&book->topics[grip->topic].forced) != atomic_load(&held->forced);
}

/* That worker has this topic open in another object, and nobody removed that by force. */
static bool is_elsewhere(const struct grip *grip, uint32_t worker, const struct held *held)
{
	uint64_t what = atomic_load(&held->what);
	if (what == 0 || (what >> 48 & 0xff) != (uint64_t)grip->topic ||
	    (what >> 32 & 0xffff) == grip->object)
		return false;
	if (atomic_load(&held->may_go) ||
	    atomic_load(&held->forced) != atomic_load(&book->topics[grip->topic].forced))
		return false;
	return is_alive((uint64_t)(worker + 1) << 32 | (uint32_t)what) &&
	       atomic_load(&held->what) == what;
}

/* What the book says is open was open when we look, so both are in use now. */
static void check_only_one(const struct grip *grip)
{
	for (uint32_t worker = 0; worker < WORKERS; worker++)
		for (uint32_t i = 0; i < HANDLES; i++)
			if (is_elsewhere(grip, worker, &book->workers[worker].held[i]))
				violate(
				    worker,
				    "two objects '%s' in use: number %u of this round here, "
				    "number %u by worker %u",
				    topics[grip->topic].name, grip->object,
				    (unsigned)(book->workers[worker].held[i].what >> 32 & 0xffff),
				    worker);
}

void grip_opened(struct grip *grip, uint64_t forced, bool may_go)
{
	struct held *held = held_of(grip);
	atomic_store(&held->forced, forced);
	atomic_store(&held->may_go, may_go);
	atomic_store(&held->what, what_of(grip));
	if (!topics[grip->topic].kept && !may_be_stale(grip))
		check_only_one(grip);
}

void grip_forget(struct grip *grip)
{
	atomic_store(&held_of(grip)->what, 0);
	memset(grip, 0, sizeof(*grip));
}

void grip_close(struct grip *grip)
{
	if (grip->kind == PUBLISHER)
		publisher_close(grip);
	else if (grip->kind != 0)
		reader_close(grip);
}
