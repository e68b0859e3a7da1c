/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Killed for real: a fresh victim is run to a place, gets SIGKILL, and newcomers in processes of
 * their own go on, with the real kernel. What they must find is what joiner.c asks of the copies
 * too: so this proves the emulation as well, and it is the only proof of what is in the kernel and
 * not in the region: names, locks, files that have no name yet.
 *
 * PLACES. One behind each event, and the beginning. An event is a system call, or a store that
 * changed what others can see, or will see once it has a name. Between two events there is nothing
 * that anybody could tell a death here from a death there by: so each system call is covered before
 * (behind the event that came before) and after. Of a row of stores of payload alone, as recover.c
 * defines it and for its reasons, the first and the last. A system call that is made over and over
 * from one place (looking for a place a hundred times) counts the first few times.
 */
#include "step.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PLACES_MAX = 512, ROUNDS = 4, VIOLATIONS_MAX = 10 };

struct places {
	struct place at[PLACES_MAX];
	size_t count;
};

/* What the victim makes and has not named yet. */
static struct {
	uint8_t now[REGION_MAX], before[REGION_MAX];
	bool is;
} unnamed;

static bool unnamed_changed(const struct stage *stage)
{
	bool was = unnamed.is;
	unnamed.is = victim_read(stage, unnamed.now, REGION_MAX);
	if (unnamed.is == was &&
	    (!was || memcmp(unnamed.now, unnamed.before, stage->share->mapped_bytes) == 0))
		return false;
	memcpy(unnamed.before, unnamed.now, sizeof(unnamed.now));
	return true;
}

enum event { NOTHING, PAYLOAD_ONLY, CHANGED };

static enum event look(struct stage *stage)
{
	static struct stage before;
	static uint8_t seen[REGION_MAX];
	before = *stage;
	before.seen = seen;
	bool had = stage->real.base;
	if (had)
		memcpy(seen, stage->seen, stage->real.bytes);
	bool other = unnamed_changed(stage);
	if (!stage_changed(stage))
		return other ? CHANGED : NOTHING;
	return had && same_but_payload(&before, stage) ? PAYLOAD_ONLY : CHANGED;
}

/* In a row the latest place takes the place of the one before, but for the first. */
static void add_place(struct places *places, struct place place, enum event event, unsigned *row)
{
	*row = event == PAYLOAD_ONLY ? *row + 1 : 0;
	if (*row > 2)
		places->count--;
	if (places->count == PLACES_MAX)
		give_up("more than %d places", PLACES_MAX);
	places->at[places->count++] = place;
}

static void find_places(const struct op *op, struct places *places)
{
	static struct trail trail;
	struct stage stage;
	unsigned row = 0;
	enum event pending = NOTHING;
	trail_begin(&trail);
	places->count = 0;
	unnamed.is = false;
	stage_begin(&stage, op);
	unnamed_changed(&stage);
	bool more = true, begun = false;
	while (more) {
		struct place place;
		bool kernel = begun && victim_at_syscall(&stage);
		more = victim_step(&stage);
		bool moved = trail_add(&trail, stage.rip, &place);
		enum event event = look(&stage);
		if (!begun || (kernel && place.passes < ROUNDS))
			event = CHANGED;
		begun = true;
		pending = event > pending ? event : pending;
		if (!more || !moved || pending == NOTHING)
			continue;
		add_place(places, place, pending, &row);
		pending = NOTHING;
	}
	stage_end(&stage);
}

/* Whoever wants it, and makes it if it is not there, gets it; leftovers of makers go. */
static void open_or_make(struct stage *stage)
{
	shoal_sub *sub = NULL;
	int expected = access(stage->path, F_OK) == 0 ? 0 : 1;
	if (backend_nameless() && lifetime_state(&stage->real) == LIFETIME_REMOVED)
		expected = -ESTALE; /* nobody makes another */
	if (stage->op->flags & OP_HIDDEN)
		forget_unnamed_files();
	int r = shoal_sub_open(&sub, stage->name, SHOAL_CREATE, &small_topic);
	if (r != expected)
		violate(stage, "open or create gives %d instead of %d (%s)", r, expected,
			r < 0 ? shoal_error_detail() : "");
	shoal_sub_close(sub);
	if (!(stage->op->flags & OP_HIDDEN))
		return;
	/* One that is made anew sweeps, whatever became of the first. */
	char other[320];
	snprintf(other, sizeof(other), "%s-2", stage->name);
	r = shoal_sub_open(&sub, other, SHOAL_CREATE, &small_topic);
	if (r != 1)
		violate(stage, "making another gives %d (%s)", r, shoal_error_detail());
	shoal_sub_close(sub);
}

/* In a process of its own: how much did it find wrong? */
static void newcomer(struct stage *stage)
{
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		die_with_harness();
		stage->violations = 0;
		if (stage->real.base)
			check_opening(stage, &stage->real, anybody_lives(stage, &stage->real),
				      "a real newcomer");
		open_or_make(stage);
		fflush(stdout);
		_exit(stage->violations > 100 ? 100 : (int)stage->violations);
	}
	int status;
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		give_up("fork: %s", strerror(errno));
	if (!WIFEXITED(status))
		violate(stage, "a real newcomer: ended with status 0x%x", (unsigned)status);
	else
		stage->violations += (uint64_t)WEXITSTATUS(status);
}

/* The bystander reads all that is there now, each message once and whole. */
static void bystander_reads(struct stage *stage)
{
	uint8_t buffer[1024];
	struct shoal_view view;
	struct topic_map map;
	if (!stage->other_sub || topic_map(&map, &stage->real) < 0)
		return;
	uint64_t next[LANES] = {0};
	uint32_t entry = entry_of(stage->other_sub);
	for (uint32_t i = 0; i < LANES; i++)
		next[i] = atomic_load(&topic_record(&map, entry)->cursors[i]);
	int r;
	while ((r = shoal_sub_receive(stage->other_sub, buffer, sizeof(buffer), 0, &view)) == 0) {
		if (view.sequence != next[view.lane] ||
		    !message_is(buffer, view.bytes, stage->op->shape, view.lane, view.sequence))
			violate(stage, "the bystander gets message %llu of lane %u, not %llu",
				(unsigned long long)view.sequence, view.lane,
				(unsigned long long)next[view.lane]);
		next[view.lane] = view.sequence + 1;
	}
	bool removed = lifetime_state(&stage->real) == LIFETIME_REMOVED;
	if (r != -EAGAIN && r != -EPIPE && !(removed && r == -ESTALE))
		violate(stage, "the bystander: receive: %d, %s", r, shoal_error_detail());
	for (uint32_t i = 0; i < LANES && r != -ESTALE; i++) {
		struct lane_map lane = topic_lane(&map, i);
		if (topic_lane_ready(&map, i) && next[i] != lane_end(&lane))
			violate(stage, "the bystander stops at %llu of lane %u, which ends at %llu",
				(unsigned long long)next[i], i,
				(unsigned long long)lane_end(&lane));
	}
}

/* In a removed object a publisher finds out at the latest when its room is used up. */
static void bystander_is_told(struct stage *stage)
{
	int r = 0;
	if (!stage->other_pub || lifetime_state(&stage->real) != LIFETIME_REMOVED)
		return;
	for (int i = 0; r == 0 && i <= SLOTS; i++)
		r = shoal_pub_publish(stage->other_pub, "x", 1, 0);
	if (r != -ESTALE)
		violate(stage, "it was removed, and a publisher in it gets %d", r);
}

void run_real(const struct op *op, struct totals *totals)
{
	static struct places places;
	struct stage stage;
	uint64_t violations = 0, missed = 0;
	find_places(op, &places);
	for (size_t i = 0; i < places.count && violations < VIOLATIONS_MAX; i++) {
		stage_begin(&stage, op);
		stage.quiet = op->flags & OP_WRONG;
		stage.states = i + 1;
		missed += !victim_run_to(&stage, places.at[i]);
		victim_kill(&stage);
		stage_changed(&stage);
		newcomer(&stage);
		if (stage.real.base) {
			bystander_reads(&stage);
			bystander_is_told(&stage);
		}
		stage_end(&stage);
		violations += stage.violations;
	}
	stage.violations = violations;
	stage.steps = 0;
	stage.states = places.count;
	totals->kills += places.count - missed;
	if (missed * 10 > places.count)
		violate(&stage, "%llu of %zu places were not reached", (unsigned long long)missed,
			places.count);
	add_up(&stage, totals, "killed");
}
