/* SPDX-License-Identifier: Apache-2.0 */
/* Words, sentences and the checksum. */
#include "base/bits.h"
#include "base/checksum.h"
#include "base/error.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <shoal/version.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_words_hold_state_seat_and_generation(void **state)
{
	(void)state;
	static const struct tag tags[] = {
	    {0, 0}, {1, 1}, {0xffff, 0}, {0, UINT32_MAX}, {0xffff, UINT32_MAX}, {300, 1u << 31}};
	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		for (unsigned s = 0; s < 256; s++) {
			uint64_t word = word_make(s, tags[i]);
			assert_int_equal(word_state(word), s);
			assert_true(tag_equal(word_tag(word), tags[i]));
			assert_int_equal(word >> 48 & 0xff, 0);
		}
	assert_int_equal(word_make(2, (struct tag){3, 4}), 0x0200000300000004u);
	assert_false(tag_equal((struct tag){1, 2}, (struct tag){1, 3}));
	assert_false(tag_equal((struct tag){1, 2}, (struct tag){2, 2}));
}

static void test_a_seat_too_large_spoils_nothing_else(void **state)
{
	(void)state;
	uint64_t word = word_make(1, (struct tag){UINT32_MAX, 7});
	assert_int_equal(word_state(word), 1);
	assert_int_equal(word_tag(word).seat, 0xffff);
	assert_int_equal(word_tag(word).generation, 7);
}

static void test_positions_compare_by_distance(void **state)
{
	(void)state;
	assert_true(position_distance(5, 6) < 0);
	assert_true(position_distance(6, 5) > 0);
	assert_true(position_distance(2, UINT64_MAX - 2) > 0);
	assert_int_equal(position_distance(2, UINT64_MAX - 2), 5);
	assert_true(position_distance(UINT64_MAX, 0) < 0);
	assert_true(position_distance(1ull << 63, (1ull << 63) - 1) > 0);
}

static void test_alignment(void **state)
{
	(void)state;
	assert_int_equal(align_up(0, 64), 0);
	assert_int_equal(align_up(1, 64), 64);
	assert_int_equal(align_up(64, 64), 64);
	assert_int_equal(align_up(4097, 4096), 8192);
	assert_false(is_power_of_two(0));
	for (unsigned i = 0; i < 64; i++)
		assert_true(is_power_of_two(1ull << i));
	assert_false(is_power_of_two(3));
	assert_false(is_power_of_two(UINT64_MAX));
}

/* The published vectors of FNV-1a, 64 bits. It is part of the layout: it never changes. */
static void test_the_checksum_is_fnv_1a(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t hash;
	} vectors[] = {
	    {"", 0xcbf29ce484222325u},       {"a", 0xaf63dc4c8601ec8cu},
	    {"b", 0xaf63df4c8601f1a5u},      {"foo", 0xdcb27518fed9d577u},
	    {"foobar", 0x85944171f73967e8u},
	};
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		assert_int_equal(checksum(vectors[i].text, strlen(vectors[i].text)),
				 vectors[i].hash);
	assert_int_not_equal(checksum("\0", 1), checksum("\0\0", 2));
}

static void test_sizes_are_written_for_people(void **state)
{
	(void)state;
	static const struct {
		unsigned long long bytes;
		const char *text;
	} sizes[] = {
	    {0, "0 B"},
	    {1, "1 B"},
	    {1023, "1023 B"},
	    {1024, "1 KiB"},
	    {1025, "1.1 KiB"}, /* rounded up: so much must be enough */
	    {1536, "1.5 KiB"},
	    {4u << 20, "4 MiB"},
	    {(4u << 20) + 1, "4.1 MiB"},
	    {3ull << 30, "3 GiB"},
	    {1ull << 40, "1 TiB"},
	    {1ull << 50, "1024 TiB"},
	};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct size_text text;
		assert_string_equal(error_size(sizes[i].bytes, &text), sizes[i].text);
	}
}

/* Sizes that a file can only pretend to have are large, whatever is written. */
static void test_sizes_never_overflow(void **state)
{
	(void)state;
	struct size_text text;
	assert_string_equal(error_size(1ull << 59, &text), "524288 TiB");
	static const unsigned long long huge[] = {1ull << 60, 1ull << 62, 1ull << 63, UINT64_MAX};
	for (size_t i = 0; i < sizeof(huge) / sizeof(huge[0]); i++) {
		assert_true(strtod(error_size(huge[i], &text), NULL) >= 524288);
		assert_non_null(strstr(text.text, " TiB"));
	}
}

static void test_a_failure_is_a_code_and_a_sentence(void **state)
{
	(void)state;
	assert_int_equal(error_fail(ENOSPC, "no room for %d %s", 3, "fish"), -ENOSPC);
	assert_string_equal(shoal_error_detail(), "no room for 3 fish");
	char longer[2000];
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(error_fail(EINVAL, "%s", longer), -EINVAL);
	assert_true(strlen(shoal_error_detail()) > 100);
	assert_true(strlen(shoal_error_detail()) < sizeof(longer) - 1);
}

static void *fail_elsewhere(void *context)
{
	(void)context;
	assert_string_equal(shoal_error_detail(), "");
	error_set("in another thread");
	return NULL;
}

static void test_the_sentence_is_the_threads_own(void **state)
{
	(void)state;
	pthread_t thread;
	error_set("mine");
	assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_string_equal(shoal_error_detail(), "mine");
}

static void test_every_result_has_a_text(void **state)
{
	(void)state;
	assert_string_equal(shoal_strerror(-ESTALE), "object was removed");
	assert_string_equal(shoal_strerror(ESTALE), "object was removed");
	assert_string_equal(shoal_strerror(0), "success");
	for (int err = -200; err <= 200; err++) {
		assert_non_null(shoal_strerror(err));
		assert_true(strlen(shoal_strerror(err)) > 0);
	}
	assert_non_null(shoal_strerror(INT32_MIN));
	assert_non_null(shoal_strerror(INT32_MAX));
	assert_string_equal(shoal_version(), SHOAL_VERSION_STRING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_words_hold_state_seat_and_generation),
	    cmocka_unit_test(test_a_seat_too_large_spoils_nothing_else),
	    cmocka_unit_test(test_positions_compare_by_distance),
	    cmocka_unit_test(test_alignment),
	    cmocka_unit_test(test_the_checksum_is_fnv_1a),
	    cmocka_unit_test(test_sizes_are_written_for_people),
	    cmocka_unit_test(test_sizes_never_overflow),
	    cmocka_unit_test(test_a_failure_is_a_code_and_a_sentence),
	    cmocka_unit_test(test_the_sentence_is_the_threads_own),
	    cmocka_unit_test(test_every_result_has_a_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
