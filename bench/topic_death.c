/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long others stand still after a SIGKILL. The clock starts just before kill(2), so that the
 * kernel's own time to end a process is in the figure, as it is in life.
 */
#include "alone.h"
#include "topic_use.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STEP_LIMIT_NS (20 * (int64_t)1000000000)

/* Bits of control->ready. */
enum { FIRST = 1, READER = 2, NEXT = 4, BLOCKED = 8 };
/* What the first and the next publisher say. */
enum { FROM_FIRST = 1, FROM_NEXT = 2 };

static void nap_us(long us)
{
	const struct timespec nap = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};

	nanosleep(&nap, NULL);
}

static void open_go(struct bench_control *control)
{
	atomic_store(&control->go, 1);
	syscall(SYS_futex, &control->go, FUTEX_WAKE, 8, NULL, NULL, 0);
}

static void await_go(struct bench_control *control)
{
	while (atomic_load(&control->go) == 0)
		syscall(SYS_futex, &control->go, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void topic_of(const struct bench_control *control, const char *what, char topic[64])
{
	snprintf(topic, 64, "%s/%s.%u", control->prefix, what, control->start);
}

static void say(shoal_pub *pub, uint64_t word)
{
	must(shoal_pub_publish(pub, &word, sizeof word, SHOAL_FOREVER), "shoal_pub_publish");
}

/* ---- takeover: the first publisher, the subscriber, the next publisher -------------------- */

static const struct shoal_topic_options one_lane = {
    .size = sizeof(struct shoal_topic_options),
    .message_bytes = 48,
    .lanes = 1,
};

static void takeover_first(struct bench_control *control, const char *topic)
{
	shoal_pub *pub;

	must(shoal_pub_open(&pub, topic, SHOAL_CREATE, &one_lane), "shoal_pub_open");
	atomic_fetch_or(&control->ready, FIRST);
	for (;;) {
		say(pub, FROM_FIRST);
		nap_us(100);
	}
}

static void takeover_reader(struct bench_control *control, const char *topic)
{
	struct shoal_view view = {0};
	uint64_t word = 0;
	shoal_sub *sub;

	must(shoal_sub_open(&sub, topic, SHOAL_CREATE, &one_lane), "shoal_sub_open");
	while (word != FROM_NEXT) {
		must(shoal_sub_borrow(sub, SHOAL_FOREVER, &view), "shoal_sub_borrow");
		word = *(const uint64_t *)view.data;
		if (word == FROM_NEXT)
			atomic_store(&control->stamp_ns, bench_now_ns());
		must(shoal_sub_release(sub, &view), "shoal_sub_release");
		atomic_fetch_or(&control->ready, READER);
	}
	shoal_sub_close(sub);
}

/* Asks for the lane again and again from the moment of the kill. */
static void takeover_next(struct bench_control *control, const char *topic)
{
	int64_t end_ns;
	shoal_pub *pub;
	int result;

	atomic_fetch_or(&control->ready, NEXT);
	await_go(control);
	end_ns = bench_now_ns() + STEP_LIMIT_NS;
	do {
		result = shoal_pub_open(&pub, topic, 0, &one_lane);
	} while (result == -EUSERS && bench_now_ns() < end_ns);
	must(result, "shoal_pub_open after a kill");
	say(pub, FROM_NEXT);
	shoal_pub_close(pub);
}

void bench_takeover_worker(struct bench_control *control, int side)
{
	char topic[64];

	topic_of(control, "takeover", topic);
	bench_pin(control->cores[side == 0 ? 0 : 1]);
	if (side == 0)
		takeover_first(control, topic);
	else if (side == 1)
		takeover_reader(control, topic);
	else
		takeover_next(control, topic);
}

/* ---- lag: the publisher that is held up, the subscriber that holds it up ------------------ */

static const struct shoal_topic_options shallow = {
    .size = sizeof(struct shoal_topic_options),
    .message_bytes = 48,
    .slots = 1024,
};

static void lag_publisher(struct bench_control *control, const char *topic)
{
	uint64_t word = FROM_FIRST;
	shoal_pub *pub;
	int result;

	must(shoal_pub_open(&pub, topic, SHOAL_CREATE, &shallow), "shoal_pub_open");
	must(shoal_pub_wait_subscribers(pub, 1, STEP_LIMIT_NS), "shoal_pub_wait_subscribers");
	do {
		result = shoal_pub_publish(pub, &word, sizeof word, 0);
	} while (result >= 0);
	if (result != -EAGAIN)
		must(result, "shoal_pub_publish");
	atomic_fetch_or(&control->ready, BLOCKED);
	say(pub, word);
	atomic_store(&control->stamp_ns, bench_now_ns());
	shoal_pub_close(pub);
}

static void lag_subscriber(struct bench_control *control, const char *topic)
{
	shoal_sub *sub;

	must(shoal_sub_open(&sub, topic, SHOAL_CREATE, &shallow), "shoal_sub_open");
	atomic_fetch_or(&control->ready, READER);
	for (;;)
		pause();
}

void bench_lag_worker(struct bench_control *control, int side)
{
	char topic[64];

	topic_of(control, "lag", topic);
	bench_pin(control->cores[side]);
	if (side == 0)
		lag_publisher(control, topic);
	else
		lag_subscriber(control, topic);
}

/* ---- the driver's part -------------------------------------------------------------------- */

struct victim {
	const char *role;
	int sides;
	int victim;    /* the side that is killed */
	uint32_t when; /* ready bits to wait for before that */
};

static bool reached(struct bench_control *control, uint32_t wanted)
{
	int64_t end_ns = bench_now_ns() + STEP_LIMIT_NS;

	while ((atomic_load(&control->ready) & wanted) != wanted) {
		if (bench_now_ns() > end_ns || control->error[0] != '\0')
			return false;
		nap_us(1000);
	}
	return true;
}

static int64_t failed(struct bench_control *control, const char *what)
{
	if (control->error[0] == '\0')
		snprintf(control->error, sizeof control->error, "%s", what);
	return -1;
}

static int64_t kill_and_time(int control_fd, struct bench_control *control,
			     const struct victim *plan)
{
	pid_t left[BENCH_PROCESSES];
	pid_t pids[BENCH_PROCESSES];
	int64_t start_ns = 0;
	size_t count = 0;
	bool well;

	control->error[0] = '\0';
	atomic_store(&control->ready, 0);
	atomic_store(&control->go, 0);
	for (int side = 0; side < plan->sides; side++)
		pids[side] = bench_start(control_fd, plan->role, side);
	for (int side = 0; side < plan->sides; side++) {
		if (side != plan->victim)
			left[count++] = pids[side];
	}
	well = reached(control, plan->when);
	if (well) {
		/* Everybody who will sleep is asleep; the phase of their slices varies. */
		nap_us(10000 + 137 * (long)control->start);
		start_ns = bench_now_ns();
		kill(pids[plan->victim], SIGKILL);
		open_go(control);
	}
	well = bench_watch(left, count, well ? STEP_LIMIT_NS : 0, NULL) && well;
	bench_kill(pids[plan->victim]);
	if (!well)
		return failed(control, "a process died or took too long");
	return atomic_load(&control->stamp_ns) - start_ns;
}

int64_t bench_takeover(int control_fd, struct bench_control *control)
{
	static const struct victim plan = {"takeover", 3, 0, FIRST | READER | NEXT};

	return kill_and_time(control_fd, control, &plan);
}

int64_t bench_lag(int control_fd, struct bench_control *control)
{
	static const struct victim plan = {"lag", 2, 1, READER | BLOCKED};

	return kill_and_time(control_fd, control, &plan);
}
