/* SPDX-License-Identifier: Apache-2.0 */
#include "ways.h"
#include "soak.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- looking from outside ------------------------------------------------------------------ */

/* Seats of a process with our number and namespace that are not dead. */
static unsigned live_seats(const struct shoal_topic_stat *stat)
{
	unsigned count = 0;
	for (uint32_t i = 0; i < stat->seat_count; i++)
		count += stat->seats[i].pid == getpid() && stat->seats[i].same_pid_namespace &&
			 stat->seats[i].health != SHOAL_DEAD;
	return count;
}

static bool nothing_there(int topic, int r)
{
	return r == -ENOENT && !topics[topic].kept;
}

static void look_at(int topic)
{
	struct shoal_topic_stat *stat = NULL;
	const char *name = go_to(topic);
	unsigned ours = 0;
	for (int i = 0; i < HANDLES; i++)
		ours += grips[i].kind != 0 && grips[i].topic == topic;
	begin_op(OP_STAT, 0);
	int r = shoal_topic_stat(name, 0, &stat);
	end_op(topic, -1, stat ? stat->seat_count : 0, r);
	if (r < 0 && !nothing_there(topic, r))
		violate(UINT32_MAX, "stat '%s': %d, %s", name, r, shoal_error_detail());
	/* The picture moves, but our own seats don't. */
	if (r == 0 && topics[topic].kept && live_seats(stat) < ours)
		violate(UINT32_MAX, "robbed: '%s' has %u live seats of ours, and we have %u open",
			name, live_seats(stat), ours);
	shoal_topic_stat_free(stat);
}

static void list(void)
{
	struct shoal_object *objects = NULL;
	size_t count = 0, kept = 0, found = 0;
	go_to(0);
	begin_op(OP_LIST, 0);
	int r = shoal_list("soak", &objects, &count);
	end_op(-1, -1, count, r);
	for (size_t i = 0; r == 0 && i < count; i++) {
		found += objects[i].kept != 0;
		if (objects[i].health == SHOAL_DAMAGED)
			violate(UINT32_MAX, "list: '%s' is damaged: %s", objects[i].name,
				objects[i].problem);
	}
	for (int i = 0; i < TOPICS; i++)
		kept += topics[i].kept && !strchr(topics[i].name, ':');
	if (r < 0 || found != kept)
		violate(UINT32_MAX, "list: %d, %zu objects that stay, not %zu; %s", r, found, kept,
			shoal_error_detail());
	shoal_list_free(objects);
}

void look_around(int topic)
{
	uint64_t dice = roll(10);
	if (dice < 6) {
		look_at(topic);
	} else if (dice < 9 || topics[topic].nameless) {
		list();
	} else {
		const char *name = go_to(topic);
		begin_op(OP_WAIT_EXISTS, 0);
		int r = shoal_wait_exists(name, 0);
		end_op(topic, -1, 0, r);
		if (r != 0 && !(r == -EAGAIN && !topics[topic].kept) && r != -EINTR)
			violate(UINT32_MAX, "wait_exists '%s': %d", name, r);
	}
}

/* ---- removing and making ------------------------------------------------------------------- */

static void remove_by_force(int topic)
{
	struct worker_log *worker = &book->workers[me];
	const char *name = go_to(topic);
	atomic_store(&worker->forcing, topic + 1);
	atomic_fetch_add(&book->topics[topic].forced, 1);
	begin_op(OP_REMOVE_FORCE, 0);
	int r = shoal_remove(name, SHOAL_FORCE);
	end_op(topic, -1, 0, r);
	atomic_store(&worker->forcing, 0);
	if (r != 0 && r != -ENOENT && r != -EBUSY)
		violate(UINT32_MAX, "remove by force '%s': %d, %s", name, r, shoal_error_detail());
}

static bool is_ours(int topic)
{
	for (int i = 0; i < HANDLES; i++)
		if (grips[i].kind != 0 && grips[i].topic == topic && !grips[i].over)
			return true;
	return false;
}

/* Not of one that stays: between two users it would succeed. */
static void remove_gently(int topic)
{
	const char *name = go_to(topic);
	bool ours = is_ours(topic);
	begin_op(OP_REMOVE, 0);
	int r = shoal_remove(name, 0);
	end_op(topic, -1, 0, r);
	bool fine = r == -EBUSY || ((r == 0 || r == -ENOENT) && (!ours || topics[topic].forced));
	if (!fine)
		violate(UINT32_MAX, "remove '%s', which is %sours: %d, %s", name,
			ours ? "" : "not ", r, shoal_error_detail());
}

void remove_or_make(int topic)
{
	const char *name = go_to(topic);
	if (topics[topic].left_out)
		return;
	if (topics[topic].kept) {
		begin_op(OP_CREATE, 0);
		bool exclusive = roll(2);
		int r = shoal_topic_create(name, exclusive ? SHOAL_EXCLUSIVE : 0,
					   &topics[topic].options);
		end_op(topic, -1, exclusive, r);
		if (r != (exclusive ? -EEXIST : 0) && r != -EUSERS)
			violate(UINT32_MAX, "create '%s', which is there: %d, %s", name, r,
				shoal_error_detail());
	} else if (topics[topic].forced && roll(2)) {
		remove_by_force(topic);
	} else {
		remove_gently(topic);
	}
}

/* ---- forks --------------------------------------------------------------------------------- */

static void expect_child(const char *what, int64_t r)
{
	if (r != -ECHILD)
		violate(UINT32_MAX, "%s in a forked child: %lld, not -ECHILD", what, (long long)r);
}

static void touch(const struct grip *grip)
{
	struct shoal_view view;
	struct shoal_loan loan = grip->loan;
	char byte = 0;
	if (grip->pub) {
		expect_child("publish", shoal_pub_publish(grip->pub, &byte, 1, 0));
		expect_child("claim", shoal_pub_claim(grip->pub, 1, 0, &loan));
		expect_child("drain", shoal_pub_drain(grip->pub, 0));
		shoal_pub_interrupt(grip->pub);
		if (roll(2))
			shoal_pub_close(grip->pub);
	} else if (grip->sub) {
		expect_child("borrow", shoal_sub_borrow(grip->sub, 0, &view));
		expect_child("receive", shoal_sub_receive(grip->sub, &byte, 1, 0, NULL));
		shoal_sub_interrupt(grip->sub);
		if (roll(2))
			shoal_sub_close(grip->sub);
	}
}

__attribute__((noreturn)) static void be_a_child(void)
{
	random_state ^= mix((uint64_t)getpid());
	for (int i = 0; i < HANDLES; i++)
		touch(&grips[i]);
	/* Longer than the parent, perhaps: nothing of the parent's may live by it. */
	for (uint64_t left = roll(50); left > 0 && !atomic_load(&book->stop); left--)
		nap_ns(MS);
	_exit(0);
}

void fork_now(void)
{
	int saved = errno;
	uint32_t violations = atomic_load(&book->violations);
	pid_t pid = fork();
	if (pid == 0)
		be_a_child();
	if (pid < 0 && violations == 0)
		violate(UINT32_MAX, "fork: %s", strerror(errno));
	atomic_fetch_add(&book->done[OP_FORK], 1);
	errno = saved;
}

void fork_in_the_middle(int number)
{
	(void)number;
	fork_now();
}

/* ---- descriptors, threads, room ------------------------------------------------------------ */

void close_descriptors(void)
{
	begin_op(OP_CLOSE_RANGE, 0);
	/* All but the one that is a topic's name. */
	syscall(SYS_close_range, 3u, NAMELESS_FD - 1, 0u);
	syscall(SYS_close_range, NAMELESS_FD + 1, ~0u, 0u);
	/* Others take the numbers: the library must not take these for its own. */
	for (uint64_t i = roll(4); i > 0; i--)
		if (open("/dev/null", O_RDWR | O_CLOEXEC) < 0)
			break;
	end_op(-1, -1, 0, 0);
}

static void *run_thread(void *context)
{
	void (*body)(void);
	memcpy(&body, context, sizeof(body));
	body();
	return NULL;
}

void in_a_thread(void (*body)(void))
{
	pthread_t thread;
	int r = pthread_create(&thread, NULL, run_thread, &body);
	if (r != 0)
		violate(UINT32_MAX, "pthread_create: %s", strerror(r));
	pthread_join(thread, NULL);
	atomic_fetch_add(&book->done[OP_THREAD], 1);
}

void fill_up(void)
{
	for (int i = 0; i < TOPICS; i++) {
		if (!topics[i].small || topics[i].left_out)
			continue;
		int fd = open(topics[i].directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		for (uint64_t bytes = 4 << 20; fd >= 0 && bytes >= 4096; bytes /= 2)
			if (fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)(4 << 20) - (off_t)bytes,
				      (off_t)bytes) < 0)
				continue;
		nap_ns((int64_t)roll(3000) * 1000);
		close(fd);
	}
}

/* ---- sudden ends --------------------------------------------------------------------------- */

static void doom_myself(void)
{
	atomic_store(&book->workers[me].doomed, my_life);
}

static const char *seat_seen_alive(void)
{
	for (int i = 0; i < TOPICS; i++) {
		struct shoal_topic_stat *stat = NULL;
		if (!topics[i].kept || shoal_topic_stat(go_to(i), 0, &stat) < 0)
			continue;
		unsigned count = live_seats(stat);
		shoal_topic_stat_free(stat);
		if (count > 0)
			return topics[i].name;
	}
	return NULL;
}

/*
 * The topic with a seat of ours that lives, though we gave up the locks. Whoever repairs a dead
 * seat, or takes it next, holds its byte, and until that is done it looks alive under our number;
 * they may be stopped in it, but not for long.
 */
static const char *seat_that_lives(void)
{
	int64_t limit = now_ns() + BOUND;
	const char *name;
	while ((name = seat_seen_alive()) && now_ns() < limit)
		nap_ns(MS);
	return name;
}

static bool is_mapping_of_object(const char *line)
{
	return strstr(line, "/shoal:") || strstr(line, "/in-a-file") ||
	       strstr(line, "/memfd:shoal:");
}

__attribute__((noreturn)) void unmap_everything(void)
{
	char line[4096];
	unsigned long begin[64], end[64];
	int count = 0;
	doom_myself();
	begin_op(OP_UNMAP, 0);
	FILE *maps = fopen("/proc/self/maps", "re");
	while (maps && count < 64 && fgets(line, sizeof(line), maps)) {
		char *dash = NULL;
		if (!is_mapping_of_object(line))
			continue;
		begin[count] = strtoul(line, &dash, 16);
		end[count++] = strtoul(dash + 1, NULL, 16);
	}
	if (maps)
		fclose(maps);
	for (int i = 0; i < count; i++)
		munmap((void *)begin[i], end[i] - begin[i]);
	end_op(-1, -1, (uint64_t)count, 0);
	const char *name = seat_that_lives();
	if (name && count < 64)
		violate(UINT32_MAX, "a seat in '%s' lives on though its holder unmapped it", name);
	for (uint64_t left = roll(100); left > 0 && !atomic_load(&book->stop); left--)
		nap_ns(MS);
	_exit(0);
}

__attribute__((noreturn)) void become_another(void)
{
	char *arguments[] = {(char[]){"torture-soak"}, (char[]){"--after-exec"},
			     (char *)topics[0].directory, NULL};
	doom_myself();
	note(OP_EXEC, -1, -1, 0, 0);
	atomic_fetch_add(&book->done[OP_EXEC], 1);
	execv("/proc/self/exe", arguments);
	violate(UINT32_MAX, "exec: %s", strerror(errno));
	_exit(3);
}

/* The book is gone with the old image. */
int after_exec(void)
{
	const char *name = seat_that_lives();
	if (name) {
		printf("VIOLATION: a seat in '%s' lives on though its process has executed another "
		       "program\n",
		       name);
		fflush(stdout);
		return 1;
	}
	nap_ns(20 * MS);
	return 0;
}
