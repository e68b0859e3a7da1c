/* SPDX-License-Identifier: Apache-2.0 */
/* Options and flags that have no meaning are refused, and nothing is made. */
#include "leak_check.h"
#include "support.h"

#define NAME "options"

static void check_options(const struct shoal_topic_options *o, int error, const char *word)
{
	shoal_pub *pub;
	struct holdings holdings = holdings_now();
	CHECK_R(error, shoal_pub_open(&pub, NAME, SHOAL_CREATE, o));
	CHECKF(!pub && strstr(shoal_error_detail(), word), "the sentence does not say '%s': '%s'",
	       word, shoal_error_detail());
	CHECK(directory_is_empty());
	holdings_check(&holdings, word);
}

static void wrong_options_are_refused(void)
{
	struct shoal_topic_options o;
	struct {
		struct shoal_topic_options known;
		uint64_t unknown[4];
	} newer = {.known = options()};
	newer.known.size = sizeof(newer);
	newer.unknown[3] = 1;
	check_options(&newer.known, -E2BIG, "options");
	o = options();
	o.size = 0;
	check_options(&o, -EINVAL, "size");
	o = options();
	o.slots = 3;
	check_options(&o, -EINVAL, "slots");
	o.slots = 1u << 25;
	check_options(&o, -EINVAL, "slots");
	o = options();
	o.lanes = 1025;
	check_options(&o, -EINVAL, "lanes");
	o = options();
	o.subscribers = 4097;
	check_options(&o, -EINVAL, "subscribers");
	o = options();
	o.payload_bytes = UINT64_MAX;
	check_options(&o, -EINVAL, "payload");
	o = options();
	o.mode = 04777;
	check_options(&o, -EINVAL, "mode");
	newer.unknown[3] = 0; /* a tail of zeroes asks for nothing */
	shoal_pub *pub;
	CHECK_R(1, shoal_pub_open(&pub, NAME, SHOAL_CREATE, &newer.known));
	shoal_pub_close(pub);
}

static void flags_without_meaning_are_refused(void)
{
	shoal_pub *pub;
	shoal_sub *sub;
	struct shoal_topic_stat *stat;
	CHECK_R(-EINVAL, shoal_pub_open(&pub, NAME, SHOAL_CREATE | SHOAL_LOSSY, NULL));
	CHECK_R(-EINVAL, shoal_pub_open(&pub, NAME, SHOAL_EXCLUSIVE, NULL));
	CHECK_R(-EINVAL, shoal_sub_open(&sub, NAME, SHOAL_CREATE | SHOAL_HOLD, NULL));
	CHECK_R(-EINVAL, shoal_sub_open(&sub, NAME, 0x80000000u, NULL));
	CHECK_R(-EINVAL, shoal_topic_create(NAME, SHOAL_FORCE, NULL));
	CHECK_R(-EINVAL, shoal_remove(NAME, SHOAL_CREATE));
	CHECK_R(-EINVAL, shoal_topic_stat(NAME, SHOAL_FORCE, &stat));
	CHECK_R(-EINVAL, shoal_topic_audit(NAME, SHOAL_CREATE));
}

#define CASE(name)                                                                                 \
	{                                                                                          \
#name, name                                                                        \
	}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
	    CASE(wrong_options_are_refused),
	    CASE(flags_without_meaning_are_refused),
	};
	return RUN_TESTS(argc, argv, tests);
}
