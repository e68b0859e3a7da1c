/* SPDX-License-Identifier: Apache-2.0 */
/* The book, and what stands in it when something is wrong. */
#include "soak.h"

#include <execinfo.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct book *book;
uint32_t me = WORKERS;
uint32_t my_life;
uint64_t random_state;
enum plant plant;

const char *const op_names[OP_COUNT] = {
    [OP_NONE] = "none",
    [OP_PUB_OPEN] = "pub_open",
    [OP_PUB_CLOSE] = "pub_close",
    [OP_PUBLISH] = "publish",
    [OP_PUBLISHV] = "publishv",
    [OP_CLAIM] = "claim",
    [OP_COMMIT] = "commit",
    [OP_ABORT] = "abort",
    [OP_DRAIN] = "drain",
    [OP_WAIT_SUBSCRIBERS] = "wait_subscribers",
    [OP_SUB_OPEN] = "sub_open",
    [OP_SUB_CLOSE] = "sub_close",
    [OP_BORROW] = "borrow",
    [OP_RELEASE] = "release",
    [OP_RECEIVE] = "receive",
    [OP_RECEIVEV] = "receivev",
    [OP_INTERRUPT] = "interrupt",
    [OP_STAT] = "stat",
    [OP_LIST] = "list",
    [OP_REMOVE] = "remove",
    [OP_REMOVE_FORCE] = "remove_force",
    [OP_CREATE] = "create",
    [OP_AUDIT] = "audit",
    [OP_WAIT_EXISTS] = "wait_exists",
    [OP_EXEC] = "exec",
    [OP_FORK] = "fork",
    [OP_CLOSE_RANGE] = "close_range",
    [OP_UNMAP] = "unmap",
    [OP_THREAD] = "thread",
};
const char *const plant_names[PLANT_COUNT] = {
    [PLANT_NONE] = "nothing", [PLANT_LOSS] = "loss",       [PLANT_SKIP] = "skip",
    [PLANT_TWICE] = "twice",  [PLANT_CONTENT] = "content", [PLANT_ROBBED] = "robbed",
    [PLANT_LEAK] = "leak",    [PLANT_STUCK] = "stuck",     [PLANT_LITTER] = "litter",
    [PLANT_CRASH] = "crash",
};

int64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 * MS + ts.tv_nsec;
}

void nap_ns(int64_t ns)
{
	struct timespec ts = {.tv_sec = ns / (1000 * MS), .tv_nsec = ns % (1000 * MS)};
	nanosleep(&ts, NULL);
}

uint64_t mix(uint64_t value)
{
	value += 0x9e3779b97f4a7c15u;
	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
	value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
	return value ^ (value >> 31);
}

uint64_t roll(uint64_t sides)
{
	random_state += 0x9e3779b97f4a7c15u;
	return mix(random_state) % sides;
}

bool plant_now(enum plant which)
{
	return plant == which && me != WORKERS && roll(which == PLANT_ROBBED ? 8 : 200) == 0;
}

void book_make(uint64_t seed)
{
	void *p = mmap(NULL, sizeof(*book), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED) {
		perror("no memory for the book");
		exit(77);
	}
	book = p;
	book->seed = seed;
	book->start_ns = now_ns();
	random_state = mix(seed);
}

/* The first object of a topic that stays is the same in every round. */
void book_new_round(void)
{
	for (int i = 0; i < TOPICS; i++) {
		struct object_log *objects = book->topics[i].objects;
		size_t stay = topics[i].kept ? 1 : 0;
		for (size_t k = stay; k < OBJECTS && objects[k].instance; k++)
			memset(&objects[k], 0, sizeof(objects[k]));
		book->topics[i].forced = 0;
	}
	for (int i = 0; i < WORKERS; i++) {
		struct worker_log *worker = &book->workers[i];
		worker->doomed = worker->life;
		worker->forcing = 0;
		worker->op_until = 0;
		memset(worker->held, 0, sizeof(worker->held));
	}
	book->stop = 0;
}

/* ---- who ----------------------------------------------------------------------------------- */

uint64_t who_am_i(void)
{
	return (uint64_t)(me + 1) << 32 | my_life;
}

bool is_alive(uint64_t who)
{
	uint32_t worker = worker_of(who);
	if (worker > WORKERS)
		return false;
	return atomic_load(&book->workers[worker].life) == (uint32_t)who &&
	       atomic_load(&book->workers[worker].doomed) < (uint32_t)who;
}

/* ---- notes --------------------------------------------------------------------------------- */

void note(enum op op, int topic, int lane, uint64_t sequence, int64_t result)
{
	struct worker_log *worker = &book->workers[me];
	uint64_t n = atomic_load(&worker->noted);
	worker->notes[n % NOTES] = (struct note){
	    .at_ns = now_ns(),
	    .sequence = sequence,
	    .result = result,
	    .life = my_life,
	    .op = (uint16_t)op,
	    .topic = (int8_t)topic,
	    .lane = (int8_t)lane,
	};
	atomic_store(&worker->noted, n + 1);
}

void begin_op(enum op op, int64_t timeout_ns)
{
	struct worker_log *worker = &book->workers[me];
	atomic_store(&worker->op, op);
	atomic_store(&worker->op_until, now_ns() + timeout_ns + BOUND);
}

void end_op(int topic, int lane, uint64_t sequence, int64_t result)
{
	struct worker_log *worker = &book->workers[me];
	enum op op = atomic_load(&worker->op);
	atomic_store(&worker->op_until, 0);
	atomic_fetch_add(&book->done[op], 1);
	note(op, topic, lane, sequence, result);
}

/* ---- violations ---------------------------------------------------------------------------- */

void violate(uint32_t other, const char *format, ...)
{
	uint32_t n = atomic_fetch_add(&book->violations, 1);
	if (n < VIOLATIONS) {
		struct violation *violation = &book->violation[n];
		va_list list;
		va_start(list, format);
		vsnprintf(violation->text, sizeof(violation->text), format, list);
		va_end(list);
		violation->worker = me;
		violation->other = other;
		atomic_store(&violation->written, 1);
	}
	if (me == WORKERS)
		return;
	atomic_store(&book->workers[me].doomed, my_life);
	_exit(3); /* the supervisor knows why */
}

static void print_notes(uint32_t number)
{
	const struct worker_log *worker = &book->workers[number];
	uint64_t n = atomic_load(&worker->noted);
	if (number == WORKERS)
		printf("  the supervisor:\n");
	else
		printf("  worker %u, life %u (%s), doomed up to %u, in %s:\n", number,
		       atomic_load(&worker->life), role_names[atomic_load(&worker->role)],
		       atomic_load(&worker->doomed), op_names[atomic_load(&worker->op)]);
	for (uint64_t i = n > 24 ? n - 24 : 0; i < n; i++) {
		const struct note *entry = &worker->notes[i % NOTES];
		printf("    %10.3f ms  life %u  %-16s %-8s lane %2d  at %-8" PRIu64 " -> %" PRId64
		       "\n",
		       (double)(entry->at_ns - book->start_ns) / 1e6, entry->life,
		       op_names[entry->op], entry->topic < 0 ? "-" : topics[entry->topic].name,
		       entry->lane, entry->sequence, entry->result);
	}
}

bool print_violations(void)
{
	uint32_t n = atomic_load(&book->violations);
	for (uint32_t i = 0; i < n && i < VIOLATIONS; i++) {
		const struct violation *violation = &book->violation[i];
		printf("VIOLATION (seed %" PRIu64 ") by worker %u: %s\n", book->seed,
		       violation->worker,
		       atomic_load(&violation->written) ? violation->text : "(not yet written)");
		print_notes(violation->worker);
		if (violation->other < WORKERS && violation->other != violation->worker)
			print_notes(violation->other);
	}
	fflush(stdout);
	return n > 0;
}

/* ---- crashes ------------------------------------------------------------------------------- */

static void on_crash(int number, siginfo_t *info, void *context)
{
	void *frames[24];
	(void)context;
	int count = backtrace(frames, 24);
	backtrace_symbols_fd(frames, count, STDOUT_FILENO);
	violate(UINT32_MAX, "signal %d at address %p, code %d, in %s", number, info->si_addr,
		info->si_code, op_names[atomic_load(&book->workers[me].op)]);
	_exit(3);
}

void catch_crashes(void)
{
	static const int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
	void *frame[1];
	backtrace(frame, 1); /* loads what it needs now, not in the handler */
	struct sigaction action = {.sa_sigaction = on_crash,
				   .sa_flags = SA_SIGINFO | (int)SA_RESETHAND};
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaction(numbers[i], &action, NULL);
}
