/* SPDX-License-Identifier: Apache-2.0 */
/* What stands around the panels: what was measured on, and how to read them. */
#include "picture_panel.h"

#include <stdarg.h>
#include <string.h>

const char picture_warning[] = "This machine was not quiet while it measured: these figures are "
			       "worth little. Measure again when nothing else runs.";

bool picture_needs_warning(const struct run_document *run)
{
	return run_was_noisy(&run->machine);
}

/* Adds to the text; what does not fit is left out. */
__attribute__((format(printf, 2, 3))) static void add(struct picture_fact *fact, const char *format,
						      ...)
{
	size_t used = strlen(fact->text);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(fact->text + used, sizeof fact->text - used, format, arguments);
	va_end(arguments);
}

static void pinned(struct picture_fact *fact, const struct run_machine *machine)
{
	size_t count = json_array_size(machine->pinned);

	if (machine->pinned == NULL) {
		add(fact, "not said");
	} else if (count == 0) {
		add(fact, "to no processor: the scheduler chose");
	} else {
		add(fact, "to processors");
		for (size_t i = 0; i < count; i++)
			add(fact, "%s %lld", i > 0 ? "," : "",
			    (long long)json_integer_value(json_array_get(machine->pinned, i)));
	}
}

/* So often somebody else took the processor from what was measured; RUN_NONE: not said. */
static double preempted(const struct run_document *run)
{
	double sum = RUN_NONE;

	for (size_t i = 0; i < run->count; i++) {
		double times = run->results[i].preempted;

		if (run_has(times))
			sum = run_has(sum) ? sum + times : times;
	}
	return sum;
}

static void noise(struct picture_fact *fact, const struct run_document *run)
{
	const struct run_machine *machine = &run->machine;

	add(fact, "%s of the time stolen by the hypervisor; processors %s busy just before",
	    run_percent(machine->steal_percent).text,
	    run_percent(machine->busy_percent_before).text);
	add(fact, "; timer jitter %s in the median, %s at 99 %%, %s at most",
	    run_short_time(machine->jitter_p50_ns).text,
	    run_short_time(machine->jitter_p99_ns).text,
	    run_short_time(machine->jitter_max_ns).text);
	if (run_has(preempted(run)))
		add(fact, "; involuntary context switches while measuring: %s",
		    run_count(preempted(run)).text);
}

void picture_facts(const struct run_document *run, struct picture_fact *ret_facts)
{
	static const char *const names[PICTURE_FACTS] = {"Processor", "Kernel", "Pinned", "Noise",
							 "Run"};
	static const char *const hosts[] = {"", ", on the bare machine", ", in a virtual machine"};
	const struct run_machine *machine = &run->machine;

	for (size_t i = 0; i < PICTURE_FACTS; i++)
		ret_facts[i] = (struct picture_fact){.name = names[i]};
	add(&ret_facts[0], "%s, %s processors%s", run_short(machine->cpu, 80).text,
	    run_count(machine->processors).text, hosts[machine->hypervisor + 1]);
	add(&ret_facts[1], "Linux %s", run_short(machine->kernel, 80).text);
	if (machine->governor != NULL)
		add(&ret_facts[1], ", frequency governor %s",
		    run_short(machine->governor, 40).text);
	pinned(&ret_facts[2], machine);
	noise(&ret_facts[3], run);
	add(&ret_facts[4], "shoal %s, %s", run_short(run->shoal, 40).text,
	    run_short(run->when, 40).text);
	if (run_has(run->duration_s))
		add(&ret_facts[4], ", took %.1f s", run->duration_s);
}

const char *const picture_how[PICTURE_HOW] = {
    "Curves: the time within which so many of the messages came through. Both axes are "
    "logarithmic: with each nine more, what is slower still is ten times rarer. Beside a name "
    "stand "
    "its median, and its ratio to the limit: the number is the ratio times the run's limit. What "
    "spins is compared with the limit in each process start, what sleeps with the limit of the "
    "run; this is the median of that. The wide stroke at 50 % is its spread, the quartiles over "
    "the starts. A curve ends where fewer than ten messages lie beyond it.",
    "Bars: messages a second, on a linear axis from 0, so that lengths can be compared; the stroke "
    "at the end of a bar is its spread. A ratio better than 1 means that the processors moved "
    "within a start, or that fewer buffers go round than in the ring, and stay in a cache.",
    "The limit (dashed) was measured in the same run: line is one cache line that two processors "
    "hand to and fro, ring a plain ring that trusts its peer. Neither is safe from anything. "
    "Spinning costs a processor all the time, sleeping a system call: they never share a panel, "
    "but "
    "panels side by side have the same axis.",
};

const char *picture_reading(enum run_job job)
{
	static const char *const texts[] = {
	    [RUN_ROUND_TRIP] = "There and back, one message at a time. Lower is better.",
	    [RUN_OPEN_LOOP] = "Messages are sent at a fixed rate, and the time of each counts from "
			      "the moment at which it should have been sent: who falls behind is "
			      "charged for the queue that this makes. Lower is better.",
	    [RUN_STREAM] = "One way, as many messages as go through. Longer is better.",
	    [RUN_BATCH] = "As a stream, by calls that take up to 64 messages. Longer is better.",
	};

	return texts[job];
}
