/* SPDX-License-Identifier: Apache-2.0 */
/* One operation: the world around it, its victim, all its steps, what came out. */
#include "step.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STEPS_MAX = 3000000 };

/* ---- the region as the harness sees it --------------------------------------------------- */

/* Maps the object that the stage's name leads to, if there is one. */
bool map_real(struct stage *stage)
{
	int fd = open(stage->path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return false;
	struct segment_fixed fixed;
	if (pread(fd, &fixed, sizeof(fixed), 0) != (ssize_t)sizeof(fixed) ||
	    fixed.total_bytes > REGION_MAX || fixed.seat_count > SEATS_MAX)
		give_up("'%s' is no object, or too large", stage->path);
	void *base = mmap(NULL, fixed.total_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		give_up("mmap: %s", strerror(errno));
	stage->fd = fd;
	stage->real = (struct region){
	    .base = base,
	    .bytes = fixed.total_bytes,
	    .body_offset = fixed.body_offset,
	    .seat_count = fixed.seat_count,
	};
	stage->named = !backend_nameless() || lifetime_state(&stage->real) != LIFETIME_REMOVED;
	memcpy(stage->seen, base, fixed.total_bytes);
	return true;
}

void unmap_real(struct stage *stage)
{
	if (!stage->real.base)
		return;
	munmap(stage->real.base, stage->real.bytes);
	close(stage->fd);
	stage->real.base = NULL;
}

bool stage_changed(struct stage *stage)
{
	if (!stage->real.base)
		return map_real(stage);
	struct stat st;
	if (fstat(stage->fd, &st) < 0)
		give_up("fstat: %s", strerror(errno));
	/* Without a name, it can be found as long as it is not removed. */
	bool named = backend_nameless() ? lifetime_state(&stage->real) != LIFETIME_REMOVED
					: st.st_nlink > 0;
	if (named == stage->named && memcmp(stage->seen, stage->real.base, stage->real.bytes) == 0)
		return false;
	stage->named = named;
	memcpy(stage->seen, stage->real.base, stage->real.bytes);
	return true;
}

void trail_begin(struct trail *trail)
{
	memset(trail, 0, sizeof(*trail));
}

bool trail_add(struct trail *trail, uint64_t rip, struct place *ret)
{
	*ret = (struct place){.rip = rip};
	if (trail->count == TRAIL_MAX || trail->distinct == TRAIL_PLACES / 2)
		give_up("too many steps");
	if (trail->count > 0 && trail->last == rip)
		return false;
	size_t i = rip * 0x9e3779b97f4a7c15u >> 48;
	while (trail->places[i].rip != 0 && trail->places[i].rip != rip)
		i = (i + 1) % TRAIL_PLACES;
	trail->distinct += trail->places[i].rip == 0;
	trail->places[i].rip = rip;
	ret->passes = trail->places[i].passes++;
	trail->last = rip;
	trail->count++;
	return true;
}

/* ---- a stage ----------------------------------------------------------------------------- */

static void remember_living(struct stage *stage)
{
	void *handles[] = {stage->other_pub, stage->second_pub, stage->other_sub,
			   stage->other_lossy};
	for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++)
		if (handles[i])
			stage->living[handle_of(handles[i])->object->seat.tag.seat] = true;
}

static void remember_committed(struct stage *stage)
{
	struct topic_map map;
	if (!stage->real.base || topic_map(&map, &stage->real) < 0)
		return;
	for (uint32_t i = 0; i < LANES; i++) {
		struct lane_map lane = topic_lane(&map, i);
		stage->committed[i] = stage->end[i] = lane_end(&lane);
		stage->ready[i] = topic_lane_ready(&map, i);
		stage->owners[i] = atomic_load(&map.controls[i].owner);
	}
	for (uint32_t i = 0; i < SUBSCRIBERS; i++)
		stage->entries[i] = atomic_load(&map.entries[i]);
	stage->epoch = atomic_load(&map.body->shared.epoch);
	if (stage->op->flags & OP_SLEEPER)
		atomic_fetch_or(&map.body->wake, WAIT_SLEEPER);
	if (stage->op->flags & OP_GATED)
		atomic_fetch_or(&map.controls[0].gate, WAIT_SLEEPER);
}

static void kill_doomed(struct stage *stage)
{
	while (stage->doomed_count > 0) {
		pid_t pid = stage->doomed[--stage->doomed_count];
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

void stage_begin(struct stage *stage, const struct op *op)
{
	static unsigned number;
	static struct share *share;
	static uint8_t seen[REGION_MAX];
	if (!share) {
		void *p = mmap(NULL, sizeof(*share), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			give_up("mmap: %s", strerror(errno));
		share = p;
	}
	memset(stage, 0, sizeof(*stage));
	memset(share, 0, sizeof(*share));
	share->lane = share->entry = UINT32_MAX;
	stage->op = op;
	stage->share = share;
	stage->seen = seen;
	backend_begin(stage, ++number);
	if (op->world)
		op->world(stage);
	if (!(op->flags & OP_DIE_LATE))
		kill_doomed(stage);
	victim_start(stage);
	kill_doomed(stage);
	map_real(stage); /* while it has its name */
	if (op->ready)
		op->ready(stage);
	remember_living(stage);
	remember_committed(stage);
	stage_changed(stage);
	stage->was_named = stage->named || !stage->real.base;
}

static int left_behind(void *context, const char *name)
{
	if (name[0] == '.' && (name[1] == '\0' || name[1] == '.'))
		return 0;
	violate(context, "at the end: '%s' is left behind", name);
	return 1;
}

/* Whoever is left goes; then nothing may be left of the object. */
void stage_end(struct stage *stage)
{
	victim_kill(stage);
	unmap_real(stage);
	shoal_pub_close(stage->other_pub);
	shoal_pub_close(stage->second_pub);
	shoal_sub_close(stage->other_lossy);
	shoal_sub_close(stage->other_sub);
	if (stage->op->flags & OP_KEEP) {
		int r = shoal_remove(stage->name, 0);
		if (r < 0 && r != -ENOENT)
			violate(stage, "at the end: remove: %d, %s", r, shoal_error_detail());
	} else if (access(stage->path, F_OK) == 0) {
		/* All were killed: the next one to meet it removes it. */
		shoal_sub *sub = NULL;
		int r = shoal_sub_open(&sub, stage->name, 0, NULL);
		if (r != -ENOENT)
			violate(stage, "at the end: all are dead, and open gives %d", r);
		shoal_sub_close(sub);
	}
	backend_end();
	if (access(stage->path, F_OK) == 0) {
		violate(stage, "at the end: the object is still there");
		unlink(stage->path);
	}
	if (getenv("SHOAL_DIR"))
		os->each_entry(getenv("SHOAL_DIR"), "", left_behind, stage);
}

/* ---- every instruction ------------------------------------------------------------------- */

/* Wrong on purpose: was it found, and by the death that it takes? */
static void add_up_wrong(const struct stage *stage, struct totals *totals)
{
	bool deep = stage->op->flags & OP_DEEP;
	uint64_t below = 0;
	for (unsigned i = stage->op->flags & OP_DEEPER ? 3 : 2; i <= DEPTH_MAX; i++)
		below += stage->found.violations[i];
	if (stage->violations == 0 || (deep && below == 0)) {
		printf("'%s' is wrong, and nobody noticed\n", stage->op->name);
		totals->violations++;
	}
	if (deep && below != stage->violations) {
		printf("'%s' shows at an earlier death already\n", stage->op->name);
		totals->violations++;
	}
}

void add_up(const struct stage *stage, struct totals *totals, const char *how)
{
	bool wrong = stage->op->flags & OP_WRONG;
	const struct found *found = &stage->found;
	printf("%-46s %-8s%7llu steps %4llu states %6llu recoveries %5llu", stage->op->name, how,
	       (unsigned long long)stage->steps, (unsigned long long)stage->states,
	       (unsigned long long)found->recoveries,
	       (unsigned long long)found->recovery_states[2]);
	for (unsigned i = 3; i <= totals->depth; i++)
		printf(" + %5llu", (unsigned long long)found->recovery_states[i]);
	printf(" states %llu violations%s\n", (unsigned long long)stage->violations,
	       wrong ? ", on purpose" : "");
	totals->operations++;
	totals->steps += stage->steps;
	totals->states += stage->states;
	totals->found.recoveries += found->recoveries;
	totals->found.stores += found->stores;
	totals->found.instructions += found->instructions;
	for (unsigned i = 2; i <= DEPTH_MAX; i++)
		totals->found.recovery_states[i] += found->recovery_states[i];
	if (wrong)
		add_up_wrong(stage, totals);
	else
		totals->violations += stage->violations;
	fflush(stdout);
}

static void check_here(struct stage *stage)
{
	check_state(stage);
	recover_from(stage);
}

void run_op(const struct op *op, struct totals *totals)
{
	struct stage stage;
	stage_begin(&stage, op);
	stage.quiet = op->flags & OP_WRONG;
	stage.depth_wanted = op->flags & OP_DEEPER ? 3 : totals->depth;
	stage.compare = totals->compare;
	stage.states = 1;
	recover_begin(&stage);
	check_here(&stage);
	bool more = true;
	while (more && stage.steps < STEPS_MAX) {
		more = victim_step(&stage);
		stage.steps++;
		if (stage_changed(&stage)) {
			stage.states++;
			check_here(&stage);
		}
	}
	stage.last = true;
	if (more)
		violate(&stage, "it does not end");
	if (stage.share->result != op->expect)
		violate(&stage, "it returned %lld instead of %lld", (long long)stage.share->result,
			(long long)op->expect);
	if ((op->flags & OP_LOOKS) && stage.states > 1)
		violate(&stage, "it only looks, and changed something");
	check_here(&stage);
	recover_end(&stage);
	stage_end(&stage);
	add_up(&stage, totals, "stepped");
}
