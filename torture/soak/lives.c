/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker does in one life, until it is killed or has done enough. Each role is a loop over
 * the calls of publish.c, read.c and ways.c; some come to a sudden end of their own.
 */
#include "soak.h"

#include "ways.h"

#include <signal.h>
#include <unistd.h>

const char *const role_names[ROLE_COUNT] = {
    [ROLE_PUBLISHER] = "publisher", [ROLE_READER] = "reader", [ROLE_MIXER] = "mixer",
    [ROLE_FORKER] = "forker",       [ROLE_CLOSER] = "closer", [ROLE_UNMAPPER] = "unmapper",
    [ROLE_THREADER] = "threader",   [ROLE_EXECER] = "execer", [ROLE_HOG] = "hog",
    [ROLE_SQUEEZED] = "squeezed",
};

static struct holdings at_birth;

static bool told_to_stop(uint32_t how_far)
{
	return atomic_load(&book->stop) >= how_far;
}

static int any_topic(void)
{
	int topic = (int)roll(TOPICS);
	return topics[topic].left_out ? 0 : topic;
}

static void close_all(void)
{
	for (int i = 0; i < HANDLES; i++)
		grip_close(&grips[i]);
}

/* Closes everything in order and shows that nothing is left of it. */
__attribute__((noreturn)) static void end_of_life(bool count_descriptors)
{
	if (plant == PLANT_LEAK && grips[0].kind != 0)
		grip_forget(&grips[0]);
	close_all();
	struct holdings now = holdings_now();
	if (count_descriptors && now.descriptors != at_birth.descriptors)
		violate(UINT32_MAX, "leaked: %u descriptors, %u at the beginning", now.descriptors,
			at_birth.descriptors);
	if (now.files != at_birth.files)
		violate(UINT32_MAX, "leaked: %u mappings of objects, %u at the beginning",
			now.files, at_birth.files);
	_exit(0);
}

/* ---- one who publishes --------------------------------------------------------------------- */

static void do_wrong(void)
{
	if (me >= SPARED && plant_now(PLANT_STUCK)) {
		begin_op(OP_PUBLISH, 0);
		nap_ns(6 * BOUND);
	}
	if (plant_now(PLANT_CRASH))
		raise(SIGSEGV);
	if (plant_now(PLANT_LITTER)) {
		char path[300];
		snprintf(path, sizeof(path), "%s/.litter", topics[0].directory);
		FILE *file = fopen(path, "we");
		if (file)
			fclose(file);
	}
}

static void publish_somehow(struct grip *grip, int64_t timeout_ns)
{
	uint64_t dice = roll(100);
	do_wrong();
	if (grip->out || dice < 25) {
		if (!grip->out)
			publisher_claim(grip, timeout_ns);
		if (grip->out)
			publisher_finish(grip);
	} else if (dice < 50) {
		publisher_publishv(grip, timeout_ns);
	} else if (dice < 53) {
		publisher_wait(grip, (int64_t)roll(2) * MS);
	} else if (dice < 54) {
		shoal_pub_interrupt(grip->pub);
		atomic_fetch_add(&book->done[OP_INTERRUPT], 1);
	} else {
		publisher_publish(grip, timeout_ns);
	}
}

/* It has nothing else open, so it may wait: whoever holds it up reads on, or dies. */
static void live_publisher(void)
{
	uint64_t left = 50 + roll(4000);
	while (!told_to_stop(1) && left-- > 0) {
		struct grip *grip = &grips[0];
		bool hold = roll(8) == 0;
		int topic = any_topic();
		if (grip->kind == 0 &&
		    !publisher_open(topic, SHOAL_CREATE | (hold ? SHOAL_HOLD : 0))) {
			nap_ns((int64_t)roll(200) * 1000);
			continue;
		}
		while (!told_to_stop(1) && !grip->over && left-- > 1 && roll(500)) {
			/* With HOLD, nobody may ever come. */
			publish_somehow(grip, hold ? (int64_t)roll(2) * MS : BOUND);
			if (roll(64) == 0)
				nap_ns((int64_t)roll(300) * 1000); /* readers fall asleep */
		}
		grip_close(grip);
	}
}

/* ---- one who reads ------------------------------------------------------------------------- */

static void on_interrupt(int number)
{
	(void)number;
	for (int i = 0; i < HANDLES; i++)
		if (grips[i].sub)
			shoal_sub_interrupt(grips[i].sub);
}

/* Waits longer than any round: only messages and the end wake it. */
static void live_reader(void)
{
	signal(SIGUSR1, on_interrupt);
	uint64_t left = 50 + roll(20000);
	while (!told_to_stop(2) && left-- > 0) {
		struct grip *grip = &grips[0];
		unsigned flags = SHOAL_CREATE | (roll(2) ? SHOAL_FROM_OLDEST : 0) | SHOAL_FOLLOW;
		if (told_to_stop(1))
			break; /* come too late */
		if (!reader_open(any_topic(), flags)) {
			nap_ns((int64_t)roll(200) * 1000);
			continue;
		}
		while (!told_to_stop(2) && !grip->over && (left-- > 1 || told_to_stop(1))) {
			reader_read(grip, 30000 * MS);
			if (grip->out)
				reader_release(grip);
			if (roll(256) == 0)
				nap_ns((int64_t)roll(500) * 1000); /* publishers come to the gate */
		}
		while (told_to_stop(2) && !grip->over && roll(4))
			reader_read(grip, 0);
		grip_close(grip);
	}
}

/* ---- one who does everything --------------------------------------------------------------- */

static void open_something(void)
{
	int topic = any_topic();
	unsigned create = roll(4) ? SHOAL_CREATE : 0;
	uint64_t dice = roll(8);
	if (dice < 3)
		publisher_open(topic, create | (dice == 0 ? SHOAL_HOLD : 0));
	else
		reader_open(topic, create | (dice == 3 ? SHOAL_LOSSY : 0) |
				       (roll(2) ? SHOAL_FROM_OLDEST : 0) |
				       (roll(2) ? SHOAL_FOLLOW : 0));
}

static void use_something(void)
{
	struct grip *grip = &grips[roll(HANDLES)];
	int64_t timeout_ns = roll(8) ? 0 : (int64_t)roll(1000) * 1000;
	if (grip->kind == 0)
		return;
	if (grip->over || roll(100) == 0)
		grip_close(grip);
	else if (grip->kind == PUBLISHER)
		publish_somehow(grip, timeout_ns);
	else if (grip->out)
		reader_release(grip);
	else
		reader_read(grip, timeout_ns);
}

static void mix_once(void)
{
	uint64_t dice = roll(1000);
	if (dice < 40)
		open_something();
	else if (dice < 70)
		look_around(any_topic());
	else if (dice < 80)
		remove_or_make(any_topic());
	else
		use_something();
}

static void mix_for(uint64_t times)
{
	for (uint64_t i = 0; i < times && !told_to_stop(1); i++)
		mix_once();
}

static void live_mixer(void)
{
	mix_for(50 + roll(4000));
}

/* ---- and those with a habit ---------------------------------------------------------------- */

/* The supervisor's signal may come in the middle of anything. */
static void live_forker(void)
{
	signal(SIGCHLD, SIG_IGN);
	signal(SIGUSR2, fork_in_the_middle);
	uint64_t forks = 1 + roll(4);
	for (uint64_t i = 0; i < forks && !told_to_stop(1); i++) {
		mix_for(roll(500));
		fork_now();
	}
	signal(SIGUSR2, SIG_IGN);
}

static void live_closer(void)
{
	while (!told_to_stop(1) && roll(8)) {
		mix_for(roll(300));
		close_descriptors();
	}
}

static void mix_some(void)
{
	mix_for(roll(200));
}

static void live_threader(void)
{
	for (uint64_t i = roll(8) + 1; i > 0 && !told_to_stop(1); i--)
		in_a_thread(mix_some);
}

static void live_hog(void)
{
	while (!told_to_stop(1) && roll(10)) {
		mix_for(roll(100));
		fill_up();
	}
}

/* Takes memory until the kernel ends it, in a call of ours or between two; so it is doomed from the
 * start. Where nothing limits it, it ends by itself. */
static void live_squeezed(void)
{
	enum { PART = 128 << 10, PARTS = 256 };
	atomic_store(&book->workers[me].doomed, my_life);
	if (!place_squeeze())
		violate(UINT32_MAX, "can't enter %s: %s", place_cgroup, strerror(errno));
	for (int i = 0; i < PARTS && !told_to_stop(1); i++) {
		static char *parts[PARTS];
		parts[i] = malloc(PART);
		if (parts[i])
			memset(parts[i], 1, PART);
		mix_for(roll(60));
	}
}

__attribute__((noreturn)) void live(enum role role)
{
	at_birth = holdings_now();
	switch (role) {
	case ROLE_PUBLISHER:
		live_publisher();
		break;
	case ROLE_READER:
		live_reader();
		break;
	case ROLE_FORKER:
		live_forker();
		break;
	case ROLE_CLOSER:
		live_closer();
		break;
	case ROLE_THREADER:
		live_threader();
		break;
	case ROLE_HOG:
		live_hog();
		break;
	case ROLE_SQUEEZED:
		live_squeezed();
		break;
	case ROLE_UNMAPPER:
		mix_for(roll(1000));
		unmap_everything();
	case ROLE_EXECER:
		mix_for(roll(1000));
		become_another();
	default:
		live_mixer();
		break;
	}
	end_of_life(role != ROLE_CLOSER);
}
