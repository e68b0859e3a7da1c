/* SPDX-License-Identifier: Apache-2.0 */
/* GROUP: steps the operations of that group. real: kills all that are marked so for real. */
#include "crash.h"

#include <sched.h>
#include <string.h>

static const struct group *const groups[] = {&publish_group};

/* The victim inherits it: a step is a switch on one core, without an interrupt of another. */
static void pin(void)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET((size_t)sched_getcpu(), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

int main(int argc, char **argv)
{
	if (!can_step())
		return 77;
	pin();
	struct totals totals = {0};
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		const struct group *group = groups[i];
		if (argc > 1 && strcmp(argv[1], group->name) != 0)
			continue;
		for (size_t k = 0; k < group->count; k++)
			if (argc < 3 || strstr(group->ops[k].name, argv[2]))
				run_op(&group->ops[k], &totals);
	}
	printf("%llu operations, %llu instructions, %llu states, %llu violations\n",
	       (unsigned long long)totals.operations, (unsigned long long)totals.steps,
	       (unsigned long long)totals.states, (unsigned long long)totals.violations);
	return totals.violations > 0 || totals.operations == 0;
}
