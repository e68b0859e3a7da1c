/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold when everybody is stopped, and when everybody is gone. */
#include "soak.h"

#include <dirent.h>
#include <inttypes.h>
#include <unistd.h>

/* ---- when all are stopped ------------------------------------------------------------------ */

/* Handles in that topic that are open in lives that are not over. */
static unsigned count_held(int topic)
{
	unsigned count = 0;
	for (uint32_t worker = 0; worker < WORKERS; worker++)
		for (uint32_t i = 0; i < HANDLES; i++) {
			uint64_t what = atomic_load(&book->workers[worker].held[i].what);
			count += what != 0 && (what >> 48 & 0xff) == (uint64_t)topic &&
				 is_alive((uint64_t)(worker + 1) << 32 | (uint32_t)what);
		}
	return count;
}

static void check_seats(int topic)
{
	struct shoal_topic_stat *stat = NULL;
	int r = shoal_topic_stat(go_to(topic), 0, &stat);
	if (r < 0) {
		violate(UINT32_MAX, "stat '%s': %d, %s", topics[topic].name, r,
			shoal_error_detail());
		return;
	}
	unsigned alive = 0;
	for (uint32_t i = 0; i < stat->seat_count; i++)
		alive += stat->seats[i].health != SHOAL_DEAD;
	if (alive < count_held(topic))
		violate(UINT32_MAX, "robbed: '%s' has %u seats alive, and %u handles are open",
			topics[topic].name, alive, count_held(topic));
	for (uint32_t i = 0; i < stat->lane_count && i < LANES; i++) {
		uint64_t owner = atomic_load(&lane_log(topic, 0, i)->owner);
		if (owner != 0 && is_alive(owner) && stat->lanes[i].seat == UINT32_MAX)
			violate(worker_of(owner), "robbed: lane %u of '%s' has no owner now", i,
				topics[topic].name);
	}
	shoal_topic_stat_free(stat);
}

static void audit(int topic)
{
	int r = shoal_topic_audit(go_to(topic), 0);
	atomic_fetch_add(&book->done[OP_AUDIT], 1);
	if (r < 0 && !(r == -ENOENT && !topics[topic].kept))
		violate(UINT32_MAX, "audit of '%s': %d, %s", topics[topic].name, r,
			shoal_error_detail());
}

void check_stopped(void)
{
	for (int i = 0; i < TOPICS; i++) {
		if (topics[i].left_out)
			continue;
		audit(i);
		if (topics[i].kept)
			check_seats(i);
	}
}

/* ---- readers at the end of a round --------------------------------------------------------- */

static bool has_read_all(uint32_t worker, const struct held *held, bool tell)
{
	uint64_t what = atomic_load(&held->what);
	int topic = (int)(what >> 48 & 0xff);
	if (what == 0 || (what >> 56 & 0x7f) != LOSSLESS ||
	    !is_alive((uint64_t)(worker + 1) << 32 | (uint32_t)what))
		return true;
	/* Taken away from under it: nobody owes it anything. */
	if (atomic_load(&held->may_go) ||
	    atomic_load(&held->forced) != atomic_load(&book->topics[topic].forced))
		return true;
	for (uint32_t i = 0; i < LANES; i++) {
		const struct lane_log *lane = lane_log(topic, what >> 32 & 0xffff, i);
		uint64_t acked = atomic_load(&lane->acked);
		uint64_t have = atomic_load(&held->have[i]);
		if (have >= acked)
			continue;
		if (tell)
			violate(worker,
				"stuck or lost: worker %u has read lane %u of '%s' up to %" PRIu64
				", and %" PRIu64 " were acked; nothing has moved for 10 s",
				worker, i, topics[topic].name, have, acked);
		return false;
	}
	return true;
}

bool all_is_read(bool tell)
{
	for (uint32_t worker = 0; worker < WORKERS; worker++)
		for (uint32_t i = 0; i < HANDLES; i++)
			if (!has_read_all(worker, &book->workers[worker].held[i], tell))
				return false;
	return true;
}

/* ---- when all are gone --------------------------------------------------------------------- */

static void check_lane(int topic, const shoal_pub *pub)
{
	const struct lane_log *lane = lane_log(topic, 0, shoal_pub_lane(pub));
	uint64_t position = shoal_pub_sequence(pub);
	uint64_t acked = atomic_load(&lane->acked), about = atomic_load(&lane->about);
	if (position < acked || position > about)
		violate(lane->owner ? worker_of(lane->owner) : UINT32_MAX,
			"at the end lane %u of '%s' is at %" PRIu64 ", but %" PRIu64
			" were acked and %" PRIu64 " were about to be published",
			shoal_pub_lane(pub), topics[topic].name, position, acked, about);
}

/* What is still there reads well, up to the end. */
static void check_reading(int topic)
{
	struct shoal_view view;
	uint64_t next[LANES] = {0};
	bool known[LANES] = {false};
	shoal_sub *sub = NULL;
	int r = shoal_sub_open(&sub, go_to(topic), SHOAL_FROM_OLDEST | SHOAL_FOLLOW, NULL);
	while (r == 0 && (r = shoal_sub_borrow(sub, 0, &view)) == 0) {
		if (known[view.lane] && view.sequence != next[view.lane])
			violate(UINT32_MAX, "lane %u of '%s': %" PRIu64 " came, not %" PRIu64,
				view.lane, topics[topic].name, view.sequence, next[view.lane]);
		if (message_wrong(topic, view.data, view.bytes, view.lane, view.sequence) >= 0)
			violate(UINT32_MAX, "message %" PRIu64 " of lane %u of '%s' is wrong",
				view.sequence, view.lane, topics[topic].name);
		known[view.lane] = true;
		next[view.lane] = view.sequence + 1;
		r = shoal_sub_release(sub, &view);
	}
	for (uint32_t i = 0; r == -EAGAIN && i < LANES; i++)
		if (known[i] && next[i] < atomic_load(&lane_log(topic, 0, i)->acked))
			violate(UINT32_MAX, "lost: lane %u of '%s' ends at %" PRIu64, i,
				topics[topic].name, next[i]);
	if (r != -EAGAIN)
		violate(UINT32_MAX, "reading '%s' at the end: %d, %s", topics[topic].name, r,
			shoal_error_detail());
	shoal_sub_close(sub);
}

/* Every place in it is free: nothing is left of the dead. */
static void check_places(int topic)
{
	shoal_pub *pubs[LANES] = {NULL};
	shoal_sub *subs[SUBSCRIBERS] = {NULL};
	int r = 0;
	for (int i = 0; r == 0 && i < LANES; i++) {
		r = shoal_pub_open(&pubs[i], go_to(topic), 0, NULL);
		if (r == 0)
			check_lane(topic, pubs[i]);
	}
	for (int i = 0; r == 0 && i < SUBSCRIBERS; i++)
		r = shoal_sub_open(&subs[i], go_to(topic), 0, NULL);
	if (r < 0)
		violate(UINT32_MAX, "a place in '%s' is not free though nobody is there: %d, %s",
			topics[topic].name, r, shoal_error_detail());
	for (int i = 0; i < LANES; i++)
		shoal_pub_close(pubs[i]);
	for (int i = 0; i < SUBSCRIBERS; i++)
		shoal_sub_close(subs[i]);
}

static void check_idle(int topic)
{
	struct shoal_topic_stat *stat = NULL;
	int r = shoal_topic_stat(go_to(topic), 0, &stat);
	if (r < 0 || stat->seat_count != 0 || stat->object.health != SHOAL_IDLE)
		violate(UINT32_MAX, "'%s' is not idle though nobody is there: %d, %u seats",
			topics[topic].name, r, r < 0 ? 0 : stat->seat_count);
	shoal_topic_stat_free(stat);
}

static void check_empty(const char *directory, unsigned expected)
{
	unsigned count = 0;
	char names[200] = "";
	DIR *dir = opendir(directory);
	const struct dirent *entry;
	while (dir && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    strcmp(entry->d_name, "small") == 0)
			continue;
		count++;
		size_t length = strlen(names);
		snprintf(names + length, sizeof(names) - length, " %.40s", entry->d_name);
	}
	if (dir)
		closedir(dir);
	if (count != expected)
		violate(UINT32_MAX, "%u files in %s, not %u:%s", count, directory, expected, names);
}

void check_gone(bool last)
{
	unsigned stay = 0;
	for (int i = 0; i < TOPICS; i++) {
		if (topics[i].left_out)
			continue;
		audit(i);
		if (topics[i].kept) {
			check_reading(i);
			check_places(i);
			audit(i);
			check_idle(i);
		}
		int r = topics[i].kept && !last ? 0 : shoal_remove(go_to(i), 0);
		if (r != 0 && (r != -ENOENT || topics[i].kept))
			violate(UINT32_MAX, "removing '%s' at the end: %d, %s", topics[i].name, r,
				shoal_error_detail());
		stay += topics[i].kept && !last && !topics[i].nameless;
		if (topics[i].small)
			check_empty(topics[i].directory, 0);
	}
	check_empty(topics[0].directory, stay);
}
