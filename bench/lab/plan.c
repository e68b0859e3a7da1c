/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_MAX 32
#define WORD_MAX 64

#define STARTS_USUAL 5
#define SLOTS_MOST   (1u << 24)

const char *const lab_job_names[LAB_JOBS] = {"round-trip", "stream", "open-loop", "batch"};
const char *const lab_mode_names[LAB_MODES] = {"spinning", "sleeping"};

/* No number that one can ask for. */
#define SLOTS_USUAL    UINT32_MAX
#define DURATION_USUAL (-1)

const struct lab_request lab_request_usual = {.publishers = 1,
					      .subscribers = 1,
					      .slots = SLOTS_USUAL,
					      .starts = STARTS_USUAL,
					      .duration_ns = DURATION_USUAL};

bool lab_request_is_usual(const struct lab_request *request)
{
	return !request->transports && !request->sizes && !request->jobs && !request->modes &&
	       !request->rates && !request->cores && !request->all && request->publishers == 1 &&
	       request->subscribers == 1 && request->slots == SLOTS_USUAL &&
	       request->starts == STARTS_USUAL && request->duration_ns == DURATION_USUAL;
}

struct lists {
	uint32_t transports[LIST_MAX];
	size_t transport_count;
	uint64_t sizes[LIST_MAX];
	size_t size_count;
	double rates[LIST_MAX];
	size_t rate_count;
	unsigned jobs;
	unsigned modes;
};

/* ---- lists ------------------------------------------------------------------------------- */

/* The next word of a list; false at its end. */
static bool next_word(const char **at, char word[WORD_MAX])
{
	size_t length;

	if (*at == NULL || **at == '\0')
		return false;
	length = strcspn(*at, ",");
	snprintf(word, WORD_MAX, "%.*s", (int)length, *at);
	*at += length + ((*at)[length] == ',');
	return true;
}

/* GO_ON, or what is wrong with a list that has so many words by now. */
static int check_length(const struct verb *verb, const char *option, const char *list, size_t count)
{
	if (list != NULL && list[0] == '\0')
		return say_usage(verb, "--%s: the list is empty", option);
	if (count > LIST_MAX)
		return say_usage(verb, "--%s takes at most %d", option, LIST_MAX);
	return GO_ON;
}

/* Commas separate words. */
static size_t count_words(const char *list)
{
	size_t count = 0;

	for (; list != NULL && *list != '\0'; list += *list == ',') {
		count++;
		list += strcspn(list, ",");
	}
	return count;
}

static int check_lists(const struct verb *verb, const struct lab_request *request)
{
	const struct {
		const char *option;
		const char *list;
	} lists[] = {{"transports", request->transports},
		     {"sizes", request->sizes},
		     {"jobs", request->jobs},
		     {"modes", request->modes},
		     {"rate", request->rates},
		     {"cores", request->cores}};
	int code = GO_ON;

	for (size_t i = 0; i < sizeof lists / sizeof lists[0] && code == GO_ON; i++)
		code =
		    check_length(verb, lists[i].option, lists[i].list, count_words(lists[i].list));
	return code;
}

static int say_unknown(const struct verb *verb, const char *what, const char *word,
		       const char *const *names, size_t count)
{
	char all[512] = "";
	size_t used = 0;

	for (size_t i = 0; i < count && used < sizeof all; i++)
		used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "",
					 names[i]);
	return say_usage(verb, "there is no %s '%s'; there are %s", what, word, all);
}

/* UINT32_MAX: there is none of that name. */
static uint32_t find_transport(const char *name)
{
	for (uint32_t i = 0; i < lab_transport_count; i++) {
		if (strcmp(lab_transports[i]->name, name) == 0)
			return i;
	}
	return UINT32_MAX;
}

static int read_transports(const struct verb *verb, const struct lab_request *request,
			   struct lists *lists)
{
	const char *names[LIST_MAX];
	const char *at = request->transports;
	char word[WORD_MAX];

	for (uint32_t i = 0; i < lab_transport_count; i++) {
		names[i] = lab_transports[i]->name;
		if (request->transports == NULL && (request->all || lab_transports[i]->usual))
			lists->transports[lists->transport_count++] = i;
	}
	while (next_word(&at, word)) {
		uint32_t found = find_transport(word);

		if (found == UINT32_MAX)
			return say_unknown(verb, "transport", word, names, lab_transport_count);
		lists->transports[lists->transport_count++] = found;
	}
	return GO_ON;
}

/* The jobs fill whole words, and large messages whole lines. */
static bool size_fits(uint64_t bytes)
{
	return bytes >= 8 && bytes <= LAB_BYTES_MAX && bytes % (bytes < 4096 ? 8 : 64) == 0;
}

static int read_sizes(const struct verb *verb, const struct lab_request *request,
		      struct lists *lists)
{
	const char *at = request->sizes;
	char word[WORD_MAX];

	if (at == NULL)
		at = request->all ? "64,1K,64K,1M" : "64,64K";
	while (next_word(&at, word)) {
		uint64_t bytes;

		if (parse_size(word, &bytes) < 0 || !size_fits(bytes))
			return say_usage(verb,
					 "--sizes takes 8 to 16M, in whole words of 8 bytes, from "
					 "4K on in lines of 64; not '%s'",
					 word);
		lists->sizes[lists->size_count++] = bytes;
	}
	return GO_ON;
}

static int read_rates(const struct verb *verb, const struct lab_request *request,
		      struct lists *lists)
{
	const char *at = request->rates;
	char word[WORD_MAX];

	while (next_word(&at, word)) {
		double rate;

		if (parse_rate(word, &rate) < 0 || rate < 1.0 || rate > 1e8)
			return say_usage(verb, "--rate takes 1 to 100000000 messages/s, not '%s'",
					 word);
		lists->rates[lists->rate_count++] = rate;
	}
	return GO_ON;
}

/* A list of names out of a table, as bits. */
static int read_names(const struct verb *verb, const char *what, const char *list,
		      const char *const *names, size_t count, unsigned *ret_bits)
{
	char word[WORD_MAX];

	while (next_word(&list, word)) {
		size_t i = 0;

		while (i < count && strcmp(names[i], word) != 0)
			i++;
		if (i == count)
			return say_unknown(verb, what, word, names, count);
		*ret_bits |= 1u << i;
	}
	return GO_ON;
}

static int read_jobs(const struct verb *verb, const struct lab_request *request,
		     struct lists *lists)
{
	int code = read_names(verb, "job", request->jobs, lab_job_names, LAB_JOBS, &lists->jobs);

	if (code == GO_ON)
		code = read_names(verb, "mode", request->modes, lab_mode_names, LAB_MODES,
				  &lists->modes);
	if (code != GO_ON)
		return code;
	if (lists->jobs == 0)
		lists->jobs = lists->rate_count > 0
				  ? LAB_BIT(LAB_OPEN_LOOP)
				  : LAB_BIT(LAB_ROUND_TRIP) | LAB_BIT(LAB_STREAM) |
					(request->all ? LAB_BIT(LAB_BATCH) : 0);
	if (lists->modes == 0)
		lists->modes = LAB_BIT(LAB_SPINNING) | LAB_BIT(LAB_SLEEPING);
	if (lists->jobs & LAB_BIT(LAB_OPEN_LOOP) && lists->rate_count == 0)
		return say_usage(verb, "open-loop needs a rate: --rate 10000");
	if (!(lists->jobs & LAB_BIT(LAB_OPEN_LOOP)) && lists->rate_count > 0)
		return say_usage(verb, "--rate is for the job open-loop");
	return GO_ON;
}

/* ---- cases ------------------------------------------------------------------------------- */

/* In an open loop once for each rate. */
static void add_case(struct lab_plan *plan, const struct lab_case *what)
{
	const struct lab_transport *transport = lab_transports[what->transport];
	struct lab_figure *figure = &plan->figures[plan->count];

	if (!(transport->jobs & LAB_BIT(what->job)) || !(transport->modes & LAB_BIT(what->mode)) ||
	    what->bytes < transport->bytes_least || what->bytes > transport->bytes_most ||
	    (what->job == LAB_BATCH && what->bytes > LAB_BATCH_BYTES))
		return;
	figure->what = *what;
	if ((what->publishers > 1 && what->publishers > transport->publishers_most) ||
	    (what->subscribers > 1 && what->subscribers > transport->subscribers_most))
		snprintf(figure->missing, sizeof figure->missing,
			 "it can't have %u publisher%s and %u subscriber%s", what->publishers,
			 what->publishers == 1 ? "" : "s", what->subscribers,
			 what->subscribers == 1 ? "" : "s");
	else if (what->slots > 0 && !transport->has_slots)
		snprintf(figure->missing, sizeof figure->missing,
			 "it has no slots to choose the number of");
	plan->count++;
}

static void add_cases(struct lab_plan *plan, const struct lists *lists, struct lab_case what)
{
	size_t rates = what.job == LAB_OPEN_LOOP ? lists->rate_count : 1;

	for (size_t rate = 0; rate < rates; rate++) {
		what.rate = what.job == LAB_OPEN_LOOP ? lists->rates[rate] : 0.0;
		for (size_t size = 0; size < lists->size_count; size++) {
			what.bytes = lists->sizes[size];
			for (size_t i = 0; i < lists->transport_count; i++) {
				what.transport = lists->transports[i];
				add_case(plan, &what);
			}
		}
	}
}

static int fill(const struct verb *verb, const struct lab_request *request,
		const struct lists *lists, struct lab_plan *plan)
{
	size_t most = lists->size_count * lists->transport_count * LAB_JOBS * LAB_MODES *
		      (lists->rate_count + 1);
	struct lab_case what = {.publishers = request->publishers,
				.subscribers = request->subscribers,
				.slots = request->slots == SLOTS_USUAL ? 0 : request->slots};
	bool any = false;

	plan->figures = calloc(most + 1, sizeof *plan->figures);
	if (plan->figures == NULL) {
		say("out of memory");
		return EXIT_FAILED;
	}
	for (unsigned job = 0; job < LAB_JOBS; job++) {
		for (unsigned mode = 0; mode < LAB_MODES; mode++) {
			what.job = (enum lab_job)job;
			what.mode = (enum lab_mode)mode;
			if (lists->jobs & LAB_BIT(job) && lists->modes & LAB_BIT(mode))
				add_cases(plan, lists, what);
		}
	}
	if (plan->count == 0)
		return say_usage(verb, "none of these transports can do that job in that mode with "
				       "messages of that size");
	for (size_t i = 0; i < plan->count; i++)
		any = any || plan->figures[i].missing[0] == '\0';
	if (!any)
		return say_usage(verb, "there is nothing to measure; %s: %s",
				 lab_transports[plan->figures[0].what.transport]->name,
				 plan->figures[0].missing);
	return GO_ON;
}

/* ---- the rest ---------------------------------------------------------------------------- */

static int choose_cores(const struct verb *verb, const char *list, int cores[2])
{
	char word[WORD_MAX];
	cpu_set_t allowed;
	size_t count = 0;

	if (list == NULL) {
		if (bench_cores(cores) == 2)
			return GO_ON;
		say("two processors are needed, one for each process; this process may use one");
		return EXIT_FAILED;
	}
	CPU_ZERO(&allowed);
	sched_getaffinity(0, sizeof allowed, &allowed);
	while (next_word(&list, word)) {
		uint64_t core;

		if (parse_count(word, &core) < 0 || core >= CPU_SETSIZE ||
		    !CPU_ISSET(core, &allowed))
			return say_usage(verb, "there is no processor '%s' for this process", word);
		if (count < 2)
			cores[count] = (int)core;
		count++;
	}
	if (count != 2 || cores[0] == cores[1])
		return say_usage(verb, "--cores takes two different processors, like 0,1");
	return GO_ON;
}

/* What a topic can have, or nothing was said. */
static bool slots_fit(uint32_t slots)
{
	return slots == SLOTS_USUAL ||
	       (slots > 1 && slots <= SLOTS_MOST && (slots & (slots - 1)) == 0);
}

static void say_if_too_long(const struct lab_plan *plan)
{
	double most_s = (double)plan->count * plan->starts * (double)LAB_MEASURE_MOST_NS / 1e9;

	if ((double)plan->duration_ns / 1e9 > 2 * most_s)
		say("a start measures for at most %g s, which makes %g s; more --starts use the "
		    "rest",
		    (double)LAB_MEASURE_MOST_NS / 1e9, most_s);
}

int plan_make(const struct verb *verb, const struct lab_request *request, struct lab_plan *ret_plan)
{
	struct lists lists = {0};
	int code;

	*ret_plan =
	    (struct lab_plan){.starts = request->starts, .duration_ns = request->duration_ns};
	if (request->starts < 1 || request->starts > LAB_STARTS_MAX)
		return say_usage(verb, "--starts can be 1 to %d", LAB_STARTS_MAX);
	if (request->publishers < 1 || request->subscribers < 1)
		return say_usage(verb, "there must be a publisher and a subscriber");
	if (!slots_fit(request->slots))
		return say_usage(verb, "--slots can be a power of two, 2 to %u", SLOTS_MOST);
	code = check_lists(verb, request);
	if (code != GO_ON)
		return code;
	code = read_transports(verb, request, &lists);
	if (code == GO_ON)
		code = read_sizes(verb, request, &lists);
	if (code == GO_ON)
		code = read_rates(verb, request, &lists);
	if (code == GO_ON)
		code = read_jobs(verb, request, &lists);
	if (code == GO_ON)
		code = choose_cores(verb, request->cores, ret_plan->cores);
	if (code == GO_ON)
		code = fill(verb, request, &lists, ret_plan);
	/* Less than a second a case tells little, and more than a few seconds nothing new. */
	if (code == GO_ON && ret_plan->duration_ns == DURATION_USUAL)
		ret_plan->duration_ns = (request->all ? 180 : 19) * NS_PER_SECOND;
	else if (code == GO_ON)
		say_if_too_long(ret_plan);
	return code;
}

void plan_free(struct lab_plan *plan)
{
	free(plan->figures);
}
