/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A subscriber with every default waits on a topic whose publisher is alive and silent. The kernel
 * counts each time it gave up the processor: if that number stays, it never woke up.
 */
#include "alone.h"
#include "topic_use.h"

#include <string.h>
#include <unistd.h>

#define STEP_LIMIT_NS (20 * (int64_t)1000000000)

enum { PUB_OPEN = 1, SUB_OPEN = 2, SUB_READ = 4 };

static const struct bench_setup quiet_setup = {.bytes = 48};

static void nap_ms(long ms)
{
	const struct timespec nap = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&nap, NULL);
}

void bench_quiet_worker(struct bench_control *control, int side)
{
	uint64_t message[6] = {1};
	struct shoal_view view;
	shoal_pub *pub;
	shoal_sub *sub;
	char topic[64];

	snprintf(topic, sizeof topic, "%s/quiet", control->prefix);
	bench_pin(control->cores[side]);
	if (side == 0) {
		pub = use_pub(topic, &quiet_setup);
		atomic_fetch_or(&control->ready, PUB_OPEN);
		while (atomic_load(&control->go) == 0)
			nap_ms(1);
		must(shoal_pub_publish(pub, message, sizeof message, SHOAL_FOREVER),
		     "shoal_pub_publish");
		for (;;)
			pause();
	}
	sub = use_sub(topic, &quiet_setup);
	atomic_fetch_or(&control->ready, SUB_OPEN);
	must(shoal_sub_borrow(sub, SHOAL_FOREVER, &view), "shoal_sub_borrow");
	must(shoal_sub_release(sub, &view), "shoal_sub_release");
	atomic_fetch_or(&control->ready, SUB_READ);
	must(shoal_sub_borrow(sub, SHOAL_FOREVER, &view), "shoal_sub_borrow");
	bench_die("a message on a silent topic");
}

/* The process sleeps, has one thread, and gave up the processor *ret_switches times so far. */
static bool asleep(pid_t pid, uint64_t *ret_switches, uint64_t *ret_cpu_ns)
{
	unsigned long long voluntary = 0;
	unsigned long long forced = 0;
	unsigned long long cpu_ns = 0;
	char state = '?';
	char threads = '?';
	char line[256];
	char path[64];
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	while (file != NULL && fgets(line, sizeof line, file) != NULL) {
		sscanf(line, "State: %c", &state);
		sscanf(line, "Threads: %c", &threads);
		sscanf(line, "voluntary_ctxt_switches: %llu", &voluntary);
		sscanf(line, "nonvoluntary_ctxt_switches: %llu", &forced);
	}
	if (file != NULL)
		fclose(file);
	snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
	file = fopen(path, "re");
	if (file != NULL && fscanf(file, "%llu", &cpu_ns) != 1)
		cpu_ns = 0;
	if (file != NULL)
		fclose(file);
	*ret_switches = voluntary + forced;
	*ret_cpu_ns = cpu_ns;
	return state == 'S' && threads == '1';
}

static bool reached(struct bench_control *control, uint32_t wanted, int64_t end_ns)
{
	while ((atomic_load(&control->ready) & wanted) != wanted) {
		if (bench_now_ns() > end_ns || control->error[0] != '\0')
			return false;
		nap_ms(1);
	}
	return true;
}

static bool settle(struct bench_control *control, struct bench_quiet *quiet, int64_t end_ns)
{
	uint64_t last = UINT64_MAX;

	if (!reached(control, PUB_OPEN | SUB_OPEN, end_ns))
		return false;
	atomic_store(&control->go, 1);
	if (!reached(control, SUB_READ, end_ns))
		return false;
	while (bench_now_ns() < end_ns) {
		nap_ms(100);
		if (asleep(quiet->pids[1], &quiet->switches, &quiet->cpu_ns) &&
		    quiet->switches == last)
			return true;
		last = quiet->switches;
	}
	return false;
}

bool bench_quiet_begin(int control_fd, struct bench_control *control, struct bench_quiet *quiet)
{
	control->error[0] = '\0';
	atomic_store(&control->ready, 0);
	atomic_store(&control->go, 0);
	quiet->pids[0] = bench_start(control_fd, "quiet", 0);
	quiet->pids[1] = bench_start(control_fd, "quiet", 1);
	if (settle(control, quiet, bench_now_ns() + STEP_LIMIT_NS)) {
		quiet->since_ns = bench_now_ns();
		return true;
	}
	bench_kill(quiet->pids[1]);
	bench_kill(quiet->pids[0]);
	if (control->error[0] == '\0')
		strcpy(control->error, "the subscriber never fell asleep");
	return false;
}

int64_t bench_quiet_end(struct bench_quiet *quiet, int64_t least_ns, uint64_t *ret_cpu_ns)
{
	int64_t rest_ns = quiet->since_ns + least_ns - bench_now_ns();
	uint64_t switches;
	uint64_t cpu_ns;
	bool well;

	if (rest_ns > 0)
		nap_ms((long)(rest_ns / 1000000) + 1);
	well = asleep(quiet->pids[1], &switches, &cpu_ns);
	bench_kill(quiet->pids[1]);
	bench_kill(quiet->pids[0]);
	*ret_cpu_ns = cpu_ns - quiet->cpu_ns;
	return well ? (int64_t)(switches - quiet->switches) : -1;
}
