/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A live stranger: a process with write permission that scribbles over an object, while others
 * publish, read, look, join, leave, repair and remove in it. Nothing is left to rely on in that
 * object, so what must hold is this:
 *
 *   - nobody crashes. Guard pages lie on both sides of each mapping, so that a look outside it is a
 *     crash, too; every byte of a view is read, every byte of a loan written, and behind each
 *     buffer that is handed over lies a mark
 *   - every result is one of the contract
 *   - every call comes back: by its timeout, and those without one by the limits of their own (open
 *     and close up to 12 s, where a removal seems to be under way). The stranger may stall those
 *     who wait, lose what they sent and invent what they read; but a wait that has a timeout ends
 *     with it, since the clock is no shared word. 10 s more are given to a loaded machine
 *
 * Truncation is not tried: that is SIGBUS, and documented.
 *
 * An EPISODE is a new object, a manner of scribbling, and some ten milliseconds. At the end of some
 * a worker is killed.
 */
#include "soak.h"

#include "os/os.h"
#include "topic/topic.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME "scribbled"
enum { USERS = 5, SCRIBBLER = USERS, PUBS = 2, SUBS = 3, RESULTS = 136, MARK = 64 };
#define OWN_LIMITS (12000 * MS)

struct arena {
	_Atomic uint32_t episode;
	_Atomic uint32_t end;
	struct shoal_topic_options options;
	_Atomic uint64_t scribbles, calls;
	_Atomic uint64_t results[RESULTS]; /* by errno */
};
static struct arena *arena;

/* ---- guard pages --------------------------------------------------------------------------- */

#define GUARD   ((uint64_t)256 << 10)
#define GUARDED 64
static void *guarded[GUARDED];
static const struct os_calls *real_os;

static int guarded_map(int fd, uint64_t bytes, enum os_map how, void **ret)
{
	void *plain = NULL;
	int slot = 0;
	int r = real_os->map(fd, bytes, how, &plain);
	if (r < 0)
		return r;
	*ret = plain;
	while (slot < GUARDED && guarded[slot])
		slot++;
	uint64_t whole = align_up(bytes, PAGE_BYTES);
	uint8_t *room = mmap(NULL, whole + 2 * GUARD, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (slot == GUARDED || room == MAP_FAILED)
		return r;
	if (mremap(plain, whole, whole, MREMAP_MAYMOVE | MREMAP_FIXED, room + GUARD) == MAP_FAILED)
		violate(UINT32_MAX, "mremap: %s", strerror(errno));
	*ret = guarded[slot] = room + GUARD;
	return r;
}

static int guarded_unmap(void *address, uint64_t bytes)
{
	for (int i = 0; i < GUARDED; i++)
		if (guarded[i] == address) {
			guarded[i] = NULL;
			return real_os->unmap((uint8_t *)address - GUARD,
					      align_up(bytes, PAGE_BYTES) + 2 * GUARD);
		}
	return real_os->unmap(address, bytes);
}

static void guard_mappings(void)
{
	static struct os_calls calls;
	real_os = os;
	calls = *os;
	calls.map = guarded_map;
	calls.unmap = guarded_unmap;
	os = &calls;
}

/* ---- users --------------------------------------------------------------------------------- */

static shoal_pub *pubs[PUBS];
static shoal_sub *subs[SUBS];
static volatile uint64_t sink;
static bool is_over; /* the last call said so */

/* What any call may say, whatever stands in the object. */
static bool is_of_contract(int64_t r)
{
	static const int known[] = {EAGAIN,  ETIMEDOUT, EINTR,  EPIPE,   ESTALE,     EBADMSG,
				    ENOTSUP, EMSGSIZE,  ENOSPC, EUSERS,  EBUSY,      ENOENT,
				    EEXIST,  EACCES,    EPERM,  ENODATA, EPROTOTYPE, EXDEV};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (r == -known[i])
			return true;
	return r >= 0;
}

static int64_t told(const char *what, int64_t r)
{
	end_op(0, -1, 0, r);
	atomic_fetch_add(&arena->calls, 1);
	if (!is_of_contract(r))
		violate(SCRIBBLER, "%s: %" PRId64 ", %s", what, r, shoal_error_detail());
	atomic_fetch_add(&arena->results[r < 0 && r > -RESULTS ? -r : 0], 1);
	is_over = r == -ESTALE || r == -EPIPE;
	return r;
}

static int64_t some_time(void)
{
	return roll(8) ? 0 : (int64_t)roll(1000) * 1000;
}

/* Not more than a loan or view may be: then it reaches beyond the mapping. */
static void read_all(const struct shoal_view *view)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < view->bytes; i++)
		sum += ((const volatile uint8_t *)view->data)[i];
	sink += sum;
}

static uint8_t *marked_buffer(size_t bytes)
{
	uint8_t *buffer = malloc(bytes + (SANITIZED ? 0 : MARK));
	if (!buffer) {
		violate(UINT32_MAX, "no memory");
		_exit(3);
	}
	if (!SANITIZED)
		memset(buffer + bytes, 0xa5, MARK);
	return buffer;
}

static void check_mark(uint8_t *buffer, size_t bytes)
{
	for (size_t i = 0; !SANITIZED && i < MARK; i++)
		if (buffer[bytes + i] != 0xa5)
			violate(SCRIBBLER, "byte %zu behind a buffer of %zu was written", i, bytes);
	free(buffer);
}

static void use_pub(shoal_pub *pub)
{
	static uint8_t bytes[4][8192];
	struct shoal_loan loan;
	struct iovec list[4];
	int64_t timeout_ns = some_time();
	size_t size = roll(2) ? roll(80) : roll(sizeof(bytes[0]));
	switch (roll(6)) {
	case 0:
		begin_op(OP_CLAIM, timeout_ns);
		if (told("claim", shoal_pub_claim(pub, size, timeout_ns, &loan)) < 0)
			break;
		memset(loan.data, 0x5a, loan.bytes);
		begin_op(OP_COMMIT, 0);
		if (roll(4))
			told("commit", shoal_pub_commit(pub, &loan));
		else
			told("abort", shoal_pub_abort(pub, &loan));
		break;
	case 1:
		for (int i = 0; i < 4; i++)
			list[i] = (struct iovec){bytes[i], roll(100)};
		begin_op(OP_PUBLISHV, 4 * timeout_ns);
		told("publishv", shoal_pub_publishv(pub, list, 4, timeout_ns));
		break;
	case 2:
		begin_op(OP_DRAIN, timeout_ns);
		told("drain", shoal_pub_drain(pub, timeout_ns));
		break;
	case 3:
		begin_op(OP_WAIT_SUBSCRIBERS, timeout_ns);
		told("wait_subscribers",
		     shoal_pub_wait_subscribers(pub, (uint32_t)roll(5), timeout_ns));
		break;
	default:
		begin_op(OP_PUBLISH, timeout_ns);
		told("publish", shoal_pub_publish(pub, bytes[0], size, timeout_ns));
	}
}

static void receive(shoal_sub *sub, int64_t timeout_ns)
{
	struct shoal_view view;
	size_t bytes = roll(2) ? roll(100) : roll(40000);
	uint8_t *buffer = marked_buffer(bytes);
	begin_op(OP_RECEIVE, timeout_ns);
	int64_t r = told("receive", shoal_sub_receive(sub, buffer, bytes, timeout_ns, &view));
	if (r == 0 && view.bytes > bytes)
		violate(SCRIBBLER, "%zu bytes received into %zu", view.bytes, bytes);
	check_mark(buffer, bytes);
}

static void receivev(shoal_sub *sub, int64_t timeout_ns)
{
	struct shoal_view views[8];
	size_t bytes = roll(4000);
	uint8_t *buffer = marked_buffer(bytes);
	begin_op(OP_RECEIVEV, timeout_ns);
	int64_t r = told("receivev", shoal_sub_receivev(sub, views, 8, buffer, bytes, timeout_ns));
	for (int64_t i = 0; i < r; i++) {
		const uint8_t *data = views[i].data;
		if (data < buffer || views[i].bytes > bytes ||
		    (size_t)(data - buffer) > bytes - views[i].bytes)
			violate(SCRIBBLER, "view %" PRId64 " of a batch lies outside its buffer",
				i);
		read_all(&views[i]);
	}
	check_mark(buffer, bytes);
}

static void use_sub(shoal_sub *sub)
{
	struct shoal_view view;
	int64_t timeout_ns = some_time();
	uint64_t dice = roll(3);
	if (dice == 0) {
		receive(sub, timeout_ns);
	} else if (dice == 1) {
		receivev(sub, timeout_ns);
	} else {
		begin_op(OP_BORROW, timeout_ns);
		if (told("borrow", shoal_sub_borrow(sub, timeout_ns, &view)) < 0)
			return;
		read_all(&view);
		begin_op(OP_RELEASE, 0);
		told("release", shoal_sub_release(sub, &view));
	}
}

static void look(void)
{
	struct shoal_topic_stat *stat = NULL;
	struct shoal_object *objects = NULL;
	size_t count = 0;
	begin_op(OP_STAT, 0);
	told("stat", shoal_topic_stat(NAME, 0, &stat));
	shoal_topic_stat_free(stat);
	begin_op(OP_LIST, 0);
	if (told("list", shoal_list(NULL, &objects, &count)) == 0)
		shoal_list_free(objects);
	begin_op(OP_AUDIT, 0);
	told("audit", shoal_topic_audit(NAME, 0));
}

static void close_pub(int i)
{
	begin_op(OP_PUB_CLOSE, OWN_LIMITS);
	shoal_pub_close(pubs[i]);
	told("pub_close", 0);
	pubs[i] = NULL;
}

static void close_sub(int i)
{
	begin_op(OP_SUB_CLOSE, OWN_LIMITS);
	shoal_sub_close(subs[i]);
	told("sub_close", 0);
	subs[i] = NULL;
}

static void do_pub(int i)
{
	if (pubs[i] && roll(60) == 0)
		close_pub(i);
	else if (pubs[i]) {
		use_pub(pubs[i]);
		if (is_over)
			close_pub(i);
	} else if (roll(4) == 0) {
		begin_op(OP_PUB_OPEN, OWN_LIMITS);
		told("pub_open", shoal_pub_open(&pubs[i], NAME, roll(8) ? 0 : SHOAL_HOLD, NULL));
	}
}

static void do_sub(int i)
{
	unsigned flags = (roll(3) ? 0 : SHOAL_LOSSY) | (roll(2) ? SHOAL_FROM_OLDEST : 0) |
			 (roll(2) ? SHOAL_FOLLOW : 0);
	if (subs[i] && roll(60) == 0)
		close_sub(i);
	else if (subs[i]) {
		use_sub(subs[i]);
		if (is_over)
			close_sub(i);
	} else if (roll(4) == 0) {
		begin_op(OP_SUB_OPEN, OWN_LIMITS);
		told("sub_open", shoal_sub_open(&subs[i], NAME, flags, NULL));
	}
}

static void close_everything(void)
{
	for (int i = 0; i < PUBS; i++)
		if (pubs[i])
			close_pub(i);
	for (int i = 0; i < SUBS; i++)
		if (subs[i])
			close_sub(i);
}

__attribute__((noreturn)) static void be_user(void)
{
	uint32_t episode = atomic_load(&arena->episode);
	guard_mappings();
	while (!atomic_load(&arena->end)) {
		uint64_t dice = roll(100);
		if (dice < 2) {
			look();
		} else if (dice == 2 && roll(10) == 0) {
			begin_op(OP_REMOVE, OWN_LIMITS);
			told("remove", shoal_remove(NAME, roll(4) ? 0 : SHOAL_FORCE));
		} else if (dice < 45) {
			do_pub((int)roll(PUBS));
		} else {
			do_sub((int)roll(SUBS));
		}
		if (episode != atomic_load(&arena->episode)) {
			close_everything();
			episode = atomic_load(&arena->episode);
		}
	}
	close_everything();
	_exit(0);
}

/* ---- the stranger -------------------------------------------------------------------------- */

struct target {
	uint8_t *base;
	uint64_t bytes;
	struct topic_map map;
	bool spare_header; /* with that destroyed, nobody comes in any more */
};

static const char *object_path(void)
{
	static char path[300];
	snprintf(path, sizeof(path), "%s/shoal:" NAME, getenv("SHOAL_DIR"));
	return path;
}

static bool take_aim(struct target *target)
{
	struct stat file;
	int fd = open(object_path(), O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return false;
	void *p = MAP_FAILED;
	if (fstat(fd, &file) == 0)
		p = mmap(NULL, (size_t)file.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return false;
	*target = (struct target){
	    .base = p, .bytes = (uint64_t)file.st_size, .spare_header = roll(16) != 0};
	struct segment_header *header = p;
	struct region region = {p, target->bytes, header->fixed.body_offset,
				header->fixed.seat_count};
	return topic_map(&target->map, &region) == 0;
}

/* A slot that is about to be read, more often than another. */
static uint64_t choose_slot(const struct target *target, uint64_t lane)
{
	const struct topic_map *map = &target->map;
	uint64_t number = atomic_load(&map->controls[lane].position) - 1 - roll(4);
	if (roll(4) == 0)
		number = roll(map->slots);
	return (uint64_t)(map->lanes - target->base) + lane * map->lane_bytes +
	       (number & (map->slots - 1)) * (8 + (uint64_t)map->inline_bytes);
}

/* Where it hurts: words that others decide on, more often than the mass of slots. */
static uint64_t choose_place(const struct target *target)
{
	const struct topic_map *map = &target->map;
	const struct region *region = &map->region;
	uint64_t lane = roll(map->lane_count);
	uint64_t body = region->body_offset;
	uint64_t entries = (uint64_t)((uint8_t *)map->entries - target->base);
	uint64_t records = (uint64_t)(map->records - target->base);
	switch (roll(10)) {
	case 0:
		return SEGMENT_HEADER_BYTES + roll(region->seat_count) * 64 + roll(8) * 8;
	case 1: /* now and then: after that it is soon gone */
		if (roll(20) == 0)
			return offsetof(struct segment_header, lifetime);
		return roll(target->bytes - 8);
	case 2:
		return body + 64 + roll(16) * 8;
	case 3:
	case 4:
		return body + sizeof(struct topic_body) + lane * sizeof(struct lane_control) +
		       (roll(2) ? roll(5) * 8 : 128 + roll(2) * 8);
	case 5:
		return entries + roll(map->subscribers) * 8;
	case 6:
		return records + roll(map->subscribers) * map->record_bytes + roll(16) * 8;
	case 7:
	case 8: /* a slot: its word, and where a large message lies */
		return choose_slot(target, lane) + roll(3) * 8;
	default:
		return roll(target->bytes - 8);
	}
}

static uint64_t plausible(uint64_t old, const struct target *target)
{
	static uint64_t other; /* what stood elsewhere before: tags of others, old positions */
	uint64_t last = other;
	other = old;
	switch (roll(12)) {
	case 0:
		return old + 1;
	case 1:
		return old - 1;
	case 2:
		return old + target->map.slots;
	case 3:
		return old ^ (uint64_t)1 << roll(64);
	case 4:
		return last;
	case 5:
		return (old & ~(uint64_t)0xffff) | (roll(2) ? 0xffff : roll(65536));
	case 6:
		return word_make((unsigned)roll(6),
				 (struct tag){(uint32_t)roll(24), (uint32_t)roll(200)});
	case 7:
		return roll(2) ? 0 : ~(uint64_t)0;
	case 8:
		return roll(target->map.payload_bytes) & ~(uint64_t)63;
	case 9:
		return old + target->map.payload_bytes;
	case 10:
		return roll(2 * target->map.payload_bytes);
	default:
		return mix(random_state ^ old);
	}
}

/* Bytes are written as they come: the stranger knows no rules. */
static void scribble_once(const struct target *target)
{
	uint64_t place = choose_place(target);
	uint64_t geometry = target->map.region.body_offset;
	uint64_t width = (uint64_t)1 << roll(4), old;
	if (roll(200) == 0)
		width = roll(4096);
	if (place > target->bytes - 8)
		return;
	if (target->spare_header && (place < 128 || place - 192 < 64 || place - geometry < 64))
		return;
	width = min_u64(width, target->bytes - place);
	if (target->spare_header && place < geometry && place + width > geometry)
		return;
	memcpy(&old, target->base + place, sizeof(old));
	uint64_t value = roll(3) ? plausible(old, target) : mix(random_state);
	for (uint64_t i = 0; i < width; i += 8, value = mix(value))
		memcpy(target->base + place + i, &value, min_u64(8, width - i));
	atomic_fetch_add(&arena->scribbles, 1);
}

__attribute__((noreturn)) static void be_scribbler(void)
{
	struct target target = {0};
	while (!atomic_load(&arena->end)) {
		uint32_t episode = atomic_load(&arena->episode);
		int64_t pause_ns = roll(6) ? (int64_t)1000 << roll(11) : 0;
		bool aimed = take_aim(&target);
		while (episode == atomic_load(&arena->episode) && !atomic_load(&arena->end)) {
			if (aimed)
				scribble_once(&target);
			if (!aimed || pause_ns)
				nap_ns(aimed ? pause_ns : MS / 10);
		}
		if (target.base)
			munmap(target.base, target.bytes);
		target.base = NULL;
	}
	_exit(0);
}

/* ---- the supervisor ------------------------------------------------------------------------ */

static pid_t pids[USERS + 1];

static void start(uint32_t number)
{
	uint32_t life = atomic_load(&book->workers[number].life) + 1;
	atomic_store(&book->workers[number].life, life);
	atomic_store(&book->workers[number].op_until, 0);
	pid_t pid = fork();
	pids[number] = pid;
	if (pid != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	me = number;
	my_life = life;
	random_state = mix(book->seed ^ mix((uint64_t)number << 32 | life));
	if (number == SCRIBBLER)
		be_scribbler();
	be_user();
}

static void kill_one(uint32_t number)
{
	int status = 0;
	kill(pids[number], SIGKILL);
	waitpid(pids[number], &status, 0);
	pids[number] = 0;
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		violate(number, "worker %u had ended before: status 0x%x", number,
			(unsigned)status);
}

static void look_after(void)
{
	int status;
	int64_t now = now_ns();
	for (uint32_t i = 0; i <= USERS; i++) {
		int64_t until = atomic_load(&book->workers[i].op_until);
		if (pids[i] && until != 0 && now > until)
			violate(i, "stuck: worker %u is in %s longer than it may", i,
				op_names[atomic_load(&book->workers[i].op)]);
		if (pids[i] && waitpid(pids[i], &status, WNOHANG) > 0) {
			pids[i] = 0;
			if (status != 0 || !atomic_load(&arena->end))
				violate(i, "worker %u ended: status 0x%x", i, (unsigned)status);
		}
	}
}

static void new_object(void)
{
	if (shoal_remove(NAME, SHOAL_FORCE) < 0)
		unlink(object_path()); /* its lifetime word was scribbled over */
	arena->options = (struct shoal_topic_options){
	    .size = sizeof(arena->options),
	    .message_bytes = 16 + roll(3) * 40,
	    .slots = 2u << roll(7),
	    .payload_bytes = 4096u << roll(3),
	    .lanes = 1 + (uint32_t)roll(4),
	    .subscribers = 4 + (uint32_t)roll(12),
	    .spin_ns = SHOAL_SPIN_NEVER,
	};
	int r = shoal_topic_create(NAME, 0, &arena->options);
	if (r < 0)
		violate(UINT32_MAX, "create: %d, %s", r, shoal_error_detail());
	atomic_fetch_add(&arena->episode, 1);
}

/* Some time; not longer than the object has its name. */
static void wait_for_episode(void)
{
	struct stat file;
	for (uint64_t left = 1 + roll(20); left > 0 && stat(object_path(), &file) == 0; left--)
		nap_ns(2 * MS);
}

static void wait_for_end(void)
{
	int64_t limit = now_ns() + 2 * BOUND + OWN_LIMITS;
	bool left = true;
	atomic_store(&arena->end, 1);
	while (left && now_ns() < limit) {
		left = false;
		look_after();
		for (int i = 0; i <= USERS; i++)
			left |= pids[i] != 0;
		left = left && !atomic_load(&book->violations);
		nap_ns(MS / 2);
	}
	for (uint32_t i = 0; i <= USERS; i++)
		if (pids[i]) {
			kill(pids[i], SIGKILL);
			waitpid(pids[i], NULL, 0);
		}
	if (left)
		violate(UINT32_MAX, "stuck: workers do not end");
}

static void report(uint64_t episodes, uint64_t kills, const char *counts)
{
	printf("%" PRIu64 " objects, %" PRIu64 " scribbles, %" PRIu64 " calls, %" PRIu64
	       " killed\n  results:",
	       episodes, arena->scribbles, arena->calls, kills);
	for (int i = 0; i < RESULTS; i++)
		if (arena->results[i])
			printf(" %s %" PRIu64, i ? strerrorname_np(i) : "ok", arena->results[i]);
	printf("\n");
	FILE *file = counts ? fopen(counts, "ae") : NULL;
	if (!file)
		return;
	fprintf(file,
		"scribble.objects %" PRIu64 "\nscribble.writes %" PRIu64 "\nscribble.calls %" PRIu64
		"\nscribble.ebadmsg %" PRIu64 "\nscribble.violations %u\n",
		episodes, arena->scribbles, arena->calls, arena->results[EBADMSG],
		atomic_load(&book->violations));
	fclose(file);
}

int run_scribble(uint64_t seconds, const char *counts)
{
	uint64_t episodes = 0, kills = 0;
	int64_t end = now_ns() + (int64_t)seconds * 1000 * MS;
	arena =
	    mmap(NULL, sizeof(*arena), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	catch_crashes();
	new_object();
	for (uint32_t i = 0; i <= USERS; i++)
		start(i);
	for (; now_ns() < end && !atomic_load(&book->violations); episodes++) {
		wait_for_episode();
		look_after();
		if (roll(2) && !atomic_load(&book->violations)) {
			uint32_t victim = (uint32_t)roll(USERS);
			kill_one(victim);
			start(victim);
			kills++;
		}
		new_object();
	}
	wait_for_end();
	if (!atomic_load(&book->violations))
		unlink(object_path());
	report(episodes, kills, counts);
	return print_violations();
}
