/* SPDX-License-Identifier: Apache-2.0 */
/* The check of a header that a stranger wrote: each field, and bytes at random. */
#include "segment/segment.h"

#include "base/checksum.h"
#include "base/error.h"

#include <errno.h>
#include <setjmp.h>
#include <shoal/version.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define BYTES (4096u * 20)

static void seal(struct segment_fixed *fixed)
{
	fixed->checksum = checksum(fixed, offsetof(struct segment_fixed, checksum));
}

static struct segment_fixed sound(void)
{
	struct segment_fixed fixed = {
	    .magic = SEGMENT_MAGIC,
	    .layout = SHOAL_LAYOUT_VERSION,
	    .header_bytes = SEGMENT_HEADER_BYTES,
	    .kind = 1,
	    .seat_count = 16,
	    .total_bytes = BYTES,
	    .body_offset = 4096,
	};
	seal(&fixed);
	return fixed;
}

static int check(const struct segment_fixed *fixed)
{
	return segment_check_fixed(fixed, BYTES, "x");
}

static void test_a_sound_header_passes(void **state)
{
	(void)state;
	struct segment_fixed fixed = sound();
	assert_int_equal(check(&fixed), 0);
	fixed.compatible = UINT64_MAX; /* may be ignored */
	fixed.kind = 99;               /* is asked about later */
	seal(&fixed);
	assert_int_equal(check(&fixed), 0);
}

static void test_each_field_is_checked(void **state)
{
	(void)state;
	struct segment_fixed fixed;
#define EXPECT(result, field, value)                                                               \
	fixed = sound();                                                                           \
	fixed.field = (value);                                                                     \
	seal(&fixed);                                                                              \
	assert_int_equal(check(&fixed), result)
	EXPECT(-EBADMSG, magic, 0);
	EXPECT(-EBADMSG, magic, SEGMENT_MAGIC + 1);
	EXPECT(-ENOTSUP, layout, SHOAL_LAYOUT_VERSION + 1);
	EXPECT(-ENOTSUP, layout, 0);
	EXPECT(-ENOTSUP, incompatible, 2);
	EXPECT(0, incompatible, SEGMENT_GROWS);
	EXPECT(-ENOTSUP, incompatible, (uint64_t)1 << 63);
	EXPECT(-EBADMSG, header_bytes, 0);
	EXPECT(-EBADMSG, header_bytes, 512);
	EXPECT(-EBADMSG, seat_count, 0);
	EXPECT(-EBADMSG, seat_count, 1);
	EXPECT(-EBADMSG, seat_count, 0x10000);
	EXPECT(-EBADMSG, seat_count, UINT32_MAX);
	EXPECT(-EBADMSG, body_offset, 0);
	EXPECT(-EBADMSG, body_offset, 8192);
	EXPECT(-EBADMSG, body_offset, UINT64_MAX);
	EXPECT(-EBADMSG, total_bytes, 0);
	EXPECT(-EBADMSG, total_bytes, 4095);
	EXPECT(-EBADMSG, total_bytes, UINT64_MAX);
	EXPECT(-EBADMSG, total_bytes, ((uint64_t)1 << 60) + 1);
	EXPECT(-ESTALE, total_bytes, BYTES + 1);
	EXPECT(-EBADMSG, total_bytes, BYTES - 1);
#undef EXPECT
	fixed = sound();
	fixed.checksum ^= 1;
	assert_int_equal(check(&fixed), -EBADMSG);
}

/* Sound but for one thing: nothing else gives it away. */
static void test_sizes_that_fit_each_other_are_not_enough(void **state)
{
	(void)state;
	struct segment_fixed fixed = sound();
	fixed.seat_count = 0x10000; /* more than a tag can name */
	fixed.body_offset = segment_body_offset(fixed.seat_count);
	fixed.total_bytes = fixed.body_offset + 4096;
	seal(&fixed);
	assert_int_equal(segment_check_fixed(&fixed, fixed.total_bytes, "x"), -EBADMSG);
	fixed = sound();
	fixed.total_bytes = fixed.body_offset - 1; /* and the file is as short */
	seal(&fixed);
	assert_int_equal(segment_check_fixed(&fixed, fixed.total_bytes, "x"), -EBADMSG);
}

/* A newer object is reported as newer, even if its checksum is made in another way. */
static void test_newer_is_not_damaged(void **state)
{
	(void)state;
	struct segment_fixed fixed = sound();
	fixed.layout++;
	assert_int_equal(check(&fixed), -ENOTSUP);
	fixed = sound();
	fixed.incompatible = 4;
	assert_int_equal(check(&fixed), -ENOTSUP);
	assert_non_null(strstr(shoal_error_detail(), "0x4"));
}

static void test_a_changed_bit_never_passes(void **state)
{
	(void)state;
	for (size_t bit = 0; bit < 8 * sizeof(struct segment_fixed); bit++) {
		struct segment_fixed fixed = sound();
		((uint8_t *)&fixed)[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_not_equal(check(&fixed), 0);
	}
}

static void test_the_file_must_have_the_size_it_says(void **state)
{
	(void)state;
	static const uint64_t sizes[] = {0, 1, 256, 4096, BYTES - 1, BYTES + 1, UINT64_MAX};
	struct segment_fixed fixed = sound();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		assert_int_equal(segment_check_fixed(&fixed, sizes[i], "x"),
				 sizes[i] < BYTES ? -ESTALE : -EBADMSG);
}

static void test_the_body_begins_behind_the_seats(void **state)
{
	(void)state;
	assert_int_equal(segment_body_offset(2), 4096);
	assert_int_equal(segment_body_offset(60), 4096);
	assert_int_equal(segment_body_offset(61), 8192);
	for (uint32_t seats = 2; seats <= 0xffff; seats += 13) {
		uint64_t offset = segment_body_offset(seats);
		assert_true(offset >= SEGMENT_HEADER_BYTES + (uint64_t)seats * 64);
		assert_int_equal(offset % PAGE_BYTES, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_sound_header_passes),
	    cmocka_unit_test(test_each_field_is_checked),
	    cmocka_unit_test(test_sizes_that_fit_each_other_are_not_enough),
	    cmocka_unit_test(test_newer_is_not_damaged),
	    cmocka_unit_test(test_a_changed_bit_never_passes),
	    cmocka_unit_test(test_the_file_must_have_the_size_it_says),
	    cmocka_unit_test(test_the_body_begins_behind_the_seats),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
