/* SPDX-License-Identifier: Apache-2.0 */
/* shoal-bench: what the verb `shoal bench` becomes. */
#include "compare.h"
#include "document.h"
#include "outputs.h"
#include "plan.h"
#include "print.h"
#include "worker.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct lab_request request;
static struct lab_outputs outputs;

static const struct option bench_options[] = {
    {OPTION_FLAG, 'a', "all", &request.all, NULL,
     "every transport, with 64 bytes, 1 KiB, 64 KiB and 1 MiB: three minutes"},
    {OPTION_TEXT, 't', "transports", &request.transports, "LIST", "only these"},
    {OPTION_TEXT, 's', "sizes", &request.sizes, "LIST", "messages of these sizes (64,64K)"},
    {OPTION_TEXT, 'w', "jobs", &request.jobs, "LIST",
     "round-trip, stream, open-loop, batch (the first two)"},
    {OPTION_TEXT, 'm', "modes", &request.modes, "LIST", "spinning, sleeping (both)"},
    {OPTION_TEXT, 'r', "rate", &request.rates, "LIST",
     "open-loop: so many messages a second, whether the last one has arrived or not"},
    {OPTION_U32, 0, "publishers", &request.publishers, "N", "so many, in one process (1)"},
    {OPTION_U32, 0, "subscribers", &request.subscribers, "N", "so many, in one process (1)"},
    {OPTION_U32, 0, "slots", &request.slots, "N", "slots of a topic's lane (16384)"},
    {OPTION_SECONDS, 'd', "duration", &request.duration_ns, "TIME",
     "about so long for all of it (19 s)"},
    {OPTION_U32, 0, "starts", &request.starts, "N", "fresh processes for each figure (5)"},
    {OPTION_TEXT, 'c', "cores", &request.cores, "A,B", "on these two processors"},
    {OPTION_TEXT, 0, "html", &outputs.html, "FILE",
     "make a page of it: curves, bars, tables, and nothing from outside"},
    {OPTION_TEXT, 0, "svg", &outputs.svg, "FILE", "make a picture of it"},
    {OPTION_TEXT, 0, "compare", &outputs.compare, "FILE",
     "say what got slower since that run, which --json printed"},
    {OPTION_TEXT, 0, "from", &outputs.from, "FILE",
     "measure nothing: take the run that --json printed into that file"},
    {OPTION_END, 0, NULL, NULL, NULL, NULL},
};

static const struct verb verb = {
    .name = "bench",
    .arguments = "",
    .summary = "Measure Shoal beside the kernel's own ways between processes.",
};

static char notes[4096];

static void write_notes(void)
{
	size_t used = (size_t)snprintf(notes, sizeof notes, "Transports:");
	size_t line = used;

	for (uint32_t i = 0; i < lab_transport_count && used < sizeof notes; i++) {
		bool wrap = line + strlen(lab_transports[i]->name) > 74;

		line = wrap ? 0 : line + strlen(lab_transports[i]->name) + 2;
		used += (size_t)snprintf(notes + used, sizeof notes - used, "%s%s%s", i ? "," : "",
					 wrap ? "\n  " : " ", lab_transports[i]->name);
	}
	if (used < sizeof notes)
		snprintf(notes + used, sizeof notes - used,
			 ".\nAn open loop sends when a message is due, and counts from there: what "
			 "waits because\nothers before it took too long is late, and is counted as "
			 "late. A round trip sends\nwhen the last answer is there, and can't see "
			 "that.\nWith --compare: %s",
			 compare_rule);
}

static int show(const json_t *document)
{
	int code = table_style.json ? document_print(document) : print_tables(document);
	int made = outputs_make(&outputs, document);

	return code == EXIT_DONE ? made : code;
}

static int measure(struct lab_plan *plan)
{
	struct lab_result result = {0};
	json_t *document;
	int code;

	plan->progress = isatty(STDERR_FILENO) != 0;
	if (lab_run_plan(plan, &result) < 0)
		return EXIT_FAILED;
	if (!result.complete) {
		say("stopped before it was through");
		return EXIT_FAILED;
	}
	document = document_make(plan, &result);
	if (!document) {
		say("out of memory");
		return EXIT_FAILED;
	}
	code = show(document);
	json_decref(document);
	for (size_t i = 0; i < plan->count; i++) {
		const struct lab_figure *figure = &plan->figures[i];

		if (!figure->failed)
			continue;
		say("%s failed: %s", lab_transports[figure->what.transport]->name, figure->missing);
		code = EXIT_FAILED;
	}
	return code;
}

/* What can't be meant. */
static int check_request(void)
{
	if (outputs.from && !lab_request_is_usual(&request))
		return say_usage(&verb, "--from measures nothing, so there is nothing to say about "
					"what and how");
	if (!outputs.from && outputs.compare && request.starts < COMPARE_STARTS)
		return say_usage(&verb, "--compare gives no verdict with fewer than %d --starts",
				 COMPARE_STARTS);
	return GO_ON;
}

int main(int argc, char **argv)
{
	static const struct option *const tables[] = {bench_options, table_options, NULL};
	struct options options;
	struct lab_plan plan = {0};
	int code;

	keep_standard_descriptors();
	signal(SIGPIPE, SIG_IGN);
	if (argc == 5 && strcmp(argv[1], "--worker") == 0) {
		lab_worker((int)strtol(argv[2], NULL, 10), (int)strtol(argv[4], NULL, 10));
		return EXIT_DONE;
	}
	write_notes();
	request = lab_request_usual;
	code = options_parse(&options, &verb, argc, (const char **)argv, tables, notes, 0, 0);
	if (code != GO_ON)
		return code;
	code = print_check(&verb);
	if (code == GO_ON)
		code = check_request();
	if (code == GO_ON)
		code = outputs_begin(&outputs);
	if (code == GO_ON && outputs.run) {
		code = show(outputs.run);
	} else if (code == GO_ON) {
		code = plan_make(&verb, &request, &plan);
		if (code == GO_ON) {
			stop_on_signals();
			code = measure(&plan);
		}
	}
	plan_free(&plan);
	outputs_free(&outputs);
	options_free(&options);
	return code;
}
