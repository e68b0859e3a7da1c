/* SPDX-License-Identifier: Apache-2.0 */
/*
 * torture-step GROUP [TEXT] [OPTION...]: the operations of that group (whose names have TEXT in
 * them), killed at every instruction. See step.h. GROUP is one of the tables, or
 *
 *   all      every table, `real` and `arrive`
 *   real     killed for real wherever something changed
 *   arrive   others come at each instruction
 *   traps    is each state of a recovery found? Steps some of them at each instruction, too
 *
 * --depth N     so many deaths in a row (2; up to 4)
 * --list        only the operations: group, name and functions, separated by tabs
 * --counts FILE adds lines "key value"
 * --seed N      nothing here is random; taken because all programs of the lab take it
 *
 * torture-step failing [TEXT] [OPTION...]: lets one call after the other fail. See failing.h.
 */
#include "blocks.h"
#include "failing.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

static const struct group *const groups[] = {&publish_group, &receive_group, &join_group,
					     &leave_group,   &told_group,    &repair_group,
					     &look_group,    &wrong_group,   &block_group};
enum { GROUPS = sizeof(groups) / sizeof(groups[0]) };

struct call {
	const char *group;
	const char *counts;
	bool list;
	struct totals totals;
};

/* The victim inherits it: a step is a switch on one core, without an interrupt of another. */
static void pin(void)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET((size_t)sched_getcpu(), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static bool is(const struct call *call, const char *what)
{
	bool all = strcmp(call->group, "all") == 0 && strcmp(what, "wrong") != 0 &&
		   strcmp(what, "traps") != 0;
	return all || strcmp(call->group, what) == 0;
}

/* They have an oracle of their own, and are killed for real in the same group. */
static void run_blocks(struct call *call)
{
	for (size_t i = 0; i < block_group.count && is(call, block_group.name); i++) {
		const struct op *op = &block_group.ops[i];
		if (call->totals.only && !strstr(op->name, call->totals.only))
			continue;
		run_block(op, &call->totals);
	}
}

static void run_group(const struct group *group, struct call *call)
{
	struct totals *totals = &call->totals;
	for (size_t i = 0; i < group->count; i++) {
		struct op there;
		const struct op *op = &there;
		if ((totals->only && !strstr(group->ops[i].name, totals->only)) ||
		    !backend_means(&group->ops[i], &there))
			continue;
		totals->compare = is(call, "traps") && !(op->flags & OP_WRONG);
		if (is(call, group->name) || totals->compare)
			run_op(op, totals);
		bool right = !(op->flags & (OP_WRONG | OP_LOOKS));
		if (is(call, "real") && (right || (op->flags & OP_REAL)))
			run_real(op, totals);
	}
}

static void list_group(const struct group *group, const struct call *call)
{
	for (size_t i = 0; i < group->count && is(call, group->name); i++)
		if (!call->totals.only || strstr(group->ops[i].name, call->totals.only))
			printf("%s\t%s\t%s\n", group->name, group->ops[i].name,
			       group->ops[i].covers ? group->ops[i].covers : "");
}

static int usage(void)
{
	fprintf(stderr, "torture-step GROUP [TEXT] [--depth N] [--backend NAME] [--list] "
			"[--counts FILE] [--seed N]\nGROUP is all, real, arrive, traps");
	for (size_t i = 0; i < GROUPS; i++)
		fprintf(stderr, ", %s", groups[i]->name);
	fprintf(stderr, "\n");
	return 2;
}

static bool is_group(const char *name)
{
	static const char *const others[] = {"all", "real", "arrive", "traps"};
	bool found = false;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		found |= strcmp(name, others[i]) == 0;
	for (size_t i = 0; i < GROUPS; i++)
		found |= strcmp(name, groups[i]->name) == 0;
	return found;
}

static bool take_option(struct call *call, const char *option, const char *value)
{
	if (!value)
		return false;
	if (strcmp(option, "--counts") == 0)
		call->counts = value;
	else if (strcmp(option, "--backend") == 0)
		return backend_choose(value);
	else if (strcmp(option, "--depth") == 0)
		call->totals.depth = (unsigned)strtoul(value, NULL, 10);
	else
		return strcmp(option, "--seed") == 0;
	return call->totals.depth >= 1 && call->totals.depth <= DEPTH_MAX;
}

static bool parse(struct call *call, int argc, char **argv)
{
	*call = (struct call){.totals.depth = 2};
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--list") == 0) {
			call->list = true;
		} else if (argv[i][0] == '-') {
			if (!take_option(call, argv[i], argv[i + 1]))
				return false;
			i++;
		} else if (!call->group) {
			call->group = argv[i];
		} else if (!call->totals.only) {
			call->totals.only = argv[i];
		} else {
			return false;
		}
	}
	return call->group && is_group(call->group);
}

static void write_counts(const struct call *call)
{
	const struct totals *totals = &call->totals;
	FILE *file = call->counts ? fopen(call->counts, "a") : NULL;
	if (call->counts && !file)
		give_up("%s: %s", call->counts, strerror(errno));
	if (!file)
		return;
	fprintf(file, "step.operations %llu\n", (unsigned long long)totals->operations);
	fprintf(file, "step.instructions %llu\n", (unsigned long long)totals->steps);
	fprintf(file, "step.states %llu\n", (unsigned long long)totals->states);
	fprintf(file, "step.recoveries %llu\n", (unsigned long long)totals->found.recoveries);
	for (unsigned i = 2; i <= totals->depth; i++)
		fprintf(file, "step.recovery_states_at_depth_%u %llu\n", i,
			(unsigned long long)totals->found.recovery_states[i]);
	fprintf(file, "step.kills %llu\n", (unsigned long long)totals->kills);
	fprintf(file, "step.violations %llu\n", (unsigned long long)totals->violations);
	if (fclose(file) != 0)
		give_up("%s: %s", call->counts, strerror(errno));
}

static void print_totals(const struct totals *totals)
{
	printf("%llu operations, %llu instructions, %llu states, %llu recoveries",
	       (unsigned long long)totals->operations, (unsigned long long)totals->steps,
	       (unsigned long long)totals->states, (unsigned long long)totals->found.recoveries);
	for (unsigned i = 2; i <= totals->depth; i++)
		printf(", %llu states at depth %u",
		       (unsigned long long)totals->found.recovery_states[i], i);
	if (totals->found.instructions > 0)
		printf(", %llu instructions of recoveries",
		       (unsigned long long)totals->found.instructions);
	printf(", %llu real kills, %llu violations\n", (unsigned long long)totals->kills,
	       (unsigned long long)totals->violations);
}

int main(int argc, char **argv)
{
	struct call call;
	if (argc > 1 && strcmp(argv[1], "failing") == 0)
		return failing_main(argc, argv);
	if (!parse(&call, argc, argv))
		return usage();
	for (size_t i = 0; i < GROUPS && call.list; i++)
		list_group(groups[i], &call);
	if (call.list)
		return 0;
	if (!can_step())
		return 77;
	pin();
	if (is(&call, "arrive"))
		run_arrivals(&call.totals);
	for (size_t i = 0; i < GROUPS; i++)
		if (groups[i] != &block_group)
			run_group(groups[i], &call);
	run_blocks(&call);
	print_totals(&call.totals);
	write_counts(&call);
	if (call.totals.operations == 0)
		fprintf(stderr, "no operation has '%s' in its name\n", call.totals.only);
	return call.totals.operations == 0 ? 2 : call.totals.violations > 0;
}
