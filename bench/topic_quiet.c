/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A subscriber with every default waits on a topic whose publisher is alive and silent. The kernel
 * counts each time it gave up the processor: if that number stays, it never woke up.
 */
#include "alone.h"
#include "topic_use.h"

#include <stdlib.h>
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

/* The number behind `key` in a line of the file, or 0. An empty key: the first number. */
static uint64_t number_in(const char *path, const char *key)
{
	FILE *file = fopen(path, "re");
	uint64_t number = 0;
	char line[256];

	while (file != NULL && fgets(line, sizeof line, file) != NULL) {
		if (strncmp(line, key, strlen(key)) != 0)
			continue;
		number = strtoull(line + strlen(key), NULL, 10);
		break;
	}
	if (file != NULL)
		fclose(file);
	return number;
}

static bool sleeps(const char *status)
{
	FILE *file = fopen(status, "re");
	bool found = false;
	char line[256];

	while (file != NULL && !found && fgets(line, sizeof line, file) != NULL)
		found = strncmp(line, "State:\tS", 8) == 0;
	if (file != NULL)
		fclose(file);
	return found;
}

/* The process sleeps, has one thread, and gave up the processor *ret_switches times so far. */
static bool asleep(pid_t pid, uint64_t *ret_switches, uint64_t *ret_cpu_ns)
{
	char status[64];
	char schedstat[64];

	snprintf(status, sizeof status, "/proc/%d/status", (int)pid);
	snprintf(schedstat, sizeof schedstat, "/proc/%d/schedstat", (int)pid);
	*ret_switches = number_in(status, "voluntary_ctxt_switches:") +
			number_in(status, "nonvoluntary_ctxt_switches:");
	*ret_cpu_ns = number_in(schedstat, "");
	return sleeps(status) && number_in(status, "Threads:") == 1;
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
