/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Soak: processes do everything at once, and are killed, stopped and robbed of their descriptors.
 *
 * THE BOOK is memory that all of them share and the library knows nothing of. A worker writes into
 * it, by plain stores, what it is about to do and what the library said was done; so it tells the
 * truth about a worker that was killed at any instruction, to within the one call it was in:
 *
 *   lane      about: messages before it may exist       stored before a publishing call
 *             acked: messages before it do exist        stored after it
 *             owner: which life holds it                stored after opening, cleared before
 * closing worker    doomed: lives up to it are dead           stored before the kill is sent,
 * before an exec, before an unmapping held: what its handles are in             stored after
 * opening, cleared before closing
 *
 * Both orders matter: what the book says is held by a life that is not doomed is held by a live
 * process, at that moment and not only just before it.
 *
 * WHAT IS CHECKED, by each worker at each call, from what the book said before the call:
 *   lost       a subscriber that finds nothing more has read all that was acked before it looked;
 *              one that joined has its first message from before what was about to be published
 *              when its opening returned; each lane comes without gap, repetition or wrong byte
 *   taken      a publisher that is given a lane finds it where it was left: acked <= position <=
 *              about; and whoever held it is doomed, or had begun to close
 *   robbed     -ESTALE only where somebody removed by force since the handle was opened; two
 *              objects of a name are never in use at once
 *   stuck      a call that returns more than 10 s after its timeout, not counting stops
 * and by the supervisor, when all are stopped, and again when all are gone: audits, seats of the
 * living, readers that have read all, nothing left in the directory; by each worker at its end:
 * descriptors and mappings.
 *
 * Rounds of a few seconds. Between two nobody is there but the topics that were made to stay.
 *
 *   book.c     the book, violations, numbers
 *   instance.c which object a handle is in
 *   topics.c   the topics, their objects, what a message contains
 *   publish.c  calls of a publisher with their oracle
 *   read.c     calls of a subscriber with their oracle
 *   lives.c    what workers do
 *   round.c    the supervisor: starts, kills, stops
 *   settle.c   what must hold when all are stopped, and when all are gone
 *   identity.c who is alive, and who is who: `--identity`
 *   scribble.c a stranger writes all over an object that others use: `--scribble`
 *   place.c    namespaces and small file systems
 */
#ifndef SOAK_H
#define SOAK_H

#include <shoal/shoal.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

enum {
	TOPICS = 8,
	NAMELESS_FD = 700, /* the descriptor of the topic without a name */
	LANES = 4,         /* of every topic */
	SUBSCRIBERS = 24,
	OBJECTS = 8192, /* of one name in one round */
	WORKERS = 12,
	SPARED = 9,  /* from this one on they are stopped, and never killed: whoever is
		      * held up stays there to be seen */
	HANDLES = 6, /* that a worker has open at once */
	NOTES = 64,
	VIOLATIONS = 16,
	BATCH = 12
};
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define MS    ((int64_t)1000000)
#define BOUND (10000 * MS)

/* ---- the book ------------------------------------------------------------------------------ */

struct lane_log {
	_Atomic uint64_t owner; /* who_am_i() of the life that holds it, or 0 */
	_Atomic uint64_t about;
	_Atomic uint64_t acked;
};

/* One object of a topic's name, told from others by the random number in its header. */
struct object_log {
	_Atomic uint64_t instance; /* 0: none yet */
	struct lane_log lanes[LANES];
};

struct topic_log {
	_Atomic uint64_t forced; /* removals by force that were begun */
	struct object_log objects[OBJECTS];
};

/* An open handle. `what` is written last and cleared first. */
struct held {
	_Atomic uint64_t what; /* 0: none; else 1 << 63 | kind << 56 | topic << 48 | object << 32 |
				* life */
	_Atomic uint64_t forced;      /* the topic's count before it was opened */
	_Atomic uint32_t may_go;      /* a removal by force was under way then */
	_Atomic uint64_t have[LANES]; /* lossless: acked messages before it need not come */
};

enum op {
	OP_NONE,
	OP_PUB_OPEN,
	OP_PUB_CLOSE,
	OP_PUBLISH,
	OP_PUBLISHV,
	OP_CLAIM,
	OP_COMMIT,
	OP_ABORT,
	OP_DRAIN,
	OP_WAIT_SUBSCRIBERS,
	OP_SUB_OPEN,
	OP_SUB_CLOSE,
	OP_BORROW,
	OP_RELEASE,
	OP_RECEIVE,
	OP_RECEIVEV,
	OP_INTERRUPT,
	OP_STAT,
	OP_LIST,
	OP_REMOVE,
	OP_REMOVE_FORCE,
	OP_CREATE,
	OP_AUDIT,
	OP_WAIT_EXISTS,
	OP_EXEC,
	OP_FORK,
	OP_CLOSE_RANGE,
	OP_UNMAP,
	OP_THREAD,
	OP_COUNT
};
extern const char *const op_names[OP_COUNT];

struct note {
	int64_t at_ns;
	uint64_t sequence;
	int64_t result;
	uint32_t life;
	uint16_t op;
	int8_t topic;
	int8_t lane;
};

struct worker_log {
	_Atomic uint32_t life;    /* the current one, from 1 */
	_Atomic uint32_t doomed;  /* lives up to it are dead, or about to be */
	_Atomic int32_t forcing;  /* 1 + the topic that it is removing by force */
	_Atomic uint32_t op;      /* what it is in */
	_Atomic int64_t op_until; /* when that must be over; 0: between two */
	_Atomic uint32_t role;
	_Atomic uint64_t noted;
	struct note notes[NOTES];
	struct held held[HANDLES];
};

struct violation {
	_Atomic int written;
	uint32_t worker;
	uint32_t other; /* worker that has to do with it, or UINT32_MAX */
	char text[480];
};

struct book {
	uint64_t seed;
	int64_t start_ns;
	_Atomic uint32_t stop;     /* workers: close everything and end */
	_Atomic uint32_t children; /* of workers, that live on */
	_Atomic uint32_t violations;
	struct violation violation[VIOLATIONS];
	_Atomic uint64_t done[OP_COUNT];
	_Atomic uint64_t messages_sent, messages_read;
	_Atomic uint64_t inherited;             /* lanes taken over from the dead */
	struct worker_log workers[WORKERS + 1]; /* the last is the supervisor's */
	struct topic_log topics[TOPICS];
};
extern struct book *book;
/* The worker that this process is; WORKERS: the supervisor. */
extern uint32_t me;
extern uint32_t my_life;

/* What a worker does wrong on purpose, to see that it is found. */
enum plant {
	PLANT_NONE,
	PLANT_LOSS,    /* says that it published, and did not */
	PLANT_SKIP,    /* reads a message and says nothing */
	PLANT_TWICE,   /* publishes a message twice and says once */
	PLANT_CONTENT, /* writes a wrong byte */
	PLANT_ROBBED,  /* its seats look dead while it lives */
	PLANT_LEAK,    /* leaves a handle open */
	PLANT_STUCK,   /* does not come back */
	PLANT_LITTER,  /* leaves a file in the directory */
	PLANT_CRASH,   /* dies of a signal */
	PLANT_COUNT
};
extern const char *const plant_names[PLANT_COUNT];
extern enum plant plant;
/* Now? Once in a while, for the plant that is asked for. */
bool plant_now(enum plant which);

void book_make(uint64_t seed);
/* Forgets the objects of topics that do not stay, and all lives. */
void book_new_round(void);
/* Says that something is wrong. A worker ends there and then. */
__attribute__((format(printf, 2, 3))) void violate(uint32_t other, const char *format, ...);
/* Prints what was found, with the last notes of those involved. True: something was. */
bool print_violations(void);
void note(enum op op, int topic, int lane, uint64_t sequence, int64_t result);
/* Around a call of the library: it must be over 10 s after its timeout. */
void begin_op(enum op op, int64_t timeout_ns);
void end_op(int topic, int lane, uint64_t sequence, int64_t result);
/* Worker and life in one number, never 0. */
uint64_t who_am_i(void);
bool is_alive(uint64_t who);
static inline uint32_t worker_of(uint64_t who)
{
	return (uint32_t)(who >> 32) - 1;
}

int64_t now_ns(void);
void nap_ns(int64_t ns);
uint64_t mix(uint64_t value);
extern uint64_t random_state;
uint64_t roll(uint64_t sides);
/* SIGSEGV and its like become violations with an address. */
void catch_crashes(void);

/* ---- topics -------------------------------------------------------------------------------- */

struct topic {
	const char *name;      /* as the library takes it */
	const char *directory; /* SHOAL_DIR for it */
	bool kept;             /* made once, never removed */
	bool nameless;         /* found by its descriptor */
	bool forced;           /* removed by force now and then */
	bool small;            /* in a file system that fills up */
	uint32_t largest;      /* message */
	struct shoal_topic_options options;
	bool left_out;
};
extern struct topic topics[TOPICS];
void topics_make(const char *directory, const char *small);
/* Sets SHOAL_DIR for it and returns its name. */
const char *go_to(int topic);
/* The object that a handle is in: its number in the topic's book. */
uint32_t object_of(int topic, const void *handle);
/* The random number in its header: instance.c, the only look behind the public interface. What that
 * shows does not tell two objects of one name apart. */
uint64_t instance_of(const void *handle);
/* Gives up the locks of its seat, as if its process had died. For a plant. */
void lose_seat(const void *handle);
static inline struct lane_log *lane_log(int topic, uint32_t object, uint32_t lane)
{
	return &book->topics[topic].objects[object].lanes[lane];
}
size_t message_bytes(int topic, uint64_t lane, uint64_t sequence);
void message_fill(int topic, void *data, size_t bytes, uint64_t lane, uint64_t sequence);
/* -1: right; else the offset of the first wrong byte, or the length when that is wrong. */
int64_t message_wrong(int topic, const void *data, size_t bytes, uint64_t lane, uint64_t sequence);

/* ---- handles ------------------------------------------------------------------------------- */

enum grip_kind { PUBLISHER = 1, LOSSLESS = 2, LOSSY = 3 };

/* An entry of a worker's table; its public half is book->workers[me].held[same index]. */
struct grip {
	enum grip_kind kind; /* 0: free */
	int topic;
	uint32_t object;
	bool over; /* -ESTALE, -EPIPE: close it */
	/* publisher */
	shoal_pub *pub;
	uint32_t lane;
	uint64_t next;
	bool out; /* a loan or a view is */
	struct shoal_loan loan;
	/* subscriber */
	shoal_sub *sub;
	bool from_oldest;
	struct shoal_view view;
	uint64_t expect[LANES]; /* the next one, if known */
	bool known[LANES];
	uint64_t first_max[LANES]; /* the first one is none after it */
	uint64_t first_min[LANES];
};
extern struct grip grips[HANDLES];
struct held *held_of(const struct grip *grip);
/* A free one, or NULL. */
struct grip *free_grip(void);
/* Writes into the book that it is open, and looks for another object of that name in use. */
void grip_opened(struct grip *grip, uint64_t forced, bool may_go);
/* Is any removal of that topic by force under way, by anybody? */
bool somebody_forces(int topic);
/* May the library say -ESTALE? */
bool may_be_stale(const struct grip *grip);
void grip_forget(struct grip *grip);

bool publisher_open(int topic, unsigned flags);
void publisher_close(struct grip *grip);
void publisher_publish(struct grip *grip, int64_t timeout_ns);
void publisher_publishv(struct grip *grip, int64_t timeout_ns);
void publisher_claim(struct grip *grip, int64_t timeout_ns);
/* Commits or aborts what was claimed. */
void publisher_finish(struct grip *grip);
void publisher_wait(struct grip *grip, int64_t timeout_ns);

bool reader_open(int topic, unsigned flags);
void reader_close(struct grip *grip);
/* One of borrow (and release, or not yet), receive, receivev. */
void reader_read(struct grip *grip, int64_t timeout_ns);
void reader_release(struct grip *grip);
void grip_close(struct grip *grip);

/* ---- workers, and who watches them --------------------------------------------------------- */

enum role {
	ROLE_PUBLISHER,
	ROLE_READER,
	ROLE_MIXER,
	ROLE_FORKER,
	ROLE_CLOSER,
	ROLE_UNMAPPER,
	ROLE_THREADER,
	ROLE_EXECER,
	ROLE_HOG,
	ROLE_SQUEEZED, /* only where there is a memory cgroup */
	ROLE_COUNT
};
extern const char *const role_names[ROLE_COUNT];
/* Never returns. */
__attribute__((noreturn)) void live(enum role role);
/* The image that ROLE_EXECER becomes: its seats of before must be dead. */
int after_exec(void);

struct totals {
	uint64_t kills, stops, lives, rounds, checks, ended, execs, squeezed;
};
struct plan {
	int64_t end_ns;
	uint64_t kills; /* at least so many, or until end_ns */
	int64_t round_ns;
	struct totals totals;
};
/* One round. False: something is wrong. */
bool run_round(struct plan *plan);
/* While all are stopped. */
void check_stopped(void);
/* When all are gone. `last`: the topics that stay go, too. */
void check_gone(bool last);
/* Are all acked messages read by all lossless readers that live? Names one that has not. */
bool all_is_read(bool tell);

/* ---- the surroundings ---------------------------------------------------------------------- */

/* Becomes able to make namespaces and mount things, or says why not. */
void place_enter(void);
/* A file system of that size at `path`; false: said why not. */
bool place_small(const char *path);
void place_leave(const char *path);
/* Two PID namespaces, each with an init; false when they can't be made. */
bool place_open_twins(void);
void place_close_twins(void);
/* The memory cgroup that some workers are to die in, by its path; NULL: none. */
extern const char *place_cgroup;
/* Makes one of 16 MiB where none was named and one may be made, else says so; and takes it away. */
void place_make_cgroup(void);
void place_remove_cgroup(void);
/* Moves this process there. False: it can't be. */
bool place_squeeze(void);
/* Forks into the namespace `twin` (0, 1), or -1: where we are. */
pid_t place_fork(int twin);

struct holdings {
	unsigned descriptors, files;
};
struct holdings holdings_now(void);

/* ---- the other programs in this one -------------------------------------------------------- */

/* identity.c: who is alive. `cycles` of SIGSTOP and SIGCONT, and a hundredth of it kills of twins.
 */
int run_identity(uint64_t cycles, const char *counts);
/* scribble.c: a stranger writes all over an object that others use. */
int run_scribble(uint64_t seconds, const char *counts);
/* The image that a process of identity.c becomes: says so to that descriptor, and stays. */
void linger(const char *descriptor);

#endif
