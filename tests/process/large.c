/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How large a message can be. Two tests of ctest, since the one of a GiB needs memory that not
 * every machine has: it is skipped there, and the other is not.
 */
#include "backend.h"
#include "support.h"

#include <sys/statvfs.h>

#define NAME "large"
#define GIB  ((uint64_t)1 << 30)

/* One word a page, and the ends. */
static uint64_t pattern(size_t at, uint64_t sequence)
{
	return mix(at ^ sequence << 40);
}

static void large_message(shoal_pub *pub, shoal_sub *sub, size_t bytes)
{
	struct shoal_loan loan;
	struct shoal_view view;
	CHECK_R(0, shoal_pub_claim(pub, bytes, BOUND, &loan));
	uint64_t sequence = loan.sequence;
	CHECK((uintptr_t)loan.data % 64 == 0 && loan.bytes == bytes);
	for (size_t at = 0; at + 8 <= bytes; at += 4096)
		*(uint64_t *)(void *)((char *)loan.data + at) = pattern(at, sequence);
	((char *)loan.data)[bytes - 1] = 'z';
	CHECK_R(0, shoal_pub_commit(pub, &loan));
	CHECK_R(0, shoal_sub_borrow(sub, BOUND, &view));
	CHECK(view.bytes == bytes && view.sequence == sequence);
	for (size_t at = 0; at + 8 <= bytes; at += 4096)
		CHECK(*(const uint64_t *)(const void *)((const char *)view.data + at) ==
		      pattern(at, sequence));
	CHECK(((const char *)view.data)[bytes - 1] == 'z');
	CHECK_R(0, shoal_sub_release(sub, &view));
}

static void large_messages(size_t largest)
{
	struct shoal_topic_options o = options();
	struct shoal_loan loan;
	shoal_pub *pub;
	shoal_sub *sub;
	o.message_bytes = largest;
	o.payload_bytes = largest;
	CHECK_R(1, open_pub(&pub, NAME, SHOAL_CREATE, &o));
	CHECK_R(0, open_sub(&sub, NAME, 0, NULL));
	CHECK_R(-EMSGSIZE, shoal_pub_claim(pub, largest + 1, 0, &loan));
	CHECK_R(-EMSGSIZE, shoal_pub_claim(pub, SIZE_MAX, 0, &loan));
	large_message(pub, sub, largest);
	large_message(pub, sub, largest); /* all of the area again */
	large_message(pub, sub, largest - 1);
	large_message(pub, sub, largest / 2 + 1);
	large_message(pub, sub, largest / 3);
	shoal_sub_close(sub);
	shoal_pub_close(pub);
	object_end(NAME);
}

static void a_message_as_large_as_the_payload_area(void)
{
	large_messages(4096);
	large_messages(1u << 20);
	large_messages(64u << 20);
}

static double in_gib(uint64_t bytes)
{
	return (double)bytes / (double)GIB;
}

static uint64_t memory_available(void)
{
	char line[256];
	uint64_t kib = 0;
	FILE *file = fopen("/proc/meminfo", "re");
	CHECK(file);
	while (fgets(line, sizeof(line), file))
		if (line_number(line, "MemAvailable:", &kib))
			break;
	fclose(file);
	return kib << 10;
}

static uint64_t room_for_objects(void)
{
	struct statvfs fs;
	CHECK(statvfs(objects_directory(), &fs) == 0);
	return (uint64_t)fs.f_bavail * fs.f_bsize;
}

static void a_message_of_one_gib(void)
{
	uint64_t memory = memory_available(), room = room_for_objects();
	if (getenv("SHOAL_TEST_SLICE"))
		return;
	if (memory < 3 * GIB || room < GIB + GIB / 2)
		skip("a message of 1 GiB needs 3 GiB of free memory (here: %.1f) and 1.5 GiB free "
		     "in %s (here: %.1f)",
		     in_gib(memory), objects_directory(), in_gib(room));
	large_messages(GIB);
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
	    {"a_message_as_large_as_the_payload_area", a_message_as_large_as_the_payload_area},
	    {"a_message_of_one_gib", a_message_of_one_gib},
	};
	return RUN_TESTS(argc, argv, tests);
}
