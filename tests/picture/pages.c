/* SPDX-License-Identifier: Apache-2.0 */
/* The page and the picture: whole, alone, and never the document's to write. */
#include "documents.h"
#include "picture.h"
#include "well_formed.h"

#include <errno.h>
#include <string.h>

static const struct {
	const char *name;
	picture_function *function;
} kinds[] = {{"html", picture_html}, {"svg", picture_svg}};
#define KINDS (sizeof kinds / sizeof *kinds)

/* Every field of which something is printed as text, and an example of each kind of result. */
static const char *const texts[] = {"shoal",
				    "when",
				    "machine.cpu",
				    "machine.kernel",
				    "machine.governor",
				    "results.0.transport",
				    "results.1.transport",
				    "results.1.limit",
				    "results.4.transport",
				    "results.5.limit",
				    "results.9.transport",
				    "results.9.unavailable"};

static size_t count_of(const char *text, const char *word)
{
	size_t count = 0;

	for (; (text = strstr(text, word)) != NULL; text += strlen(word))
		count++;
	return count;
}

static void check_has(const struct written *written, const char *word)
{
	CHECKF(strstr(written->text, word) != NULL, "'%s' is not in it\n", word);
}

/* Without this, all others could pass on anything. */
static void what_is_not_well_formed_is_found(void **state)
{
	static const char *const wrong[] = {"",
					    "<a>",
					    "<a></b>",
					    "<a/><b/>",
					    "<a b=c/>",
					    "<a b=\"1\" b=\"2\"/>",
					    "<a>&nbsp;</a>",
					    "<a>&</a>",
					    "<a b=\"<\"/>",
					    "<a>\001</a>",
					    "<a>\377</a>",
					    "<a>\357\277\276</a>",
					    "x<a/>",
					    "<a b=\"1\"c=\"2\"/>",
					    "<a b=\"1/>",
					    "<a",
					    "<a b='1'/>",
					    "<a>\300\257</a>"};
	static const char good[] = "<!DOCTYPE html>\n<a b=\"&#39;\"><c/>\303\274&lt;</a>\n";
	size_t at;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		CHECKF(well_formed(wrong[i], strlen(wrong[i]), &at) != NULL,
		       "taken for well-formed: %s\n", wrong[i]);
	assert_null(well_formed(good, sizeof good - 1, &at));
}

static void both_are_well_formed(void **state)
{
	json_t *run = a_run();

	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		struct written written = draw(kinds[i].function, run);

		CHECKF(written.result == 0, "%s: %s\n", kinds[i].name, written.why);
		check_well_formed(&written, kinds[i].name);
		forget(&written);
	}
	json_decref(run);
}

static void nothing_is_loaded_from_outside(void **state)
{
	static const char *const words[] = {"http:",   "https:",  "url(",  "src=",  "href",
					    "@import", "<script", "data:", "onload"};
	static const char own[] = "xmlns=\"http://www.w3.org/2000/svg\"";
	json_t *run = a_run();

	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		struct written written = draw(kinds[i].function, run);
		char *name = strstr(written.text, own);

		if (name != NULL)
			memset(name, ' ', strlen(own));
		for (size_t k = 0; k < sizeof words / sizeof *words; k++)
			CHECKF(strstr(written.text, words[k]) == NULL, "%s: '%s' is in it\n",
			       kinds[i].name, words[k]);
		forget(&written);
	}
	json_decref(run);
}

static void modes_have_panels_of_their_own(void **state)
{
	static const char *const titles[] = {
	    ">Round trip, 64 B, spinning</text>", ">Round trip, 64 B, sleeping</text>",
	    ">Open loop at 10 k/s, 64 B, sleeping, 1 to 4</text>", ">Stream, 64 B, spinning</text>",
	    ">Stream, 64 B, sleeping</text>"};
	json_t *run = a_run();

	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		struct written written = draw(kinds[i].function, run);

		for (size_t k = 0; k < sizeof titles / sizeof *titles; k++)
			CHECKF(count_of(written.text, titles[k]) == 1,
			       "%s: '%s' is not in it once\n", kinds[i].name, titles[k]);
		assert_int_equal(count_of(written.text, "class=\"title\""), 5);
		forget(&written);
	}
	json_decref(run);
}

static void figures_ratios_and_reasons_are_written(void **state)
{
	static const char *const words[] = {"311 ns",
					    "2.51",
					    "limit: line",
					    "30.5 M/s",
					    "0.69",
					    "limit: ring",
					    "posix-mq",
					    "msg_max",
					    "A made-up processor",
					    "6.18.44",
					    "to processors 0, 1",
					    "0.1 % of the time stolen"};
	json_t *run = a_run();

	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		struct written written = draw(kinds[i].function, run);

		for (size_t k = 0; k < sizeof words / sizeof *words; k++)
			check_has(&written, words[k]);
		assert_null(strstr(written.text, "not quiet"));
		assert_null(strstr(written.text, "In pieces"));
		forget(&written);
		json_object_set_new(at_path(run, "results.7"), "piece_bytes", json_integer(8192));
		written = draw(kinds[i].function, run);
		check_has(&written, "In pieces");
		check_has(&written, "of 8 KiB");
		forget(&written);
		json_object_del(at_path(run, "results.7"), "piece_bytes");
		/* Both have a title and a description for those who hear them. */
		put_path(run, "machine.steal_percent", json_real(3));
		written = draw(kinds[i].function, run);
		check_has(&written, "not quiet");
		assert_true(count_of(written.text, "</desc>") >= 5);
		forget(&written);
		put_path(run, "machine.steal_percent", json_real(0.1));
	}
	json_decref(run);
}

/* What a run of many messages has beyond the median, one of few has not: null, and no curve there.
 */
static void what_too_few_messages_can_not_tell_is_not_drawn(void **state)
{
	json_t *run = a_run();
	json_t *row = at_path(run, "results.3");

	(void)state;
	json_object_set_new(row, "p99_ns", json_null());
	json_object_set_new(row, "p999_ns", json_null());
	json_object_set_new(row, "percentiles", json_pack("[[i,f],[i,f]]", 50, 9107.4, 100, 1e6));
	json_object_set_new(row, "messages", json_integer(321));
	json_object_set_new(row, "cpu_ns_per_message", json_real(4560));
	json_object_set_new(row, "preempted", json_integer(77));
	for (size_t i = 0; i < KINDS; i++) {
		struct written written = draw(kinds[i].function, run);

		assert_int_equal(written.result, 0);
		check_well_formed(&written, kinds[i].name);
		check_has(&written, "pipe: median 9.11 \302\265s, 99 % -, 99.9 % -</title>");
		check_has(&written, "involuntary");
		assert_null(strstr(written.text, "21.3 \302\265s"));
		forget(&written);
	}
	json_decref(run);
}

/* The dashed limit of bars stands where their ratio would be 1. */
static void bars_are_as_long_as_their_ratios(void **state)
{
	json_t *run = a_run();

	(void)state;
	for (size_t i = 4; i < 8; i++) {
		char path[32];

		snprintf(path, sizeof path, "results.%zu", i);
		json_object_set_new(at_path(run, path), "limit_msgs_per_s", json_real(50e6));
	}
	for (size_t i = 0; i < KINDS; i++) {
		struct written written = draw(kinds[i].function, run);

		check_has(&written, "limit: ring, 50.0 M/s");
		forget(&written);
	}
	json_decref(run);
}

/* A round trip's limit says nothing of the way that a message of an open loop has before it. */
static void a_limit_is_drawn_in_panels_of_its_job(void **state)
{
	json_t *run = a_run();

	(void)state;
	put_path(run, "results.8.limit", json_string("line"));
	for (size_t i = 0; i < KINDS; i++) {
		struct written written = draw(kinds[i].function, run);

		assert_int_equal(count_of(written.text, ">limit: line</text>"), 2);
		forget(&written);
	}
	json_decref(run);
}

static json_t *long_text(size_t bytes)
{
	char *text = malloc(bytes);
	json_t *string;

	assert_non_null(text);
	memset(text, 'w', bytes);
	string = json_stringn(text, bytes);
	free(text);
	return string;
}

static json_t *hostile(size_t which)
{
	static const char *const list[] = {"</text></svg><script>alert(1)</script>",
					   "\" onload=\"alert(1)",
					   "' x='",
					   "]]>--><!--&nbsp;&amp;<![CDATA[",
					   "</style></title><b>",
					   "\001\033[31m\177\302\205",
					   "\342\200\256\342\201\246\357\277\276",
					   "\363\240\200\201\314\201\314\201 %s%n",
					   "",
					   "\344\270\255\346\226\207\344\270\255\346\226\207"};
	size_t count = sizeof list / sizeof *list;

	if (which < count)
		return json_string(list[which]);
	return which == count ? long_text(100000) : NULL;
}

static void hostile_text_is_only_text(void **state)
{
	json_t *text;

	(void)state;
	for (size_t which = 0; (text = hostile(which)) != NULL; which++) {
		json_t *run = a_run();

		for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
			put_path(run, texts[i], json_incref(text));
		for (size_t i = 0; i < KINDS; i++) {
			struct written written = draw(kinds[i].function, run);

			CHECKF(written.result == 0, "%s, text %zu: %s\n", kinds[i].name, which,
			       written.why);
			check_well_formed(&written, kinds[i].name);
			assert_null(strstr(written.text, "<script"));
			assert_null(strstr(written.text, "<b>"));
			assert_null(strstr(written.text, "\" onload"));
			assert_null(strchr(written.text, '\033'));
			assert_null(strstr(written.text, "\342\200\256"));
			forget(&written);
		}
		json_decref(text);
		json_decref(run);
	}
}

static void a_missing_field_is_named(void **state)
{
	static const struct {
		const char *path;
		const char *name;
	} needed[] = {
	    {"format", "format"},
	    {"shoal", "shoal"},
	    {"when", "when"},
	    {"machine", "machine"},
	    {"machine.cpu", "machine.cpu"},
	    {"machine.kernel", "machine.kernel"},
	    {"results", "results"},
	    {"results.1.transport", "results[1].transport"},
	    {"results.1.job", "results[1].job"},
	    {"results.1.mode", "results[1].mode"},
	    {"results.1.size", "results[1].size"},
	    {"results.1.rate", "results[1].rate"},
	    {"results.1.publishers", "results[1].publishers"},
	    {"results.1.subscribers", "results[1].subscribers"},
	    {"results.1.p50_ns", "results[1].p50_ns"},
	    {"results.1.p99_ns", "results[1].p99_ns"},
	    {"results.5.msgs_per_s", "results[5].msgs_per_s"},
	    {"results.5.bytes_per_s", "results[5].bytes_per_s"},
	    {"results.1.percentiles.2.1", "results[1].percentiles[2]"},
	    {"results.1.spread.1", "results[1].spread"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
		json_t *run = a_run();
		struct written written;

		put_path(run, needed[i].path, NULL);
		written = draw(picture_html, run);
		CHECKF(written.result == -EINVAL, "without %s: %d\n", needed[i].path,
		       written.result);
		CHECKF(strstr(written.why, needed[i].name) == written.why,
		       "without %s the sentence is: %s\n", needed[i].path, written.why);
		assert_int_equal(written.bytes, 0);
		forget(&written);
		json_decref(run);
	}
}

static void what_makes_no_sense_is_named(void **state)
{
	static const struct {
		const char *path;
		const char *json;
		int error;
		const char *word;
	} wrong[] = {
	    {"format", "2", -ENOTSUP, "format is 2"},
	    {"machine", "[]", -EINVAL, "machine is an array"},
	    {"results.1.p50_ns", "-1", -EINVAL, "results[1].p50_ns is -1"},
	    {"results.1.p50_ns", "1e300", -EINVAL, "results[1].p50_ns is 1e+300"},
	    {"results.1.p50_ns", "\"x\"", -EINVAL, "results[1].p50_ns is a string"},
	    {"results.1.job", "\"walk\"", -EINVAL, "results[1].job is none of round-trip"},
	    {"results.1.mode", "\"idle\"", -EINVAL, "results[1].mode is none of spinning"},
	    {"results.1.spread", "[2,1]", -EINVAL, "results[1].spread falls"},
	    {"results.1.percentiles", "[[50,1],[50,2]]", -EINVAL, "percentiles[1] is of 50"},
	    {"results.1.percentiles", "[[101,1]]", -EINVAL, "percentiles[0] is of 101"},
	    {"results.1", "7", -EINVAL, "results[1] is a number"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		json_t *run = a_run();
		struct written written;

		put_path(run, wrong[i].path, json_loads(wrong[i].json, JSON_DECODE_ANY, NULL));
		written = draw(picture_svg, run);
		CHECKF(written.result == wrong[i].error, "%s at %s: %d\n", wrong[i].json,
		       wrong[i].path, written.result);
		CHECKF(strstr(written.why, wrong[i].word) != NULL, "%s at %s: %s\n", wrong[i].json,
		       wrong[i].path, written.why);
		forget(&written);
		json_decref(run);
	}
}

/* Both drawings of a document that may make no sense: a picture that is whole, or a sentence. */
static void check_any(const json_t *json, const char *what)
{
	for (size_t i = 0; i < KINDS; i++) {
		struct written written = draw(kinds[i].function, json);

		if (written.result == 0)
			check_well_formed(&written, what);
		else
			CHECKF(written.why[0] != '\0' && written.bytes == 0,
			       "%s: %d without a sentence, or with %zu bytes\n", what,
			       written.result, written.bytes);
		forget(&written);
	}
}

static const char *const oddities[] = {"null",
				       "true",
				       "0",
				       "1",
				       "-1",
				       "0.5",
				       "1e15",
				       "1e-300",
				       "1e308",
				       "9223372036854775807",
				       "\"\"",
				       "\"<&\"",
				       "\"line\"",
				       "[]",
				       "[1]",
				       "[[]]",
				       "[[50]]",
				       "[0,0]",
				       "[[99.9999999,1]]",
				       "[[0,0],[100,0]]",
				       "{}",
				       "{\"a\":[]}"};

/* In the place of each value of the document in turn, each of the oddities, and nothing. */
static void replace_everywhere(json_t *run, json_t *here, const char *path)
{
	size_t index;
	const char *key;
	json_t *value;
	char below[160];

	for (size_t i = 0; path[0] != '\0' && i < sizeof oddities / sizeof *oddities; i++) {
		json_t *copy = json_deep_copy(run);

		put_path(copy, path, json_loads(oddities[i], JSON_DECODE_ANY, NULL));
		check_any(copy, path);
		json_decref(copy);
	}
	if (json_is_array(here)) {
		json_array_foreach(here, index, value)
		{
			snprintf(below, sizeof below, "%s%s%zu", path, *path ? "." : "", index);
			replace_everywhere(run, value, below);
		}
	}
	json_object_foreach(here, key, value)
	{
		snprintf(below, sizeof below, "%s%s%s", path, *path ? "." : "", key);
		replace_everywhere(run, value, below);
	}
}

static void any_json_is_drawn_or_refused(void **state)
{
	json_t *run = a_run();

	(void)state;
	replace_everywhere(run, run, "");
	for (size_t i = 0; i < sizeof oddities / sizeof *oddities; i++) {
		json_t *json = json_loads(oddities[i], JSON_DECODE_ANY, NULL);

		check_any(json, oddities[i]);
		json_decref(json);
	}
	check_any(NULL, "no document");
	json_decref(run);
}

static void no_results_are_a_page_and_too_many_are_not(void **state)
{
	json_t *run = a_run();
	json_t *results = at_path(run, "results");
	json_t *one = json_incref(json_array_get(results, 1));
	struct written written;

	(void)state;
	json_array_clear(results);
	check_any(run, "no results");
	written = draw(picture_html, run);
	assert_int_equal(written.result, 0);
	check_has(&written, "Nothing was measured");
	forget(&written);
	for (int i = 0; i < 4097; i++)
		json_array_append(results, one);
	written = draw(picture_svg, run);
	assert_int_equal(written.result, -EINVAL);
	assert_non_null(strstr(written.why, "4097"));
	forget(&written);
	json_array_remove(results, 0);
	written = draw(picture_svg, run);
	assert_int_equal(written.result, 0);
	check_well_formed(&written, "4096 results");
	forget(&written);
	json_decref(one);
	json_decref(run);
}

static void a_full_disk_is_an_error(void **state)
{
	json_t *run = a_run();
	char why[256] = "";
	FILE *full = fopen("/dev/full", "we");

	(void)state;
	assert_non_null(full);
	assert_int_equal(picture_html(run, full, why, sizeof why), -ENOSPC);
	assert_non_null(strstr(why, "No space left"));
	fclose(full);
	json_decref(run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_not_well_formed_is_found),
	    cmocka_unit_test(both_are_well_formed),
	    cmocka_unit_test(nothing_is_loaded_from_outside),
	    cmocka_unit_test(modes_have_panels_of_their_own),
	    cmocka_unit_test(figures_ratios_and_reasons_are_written),
	    cmocka_unit_test(what_too_few_messages_can_not_tell_is_not_drawn),
	    cmocka_unit_test(bars_are_as_long_as_their_ratios),
	    cmocka_unit_test(a_limit_is_drawn_in_panels_of_its_job),
	    cmocka_unit_test(hostile_text_is_only_text),
	    cmocka_unit_test(a_missing_field_is_named),
	    cmocka_unit_test(what_makes_no_sense_is_named),
	    cmocka_unit_test(any_json_is_drawn_or_refused),
	    cmocka_unit_test(no_results_are_a_page_and_too_many_are_not),
	    cmocka_unit_test(a_full_disk_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
