/* SPDX-License-Identifier: Apache-2.0 */
#include "run.h"

#include "cli.h"
#include "janitor.h"
#include "jitter.h"
#include "progress.h"
#include "scratch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIDES_LIMIT_NS   (60 * NS_PER_SECOND)
#define MEASURE_LEAST_NS 5000000

enum { LINE = 0, RING = 1 }; /* in lab_transports */

const struct lab_transport *lab_limit_of(enum lab_job job)
{
	return lab_transports[lab_is_stream(job) ? RING : LINE];
}

/* ---- what the sides find when they start ------------------------------------------------- */

static void link_clear(struct lab_link *link)
{
	*link = (struct lab_link){.memory_fd = -1, .fd = {{-1, -1}, {-1, -1}}, .queue = -1};
}

static bool link_make(struct lab_control *control, enum lab_part part, char *reason)
{
	const struct lab_case *what = &control->what[part];
	const struct lab_transport *transport = lab_transports[what->transport];
	struct lab_link *link = &control->link[part];
	bool made;

	reason[0] = '\0';
	if (transport->memory_bytes != NULL) {
		link->memory_bytes = transport->memory_bytes(what);
		link->memory_fd = bench_memory_make(link->memory_bytes);
	}
	made = transport->make == NULL || transport->make(link, what, reason);
	/* From here on it is the janitor's, should we be killed. */
	if (link->queue >= 0)
		control->queue = link->queue + 1;
	return made;
}

/* The sides have descriptors of their own: without ours, one sees that the other is gone. */
static void link_close(struct lab_link *link)
{
	int *all = &link->fd[0][0];

	for (int i = 0; i < 4; i++) {
		bool seen = false;

		for (int before = 0; before < i; before++)
			seen = seen || all[before] == all[i];
		if (all[i] >= 0 && !seen)
			close(all[i]);
	}
	if (link->memory_fd >= 0)
		close(link->memory_fd);
}

static void link_unmake(struct lab_control *control, enum lab_part part)
{
	struct lab_link *link = &control->link[part];
	const struct lab_transport *transport = lab_transports[control->what[part].transport];

	if (transport->unmake != NULL)
		transport->unmake(link);
	janitor_remove_files(link);
	if (link->queue >= 0)
		control->queue = 0;
}

static void choose_limits(struct lab_control *control, const struct lab_case *what)
{
	struct lab_case line = {.transport = LINE,
				.job = LAB_ROUND_TRIP,
				.mode = LAB_SPINNING,
				.bytes = 64,
				.publishers = 1,
				.subscribers = 1};
	struct lab_case ring = line;

	ring.transport = RING;
	ring.job = LAB_STREAM;
	ring.bytes = what->bytes;
	control->what[LAB_LINE] = line;
	control->what[LAB_LIMIT] = lab_is_stream(what->job) ? ring : line;
	control->what[LAB_SUBJECT] = *what;
}

/* ---- one start --------------------------------------------------------------------------- */

static double messages_s(const struct lab_measured *measured)
{
	return (double)measured->count * 1e9 / (double)measured->took_ns;
}

/* A round trip is compared with a round trip of the line, a stream with one through the ring, and a
 * message that went one way, with its queueing, with half a round trip. */
static double limit_of(const struct lab_control *control, double line_ns)
{
	switch (control->what[LAB_SUBJECT].job) {
	case LAB_STREAM:
	case LAB_BATCH:
		return messages_s(&control->measured[LAB_LIMIT]);
	case LAB_OPEN_LOOP:
		return line_ns / 2.0;
	default:
		return line_ns;
	}
}

static void read_latency(const struct lab_control *control, struct lab_start *start)
{
	bool timed = !lab_is_stream(control->what[LAB_SUBJECT].job);
	double unit_ns = control->what[LAB_SUBJECT].job == LAB_OPEN_LOOP ? 1.0 : control->tick_ns;
	struct shoal_histogram latency;

	if (!timed ||
	    shoal_histogram_attach(&latency, (void *)control->latency, sizeof control->latency) < 0)
		return;
	for (size_t i = 0; i < LAB_PERCENTS; i++)
		start->ns[i] =
		    unit_ns * (double)shoal_histogram_percentile(&latency, lab_percents[i].percent);
	start->max_ns = unit_ns * (double)shoal_histogram_max(&latency);
}

static void add_start(struct lab_figure *figure, const struct lab_control *control)
{
	const struct lab_measured *measured = &control->measured[LAB_SUBJECT];
	struct lab_start *start = &figure->start[figure->starts++];

	start->line_ns = control->measured[LAB_LINE].p50 * control->tick_ns;
	start->limit = limit_of(control, start->line_ns);
	start->messages_s = messages_s(measured);
	read_latency(control, start);
	figure->near += start->line_ns <= BENCH_FAR_NS;
	figure->piece = control->link[LAB_SUBJECT].piece;
	if (figure->buffers == 0 || control->link[LAB_SUBJECT].buffers < figure->buffers)
		figure->buffers = control->link[LAB_SUBJECT].buffers;
	figure->messages += measured->messages;
	for (int side = 0; side < 2; side++) {
		figure->cpu_s += measured->cpu_s[side];
		figure->switches += measured->switches[side];
		figure->preempted += measured->preempted[side];
	}
}

static void run_sides(int control_fd, struct lab_control *control, struct lab_figure *figure)
{
	pid_t pids[2];
	bool well;

	for (int side = 0; side < 2; side++)
		pids[side] = bench_start(control_fd, "side", side);
	for (int part = 0; part < LAB_PARTS; part++)
		link_close(&control->link[part]);
	well = bench_watch(pids, 2, SIDES_LIMIT_NS, stopped);
	if (stopped())
		return;
	if (well) {
		add_start(figure, control);
	} else if (control->missing[0] != '\0') {
		snprintf(figure->missing, sizeof figure->missing, "%s", control->missing);
	} else {
		snprintf(figure->missing, sizeof figure->missing, "%s",
			 control->error[0] != '\0' ? control->error
						   : "a process died or took too long");
		figure->failed = true;
	}
}

static void run_start(int control_fd, struct lab_control *control, struct lab_figure *figure)
{
	bool made = true;
	int parts = 0;

	memset(&control->steps, 0, sizeof control->steps);
	memset(control->measured, 0, sizeof control->measured);
	control->error[0] = '\0';
	control->missing[0] = '\0';
	choose_limits(control, &figure->what);
	for (int part = 0; part < LAB_PARTS; part++)
		link_clear(&control->link[part]);
	for (; parts < LAB_PARTS && made; parts++)
		made = link_make(control, (enum lab_part)parts, figure->missing);
	if (made) {
		run_sides(control_fd, control, figure);
	} else {
		for (int part = 0; part < LAB_PARTS; part++)
			link_close(&control->link[part]);
	}
	for (int part = 0; part < parts; part++)
		link_unmake(control, (enum lab_part)part);
}

/* ---- all of them ------------------------------------------------------------------------- */

/* What remains of the time, for what remains to be measured; what else a start costs is known from
 * those that were. */
struct budget {
	int64_t end_ns;
	uint64_t left;
	uint64_t done;
	int64_t beside_ns; /* of all that are done */
};

static int64_t budget_next(const struct budget *budget)
{
	int64_t beside_ns = budget->done > 0 ? budget->beside_ns / (int64_t)budget->done : 60000000;
	int64_t each_ns = (budget->end_ns - now_ns()) / (int64_t)budget->left - beside_ns;

	if (each_ns < MEASURE_LEAST_NS)
		return MEASURE_LEAST_NS;
	return each_ns < LAB_MEASURE_MOST_NS ? each_ns : LAB_MEASURE_MOST_NS;
}

static void run_all(const struct lab_plan *plan, int control_fd, struct lab_control *control)
{
	struct budget budget = {.end_ns = now_ns() + plan->duration_ns,
				.left = plan->count * plan->starts};

	for (uint32_t start = 0; start < plan->starts; start++) {
		for (size_t i = 0; i < plan->count && !stopped(); i++) {
			struct lab_figure *figure = &plan->figures[i];
			int64_t began_ns = now_ns();

			if (figure->missing[0] == '\0') {
				if (plan->progress)
					progress_show(plan, i, start);
				control->measure_ns = budget_next(&budget);
				run_start(control_fd, control, figure);
				budget.done++;
				budget.beside_ns += now_ns() - began_ns - control->measure_ns;
			}
			budget.left--;
		}
	}
	if (plan->progress)
		progress_end();
}

static int begin(struct lab_control *control)
{
	int r = scratch_make("bench", control->scratch, sizeof control->scratch);

	if (r < 0) {
		const char *directory = getenv("SHOAL_DIR");

		say("can't make a folder in %s: %s; SHOAL_DIR names another place",
		    directory && directory[0] ? directory : "/dev/shm", strerror(-r));
		return r;
	}
	r = janitor_start(control);
	if (r < 0) {
		say("can't start a process: %s", strerror(-r));
		scratch_remove(control->scratch);
		return r;
	}
	return setenv("SHOAL_DIR", control->scratch, 1) < 0 ? -errno : 0;
}

int lab_run_plan(const struct lab_plan *plan, struct lab_result *ret_result)
{
	int control_fd = bench_memory_make(sizeof(struct lab_control));
	struct lab_control *control = bench_memory_map(control_fd, sizeof *control);
	int r;

	memcpy(control->cores, plan->cores, sizeof control->cores);
	memcpy(ret_result->machine.cores, plan->cores, sizeof control->cores);
	control->tick_ns = bench_tick_ns();
	r = begin(control);
	if (r < 0) {
		janitor_finish();
		return r;
	}
	bench_machine_begin(&ret_result->machine);
	ret_result->jitter = lab_jitter(plan->cores[0]);
	ret_result->tick_ns = control->tick_ns;
	run_all(plan, control_fd, control);
	bench_machine_end(&ret_result->machine);
	ret_result->complete = !stopped();
	janitor_finish();
	return 0;
}
