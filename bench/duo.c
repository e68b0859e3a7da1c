/* SPDX-License-Identifier: Apache-2.0 */
#include "duo.h"

#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define DUO_LIMIT_NS (60 * (int64_t)1000000000)
#define DUO_TRIES    8

void bench_meet(struct bench_side *me)
{
	bench_steps_meet(&me->control->steps, me->side);
}

static size_t memory_bytes(const struct bench_contender *contender)
{
	if (contender->program->memory_bytes == NULL)
		return 0;
	return contender->program->memory_bytes(&contender->setup);
}

static void open_all(struct bench_control *control, const struct bench_group *group, int side,
		     struct bench_side *sides)
{
	for (uint32_t i = 0; i < group->count; i++) {
		const struct bench_contender *contender = &group->contender[i];
		struct bench_side *me = &sides[i];
		size_t bytes = memory_bytes(contender);

		memset(me, 0, sizeof *me);
		me->side = side;
		me->program = contender->program;
		me->setup = &contender->setup;
		me->control = control;
		snprintf(me->topic, sizeof me->topic, "%s/%s.%u.%u", control->prefix, group->name,
			 control->start, i);
		snprintf(me->topic_back, sizeof me->topic_back, "%s.back", me->topic);
		if (bytes > 0)
			me->memory = bench_memory_map(control->memory_fd[i], bytes);
		contender->program->open(me);
		bench_meet(me);
	}
}

/* How often somebody else took our core from us. */
static uint64_t robbed(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)usage.ru_nivcsw;
}

/* Measures again when either side lost its core meanwhile; the last try counts in any case. */
static void run_once(struct bench_side *me, uint32_t contender, uint32_t repeat)
{
	struct bench_control *control = me->control;
	const struct bench_program *program = me->program;
	bool last = false;

	for (int i = 0; i < DUO_TRIES && !last; i++) {
		uint64_t before;
		double value;

		bench_meet(me);
		me->spoiled = false;
		before = robbed();
		value = program->run(me, me->setup->count);
		if (value > 0.0)
			control->value[contender][repeat] = value;
		control->robbed[me->side] = robbed() - before + me->spoiled;
		bench_meet(me);
		if (control->robbed[0] == 0 && control->robbed[1] == 0)
			return;
		/* On a machine that is never quiet, what there is must do. */
		last = control->again >= control->again_most;
		bench_meet(me); /* both have looked */
		if (me->side == 0) {
			control->disturbed++;
			control->again++;
		}
	}
}

void bench_duo_worker(struct bench_control *control, const struct bench_group *group, int side)
{
	struct bench_side sides[BENCH_CONTENDERS];

	bench_pin(control->cores[side]);
	open_all(control, group, side, sides);
	for (uint32_t repeat = 0; repeat < control->repeats; repeat++) {
		for (uint32_t i = 0; i < group->count; i++)
			run_once(&sides[i], i, repeat);
	}
	for (uint32_t i = 0; i < group->count; i++) {
		bench_meet(&sides[i]);
		if (group->contender[i].program->close != NULL)
			group->contender[i].program->close(&sides[i]);
	}
}

static void prepare(struct bench_control *control, const struct bench_group *group)
{
	control->error[0] = '\0';
	memset(control->value, 0, sizeof control->value);
	memset(&control->steps, 0, sizeof control->steps);
	for (uint32_t i = 0; i < group->count; i++) {
		size_t bytes = memory_bytes(&group->contender[i]);

		control->memory_fd[i] = bytes > 0 ? bench_memory_make(bytes) : -1;
	}
}

static bool all_measured(struct bench_control *control, const struct bench_group *group)
{
	for (uint32_t i = 0; i < group->count; i++) {
		for (uint32_t repeat = 0; repeat < control->repeats; repeat++) {
			if (control->value[i][repeat] > 0.0)
				continue;
			snprintf(control->error, sizeof control->error, "%s %s measured nothing",
				 group->name, group->contender[i].program->name);
			return false;
		}
	}
	return true;
}

bool bench_duo(int control_fd, struct bench_control *control, const struct bench_group *group)
{
	pid_t pids[2];
	bool well;

	prepare(control, group);
	pids[0] = bench_start(control_fd, "duo", 0);
	pids[1] = bench_start(control_fd, "duo", 1);
	well = bench_watch(pids, 2, DUO_LIMIT_NS, NULL);
	for (uint32_t i = 0; i < group->count; i++) {
		if (control->memory_fd[i] >= 0)
			close(control->memory_fd[i]);
	}
	if (well)
		return all_measured(control, group);
	if (control->error[0] == '\0')
		snprintf(control->error, sizeof control->error, "a worker died or took too long");
	return false;
}
