/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shoal-bench-count OPERATION BYTES ROUNDS [guarded]: does an operation so often that a counter of
 * instructions can tell what one takes; bench/count-instructions runs it. One process, one lossless
 * subscriber, in rounds of 4,096 messages, a quarter of the slots: nobody waits, nobody sleeps.
 */
#include "topic_use.h"

#include <stdlib.h>
#include <string.h>

#define ROUND 4096
#define BATCH 64

struct count {
	shoal_pub *pub;
	shoal_sub *sub;
	size_t bytes;
};

static char message[1024];
static char received[BATCH * sizeof message];

/* ---- a round's two halves ------------------------------------------------------------------ */

static void publish(const struct count *count)
{
	for (int i = 0; i < ROUND; i++)
		must(shoal_pub_publish(count->pub, message, count->bytes, 0), "shoal_pub_publish");
}

static void claim(const struct count *count)
{
	struct shoal_loan loan;

	for (int i = 0; i < ROUND; i++) {
		must(shoal_pub_claim(count->pub, count->bytes, 0, &loan), "shoal_pub_claim");
		must(shoal_pub_commit(count->pub, &loan), "shoal_pub_commit");
	}
}

static void publishv(const struct count *count)
{
	struct iovec messages[BATCH];

	for (int i = 0; i < BATCH; i++)
		messages[i] = (struct iovec){message, count->bytes};
	for (int i = 0; i < ROUND / BATCH; i++) {
		int64_t sent = shoal_pub_publishv(count->pub, messages, BATCH, 0);

		must(sent, "shoal_pub_publishv");
		if (sent != BATCH)
			bench_die("a batch went in parts");
	}
}

static void borrow(const struct count *count)
{
	struct shoal_view view;

	for (int i = 0; i < ROUND; i++) {
		must(shoal_sub_borrow(count->sub, 0, &view), "shoal_sub_borrow");
		must(shoal_sub_release(count->sub, &view), "shoal_sub_release");
	}
}

static void receive(const struct count *count)
{
	struct shoal_view view;

	for (int i = 0; i < ROUND; i++)
		must(shoal_sub_receive(count->sub, received, sizeof received, 0, &view),
		     "shoal_sub_receive");
}

static void receivev(const struct count *count)
{
	struct shoal_view views[BATCH];

	for (int left = ROUND; left > 0;) {
		int64_t some =
		    shoal_sub_receivev(count->sub, views, BATCH, received, sizeof received, 0);

		must(some, "shoal_sub_receivev");
		left -= (int)some;
	}
}

/* ---- operations ---------------------------------------------------------------------------- */

typedef void half(const struct count *count);

/* What is counted is one half of a round, by its functions' names; the other only makes room. */
static const struct operation {
	const char *name;
	half *send;
	half *take;
} operations[] = {
    {"publish", publish, borrow},   {"claim+commit", claim, borrow},
    {"publishv", publishv, borrow}, {"borrow+release", publish, borrow},
    {"receive", publish, receive},  {"receivev", publish, receivev},
};

static const struct operation *find(const char *name)
{
	for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
		if (strcmp(operations[i].name, name) == 0)
			return &operations[i];
	}
	return NULL;
}

int main(int argc, char **argv)
{
	bool guarded = argc == 5 && strcmp(argv[4], "guarded") == 0;
	bool right = argc == 4 || guarded;
	const struct operation *operation = right ? find(argv[1]) : NULL;
	struct count count = {.bytes = right ? strtoul(argv[2], NULL, 10) : 0};
	struct bench_setup setup = {.bytes = count.bytes,
				    .flags = guarded ? SHOAL_GUARD_SIGBUS : 0};

	if (operation == NULL || count.bytes == 0 || count.bytes > sizeof message) {
		fprintf(stderr, "Usage: shoal-bench-count OPERATION BYTES ROUNDS [guarded]\n"
				"bench/count-instructions knows the operations.\n");
		return 2;
	}
	count.pub = use_pub("bench/count", &setup);
	count.sub = use_sub("bench/count", &setup);
	for (unsigned long round = strtoul(argv[3], NULL, 10); round > 0; round--) {
		operation->send(&count);
		operation->take(&count);
	}
	shoal_sub_close(count.sub);
	shoal_pub_close(count.pub);
	return 0;
}
