/* SPDX-License-Identifier: Apache-2.0 */
/* shoal stat: what is going on in a topic or a block. */
#include "block.h"
#include "objects.h"
#include "table.h"
#include "wait.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool foreign;

static const struct option stat_options[] = {
    {OPTION_FLAG, 0, "foreign", &foreign, NULL, "also another user's topics"},
    {OPTION_END, 0, NULL, NULL, NULL, NULL},
};

static const struct column seat_columns[] = {
    {"topic", COLUMN_TEXT, false, NULL},    {"seat", COLUMN_NUMBER, true, NULL},
    {"pid", COLUMN_NUMBER, true, NULL},     {"name", COLUMN_TEXT, true, NULL},
    {"role", COLUMN_TEXT, true, NULL},      {"health", COLUMN_HEALTH, true, NULL},
    {"lane", COLUMN_NUMBER, true, NULL},    {"position", COLUMN_NUMBER, true, NULL},
    {"lag", COLUMN_NUMBER, true, NULL},     {"lost", COLUMN_NUMBER, true, NULL},
    {"holds_up", COLUMN_YESNO, true, NULL}, {"joined_ns", COLUMN_TIME, false, NULL},
    {"here", COLUMN_YESNO, false, NULL},
};
#define SEAT_COLUMN_COUNT (sizeof seat_columns / sizeof seat_columns[0])

static const char notes[] =
    "Columns of a seat for -o: topic, seat, pid, name, role, health, lane, position,\n"
    "lag, lost, holds_up, joined_ns, here (the pid is one of our PID namespace).\n";

/* ---- values ---------------------------------------------------------------------------- */

static json_t *index_or_null(uint32_t index)
{
	return index == UINT32_MAX ? json_null() : json_u64(index);
}

/* What doesn't apply to a role is null, so that 0 always means none. */
static json_t *seat_row(const char *topic, const struct shoal_topic_seat *seat)
{
	bool lossy = strcmp(seat->role, "lossy") == 0;
	bool reads = lossy || strcmp(seat->role, "subscriber") == 0;
	json_t *row = json_object();

	json_object_set_new(row, "topic", json_text(topic));
	json_object_set_new(row, "seat", json_u64(seat->seat));
	json_object_set_new(row, "pid", json_integer(seat->pid));
	json_object_set_new(row, "here", json_boolean(seat->same_pid_namespace));
	json_object_set_new(row, "name", json_text(seat->name));
	json_object_set_new(row, "role", json_text(seat->role));
	json_object_set_new(row, "health", json_text(shoal_health_name(seat->health)));
	json_object_set_new(row, "lane", index_or_null(seat->lane));
	json_object_set_new(row, "position", json_u64(seat->position));
	json_object_set_new(row, "lag", reads ? json_u64(seat->lag) : json_null());
	json_object_set_new(row, "lost", lossy ? json_u64(seat->lost) : json_null());
	json_object_set_new(row, "holds_up", reads ? json_boolean(seat->holds_up) : json_null());
	json_object_set_new(row, "joined_ns", json_integer(seat->joined_ns));
	return row;
}

static json_t *lane_row(const struct shoal_topic_lane *lane)
{
	json_t *row = json_object();

	json_object_set_new(row, "lane", json_u64(lane->lane));
	json_object_set_new(row, "seat", index_or_null(lane->seat));
	json_object_set_new(row, "position", json_u64(lane->position));
	json_object_set_new(row, "oldest", json_u64(lane->oldest));
	json_object_set_new(row, "allocated", json_boolean(lane->allocated));
	json_object_set_new(row, "closed", json_boolean(lane->closed));
	return row;
}

static json_t *seat_rows(const char *name, const struct shoal_topic_stat *stat)
{
	json_t *rows = json_array();

	for (uint32_t i = 0; i < stat->seat_count; i++)
		json_array_append_new(rows, seat_row(name, &stat->seats[i]));
	return rows;
}

/* What the kernel says of a System V segment; false of other objects. */
static bool sysv_of(const char *name, struct shoal_sysv_stat *ret)
{
	*ret = (struct shoal_sysv_stat){.size = sizeof *ret};
	return strncmp(name, "sysv:", 5) == 0 && shoal_sysv_stat(name, ret) == 0;
}

/* null for objects of other backends. */
static json_t *sysv_value(const char *name)
{
	struct shoal_sysv_stat sysv;
	json_t *value;

	if (!sysv_of(name, &sysv))
		return json_null();
	value = json_object();
	json_object_set_new(value, "id", json_integer(sysv.id));
	json_object_set_new(value, "key", json_u64(sysv.key));
	json_object_set_new(value, "attached", json_u64(sysv.attached));
	json_object_set_new(value, "marked_for_deletion", json_boolean(sysv.doomed));
	json_object_set_new(value, "locked", json_boolean(sysv.locked));
	json_object_set_new(value, "creator_pid", json_u64(sysv.creator_pid));
	json_object_set_new(value, "last_pid", json_u64(sysv.last_pid));
	return value;
}

static json_t *topic_value(const char *name, const struct shoal_topic_stat *stat)
{
	json_t *value = object_row(name, &stat->object);
	json_t *lanes = json_array();

	for (uint32_t i = 0; i < stat->lane_count; i++)
		json_array_append_new(lanes, lane_row(&stat->lanes[i]));
	json_object_set_new(value, "slots", json_u64(stat->slots));
	json_object_set_new(value, "inline_bytes", json_u64(stat->inline_bytes));
	json_object_set_new(value, "payload_bytes", json_u64(stat->payload_bytes));
	json_object_set_new(value, "lanes_max", json_u64(stat->lane_count));
	json_object_set_new(value, "subscribers_max", json_u64(stat->subscribers_max));
	json_object_set_new(value, "publishers", json_u64(stat->publishers));
	json_object_set_new(value, "subscribers", json_u64(stat->subscribers));
	json_object_set_new(value, "subscribed_ever", json_u64(stat->subscribed_ever));
	json_object_set_new(value, "ended", json_boolean(stat->ended));
	json_object_set_new(value, "sysv", sysv_value(name));
	json_object_set_new(value, "lanes", lanes);
	json_object_set_new(value, "seats", seat_rows(name, stat));
	return value;
}

/* ---- for people ------------------------------------------------------------------------ */

static void print_lanes(const struct shoal_topic_stat *stat)
{
	for (uint32_t i = 0; i < stat->lane_count; i++) {
		const struct shoal_topic_lane *lane = &stat->lanes[i];
		char position[32], there[32];
		if (!lane->allocated)
			continue;
		format_count(lane->position, position, sizeof position);
		format_count(lane->position - lane->oldest, there, sizeof there);
		printf("  lane %-4u    %s message%s, the last %s of them still there; ", lane->lane,
		       position, plural(lane->position), there);
		if (lane->seat != UINT32_MAX)
			printf("publisher in seat %u\n", lane->seat);
		else
			printf("%s\n", lane->closed
					   ? "its publisher closed"
					   : "no publisher, and the last one did not close");
	}
}

static void print_summary(const char *name, const struct shoal_topic_stat *stat)
{
	char text[256], size[32], used[32];

	printf("%s: %s, %s%s%s\n", name, stat->object.kind, shoal_health_name(stat->object.health),
	       stat->object.kept ? ", kept (stays when nobody is in it)" : "",
	       stat->ended ? ", ended (the last publisher closed)" : "");
	geometry_text(stat, text, sizeof text);
	printf("  geometry     %s\n", text);
	format_size(stat->object.bytes, size, sizeof size);
	format_size(stat->object.bytes_used, used, sizeof used);
	format_time(stat->object.created_ns, text, sizeof text);
	printf("  memory       %s taken of %s, mode %04o, made %s\n", used, size,
	       stat->object.mode & 07777, text);
	printf("  publishers   %u of %u\n", stat->publishers, stat->lane_count);
	printf("  subscribers  %u of %u, %llu ever\n", stat->subscribers, stat->subscribers_max,
	       (unsigned long long)stat->subscribed_ever);
	print_lanes(stat);
}

static bool print_sysv(const char *name)
{
	struct shoal_sysv_stat sysv;

	if (!sysv_of(name, &sysv))
		return false;
	printf("  System V     id %d, key 0x%08x, %s%llu attached, made by pid %u, last used by "
	       "pid %u%s\n",
	       sysv.id, sysv.key, sysv.doomed ? "marked for deletion, " : "",
	       (unsigned long long)sysv.attached, sysv.creator_pid, sysv.last_pid,
	       sysv.locked ? ", locked in memory" : "");
	return true;
}

/* A segment that is none of Shoal's: the kernel's word is all there is. */
static bool print_bare(const char *name)
{
	struct shoal_sysv_stat sysv;
	char size[32];

	if (table_style.json || table_style.columns || !sysv_of(name, &sysv))
		return false;
	format_size(sysv.bytes, size, sizeof size);
	printf("%s: a System V segment, not Shoal's\n", name);
	printf("  memory       %s, mode %04o, of user %u\n", size, sysv.mode, sysv.uid);
	return print_sysv(name);
}

static int print_seats(json_t *rows)
{
	int code;

	if (json_array_size(rows))
		putchar('\n');
	code = table_print(rows, seat_columns, SEAT_COLUMN_COUNT);
	json_decref(rows);
	return code;
}

/* ---- the verb -------------------------------------------------------------------------- */

/* Where what is known of an object goes: to the JSON list, to the list of seats (-o), or out. */
struct shown {
	json_t *values;
	json_t *seats;
	bool first;
};

static int fail(const struct target *target, struct shown *shown, int r)
{
	/* It went away while we were looking. */
	if (r == -ENOENT)
		return EXIT_DONE;
	say_error(r, target->name);
	if (table_style.json && !table_style.columns)
		json_array_append_new(shown->values, object_row(target->name, &target->object));
	return EXIT_FAILED;
}

static void add_seats(struct shown *shown, json_t *rows)
{
	json_array_extend(shown->seats, rows);
	json_decref(rows);
}

static int show_topic(const struct target *target, struct shown *shown)
{
	struct shoal_topic_stat *stat;
	int r = shoal_topic_stat(target->name, foreign ? SHOAL_FOREIGN : 0, &stat);
	int code = EXIT_DONE;

	if (r == -EBADMSG && print_bare(target->name))
		return EXIT_DONE;
	if (r < 0)
		return fail(target, shown, r);
	if (table_style.columns) {
		add_seats(shown, seat_rows(target->name, stat));
	} else if (table_style.json) {
		json_array_append_new(shown->values, topic_value(target->name, stat));
	} else {
		print_summary(target->name, stat);
		print_sysv(target->name);
		code = print_seats(seat_rows(target->name, stat));
	}
	shoal_topic_stat_free(stat);
	return code;
}

static int show_block(const struct target *target, struct shown *shown)
{
	struct shoal_block_stat *stat;
	int r = shoal_block_stat(target->name, foreign ? SHOAL_FOREIGN : 0, &stat);
	int code = EXIT_DONE;

	if (r < 0)
		return fail(target, shown, r);
	if (table_style.columns) {
		add_seats(shown, block_seat_rows(target->name, stat));
	} else if (table_style.json) {
		json_array_append_new(shown->values, block_value(target->name, stat));
	} else {
		block_print(target->name, stat);
		code = print_seats(block_seat_rows(target->name, stat));
	}
	shoal_block_stat_free(stat);
	return code;
}

static int show(const struct target *target, struct shown *shown)
{
	if (!shown->first && !table_style.columns && !table_style.json)
		putchar('\n');
	shown->first = false;
	return strcmp(target->object.kind, "block") == 0 ? show_block(target, shown)
							 : show_topic(target, shown);
}

static int show_all(const struct targets *targets)
{
	struct shown shown = {json_array(), json_array(), true};
	int code = EXIT_DONE;
	int printed = EXIT_DONE;

	for (size_t i = 0; i < targets->count; i++) {
		int one = show(&targets->list[i], &shown);
		if (code == EXIT_DONE)
			code = one;
	}
	if (table_style.columns)
		printed = table_print(shown.seats, seat_columns, SEAT_COLUMN_COUNT);
	else if (table_style.json)
		printed = json_print(shown.values);
	else
		printed = finish_stdout(EXIT_DONE);
	json_decref(shown.values);
	json_decref(shown.seats);
	return code == EXIT_DONE ? printed : code;
}

int verb_stat(const struct verb *verb, int argc, const char **argv)
{
	static const struct option *const tables[] = {table_options, stat_options, NULL};
	struct targets targets = {0};
	struct options options;
	int code, shown;

	code = options_parse(&options, verb, argc, argv, tables, notes, 1, 1000);
	if (code != GO_ON)
		return code;
	code = table_check(verb, seat_columns, SEAT_COLUMN_COUNT);
	if (code == GO_ON) {
		code = targets_find(&targets, &options, foreign ? SHOAL_FOREIGN : 0);
		if (code == EXIT_DONE || code == EXIT_NO) {
			shown = show_all(&targets);
			code = shown == EXIT_DONE ? code : shown;
		}
		targets_free(&targets);
	}
	options_free(&options);
	return code;
}
