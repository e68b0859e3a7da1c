/* SPDX-License-Identifier: Apache-2.0 */
/* What a comparison says of pairs that are made up, and what it returns. */
#include "documents.h"

#include "compare.h"

#include <errno.h>
#include <string.h>

/* results[1] of the run: the topic's round trip; [5]: its stream. */
#define TRIP   "results.1"
#define STREAM "results.5"

/* A result's ratio and quartiles, about as far to either side. */
static void set_ratio(json_t *run, const char *result, double ratio, double spread)
{
	char path[64];

	snprintf(path, sizeof path, "%s.ratio_to_limit", result);
	put_path(run, path, json_real(ratio));
	snprintf(path, sizeof path, "%s.spread", result);
	put_path(run, path,
		 json_pack("[f, f]", ratio * (1 - spread / 2), ratio * (1 + spread / 2)));
}

/* Everything that a change of the one result's line would have. */
static void check_line(const struct written *written, const char *transport, const char *what,
		       const char *verdict)
{
	const char *line = written->text;
	size_t length;

	for (; line != NULL && *line != '\0'; line += length + (line[length] == '\n')) {
		char text[512];

		length = strcspn(line, "\n");
		snprintf(text, sizeof text, "%.*s", (int)length, line);
		if (strncmp(text, transport, strlen(transport)) != 0 || !strstr(text, what))
			continue;
		CHECKF(strstr(text, verdict) != NULL, "'%s' is not in: %s\n", verdict, text);
		return;
	}
	print_error("no line on %s, %s in:\n%s\n", transport, what, written->text);
	fail();
}

struct pair {
	const char *name;
	const char *result;
	double old_ratio;
	double new_ratio;
	double spread; /* share of the ratio, of both */
	const char *verdict;
	int result_code;
};

static void a_pair_has_its_verdict(void **state)
{
	/* With 5 starts the noise is 3 / sqrt(5) = 1.34 times each spread. */
	static const struct pair pairs[] = {
	    {"the same", TRIP, 1.2, 1.2, 0.02, "same", 0},
	    {"just within the floor", TRIP, 1.0, 1.049, 0.001, "same", 0},
	    {"just beyond the floor", TRIP, 1.0, 1.051, 0.001, "SLOWER", 1},
	    {"beyond the noise", TRIP, 1.0, 1.2, 0.05, "SLOWER", 1},
	    {"just within the noise", TRIP, 1.0, 1.13, 0.05, "within the noise", 0},
	    {"just beyond the noise", TRIP, 1.0, 1.14, 0.05, "SLOWER", 1},
	    {"within great noise", TRIP, 1.0, 1.5, 0.40, "within the noise", 0},
	    {"faster", TRIP, 1.2, 1.0, 0.02, "faster", 0},
	    {"less of a stream is slower", STREAM, 0.8, 0.6, 0.02, "SLOWER", 1},
	    {"less within the noise", STREAM, 0.8, 0.7, 0.15, "within the noise", 0},
	    {"more of a stream is faster", STREAM, 0.6, 0.8, 0.02, "faster", 0},
	    {"nothing arrived any more", STREAM, 0.6, 1e-9, 0.02, "SLOWER", 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		const struct pair *pair = &pairs[i];
		json_t *old = a_run();
		json_t *new = a_run();
		struct written written;

		print_message("%s\n", pair->name);
		set_ratio(old, pair->result, pair->old_ratio, pair->spread);
		set_ratio(new, pair->result, pair->new_ratio, pair->spread);
		written = compare(old, new);
		assert_int_equal(written.result, pair->result_code);
		check_line(&written, "topic",
			   strcmp(pair->result, TRIP) == 0 ? "Round trip, 64 B, spinning"
							   : "Stream, 64 B, spinning",
			   pair->verdict);
		forget(&written);
		json_decref(old);
		json_decref(new);
	}
}

static void more_starts_make_a_verdict_sharper_to_a_limit(void **state)
{
	static const struct {
		int starts;
		double ratio;
		double spread;
		const char *verdict;
	} cases[] = {{4, 1.102, 0.05, "too few starts"},
		     {5, 1.102, 0.05, "within the noise"},
		     {8, 1.102, 0.05, "within the noise"},
		     {9, 1.102, 0.05, "SLOWER"}, /* 3 / sqrt(9) of twice 0.05 */
		     {1000, 1.095, 0.10, "within the noise"},
		     {1000, 1.105, 0.10, "SLOWER"}}; /* 1/2 of twice 0.1 */

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		json_t *old = a_run();
		json_t *new = a_run();
		struct written written;

		set_ratio(old, TRIP, 1.0, cases[i].spread);
		set_ratio(new, TRIP, cases[i].ratio, cases[i].spread);
		put_path(old, TRIP ".starts", json_integer(cases[i].starts));
		put_path(new, TRIP ".starts", json_integer(cases[i].starts));
		put_path(old, TRIP ".near", json_integer(cases[i].starts));
		put_path(new, TRIP ".near", json_integer(cases[i].starts));
		written = compare(old, new);
		check_line(&written, "topic", "Round trip, 64 B, spinning", cases[i].verdict);
		forget(&written);
		json_decref(old);
		json_decref(new);
	}
}

static void other_places_of_the_processors_are_no_verdict(void **state)
{
	json_t *old = a_run();
	json_t *new = a_run();
	struct written written;

	(void)state;
	set_ratio(old, TRIP, 1.0, 0.02);
	set_ratio(new, TRIP, 2.0, 0.02);
	put_path(old, TRIP ".near", json_integer(5));
	put_path(new, TRIP ".near", json_integer(1));
	written = compare(old, new);
	assert_int_equal(written.result, 0);
	check_line(&written, "topic", "Round trip, 64 B, spinning", "processors lay otherwise");
	assert_non_null(strstr(written.text, "1 not judged"));
	forget(&written);
	put_path(new, TRIP ".near", json_integer(4));
	written = compare(old, new);
	assert_int_equal(written.result, 1);
	forget(&written);
	json_decref(old);
	json_decref(new);
}

/* results[8] is the open loop, which has no ratio. */
static void figures_without_a_ratio_want_the_same_machine(void **state)
{
	json_t *old = a_run();
	json_t *new = a_run();
	struct written written;

	(void)state;
	put_path(new, "results.8.p50_ns", json_real(5400 * 1.2));
	written = compare(old, new);
	assert_int_equal(written.result, 0);
	check_line(&written, "topic", "Open loop", "same");
	forget(&written);
	put_path(new, "results.8.p50_ns", json_real(5400 * 1.3));
	written = compare(old, new);
	assert_int_equal(written.result, 1);
	check_line(&written, "topic", "Open loop", "median");
	check_line(&written, "topic", "Open loop", "SLOWER");
	forget(&written);
	put_path(new, "machine.kernel", json_string("6.19.0"));
	written = compare(old, new);
	assert_int_equal(written.result, 0);
	check_line(&written, "topic", "Open loop", "other machine");
	forget(&written);
	json_decref(old);
	json_decref(new);
}

/* What sleeps had its ratio to the limit of each start once; such a document has no limit's figure.
 * results[2] is the topic's sleeping round trip. */
static void ratios_made_otherwise_are_no_verdict(void **state)
{
	json_t *old = a_run();
	json_t *new = a_run();
	struct written written;

	(void)state;
	set_ratio(new, "results.2", 200, 0.02);
	written = compare(old, new);
	assert_int_equal(written.result, 1);
	forget(&written);
	json_object_set_new(at_path(new, "results.2"), "limit_p50_ns", json_real(114));
	written = compare(old, new);
	assert_int_equal(written.result, 0);
	check_line(&written, "topic", "Round trip, 64 B, sleeping", "ratio made otherwise");
	assert_non_null(strstr(written.text, "1 not judged"));
	forget(&written);
	json_object_set_new(at_path(old, "results.2"), "limit_p50_ns", json_real(400));
	written = compare(old, new);
	assert_int_equal(written.result, 1);
	forget(&written);
	json_decref(old);
	json_decref(new);
}

static void other_machines_and_noise_are_warned_of(void **state)
{
	static const struct {
		const char *path;
		const char *json;
		const char *warning;
	} changes[] = {
	    {"machine.cpu", "\"Another\"", "the processors differ"},
	    {"machine.kernel", "\"7.0\"", "the kernels differ, 6.18.44 and 7.0"},
	    {"machine.processors", "64", "there were 2 processors, and are 64"},
	    {"machine.hypervisor", "false", "only one of the machines is virtual"},
	    {"machine.steal_percent", "2", "the new run was noisy"},
	    {"machine.busy_percent_before", "40", "the new run was noisy"},
	    {"results.0.p50_ns", "300", "the limit itself moved, line"},
	};
	json_t *old = a_run();

	(void)state;
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		json_t *new = json_deep_copy(old);
		struct written written = compare(old, new);

		assert_null(strstr(written.text, "Warning"));
		forget(&written);
		put_path(new, changes[i].path, json_loads(changes[i].json, JSON_DECODE_ANY, NULL));
		written = compare(old, new);
		/* A limit that moved is the machine's doing, and nobody's fault. */
		assert_int_equal(written.result, 0);
		CHECKF(strstr(written.text, changes[i].warning) != NULL, "no '%s' in:\n%s\n",
		       changes[i].warning, written.text);
		forget(&written);
		json_decref(new);
	}
	json_decref(old);
}

static void missing_and_new_results_are_named(void **state)
{
	json_t *old = a_run();
	json_t *new = a_run();
	struct written written;

	(void)state;
	put_path(new, "results.3", NULL); /* the pipe's round trip */
	put_path(new, STREAM ".size", json_integer(128));
	json_object_set_new(at_path(new, TRIP), "unavailable",
			    json_string("no shared memory here"));
	written = compare(old, new);
	assert_int_equal(written.result, 0);
	check_line(&written, "pipe", "Round trip", "missing");
	check_line(&written, "Missing in the new run: pipe", "Round trip", "not measured");
	check_line(&written, "Missing in the new run: topic", "Round trip", "no shared memory");
	forget(&written);
	written = compare(new, old);
	check_line(&written, "pipe", "Round trip", "new");
	forget(&written);
	json_decref(old);
	json_decref(new);
}

static void nothing_of_a_document_commands_the_terminal(void **state)
{
	json_t *old = a_run();
	json_t *new = a_run();
	struct written written;

	(void)state;
	put_path(old, "machine.cpu", json_string("\033]0;x\007\r\302\233"));
	put_path(old, "results.3.transport", json_string("\033[2J\n\303\274"));
	written = compare(old, new);
	assert_int_equal(written.result, 0);
	for (size_t i = 0; i < written.bytes; i++)
		CHECKF((unsigned char)written.text[i] >= ' ' || written.text[i] == '\n',
		       "a byte %d at %zu\n", written.text[i], i);
	forget(&written);
	json_decref(old);
	json_decref(new);
}

static void an_error_says_of_which_run(void **state)
{
	json_t *old = a_run();
	json_t *new = a_run();
	struct written written;

	(void)state;
	put_path(new, TRIP ".p50_ns", NULL);
	written = compare(old, new);
	assert_int_equal(written.result, -EINVAL);
	assert_non_null(strstr(written.why, "the new run: results[1].p50_ns is missing"));
	assert_int_equal(written.bytes, 0);
	forget(&written);
	written = compare(new, old);
	assert_non_null(strstr(written.why, "the old run: "));
	forget(&written);
	json_decref(old);
	json_decref(new);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_pair_has_its_verdict),
	    cmocka_unit_test(more_starts_make_a_verdict_sharper_to_a_limit),
	    cmocka_unit_test(other_places_of_the_processors_are_no_verdict),
	    cmocka_unit_test(figures_without_a_ratio_want_the_same_machine),
	    cmocka_unit_test(ratios_made_otherwise_are_no_verdict),
	    cmocka_unit_test(other_machines_and_noise_are_warned_of),
	    cmocka_unit_test(missing_and_new_results_are_named),
	    cmocka_unit_test(nothing_of_a_document_commands_the_terminal),
	    cmocka_unit_test(an_error_says_of_which_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
