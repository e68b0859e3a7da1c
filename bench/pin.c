/* SPDX-License-Identifier: Apache-2.0 */
#include "pin.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MEET_LOOKS 10000

char *bench_die_text;

void bench_die(const char *format, ...)
{
	char text[BENCH_DIE_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (bench_die_text != NULL) {
		memcpy(bench_die_text, text, sizeof text);
		_exit(3);
	}
	fprintf(stderr, "shoal-bench: %s\n", text);
	exit(3);
}

double bench_tick_ns(void)
{
	int64_t start_ns = bench_now_ns();
	uint64_t start = bench_ticks();
	int64_t now_ns = start_ns;

	while (now_ns - start_ns < 5000000)
		now_ns = bench_now_ns();
	return (double)(now_ns - start_ns) / (double)(bench_ticks() - start);
}

int bench_cores(int cores[2])
{
	cpu_set_t allowed;
	int found = 0;

	CPU_ZERO(&allowed);
	if (sched_getaffinity(0, sizeof allowed, &allowed) < 0)
		bench_die("sched_getaffinity: %s", strerror(errno));
	for (size_t core = 0; core < CPU_SETSIZE && found < 2; core++) {
		if (CPU_ISSET(core, &allowed))
			cores[found++] = (int)core;
	}
	return found;
}

void bench_pin(int core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)core, &set);
	if (sched_setaffinity(0, sizeof set, &set) < 0)
		bench_die("can't bind to processor %d: %s", core, strerror(errno));
}

int bench_memory_make(size_t bytes)
{
	int fd = memfd_create("shoal-bench", 0);

	if (fd < 0 || fallocate(fd, 0, 0, (off_t)bytes) < 0)
		bench_die("can't get %zu bytes of shared memory: %s", bytes, strerror(errno));
	return fd;
}

void *bench_memory_map(int fd, size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		bench_die("mmap of %zu bytes: %s", bytes, strerror(errno));
	return memory;
}

pid_t bench_start(int control_fd, const char *role, int side)
{
	char fd_text[16];
	char side_text[16];
	pid_t parent = getpid();
	pid_t pid;

	snprintf(fd_text, sizeof fd_text, "%d", control_fd);
	snprintf(side_text, sizeof side_text, "%d", side);
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		bench_die("fork: %s", strerror(errno));
	if (pid > 0)
		return pid;
	/* The parent may be gone before the signal is asked for. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(3);
	execl("/proc/self/exe", program_invocation_short_name, "--worker", fd_text, role, side_text,
	      (char *)NULL);
	_exit(127);
}

void bench_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static bool ended_well(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Sleeps in poll until a child ends, so that the driver takes no time from those it measures. */
bool bench_watch(const pid_t *pids, size_t count, int64_t limit_ns, bool (*stop)(void))
{
	struct pollfd polled[BENCH_PROCESSES];
	int64_t end_ns = bench_now_ns() + limit_ns;
	size_t left = count;
	bool well = true;

	for (size_t i = 0; i < count; i++) {
		polled[i] = (struct pollfd){.events = POLLIN};
		polled[i].fd = (int)syscall(SYS_pidfd_open, pids[i], 0);
		if (polled[i].fd < 0)
			bench_die("pidfd_open: %s", strerror(errno));
	}
	while (left > 0 && well && !(stop != NULL && stop())) {
		int64_t rest_ns = end_ns - bench_now_ns();

		if (rest_ns <= 0 || poll(polled, count, (int)(rest_ns / 1000000) + 1) < 0)
			well = rest_ns > 0 && errno == EINTR;
		for (size_t i = 0; i < count && rest_ns > 0; i++) {
			if (polled[i].fd < 0 || polled[i].revents == 0)
				continue;
			close(polled[i].fd);
			polled[i].fd = -1;
			well = ended_well(pids[i]) && well;
			left--;
		}
	}
	for (size_t i = 0; i < count; i++) {
		if (polled[i].fd >= 0) {
			close(polled[i].fd);
			bench_kill(pids[i]);
		}
	}
	return well && left == 0;
}

void bench_steps_meet(struct bench_steps *steps, int side)
{
	_Atomic uint64_t *mine = &steps->side[side].step;
	_Atomic uint64_t *other = &steps->side[1 - side].step;
	uint64_t step = atomic_load_explicit(mine, memory_order_relaxed) + 1;

	/* No limit: the driver ends both when one of them fails or takes too long. */
	atomic_store(mine, step);
	for (int looks = 1; atomic_load_explicit(other, memory_order_acquire) < step; looks++) {
		if (looks % MEET_LOOKS == 0)
			sched_yield(); /* the core may be wanted by others */
		bench_relax();
	}
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a;
	double right = *(const double *)b;

	return (left > right) - (left < right);
}

double bench_median(double *values, size_t count)
{
	if (count == 0)
		return 0.0;
	qsort(values, count, sizeof *values, compare);
	return (values[(count - 1) / 2] + values[count / 2]) / 2.0;
}

double bench_quantile(const double *sorted, size_t count, double part)
{
	double at;
	size_t below;

	if (count == 0)
		return 0.0;
	at = part * (double)(count - 1);
	below = (size_t)at;
	if (below + 1 >= count)
		return sorted[count - 1];
	return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}
