/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of docs/format say what the compiler says about the structures and constants. */
#include "block/block_layout.h"
#include "format_tables.h"
#include "histogram/histogram_layout.h"
#include "lane/gate.h"
#include "lane/lane_layout.h"
#include "object/object.h"
#include "seat/seat_layout.h"
#include "segment/segment_layout.h"
#include "topic/topic_layout.h"
#include "wait/wait.h"

#include <setjmp.h>
#include <shoal/version.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct row {
	const char *structure;
	const char *field;
	size_t offset; /* as documented */
	size_t bytes;  /* 0: a flexible array */
	size_t real_offset;
};

#define ROW(s, f, at, bytes_documented) {#s, #f, at, bytes_documented, offsetof(struct s, f)},
static const struct row rows[] = {DOC_FIELDS(ROW)};

static const struct {
	const char *structure;
	size_t documented;
	size_t real;
} sizes[] = {
#define SIZE(s, documented_size) {#s, documented_size, sizeof(struct s)},
    DOC_SIZES(SIZE)};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static size_t documented_size(const char *structure)
{
	for (size_t i = 0; i < COUNT(sizes); i++)
		if (strcmp(sizes[i].structure, structure) == 0)
			return sizes[i].documented;
	fail_msg("%s has no row with its size", structure);
	return 0;
}

static void test_offsets_are_as_documented(void **state)
{
	(void)state;
	assert_true(COUNT(rows) > 50); /* else the tables were not understood */
	for (size_t i = 0; i < COUNT(rows); i++)
		if (rows[i].offset != rows[i].real_offset)
			fail_msg("%s.%s is documented at %zu and lies at %zu", rows[i].structure,
				 rows[i].field, rows[i].offset, rows[i].real_offset);
}

static void test_sizes_are_as_documented(void **state)
{
	(void)state;
	assert_true(COUNT(sizes) >= 10);
	for (size_t i = 0; i < COUNT(sizes); i++)
		if (sizes[i].documented != sizes[i].real)
			fail_msg("%s is documented with %zu bytes and has %zu", sizes[i].structure,
				 sizes[i].documented, sizes[i].real);
}

/* Each byte is described: with the offsets right, this makes the fields' sizes right too. */
static void test_no_byte_is_left_out(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct row *row = &rows[i];
		bool first = i == 0 || strcmp(rows[i - 1].structure, row->structure) != 0;
		bool last = i + 1 == COUNT(rows) ||
			    strcmp(rows[i + 1].structure, row->structure) != 0;
		if (first && row->offset != 0)
			fail_msg("%s does not begin at 0", row->structure);
		size_t end = row->offset + row->bytes;
		size_t next = last ? documented_size(row->structure) : rows[i + 1].offset;
		if (end != next)
			fail_msg("%s.%s ends at %zu, and what follows begins at %zu",
				 row->structure, row->field, end, next);
	}
}

static void test_constants_are_as_documented(void **state)
{
	(void)state;
#define CONSTANT(name, value)                                                                      \
	if ((uint64_t)(name) != (uint64_t)(value))                                                 \
		fail_msg(#name " is documented as %s and is 0x%llx", #value,                       \
			 (unsigned long long)(name));
	DOC_CONSTANTS(CONSTANT)
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_offsets_are_as_documented),
	    cmocka_unit_test(test_sizes_are_as_documented),
	    cmocka_unit_test(test_no_byte_is_left_out),
	    cmocka_unit_test(test_constants_are_as_documented),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
