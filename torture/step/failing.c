/* SPDX-License-Identifier: Apache-2.0 */
/* The failing n-th call: which case is next, and the two processes of it. See failing.h. */
#include "failing.h"

#include "base/error.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* No operation makes more calls, and none takes longer. */
enum { CALLS_MAX = 3000, VICTIM_SECONDS = 20, VIOLATIONS_MAX = 40 };

struct lab {
	const char *only;
	bool whole; /* every errno; else one by chance for each call */
	uint64_t seed, random;
	const char *counts;
	struct deal *deal;
	struct share *share;
	uint64_t operations, calls, cases, violations;
};

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* ---- the victim -------------------------------------------------------------------------- */

static void stand_still(void)
{
	raise(SIGSTOP);
}

static int64_t try(struct trial *trial, char *detail, size_t room)
{
	error_set("%s", "");
	int64_t r = trial->stage.op->run(&trial->stage);
	snprintf(detail, room, "%s", shoal_error_detail());
	return r;
}

static void run_twice(struct trial *trial)
{
	struct deal *deal = trial->deal;
	const struct op *op = trial->stage.op;
	error_set("%s", "");
	fault_begin(&trial->plan, &deal->seen);
	deal->result = op->run(&trial->stage);
	fault_end();
	snprintf(deal->detail, sizeof(deal->detail), "%s", shoal_error_detail());
	stand_still();
	bool again = deal->result < 0 || (trial->contract->flags & CONTRACT_REPAIRS);
	if (deal->result != op->expect && again) {
		deal->second = try(trial, deal->second_detail, sizeof(deal->second_detail));
		deal->tried_again = true;
	}
	stand_still();
}

/* What is inherited goes, too, when it is closed: a child of ours, which has the same, tells. */
static void look_ahead(struct trial *trial)
{
	struct stage *stage = &trial->stage;
	pid_t pid = fork();
	if (pid == 0) {
		shoal_pub_close(stage->pub);
		shoal_sub_close(stage->sub);
		holdings_take(&trial->deal->expected);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		give_up("%s: can't look ahead", stage->op->name);
}

static _Noreturn void be_victim(struct trial *trial)
{
	struct stage *stage = &trial->stage;
	die_with_harness();
	alarm(VICTIM_SECONDS);
	holdings_take(&trial->deal->expected);
	if (stage->op->prepare)
		stage->op->prepare(stage);
	if (stage->op->flags & OP_INHERITS)
		look_ahead(trial);
	stand_still();
	run_twice(trial);
	if (!(trial->contract->flags & CONTRACT_CLOSES)) {
		shoal_pub_close(stage->pub);
		shoal_sub_close(stage->sub);
	}
	trial->deal->leaks =
	    !holdings_same(&trial->deal->expected, trial->deal->leak, sizeof(trial->deal->leak));
	stand_still();
	_exit(0);
}

/* False: it did not get to where it stands still. */
static bool await(struct trial *trial)
{
	int status = 0;
	if (waitpid(trial->stage.pid, &status, WUNTRACED) != trial->stage.pid)
		give_up("waitpid: %s", strerror(errno));
	if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP)
		return true;
	trial->stage.pid = 0;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		failed(trial, "it does not come back");
	else
		failed(trial, "it ended with status 0x%x", (unsigned)status);
	return false;
}

static bool go_on(struct trial *trial)
{
	kill(trial->stage.pid, SIGCONT);
	return await(trial);
}

/* ---- the world --------------------------------------------------------------------------- */

static void kill_doomed(struct stage *stage)
{
	while (stage->doomed_count > 0) {
		pid_t pid = stage->doomed[--stage->doomed_count];
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

static void remember(struct stage *stage)
{
	void *handles[] = {stage->other_pub, stage->second_pub, stage->other_sub,
			   stage->other_lossy};
	for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++)
		if (handles[i])
			stage->living[handle_of(handles[i])->object->seat.tag.seat] = true;
	struct topic_map map;
	stage_changed(stage);
	if (!stage->real.base || topic_map(&map, &stage->real) < 0)
		return;
	for (uint32_t i = 0; i < LANES; i++) {
		struct lane_map lane = topic_lane(&map, i);
		stage->committed[i] = stage->end[i] = lane_end(&lane);
		stage->ready[i] = topic_lane_ready(&map, i);
	}
	stage->epoch = atomic_load(&map.body->shared.epoch);
	if (stage->op->flags & OP_SLEEPER)
		atomic_fetch_or(&map.body->wake, WAIT_SLEEPER);
	if (stage->op->flags & OP_GATED)
		atomic_fetch_or(&map.controls[0].gate, WAIT_SLEEPER);
	stage_changed(stage);
	stage->was_named = stage->named || !stage->real.base;
}

/* The world, and a victim that is about to begin. */
static void begin(struct trial *trial, struct lab *lab, const struct op *op)
{
	static uint8_t seen[REGION_MAX];
	static unsigned number;
	struct stage *stage = &trial->stage;
	memset(lab->share, 0, sizeof(*lab->share));
	memset(lab->deal, 0, sizeof(*lab->deal));
	lab->share->lane = lab->share->entry = UINT32_MAX;
	stage->op = op;
	stage->share = lab->share;
	stage->seen = seen;
	backend_begin(stage, ++number);
	if (op->world)
		op->world(stage);
	if (!(op->flags & OP_DIE_LATE))
		kill_doomed(stage);
	remember_held(trial);
	fflush(NULL);
	stage->pid = fork();
	if (stage->pid < 0)
		give_up("fork: %s", strerror(errno));
	if (stage->pid == 0)
		be_victim(trial);
	if (!await(trial))
		give_up("%s: the victim did not get to its beginning", op->name);
	kill_doomed(stage);
	map_real(stage); /* before it may be removed */
	if (op->ready)
		op->ready(stage);
	remember(stage);
}

static int remove_one(void *context, const char *name)
{
	char path[300];
	(void)context;
	snprintf(path, sizeof(path), "%s/%s", getenv("SHOAL_DIR"), name);
	return unlink(path) < 0 && errno != EISDIR ? -errno : 0;
}

/* What a violation left is not the next case's. */
static void sweep(void)
{
	os->each_entry(getenv("SHOAL_DIR"), "shoal:", remove_one, NULL);
	os->each_entry(getenv("SHOAL_DIR"), ".shoal", remove_one, NULL);
}

/* Runs one case. Returns how much was wrong. */
static uint64_t run_case(struct lab *lab, const struct op *op, struct fault_plan plan, bool quiet)
{
	struct trial trial = {
	    .contract = contract_of(op),
	    .plan = plan,
	    .deal = lab->deal,
	    .closer_look = next_random(&lab->random) % 16 == 0,
	};
	trial.stage.quiet = quiet;
	begin(&trial, lab, op);
	if (go_on(&trial)) {
		check_first(&trial);
		if (go_on(&trial)) {
			check_second(&trial);
			if (go_on(&trial))
				check_closed(&trial);
		}
	}
	stage_end(&trial.stage);
	if (trial.stage.violations > 0)
		sweep();
	lab->cases++;
	return trial.stage.violations;
}

/* ---- all cases of an operation ----------------------------------------------------------- */

/* The n-th call, with one errno or with all: a mistake must be found whatever the seed, and there
 * are errors that hide it (EINTR is tried again). False: there is no n-th call. */
static bool run_call(struct lab *lab, const struct op *op, struct fault_plan plan,
		     uint64_t *violations)
{
	const bool quiet = op->flags & OP_WRONG, all = quiet || lab->whole;
	unsigned count = 1;
	plan.error = all ? 0 : (unsigned)next_random(&lab->random);
	for (unsigned i = 0; i < count; i++, plan.error++) {
		*violations += run_case(lab, op, plan, quiet || *violations >= VIOLATIONS_MAX);
		if (!lab->deal->seen.hit)
			return false;
		if (all)
			count = fault_errnos(lab->deal->seen.row);
	}
	return true;
}

/* An operation with hundreds of calls looks at the same things over and over. */
static unsigned stride(struct lab *lab, unsigned at)
{
	unsigned most = at < 64 ? 1 : lab->whole ? 8 : 100;
	return 1 + (unsigned)(next_random(&lab->random) % most);
}

static void run_failing(struct lab *lab, const struct op *op, enum fault_layer layer)
{
	const bool wrong = op->flags & OP_WRONG;
	uint64_t violations = 0, cases = lab->cases;
	unsigned calls = 0;
	for (int stays = 0; stays < (lab->whole ? 2 : 1); stays++) {
		struct fault_plan plan = {.layer = layer, .stays = stays, .at = 1};
		/* Which calls fail for good, by chance, where not all do. */
		plan.stays |= !lab->whole && !wrong && next_random(&lab->random) % 4 == 0;
		while (plan.at < CALLS_MAX && run_call(lab, op, plan, &violations)) {
			calls = plan.at;
			plan.at += stride(lab, plan.at);
		}
	}
	printf("%-52s %-8s%4u calls %5llu cases %3llu violations%s\n", op->name,
	       layer == FAULT_KERNEL ? "kernel" : "entries", calls,
	       (unsigned long long)(lab->cases - cases), (unsigned long long)violations,
	       wrong ? ", on purpose" : "");
	lab->operations++;
	lab->calls += calls;
	if (wrong && violations == 0)
		printf("'%s' is wrong, and nobody noticed\n", op->name);
	lab->violations += wrong ? violations == 0 : violations;
	fflush(stdout);
}

static void run_group(struct lab *lab, const struct group *group, enum fault_layer layer)
{
	for (size_t i = 0; i < group->count; i++) {
		struct op there;
		if ((!lab->only || strstr(group->ops[i].name, lab->only)) &&
		    backend_means(&group->ops[i], &there))
			run_failing(lab, &there, layer);
	}
}

/* ---- the program ------------------------------------------------------------------------- */

static void *shared_memory(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		give_up("mmap: %s", strerror(errno));
	return p;
}

static bool read_arguments(struct lab *lab, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		bool more = i + 1 < argc;
		if (strcmp(argv[i], "--whole") == 0)
			lab->whole = true;
		else if (strcmp(argv[i], "--seed") == 0 && more)
			lab->seed = strtoull(argv[++i], NULL, 0);
		else if (strcmp(argv[i], "--counts") == 0 && more)
			lab->counts = argv[++i];
		else if (strcmp(argv[i], "--backend") == 0 && more && backend_choose(argv[i + 1]))
			i++;
		else if (argv[i][0] != '-' && !lab->only)
			lab->only = argv[i];
		else
			return false;
	}
	return true;
}

static void write_counts(const struct lab *lab)
{
	FILE *file = lab->counts ? fopen(lab->counts, "ae") : NULL;
	if (!file)
		return;
	fprintf(file, "failing.operations %llu\nfailing.calls %llu\nfailing.cases %llu\n",
		(unsigned long long)lab->operations, (unsigned long long)lab->calls,
		(unsigned long long)lab->cases);
	fprintf(file, "failing.violations %llu\n", (unsigned long long)lab->violations);
	fclose(file);
}

/* malloc counts what it keeps for the next one of the same size as taken: without that cache it
 * counts what is. */
static void count_every_byte(char **argv)
{
	if (getenv("GLIBC_TUNABLES"))
		return;
	if (setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1) == 0)
		execv("/proc/self/exe", argv);
	give_up("can't begin again without malloc's cache: %s", strerror(errno));
}

/* What is set up with the first handle of a process is no leak of an operation. */
static void warm_up(void)
{
	shoal_pub *pub;
	if (shoal_pub_open(&pub, "failing-warm-up", SHOAL_CREATE, &small_topic) < 0)
		give_up("pub_open");
	shoal_pub_close(pub);
}

static void run_all(struct lab *lab)
{
	static const struct group *const groups[] = {
	    &mistakes_group, &join_group, &leave_group, &repair_group, &publish_group,
	    &receive_group,  &told_group, &look_group,  &still_group,  &lesser_group};
	for (int layer = 0; layer < FAULT_LAYERS; layer++) {
		const char *why;
		if (!fault_possible((enum fault_layer)layer, &why)) {
			printf("system calls are not made to fail: %s\n", why);
			continue;
		}
		for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
			run_group(lab, groups[i], (enum fault_layer)layer);
	}
}

int failing_main(int argc, char **argv)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	struct lab lab = {.seed = (uint64_t)now.tv_nsec};
	if (!read_arguments(&lab, argc - 2, argv + 2)) {
		printf("failing [--whole] [--backend NAME] [--seed N] [--counts FILE] [TEXT]\n");
		return 2;
	}
	count_every_byte(argv);
	char directory[] = "/dev/shm/shoal-failing.XXXXXX";
	bool own = !getenv("SHOAL_DIR");
	if (own && (!mkdtemp(directory) || setenv("SHOAL_DIR", directory, 1) < 0))
		give_up("%s: %s", directory, strerror(errno));
	printf("seed %llu\n", (unsigned long long)lab.seed);
	lab.random = lab.seed;
	lab.deal = shared_memory(sizeof(*lab.deal));
	lab.share = shared_memory(sizeof(*lab.share));
	warm_up();
	run_all(&lab);
	if (own)
		rmdir(directory);
	write_counts(&lab);
	printf("%llu operations, %llu calls, %llu cases, %llu violations\n",
	       (unsigned long long)lab.operations, (unsigned long long)lab.calls,
	       (unsigned long long)lab.cases, (unsigned long long)lab.violations);
	return lab.operations == 0 ? 2 : lab.violations > 0;
}
