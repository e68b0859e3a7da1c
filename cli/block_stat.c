/* SPDX-License-Identifier: Apache-2.0 */
/* Making a block, and showing one. */
#include "block.h"
#include "objects.h"

#include <errno.h>
#include <stdio.h>

static struct {
	uint64_t size;
	uint64_t max;
	uint32_t users;
	bool huge;
} wanted;

const struct option block_options[] = {
    {OPTION_SIZE, 0, "size", &wanted.size, "SIZE", "block: how large it is; needed"},
    {OPTION_SIZE, 0, "max", &wanted.max, "SIZE", "block: how large it may grow (default: --size)"},
    {OPTION_U32, 0, "users", &wanted.users, "N",
     "block: how many can have it open to write at a time (default 56)"},
    {OPTION_FLAG, 0, "huge", &wanted.huge, NULL, "block: in huge pages, where they can be had"},
    {OPTION_END, 0, NULL, NULL, NULL, NULL},
};

bool block_options_given(void)
{
	return wanted.size || wanted.max || wanted.users || wanted.huge;
}

/* "asked for huge pages, got 4 KiB": what was asked and not had is said. */
static void huge_text(const struct shoal_block_stat *stat, char *buffer, size_t size)
{
	char huge[32];

	format_size(stat->huge_bytes, huge, sizeof huge);
	if (!(stat->asked & SHOAL_HUGE))
		snprintf(buffer, size, "4 KiB");
	else if (stat->had & SHOAL_HUGE)
		snprintf(buffer, size, "asked for huge pages, got them for %s", huge);
	else if (stat->huge_bytes)
		snprintf(buffer, size, "asked for huge pages, got them for %s only", huge);
	else
		snprintf(buffer, size, "asked for huge pages, got 4 KiB");
}

static void size_text(const struct shoal_block_stat *stat, char *buffer, size_t size)
{
	char bytes[32], max[32];

	format_size(stat->bytes, bytes, sizeof bytes);
	format_size(stat->max_bytes, max, sizeof max);
	if (stat->max_bytes > stat->bytes)
		snprintf(buffer, size, "%s, may grow to %s", bytes, max);
	else
		snprintf(buffer, size, "%s", bytes);
}

int block_create(const char *name, bool foreign, uint32_t mode)
{
	struct shoal_block_options options = {
	    .size = sizeof options,
	    .bytes = wanted.size,
	    .max_bytes = wanted.max,
	    .users = wanted.users,
	    .mode = mode,
	};
	unsigned flags = foreign ? SHOAL_FOREIGN : 0;
	struct shoal_block_stat *stat;
	char size[96], huge[96];
	int r = shoal_block_create(name, flags | SHOAL_EXCLUSIVE | (wanted.huge ? SHOAL_HUGE : 0),
				   &options);

	if (r == -EEXIST) {
		say("%s is there already; 'shoal stat %s' shows it", name, name);
		return EXIT_NO;
	}
	if (r < 0)
		return say_error(r, name);
	if (shoal_block_stat(name, flags, &stat) < 0) {
		say("made the block %s", name);
		return EXIT_DONE;
	}
	size_text(stat, size, sizeof size);
	huge_text(stat, huge, sizeof huge);
	say("made the block %s: %s%s%s", name, size, wanted.huge ? ", " : "",
	    wanted.huge ? huge : "");
	shoal_block_stat_free(stat);
	return EXIT_DONE;
}

/* ---- stat -------------------------------------------------------------------------------- */

static json_t *seat_row(const char *name, const struct shoal_block_seat *seat)
{
	static const char *const only_topics[] = {"lane", "position", "lag", "lost", "holds_up"};
	json_t *row = json_object();

	json_object_set_new(row, "topic", json_text(name));
	json_object_set_new(row, "seat", json_u64(seat->seat));
	json_object_set_new(row, "pid", json_integer(seat->pid));
	json_object_set_new(row, "here", json_boolean(seat->same_pid_namespace));
	json_object_set_new(row, "name", json_text(seat->name));
	json_object_set_new(row, "role", json_text(seat->resizes ? "resizing" : "user"));
	json_object_set_new(row, "health", json_text(shoal_health_name(seat->health)));
	for (size_t i = 0; i < sizeof only_topics / sizeof only_topics[0]; i++)
		json_object_set_new(row, only_topics[i], json_null());
	json_object_set_new(row, "joined_ns", json_integer(seat->joined_ns));
	return row;
}

json_t *block_seat_rows(const char *name, const struct shoal_block_stat *stat)
{
	json_t *rows = json_array();

	for (uint32_t i = 0; i < stat->seat_count; i++)
		json_array_append_new(rows, seat_row(name, &stat->seats[i]));
	return rows;
}

json_t *block_value(const char *name, const struct shoal_block_stat *stat)
{
	json_t *value = object_row(name, &stat->object);

	json_object_set_new(value, "block_bytes", json_u64(stat->bytes));
	json_object_set_new(value, "max_bytes", json_u64(stat->max_bytes));
	json_object_set_new(value, "huge_asked", json_boolean(stat->asked & SHOAL_HUGE));
	json_object_set_new(value, "huge_had", json_boolean(stat->had & SHOAL_HUGE));
	json_object_set_new(value, "huge_bytes", json_u64(stat->huge_bytes));
	json_object_set_new(value, "readers", json_boolean(stat->readers));
	json_object_set_new(value, "seats", block_seat_rows(name, stat));
	return value;
}

void block_print(const char *name, const struct shoal_block_stat *stat)
{
	char size[96], used[32], text[96];

	printf("%s: %s, %s\n", name, stat->object.kind, shoal_health_name(stat->object.health));
	size_text(stat, size, sizeof size);
	printf("  size         %s\n", size);
	format_size(stat->object.bytes_used, used, sizeof used);
	format_time(stat->object.created_ns, text, sizeof text);
	printf("  memory       %s taken, mode %04o, made %s\n", used, stat->object.mode & 07777,
	       text);
	huge_text(stat, text, sizeof text);
	printf("  pages        %s\n", text);
	printf("  users        %u of %u%s\n", stat->seat_count, stat->object.seats_max,
	       stat->readers ? ", and some that only read" : "");
}

/* ---- for all verbs ----------------------------------------------------------------------- */

void block_users_text(const char *name, unsigned flags, char *buffer, size_t size)
{
	struct shoal_block_stat *stat;
	size_t used = 0;

	if (shoal_block_stat(name, flags, &stat) < 0)
		return;
	for (uint32_t i = 0; i < stat->seat_count && used < size; i++) {
		const struct shoal_block_seat *seat = &stat->seats[i];
		if (seat->health == SHOAL_DEAD)
			continue;
		used += (size_t)snprintf(buffer + used, size - used, "%spid %d (%s%s)",
					 used ? ", " : "", seat->pid, seat->name,
					 seat->health == SHOAL_STOPPED ? ", stopped" : "");
	}
	shoal_block_stat_free(stat);
}

int block_object(const char *name, unsigned flags, struct shoal_object *ret)
{
	struct shoal_block_stat *stat;
	int r = shoal_block_stat(name, flags, &stat);

	if (r < 0)
		return r;
	*ret = stat->object;
	shoal_block_stat_free(stat);
	return 0;
}
