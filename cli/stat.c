/* SPDX-License-Identifier: Apache-2.0 */
/* shoal stat: what is going on in a topic. */
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
		printf("  lane %-4u    %s messages, the last %s of them still there; ", lane->lane,
		       position, there);
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

	printf("%s: %s, %s%s\n", name, stat->object.kind, shoal_health_name(stat->object.health),
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

static int print_topic(const char *name, const struct shoal_topic_stat *stat)
{
	json_t *rows = seat_rows(name, stat);
	int code;

	print_summary(name, stat);
	if (stat->seat_count)
		putchar('\n');
	code = table_print(rows, seat_columns, SEAT_COLUMN_COUNT);
	json_decref(rows);
	return code;
}

/* ---- the verb -------------------------------------------------------------------------- */

/* One topic: to the JSON list, to the list of seats (-o), or printed. */
static int show(const struct target *target, json_t *values, json_t *seats, bool first)
{
	struct shoal_topic_stat *stat;
	int r = shoal_topic_stat(target->name, foreign ? SHOAL_FOREIGN : 0, &stat);
	int code = EXIT_DONE;

	/* It went away while we were looking. */
	if (r == -ENOENT)
		return EXIT_DONE;
	if (r < 0) {
		say_error(r, target->name);
		if (table_style.json && !table_style.columns)
			json_array_append_new(values, object_row(target->name, &target->object));
		return EXIT_FAILED;
	}
	if (table_style.columns) {
		json_t *rows = seat_rows(target->name, stat);
		json_array_extend(seats, rows);
		json_decref(rows);
	} else if (table_style.json) {
		json_array_append_new(values, topic_value(target->name, stat));
	} else {
		if (!first)
			putchar('\n');
		code = print_topic(target->name, stat);
	}
	shoal_topic_stat_free(stat);
	return code;
}

static int show_all(const struct targets *targets)
{
	json_t *values = json_array();
	json_t *seats = json_array();
	int code = EXIT_DONE;
	int printed = EXIT_DONE;

	for (size_t i = 0; i < targets->count; i++) {
		int one = show(&targets->list[i], values, seats, i == 0);
		if (code == EXIT_DONE)
			code = one;
	}
	if (table_style.columns)
		printed = table_print(seats, seat_columns, SEAT_COLUMN_COUNT);
	else if (table_style.json)
		printed = json_print(values);
	json_decref(values);
	json_decref(seats);
	if (code == EXIT_DONE)
		code = printed;
	return code == EXIT_DONE ? finish_stdout(code) : code;
}

static int find(const struct options *options, struct targets *targets)
{
	int code = EXIT_DONE;

	for (size_t i = 0; i < options->argument_count; i++) {
		const char *argument = options->arguments[i];
		size_t before = targets->count;
		int r = targets_add(targets, argument, foreign ? SHOAL_FOREIGN : 0);
		if (r < 0)
			return say_error(r, argument);
		if (targets->count == before) {
			say("there is no object and no group %s", argument);
			code = EXIT_NO;
		}
	}
	return code;
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
		code = find(&options, &targets);
		if (code == EXIT_DONE || code == EXIT_NO) {
			shown = show_all(&targets);
			code = shown == EXIT_DONE ? code : shown;
		}
		targets_free(&targets);
	}
	options_free(&options);
	return code;
}
