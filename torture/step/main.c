/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GROUP [TEXT]: steps the operations of that group (whose names have TEXT in them).
 * real [TEXT]: kills for real. arrive [TEXT]: lets others come at each instruction.
 */
#include "step.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

static const struct group *const groups[] = {&publish_group, &receive_group, &join_group,
					     &leave_group,   &told_group,    &repair_group,
					     &wrong_group};

/* The victim inherits it: a step is a switch on one core, without an interrupt of another. */
static void pin(void)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET((size_t)sched_getcpu(), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void run_group(const struct group *group, const char *which, struct totals *totals)
{
	bool real = strcmp(which, "real") == 0;
	if (!real && strcmp(which, group->name) != 0)
		return;
	for (size_t i = 0; i < group->count; i++) {
		const struct op *op = &group->ops[i];
		if (totals->only && !strstr(op->name, totals->only))
			continue;
		if (!real)
			run_op(op, totals);
		else if (op->flags & OP_REAL)
			run_real(op, totals);
	}
}

int main(int argc, char **argv)
{
	if (argc < 2)
		give_up("which group?");
	if (!can_step())
		return 77;
	pin();
	struct totals totals = {.only = argc > 2 ? argv[2] : NULL, .depth = argc > 3 ? (unsigned)atoi(argv[3]) : 2};
	if (strcmp(argv[1], "arrive") == 0)
		run_arrivals(&totals);
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		run_group(groups[i], argv[1], &totals);
	printf("%llu operations, %llu instructions, %llu states, %llu violations\n",
	       (unsigned long long)totals.operations, (unsigned long long)totals.steps,
	       (unsigned long long)totals.states, (unsigned long long)totals.violations);
	return totals.violations > 0 || totals.operations == 0;
}
