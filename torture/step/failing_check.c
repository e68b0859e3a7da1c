/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold while the victim stands still: after the operation, after the second try, and
 * after its handle is closed. It is alive then: what it still has locked, nobody else gets.
 */
#include "failing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PRINTED_MAX = 4 };

void failed(struct trial *trial, const char *format, ...)
{
	const struct stage *stage = &trial->stage;
	const struct fault_seen *seen = &trial->deal->seen;
	if (trial->stage.violations++ >= PRINTED_MAX || stage->quiet)
		return;
	printf("VIOLATION in '%s', %s %u%s, ", stage->op->name,
	       trial->plan.layer == FAULT_KERNEL ? "system call" : "entry", trial->plan.at,
	       trial->plan.stays ? " and on" : "");
	if (seen->hit)
		printf("%s gives %s: ", seen->row->name, strerrorname_np(seen->error));
	va_list arguments;
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n    it returned %" PRId64 ": %s\n", trial->deal->result, trial->deal->detail);
	if (trial->deal->tried_again)
		printf("    and then %" PRId64 ": %s\n", trial->deal->second,
		       trial->deal->second_detail);
}

/* ---- what a process holds ---------------------------------------------------------------- */

void holdings_take(struct holdings *holdings)
{
	memset(holdings, 0, sizeof(*holdings));
	for (int fd = 0; fd < 256; fd++)
		holdings->descriptors += fcntl(fd, F_GETFD) >= 0;
	holdings->heap_bytes = mallinfo2().uordblks;
	char line[512];
	static char buffer[16384]; /* none of malloc's */
	FILE *file = fopen("/proc/self/maps", "re");
	if (!file)
		return;
	setvbuf(file, buffer, _IOFBF, sizeof(buffer));
	while (fgets(line, sizeof(line), file)) {
		char *end;
		uint64_t from = strtoull(line, &end, 16);
		uint64_t to = strtoull(end + 1, NULL, 16);
		if (strstr(line, "[heap]") || strstr(line, "[stack]"))
			continue;
		holdings->mappings++;
		holdings->mapped_bytes += to - from;
	}
	fclose(file);
}

bool holdings_same(const struct holdings *before, char *text, size_t room)
{
	struct holdings now;
	holdings_take(&now);
	snprintf(text, room,
		 "%d descriptors, %d mappings, %" PRId64 " bytes mapped, %" PRId64 " of malloc",
		 (int)(now.descriptors - before->descriptors),
		 (int)(now.mappings - before->mappings),
		 (int64_t)(now.mapped_bytes - before->mapped_bytes),
		 (int64_t)(now.heap_bytes - before->heap_bytes));
	return memcmp(&now, before, sizeof(now)) == 0;
}

static bool excused(const struct trial *trial, enum breach breach)
{
	return exception_for(trial->stage.op, &trial->deal->seen, breach) != NULL;
}

/* ---- the region -------------------------------------------------------------------------- */

static bool look(struct trial *trial, struct topic_map *map)
{
	struct stage *stage = &trial->stage;
	stage_changed(stage);
	if (!stage->real.base)
		return false;
	if (topic_map(map, &stage->real) == 0)
		return true;
	failed(trial, "not a topic any more: %s", shoal_error_detail());
	return false;
}

/* Before the victim was there. */
void remember_held(struct trial *trial)
{
	struct topic_map map;
	struct held *held = &trial->before;
	memset(held, 0, sizeof(*held));
	if (!map_real(&trial->stage))
		return;
	if (topic_map(&map, &trial->stage.real) < 0)
		give_up("%s: no topic", trial->stage.op->name);
	held->there = true;
	for (uint32_t i = 0; i < map.region.seat_count; i++)
		held->seats[i] = atomic_load(&seat_entry(&map.region, i)->word);
	for (uint32_t i = 0; i < LANES; i++)
		held->owners[i] = atomic_load(&map.controls[i].owner);
	for (uint32_t i = 0; i < SUBSCRIBERS; i++)
		held->entries[i] = atomic_load(&map.entries[i]);
	unmap_real(&trial->stage);
}

/* Somebody else's who lives: those that came after the victim, too. */
static bool is_bystanders(const struct stage *stage, uint64_t word)
{
	uint32_t seat = word_tag(word).seat;
	return seat < SEATS_MAX && stage->living[seat];
}

/* Nothing is taken that was not taken before: the victim has nothing. */
static void check_nothing_taken(struct trial *trial, const struct topic_map *map)
{
	const struct held *held = &trial->before;
	const struct stage *stage = &trial->stage;
	for (uint32_t i = 0; i < map->region.seat_count; i++) {
		uint64_t word = atomic_load(&seat_entry(&map->region, i)->word);
		if (word_state(word) != SEAT_FREE && word != held->seats[i] && !stage->living[i])
			failed(trial, "seat %u is taken", i);
	}
	for (uint32_t i = 0; i < LANES; i++) {
		uint64_t word = atomic_load(&map->controls[i].owner);
		if (word_state(word) == LANE_TAKEN && word != held->owners[i] &&
		    !is_bystanders(stage, word))
			failed(trial, "lane %u is taken", i);
	}
	for (uint32_t i = 0; i < SUBSCRIBERS; i++) {
		uint64_t word = atomic_load(&map->entries[i]);
		if (word_state(word) != ENTRY_FREE && word != held->entries[i] &&
		    !is_bystanders(stage, word))
			failed(trial, "entry %u is taken", i);
	}
}

static void check_locks(struct trial *trial)
{
	struct stage *stage = &trial->stage;
	if (os_linux.lock_held(stage->fd, SEGMENT_NAME_LOCK) != 0)
		failed(trial, "the name is locked");
	if (os_linux.lock_held(stage->fd, SEGMENT_BOOT_LOCK) != 0)
		failed(trial, "the place is locked");
	for (uint32_t i = 0; i < stage->real.seat_count; i++)
		if (!stage->living[i] && os_linux.lock_held(stage->fd, SEGMENT_SEAT_LOCK + i) != 0)
			failed(trial, "seat %u is locked", i);
}

/* Nothing but the object, and that only if it was there. */
static void check_directory(struct trial *trial, bool may_be)
{
	const struct stage *stage = &trial->stage;
	const char *own = strrchr(stage->path, '/') + 1;
	const char *directory = getenv("SHOAL_DIR");
	DIR *dir = opendir(directory);
	if (!dir)
		give_up("%s: %s", directory, strerror(errno));
	for (const struct dirent *entry; (entry = readdir(dir));) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		bool is_own = strcmp(entry->d_name, own) == 0;
		bool hidden = strncmp(entry->d_name, ".shoal-new-", 11) == 0;
		if (hidden && excused(trial, BREACH_HIDDEN))
			unlinkat(dirfd(dir), entry->d_name, 0);
		else if (!is_own || !may_be)
			failed(trial, "'%s' is left behind", entry->d_name);
	}
	closedir(dir);
}

/* ---- messages ---------------------------------------------------------------------------- */

static uint64_t added_by(const struct op *op, int64_t result)
{
	if (result == op->expect) /* -ESTALE, perhaps: it went where nobody new will read it */
		return op->messages;
	if (result < 0)
		return 0;
	return op->expect == (int64_t)op->messages ? (uint64_t)result : op->messages;
}

static void check_ends(struct trial *trial, const struct topic_map *map, uint64_t added)
{
	const struct stage *stage = &trial->stage;
	for (uint32_t i = 0; i < LANES; i++) {
		struct lane_map lane = topic_lane(map, i);
		uint64_t should = stage->committed[i] + (i == stage->share->lane ? added : 0);
		if (topic_lane_ready(map, i) && lane_end(&lane) != should)
			failed(trial, "lane %u ends at %" PRIu64 " instead of %" PRIu64, i,
			       lane_end(&lane), should);
	}
}

/* Who was woken, by address; see note_wake in trace.c. */
static void note_woken(struct trial *trial, const struct topic_map *map)
{
	struct stage *stage = &trial->stage;
	const struct fault_seen *seen = &trial->deal->seen;
	for (unsigned i = 0; i < seen->wakes && stage->share->base; i++) {
		const uint8_t *at = stage->real.base + (seen->woken[i] - stage->share->base);
		stage->woken |= at == (const uint8_t *)&map->body->wake;
		for (uint32_t k = 0; k < LANES; k++)
			stage->gate_woken[k] |= at == (const uint8_t *)&map->controls[k].gate;
	}
}

/* ---- the first moment -------------------------------------------------------------------- */

static void check_result(struct trial *trial)
{
	const struct op *op = trial->stage.op;
	const struct deal *deal = trial->deal;
	int64_t r = deal->result;
	bool fewer = (trial->contract->flags & (CONTRACT_COUNTS | CONTRACT_REPAIRS)) && r >= 0 &&
		     r < op->expect;
	if (deal->seen.unknown)
		failed(trial, "system call %d has no row in failing_rows.c", deal->seen.unknown);
	if (r >= 0 && r != op->expect && !fewer && !excused(trial, BREACH_RESULT))
		failed(trial, "that is not what it returns");
	if (r >= 0)
		return;
	if (!contract_allows(trial->contract, op, (int)r, deal->seen.error))
		failed(trial, "%s is no error of %s", strerrorname_np((int)-r),
		       trial->contract->where);
	if (!contract_is_silent((int)r) && !deal->detail[0])
		failed(trial, "%s without a sentence", strerrorname_np((int)-r));
}

static void check_operation(struct trial *trial, const struct topic_map *map)
{
	struct stage *stage = &trial->stage;
	const struct op *op = stage->op;
	if (!op->check || trial->deal->result != op->expect)
		return;
	uint64_t before = stage->violations;
	bool quiet = stage->quiet;
	stage->quiet = true;
	op->check(stage, map, true);
	stage->quiet = quiet;
	if (stage->violations == before)
		return;
	uint64_t count = stage->violations - before;
	stage->violations = before;
	if (excused(trial, BREACH_TOLD) || excused(trial, BREACH_NAME))
		return;
	failed(trial, "its own check finds %" PRIu64 " mistakes", count);
}

void check_first(struct trial *trial)
{
	struct topic_map map;
	struct stage *stage = &trial->stage;
	const struct deal *deal = trial->deal;
	check_result(trial);
	bool opens_in_vain = (trial->contract->flags & CONTRACT_OPENS) && deal->result < 0;
	if (opens_in_vain)
		check_directory(trial, trial->before.there || excused(trial, BREACH_NAME));
	if (!look(trial, &map))
		return;
	if (stage->named && topic_kind.audit(&stage->real) < 0)
		failed(trial, "audit: %s", shoal_error_detail());
	check_ends(trial, &map, added_by(stage->op, deal->result));
	note_woken(trial, &map);
	check_operation(trial, &map);
	if (opens_in_vain) {
		check_nothing_taken(trial, &map);
		check_locks(trial);
	}
	uint64_t before = stage->violations;
	if (trial->closer_look && stage->named && !excused(trial, BREACH_TOLD))
		check_state(stage);
	if (stage->violations != before)
		failed(trial, "that is what survivors find if it dies now");
}

/* ---- the second -------------------------------------------------------------------------- */

void check_second(struct trial *trial)
{
	struct topic_map map;
	struct stage *stage = &trial->stage;
	const struct deal *deal = trial->deal;
	if (!deal->tried_again)
		return;
	int64_t expect = stage->op->expect;
	if ((trial->contract->flags & CONTRACT_REPAIRS) && deal->result > 0)
		expect -= deal->result;
	if (deal->second != expect)
		failed(trial, "the second try gives %" PRId64, deal->second);
	if (!look(trial, &map))
		return;
	if (stage->named && topic_kind.audit(&stage->real) < 0)
		failed(trial, "audit after the second try: %s", shoal_error_detail());
	check_ends(trial, &map, added_by(stage->op, deal->second));
}

/* ---- the third: the others go on --------------------------------------------------------- */

static bool is_removed(const struct stage *stage)
{
	return stage->real.base && lifetime_state(&stage->real) == LIFETIME_REMOVED;
}

static void read_all(struct trial *trial, shoal_sub *sub, const char *who)
{
	uint8_t buffer[1024];
	struct shoal_view view;
	int r = 0;
	for (int i = 0; i < 1000; i++) {
		r = shoal_sub_receive(sub, buffer, sizeof(buffer), 0, &view);
		if (r < 0)
			break;
		if (!message_is(buffer, view.bytes, trial->stage.op->shape, view.lane,
				view.sequence))
			failed(trial, "%s: message %" PRIu64 " of lane %u is another", who,
			       view.sequence, view.lane);
	}
	if (r != -EAGAIN && r != -EPIPE && !(is_removed(&trial->stage) && r == -ESTALE))
		failed(trial, "%s: receive gives %d, %s", who, r, shoal_error_detail());
}

static void publish_two(struct trial *trial, shoal_pub *pub, const char *who)
{
	uint8_t buffer[1024];
	for (int i = 0; i < 2; i++) {
		size_t n = message_fill(buffer, trial->stage.op->shape, shoal_pub_lane(pub),
					shoal_pub_sequence(pub));
		int r = shoal_pub_publish(pub, buffer, n, 0);
		if (r < 0 && !(is_removed(&trial->stage) && r == -ESTALE))
			failed(trial, "%s: publish gives %d, %s", who, r, shoal_error_detail());
	}
}

/* Whoever comes now finds all in order: lanes, entries, seats. */
static void newcomers(struct trial *trial)
{
	struct stage *stage = &trial->stage;
	if (backend_nameless() && is_removed(stage))
		return; /* and no other can come in its place */
	shoal_sub *sub = NULL;
	shoal_pub *pub = NULL;
	uint8_t buffer[1024];
	int r = shoal_sub_open(&sub, stage->name, SHOAL_CREATE, &small_topic);
	if (r < 0)
		failed(trial, "a newcomer: sub_open gives %d, %s", r, shoal_error_detail());
	bool full = stage->other_pub && stage->second_pub;
	r = full ? -EUSERS : shoal_pub_open(&pub, stage->name, SHOAL_CREATE, &small_topic);
	if (r < 0 && !full)
		failed(trial, "a newcomer: pub_open gives %d, %s", r, shoal_error_detail());
	if (sub && pub) {
		publish_two(trial, pub, "a newcomer");
		for (int i = 0; i < 2; i++) {
			r = shoal_sub_receive(sub, buffer, sizeof(buffer), 0, NULL);
			if (r < 0)
				failed(trial, "a newcomer: receive gives %d", r);
		}
	}
	shoal_pub_close(pub);
	shoal_sub_close(sub);
}

static void others_go_on(struct trial *trial)
{
	struct stage *stage = &trial->stage;
	if (stage->other_sub)
		read_all(trial, stage->other_sub, "a bystander");
	if (stage->other_lossy)
		read_all(trial, stage->other_lossy, "a lossy bystander");
	if (stage->other_pub)
		publish_two(trial, stage->other_pub, "a bystander");
	if (stage->other_sub)
		read_all(trial, stage->other_sub, "a bystander");
	newcomers(trial);
}

/* After the last has gone nothing may be held, by whomever. */
static void check_all_given_back(struct trial *trial, const struct topic_map *map)
{
	const struct stage *stage = &trial->stage;
	for (uint32_t i = 0; i < map->region.seat_count; i++) {
		uint64_t word = atomic_load(&seat_entry(&map->region, i)->word);
		if (word_state(word) != SEAT_FREE && !stage->living[i])
			failed(trial, "seat %u stays taken", i);
	}
}

void check_closed(struct trial *trial)
{
	struct topic_map map;
	struct stage *stage = &trial->stage;
	const struct deal *deal = trial->deal;
	if (deal->leaks && !excused(trial, BREACH_DESCRIPTOR))
		failed(trial, "leaked: %s", deal->leak);
	bool there = look(trial, &map);
	bool stays = stage->op->flags & OP_KEEP;
	if (there) {
		check_nothing_taken(trial, &map);
		check_locks(trial);
		if (stage->named && topic_kind.audit(&stage->real) < 0)
			failed(trial, "audit after closing: %s", shoal_error_detail());
	}
	bool lives = there && anybody_lives(stage, &stage->real); /* who came while it ran */
	bool may_be = trial->before.there || stays || lives || excused(trial, BREACH_NAME);
	check_directory(trial, may_be);
	others_go_on(trial);
	if (there && stage->named && look(trial, &map))
		check_all_given_back(trial, &map);
}
