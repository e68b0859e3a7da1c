/* SPDX-License-Identifier: Apache-2.0 */
/* torture-soak: see soak.h. */
#include "soak.h"

#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
    "usage: torture-soak [--seconds S] [--kills N] [--seed N] [--counts FILE] [--plant WHAT]\n"
    "  --seconds S    so long (10)\n"
    "  --kills N      and until so many were killed\n"
    "  --seed N       the same choices again; the moments differ\n"
    "  --counts FILE  appends what was done, as lines 'key value'\n"
    "  --cgroup DIR   the memory cgroup for some workers to die in, with a limit of some MiB\n"
    "  --identity N   instead: who is alive, with N cycles of SIGSTOP and SIGCONT\n"
    "  --scribble S   instead: a stranger writes all over an object, S seconds\n"
    "  --plant WHAT   one worker in a while does wrong: succeeds when that is found\n";

struct options {
	uint64_t seed, seconds, kills, cycles, scribble;
	const char *counts;
};

static bool parse(int argc, char **argv, struct options *ret)
{
	for (int i = 1; i < argc; i += 2) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;
		if (!value)
			return false;
		if (strcmp(argv[i], "--seed") == 0)
			ret->seed = strtoull(value, NULL, 0);
		else if (strcmp(argv[i], "--seconds") == 0)
			ret->seconds = strtoull(value, NULL, 10);
		else if (strcmp(argv[i], "--kills") == 0)
			ret->kills = strtoull(value, NULL, 10);
		else if (strcmp(argv[i], "--identity") == 0)
			ret->cycles = strtoull(value, NULL, 10);
		else if (strcmp(argv[i], "--scribble") == 0)
			ret->scribble = strtoull(value, NULL, 10);
		else if (strcmp(argv[i], "--cgroup") == 0)
			place_cgroup = value;
		else if (strcmp(argv[i], "--counts") == 0)
			ret->counts = value;
		else if (strcmp(argv[i], "--plant") == 0)
			for (int k = 1; k < PLANT_COUNT; k++)
				plant = strcmp(value, plant_names[k]) == 0 ? (enum plant)k : plant;
		else
			return false;
		if (strcmp(argv[i], "--plant") == 0 && plant == PLANT_NONE)
			return false;
	}
	return true;
}

/* ---- where --------------------------------------------------------------------------------- */

static char directory[200], small[220];
static bool made_directory;

/* SHOAL_DIR when it is set, as in tests; else one of our own, so that nobody else is harmed. */
static void find_directory(void)
{
	const char *given = getenv("SHOAL_DIR");
	snprintf(directory, sizeof(directory), "%s", given ? given : "/dev/shm/shoal-soak.XXXXXX");
	if (!given && !mkdtemp(directory)) {
		printf("skipped: can't make a directory in /dev/shm: %s\n", strerror(errno));
		exit(77);
	}
	made_directory = !given;
	setenv("SHOAL_DIR", directory, 1);
	snprintf(small, sizeof(small), "%s/small", directory);
}

/* All that are forked from here on have it, and what they execute. */
static int make_nameless(int topic)
{
	shoal_sub *sub = NULL;
	int r =
	    shoal_sub_open(&sub, "memfd:soak", SHOAL_CREATE | SHOAL_LOSSY, &topics[topic].options);
	if (r >= 0 && dup2(shoal_sub_fd(sub), NAMELESS_FD) < 0)
		r = -errno;
	shoal_sub_close(sub);
	return r < 0 ? r : 0;
}

static void make_topics(void)
{
	for (int i = 0; i < TOPICS; i++) {
		if (!topics[i].kept)
			continue;
		int r = topics[i].nameless
			    ? make_nameless(i)
			    : shoal_topic_create(go_to(i), SHOAL_EXCLUSIVE, &topics[i].options);
		shoal_pub *pub = NULL;
		if (r == 0)
			r = shoal_pub_open(&pub, go_to(i), 0, NULL);
		if (r < 0) {
			printf("can't make '%s': %s\n", topics[i].name, shoal_error_detail());
			exit(1);
		}
		object_of(i, pub); /* the first of its name */
		shoal_pub_close(pub);
	}
}

/* ---- what was done ------------------------------------------------------------------------- */

static void count(FILE *file, const char *key, uint64_t value)
{
	fprintf(file, "soak.%s %" PRIu64 "\n", key, value);
}

static void write_counts(const char *path, const struct plan *plan)
{
	FILE *file = path ? fopen(path, "ae") : NULL;
	if (!file)
		return;
	count(file, "kills", plan->totals.kills);
	count(file, "stops", plan->totals.stops);
	count(file, "squeezed", plan->totals.squeezed);
	count(file, "lives", plan->totals.lives);
	count(file, "rounds", plan->totals.rounds);
	count(file, "checks", plan->totals.checks);
	count(file, "execs", book->done[OP_EXEC]);
	count(file, "forks", book->done[OP_FORK]);
	count(file, "unmaps", book->done[OP_UNMAP]);
	count(file, "published", book->messages_sent);
	count(file, "received", book->messages_read);
	count(file, "lanes_inherited", book->inherited);
	count(file, "violations", book->violations);
	fclose(file);
}

static void print_done(const struct plan *plan, int64_t start)
{
	uint64_t calls = 0;
	for (int i = 0; i < OP_COUNT; i++)
		calls += book->done[i];
	printf("%.1f s, %" PRIu64 " rounds, %" PRIu64 " lives, %" PRIu64 " killed, %" PRIu64
	       " stopped, %" PRIu64 " out of memory, %" PRIu64 " execs, %" PRIu64 " forks, %" PRIu64
	       " unmapped\n",
	       (double)(now_ns() - start) / 1e9, plan->totals.rounds, plan->totals.lives,
	       plan->totals.kills, plan->totals.stops, plan->totals.squeezed, book->done[OP_EXEC],
	       book->done[OP_FORK], book->done[OP_UNMAP]);
	printf("%" PRIu64 " calls, %" PRIu64 " messages published, %" PRIu64 " received, %" PRIu64
	       " lanes taken over from the dead, %" PRIu64 " checks of all\n",
	       calls, book->messages_sent, book->messages_read, book->inherited,
	       plan->totals.checks);
	for (int i = 1; i < OP_COUNT; i++)
		printf("%s%s %" PRIu64, i > 1 ? ", " : "  ", op_names[i], book->done[i]);
	printf("\n");
}

static int judge(void)
{
	bool found = print_violations();
	if (plant == PLANT_NONE)
		return found;
	printf("planted: %s; %s\n", plant_names[plant], found ? "found" : "NOT FOUND");
	return !found;
}

/* After a violation nothing goes by itself. */
static void clear_away(void)
{
	char litter[220];
	for (int i = 0; i < TOPICS; i++)
		shoal_remove(go_to(i), SHOAL_FORCE);
	snprintf(litter, sizeof(litter), "%s/.litter", directory);
	unlink(litter);
}

static int soak(const struct options *options)
{
	int64_t start = now_ns();
	struct plan plan = {.end_ns = start + (int64_t)options->seconds * 1000 * MS,
			    .kills = options->kills,
			    .round_ns = 2500 * MS};
	if ((int64_t)options->seconds * 1000 * MS < 2 * plan.round_ns)
		plan.round_ns = (int64_t)options->seconds * 500 * MS;
	make_topics();
	while (now_ns() < plan.end_ns || plan.totals.kills < plan.kills)
		if (!run_round(&plan))
			break;
		else
			check_gone(false);
	if (book->violations == 0)
		check_gone(true);
	else if (plant != PLANT_NONE || (made_directory && !getenv("SHOAL_KEEP_SCRATCH")))
		clear_away();
	print_done(&plan, start);
	write_counts(options->counts, &plan);
	return judge();
}

int main(int argc, char **argv)
{
	struct options options = {.seed = (uint64_t)now_ns(), .seconds = 10};
	if (argc > 1 && strcmp(argv[1], "--after-exec") == 0) {
		topics_make(argv[2], NULL);
		return after_exec();
	}
	if (argc > 2 && strcmp(argv[1], "--linger") == 0)
		linger(argv[2]);
	if (!parse(argc, argv, &options)) {
		fputs(usage, stderr);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("seed %" PRIu64 "\n", options.seed);
	book_make(options.seed);
	find_directory();
	place_enter();
	if (options.cycles || options.scribble) {
		int r = options.cycles ? run_identity(options.cycles, options.counts)
				       : run_scribble(options.scribble, options.counts);
		if (made_directory)
			rmdir(directory);
		return r;
	}
	topics_make(directory, place_small(small) ? small : NULL);
	place_make_cgroup();
	catch_crashes();
	signal(SIGUSR1, SIG_IGN); /* until a worker says what they mean to it */
	signal(SIGUSR2, SIG_IGN);
	int r = soak(&options);
	place_leave(small);
	place_remove_cgroup();
	if (made_directory && rmdir(directory) < 0)
		printf("%s is not empty\n", directory);
	return r;
}
