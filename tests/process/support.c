/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"

#include "backend.h"
#include "leak_check.h"

#include <dirent.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

void check_failed(const char *file, int line, const char *what, const char *format, ...)
{
	char text[512];
	va_list list;
	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	fflush(stdout);
	fprintf(stderr, "%s:%d: pid %d: failed: %s (%s)\n", file, line, (int)getpid(), what, text);
	fflush(stderr);
	_exit(1);
}

void check_result(const char *file, int line, const char *what, int64_t expected, int64_t got)
{
	if (got != expected)
		check_failed(file, line, what, "%lld, not %lld: %s; %s", (long long)got,
			     (long long)expected, got < 0 ? shoal_strerror((int)got) : "",
			     shoal_error_detail());
}

void skip(const char *format, ...)
{
	va_list list;
	va_start(list, format);
	printf("skipped: ");
	vprintf(format, list);
	printf("\n");
	va_end(list);
	exit(77);
}

int64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * SECONDS + ts.tv_nsec;
}

void breathe(void)
{
	static _Thread_local unsigned count;
	if (++count % 16) {
		sched_yield();
	} else {
		struct timespec ts = {.tv_nsec = 100000};
		nanosleep(&ts, NULL);
	}
}

/* ---- numbers ----------------------------------------------------------------------------- */

uint64_t mix(uint64_t value)
{
	value += 0x9e3779b97f4a7c15u;
	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
	value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
	return value ^ (value >> 31);
}

uint64_t random_next(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15u;
	return mix(*state);
}

uint64_t seed(void)
{
	static uint64_t value;
	static bool known;
	if (!known) {
		const char *text = getenv("SHOAL_SEED");
		value = text ? strtoull(text, NULL, 0) : (uint64_t)now_ns();
		known = true;
		printf("SHOAL_SEED=%llu\n", (unsigned long long)value);
		fflush(stdout);
	}
	return value;
}

bool line_number(const char *line, const char *label, uint64_t *ret)
{
	size_t length = strlen(label);
	if (strncmp(line, label, length) != 0)
		return false;
	*ret = strtoull(line + length, NULL, 10);
	return true;
}

uint64_t rounds(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);
	if (text)
		return strtoull(text, NULL, 0);
	const char *slice = getenv("SHOAL_TEST_SLICE");
	uint64_t part = (slice ? strtoull(slice, NULL, 0) : 1) * (SANITIZED ? 10 : 1);
	return part > 1 ? (otherwise + part - 1) / part : otherwise;
}

void *shared_memory(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECKF(p != MAP_FAILED, "%s", strerror(errno));
	return p;
}

void shared_free(void *memory, size_t bytes)
{
	CHECK(munmap(memory, bytes) == 0);
}

/* ---- processes --------------------------------------------------------------------------- */

pid_t spawn(void (*body)(void *context), void *context)
{
	fflush(stdout);
	pid_t parent = getpid();
	pid_t pid = fork();
	CHECKF(pid >= 0, "%s", strerror(errno));
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* In a new PID namespace the parent has no number, and no way to be gone already. */
	if (getppid() != parent && getppid() != 0)
		_exit(1);
	body(context);
	fflush(stdout);
	_exit(0);
}

/* Whole runs end here, so it may take longer than their own waits. */
#define REAP_BOUND (120 * SECONDS)

/* Asleep: no load for those who run. */
static int reap(pid_t pid, int64_t bound_ns)
{
	int status = 0;
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	CHECKF(fd >= 0, "%s", strerror(errno));
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	int64_t bound_ms = bound_ns / 1000000;
	if (poll(&poll_fd, 1, bound_ms < INT_MAX ? (int)bound_ms : INT_MAX) != 1) {
		kill(pid, SIGKILL);
		check_failed(__FILE__, __LINE__, "it ends", "process %d hangs: not within %lld s",
			     (int)pid, (long long)(bound_ns / SECONDS));
	}
	close(fd);
	CHECKF(waitpid(pid, &status, 0) == pid, "%s", strerror(errno));
	return status;
}

void reap_ok(pid_t pid)
{
	reap_ok_within(pid, REAP_BOUND);
}

void reap_ok_within(pid_t pid, int64_t bound_ns)
{
	int status = reap(pid, bound_ns);
	CHECKF(WIFEXITED(status) && WEXITSTATUS(status) == 0, "process %d: status 0x%x", (int)pid,
	       (unsigned)status);
}

void reap_killed(pid_t pid)
{
	kill(pid, SIGKILL);
	reap_died_of(pid, SIGKILL);
}

void reap_died_of(pid_t pid, int signal)
{
	int status = reap(pid, REAP_BOUND);
	CHECKF(WIFSIGNALED(status) && WTERMSIG(status) == signal,
	       "process %d: status 0x%x, not signal %d", (int)pid, (unsigned)status, signal);
}

int reap_status(pid_t pid)
{
	return reap(pid, REAP_BOUND);
}

char process_state(pid_t pid)
{
	char path[64], text[512];
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return '\0';
	size_t n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = '\0';
	const char *end = strrchr(text, ')');
	return end && end[1] ? end[2] : '\0';
}

void stop_process(pid_t pid)
{
	CHECK(kill(pid, SIGSTOP) == 0);
	WAIT_FOR(process_state(pid) == 'T');
}

void resume_process(pid_t pid)
{
	CHECK(kill(pid, SIGCONT) == 0);
}

static uint64_t switches_of(const char *path)
{
	char line[256];
	uint64_t count = 0;
	FILE *file = fopen(path, "re");
	CHECKF(file, "%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), file))
		if (line_number(line, "voluntary_ctxt_switches:", &count))
			break;
	fclose(file);
	return count;
}

uint64_t context_switches(pid_t pid)
{
	char path[512];
	uint64_t count = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	DIR *dir = opendir(path);
	CHECKF(dir, "%s", strerror(errno));
	const struct dirent *entry;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/status", (int)pid, entry->d_name);
		count += switches_of(path);
	}
	closedir(dir);
	return count;
}

/* ---- messages ---------------------------------------------------------------------------- */

size_t message_size(enum sizes sizes, uint64_t lane, uint64_t sequence)
{
	uint64_t h = mix(lane << 48 ^ sequence);
	uint64_t pick = h >> 32;
	if (sizes == SMALL)
		return h % 1000 ? pick % 57 : 57 + pick % 1000;
	if (sizes == TINY)
		return pick % 57;
	if (sizes == LARGE)
		return 1024 + pick % 7168;
	switch (h % 8) {
	case 0:
		return 0;
	case 1:
		return pick % MESSAGE_MAX;
	case 2:
		return pick % (32u << 10);
	case 3:
	case 4:
		return pick % 1100;
	default:
		return pick % 57;
	}
}

void message_fill(void *data, size_t bytes, uint64_t lane, uint64_t sequence)
{
	uint64_t word = lane << 48 ^ sequence;
	uint64_t step = mix(word) | 1;
	uint8_t *p = data;
	for (; bytes >= 8; bytes -= 8, p += 8, word += step)
		memcpy(p, &word, 8);
	memcpy(p, &word, bytes);
}

void message_check(enum sizes sizes, const struct shoal_view *view)
{
	size_t bytes = message_size(sizes, view->lane, view->sequence);
	unsigned long long sequence = view->sequence;
	CHECKF(view->bytes == bytes, "lane %u message %llu: %zu bytes, not %zu", view->lane,
	       sequence, view->bytes, bytes);
	CHECKF(view->data || bytes == 0, "no data");
	uint64_t word = (uint64_t)view->lane << 48 ^ view->sequence;
	uint64_t step = mix(word) | 1;
	const uint8_t *p = view->data;
	size_t left = bytes;
	uint64_t seen;
	for (; left >= 8; left -= 8, p += 8, word += step) {
		memcpy(&seen, p, 8);
		CHECKF(seen == word, "lane %u message %llu: byte %zu of %zu is 0x%llx, not 0x%llx",
		       view->lane, sequence, bytes - left, bytes, (unsigned long long)seen,
		       (unsigned long long)word);
	}
	CHECKF(left == 0 || memcmp(p, &word, left) == 0, "lane %u message %llu: its end differs",
	       view->lane, sequence);
}

int message_publish(shoal_pub *pub, enum sizes sizes, uint64_t sequence, int64_t timeout_ns)
{
	static uint64_t small[256];
	uint32_t lane = shoal_pub_lane(pub);
	size_t bytes = message_size(sizes, lane, sequence);
	if (bytes <= sizeof(small) && sequence % 3) {
		message_fill(small, bytes, lane, sequence);
		return shoal_pub_publish(pub, small, bytes, timeout_ns);
	}
	struct shoal_loan loan;
	int r = shoal_pub_claim(pub, bytes, timeout_ns, &loan);
	if (r < 0)
		return r;
	CHECKF(loan.sequence == sequence, "the loan is for %llu, not %llu",
	       (unsigned long long)loan.sequence, (unsigned long long)sequence);
	message_fill(loan.data, bytes, lane, sequence);
	return shoal_pub_commit(pub, &loan);
}

/* ---- running ----------------------------------------------------------------------------- */

struct shoal_topic_options options(void)
{
	return (struct shoal_topic_options){.size = sizeof(struct shoal_topic_options)};
}

const struct shoal_topic_seat *seat_of(const struct shoal_topic_stat *stat, pid_t pid)
{
	for (uint32_t i = 0; i < stat->seat_count; i++)
		if (stat->seats[i].pid == pid)
			return &stat->seats[i];
	return NULL;
}

const char *objects_directory(void)
{
	const char *path = getenv("SHOAL_DIR");
	CHECKF(path, "SHOAL_DIR is not set");
	return path;
}

bool directory_is_empty(void)
{
	const char *path = objects_directory();
	DIR *dir = opendir(path);
	CHECKF(dir, "%s: %s", path, strerror(errno));
	bool empty = true;
	const struct dirent *entry;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' || strlen(entry->d_name) > 2) {
			printf("there is %s/%s\n", path, entry->d_name);
			empty = false;
		}
	closedir(dir);
	return empty;
}

int run_tests(int argc, char **argv, const struct test *tests, size_t count)
{
	if (!getenv("SHOAL_DIR")) {
		fprintf(stderr, "run this through scripts/in-scratch\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	seed();
	for (size_t i = 0; i < count; i++) {
		if (argc > 1 && !strstr(tests[i].name, argv[1]))
			continue;
		printf("%s ...\n", tests[i].name);
		struct holdings before = holdings_now();
		int64_t start = now_ns();
		tests[i].run();
		objects_end();
		holdings_check(&before, tests[i].name);
		children_check(tests[i].name);
		CHECKF(directory_is_empty(), "%s left an object", tests[i].name);
		printf("%s: ok, %.1f s\n", tests[i].name, (double)(now_ns() - start) / 1e9);
	}
	return 0;
}
