/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shoal-bench-guard [TURNS]: what SHOAL_GUARD_SIGBUS costs where it costs something: at open and
 * close, and when an object is lost. The ways take turns, so that what else happens on the machine
 * happens to all of them; the medians are printed as a table in Markdown.
 */
#include "topic_use.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define TOPIC "bench/guard"

enum way { PLAIN, FIRST, FURTHER, LOST, WAYS };

static const char *const titles[WAYS] = {
    "open and close a publisher",
    "the same, guarded: handler installed and put back",
    "the same, guarded, while another guarded one is open",
    "publish into a topic that was truncated: -ESTALE",
};

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static shoal_pub *open_pub(const char *name, unsigned flags)
{
	shoal_pub *pub;

	must(shoal_pub_open(&pub, name, flags, NULL), "shoal_pub_open");
	return pub;
}

/* Beside another handle; after one that is not timed, since what came before has left the caches
 * to itself. */
static int64_t time_open(unsigned flags_of_other, unsigned flags)
{
	shoal_pub *other = open_pub(TOPIC, flags_of_other);
	int64_t begun;

	shoal_pub_close(open_pub(TOPIC, flags));
	begun = now_ns();
	shoal_pub_close(open_pub(TOPIC, flags));
	begun = now_ns() - begun;
	shoal_pub_close(other);
	return begun;
}

/* The signal, a mapping of 24 MiB replaced, and the call that says so. */
static int64_t time_loss(const char *path)
{
	char name[512];
	shoal_pub *pub;
	int64_t begun;

	snprintf(name, sizeof name, "file:%s", path);
	pub = open_pub(name, SHOAL_CREATE | SHOAL_GUARD_SIGBUS);
	if (truncate(path, 0) < 0)
		bench_die("%s: can't be truncated", path);
	begun = now_ns();
	if (shoal_pub_publish(pub, "", 1, 0) != -ESTALE)
		bench_die("the truncation was not noticed");
	begun = now_ns() - begun;
	shoal_pub_close(pub);
	unlink(path);
	return begun;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	size_t turns = argc == 2 ? strtoul(argv[1], NULL, 10) : 1001;
	int64_t *took[WAYS];
	char path[256];
	const char *directory = getenv("SHOAL_DIR");

	if (argc > 2 || turns == 0 || turns > 1000000) {
		fprintf(stderr, "Usage: shoal-bench-guard [TURNS]\n");
		return 2;
	}
	snprintf(path, sizeof path, "%s/bench-guard.%d", directory ? directory : "/dev/shm",
		 (int)getpid());
	must(shoal_topic_create(TOPIC, 0, NULL), "shoal_topic_create");
	for (int way = 0; way < WAYS; way++)
		took[way] = calloc(turns, sizeof *took[way]);
	for (size_t i = 0; i < turns; i++) {
		took[PLAIN][i] = time_open(0, 0);
		took[FIRST][i] = time_open(0, SHOAL_GUARD_SIGBUS);
		took[FURTHER][i] = time_open(SHOAL_GUARD_SIGBUS, SHOAL_GUARD_SIGBUS);
		took[LOST][i] = time_loss(path);
	}
	must(shoal_remove(TOPIC, 0), "shoal_remove");
	printf("| | us, median of %zu |\n| --- | --- |\n", turns);
	for (int way = 0; way < WAYS; way++) {
		const size_t middle = turns / 2;

		qsort(took[way], turns, sizeof *took[way], compare);
		printf("| %s | %.1f |\n", titles[way], (double)took[way][middle] / 1000);
		free(took[way]);
	}
	return 0;
}
