/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Killed for real: at each place where the region changed, or where the victim came back from the
 * kernel, a fresh victim is run there, gets SIGKILL, and a newcomer in a process of its own goes on
 * with the real kernel. What the newcomer must find is what joiner.c asks of the copies too: so
 * this proves the emulation as well.
 */
#include "step.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PLACES_MAX = 256, VIOLATIONS_MAX = 10 };

struct places {
	struct place at[PLACES_MAX + 1];
	size_t count;
};

static void find_places(const struct op *op, struct places *places)
{
	static struct trail trail;
	struct stage stage;
	trail.count = places->count = 0;
	stage_begin(&stage, op);
	bool more = true;
	bool changed = false;
	while (more && places->count < PLACES_MAX) {
		bool kernel = victim_at_syscall(&stage);
		more = victim_step(&stage);
		bool moved = trail_add(&trail, stage.rip, &places->at[places->count]);
		changed = stage_changed(&stage) || changed || kernel;
		if (!more || !moved || !changed)
			continue;
		places->count++;
		changed = false;
	}
	stage_end(&stage);
}

/* In a process of its own: how much did it find wrong? */
static void newcomer(struct stage *stage)
{
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		die_with_harness();
		stage->violations = 0;
		check_opening(stage, &stage->real, anybody_lives(stage, &stage->real),
			      "a real newcomer");
		fflush(stdout);
		_exit(stage->violations > 100 ? 100 : (int)stage->violations);
	}
	int status;
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		give_up("fork: %s", strerror(errno));
	if (!WIFEXITED(status))
		violate(stage, "a real newcomer: ended with status 0x%x", (unsigned)status);
	else
		stage->violations += (uint64_t)WEXITSTATUS(status);
}

/* The bystander reads all that is there now, each message once and whole. */
static void bystander_reads(struct stage *stage)
{
	uint8_t buffer[1024];
	struct shoal_view view;
	struct topic_map map;
	if (!stage->other_sub || topic_map(&map, &stage->real) < 0)
		return;
	uint64_t next[LANES] = {0};
	uint32_t entry = entry_of(stage->other_sub);
	for (uint32_t i = 0; i < LANES; i++)
		next[i] = atomic_load(&topic_record(&map, entry)->cursors[i]);
	int r;
	while ((r = shoal_sub_receive(stage->other_sub, buffer, sizeof(buffer), 0, &view)) == 0) {
		if (view.sequence != next[view.lane] ||
		    !message_is(buffer, view.bytes, stage->op->shape, view.lane, view.sequence))
			violate(stage, "the bystander gets message %llu of lane %u, not %llu",
				(unsigned long long)view.sequence, view.lane,
				(unsigned long long)next[view.lane]);
		next[view.lane] = view.sequence + 1;
	}
	bool removed = lifetime_state(&stage->real) == LIFETIME_REMOVED;
	if (r != -EAGAIN && r != -EPIPE && !(removed && r == -ESTALE))
		violate(stage, "the bystander: receive: %d, %s", r, shoal_error_detail());
	for (uint32_t i = 0; i < LANES && r != -ESTALE; i++) {
		struct lane_map lane = topic_lane(&map, i);
		if (topic_lane_ready(&map, i) && next[i] != lane_end(&lane))
			violate(stage, "the bystander stops at %llu of lane %u, which ends at %llu",
				(unsigned long long)next[i], i,
				(unsigned long long)lane_end(&lane));
	}
}

void run_real(const struct op *op, struct totals *totals)
{
	static struct places places;
	struct stage stage;
	uint64_t violations = 0, missed = 0;
	find_places(op, &places);
	for (size_t i = 0; i < places.count && violations < VIOLATIONS_MAX; i++) {
		stage_begin(&stage, op);
		stage.quiet = op->flags & OP_WRONG;
		stage.states = i + 1;
		missed += !victim_run_to(&stage, places.at[i]);
		victim_kill(&stage);
		stage_changed(&stage);
		if (stage.real.base)
			newcomer(&stage);
		if (stage.real.base)
			bystander_reads(&stage);
		stage_end(&stage);
		violations += stage.violations;
	}
	stage.violations = violations;
	stage.steps = 0;
	stage.states = places.count;
	if (missed * 10 > places.count)
		violate(&stage, "%llu of %zu places were not reached", (unsigned long long)missed,
			places.count);
	add_up(&stage, totals, "killed");
}
