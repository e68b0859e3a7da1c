/* SPDX-License-Identifier: Apache-2.0 */
/* Tables over libsmartcols, JSON over jansson; see table.h. */
#include "table.h"

#include <ctype.h>
#include <inttypes.h>
#include <libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define COLUMNS_MAX 32

struct table_style table_style;

const struct option table_options[] = {
    {OPTION_FLAG, 'j', "json", &table_style.json, NULL, "print JSON"},
    {OPTION_TEXT, 'o', "output", &table_style.columns, "COLUMNS",
     "which columns, separated by commas"},
    {OPTION_FLAG, 'n', "no-headings", &table_style.no_headings, NULL,
     "leave out the line of headings"},
    {OPTION_FLAG, 'b', "bytes", &table_style.bytes, NULL, "sizes in bytes"},
    {OPTION_END, 0, NULL, NULL, NULL, NULL},
};

/* ---- which columns --------------------------------------------------------------------- */

/* "seats_max" is called so, and SEATS-MAX, as the heading has it. */
static bool same_name(const char *key, const char *text, size_t length)
{
	if (strlen(key) != length)
		return false;
	for (size_t i = 0; i < length; i++) {
		char c = (char)tolower((unsigned char)text[i]);
		if (key[i] != (c == '-' ? '_' : c))
			return false;
	}
	return true;
}

static bool is_called(const struct column *column, const char *text, size_t length)
{
	const char *heading = column->heading;

	return same_name(column->key, text, length) ||
	       (heading && strlen(heading) == length && strncasecmp(heading, text, length) == 0);
}

/* The columns of -o, or the usual ones. Returns how many; SIZE_MAX and the wrong name in
 * *ret_wrong if there is one. */
static size_t choose(const struct column *columns, size_t count, const struct column **ret,
		     const char **ret_wrong, size_t *ret_wrong_length)
{
	const char *at = table_style.columns;
	size_t chosen = 0;

	for (size_t i = 0; !at && i < count; i++) {
		if (columns[i].usual)
			ret[chosen++] = &columns[i];
	}
	while (at && chosen < COLUMNS_MAX) {
		size_t length = strcspn(at, ",");
		size_t i = 0;
		while (i < count && !is_called(&columns[i], at, length))
			i++;
		if (i == count) {
			*ret_wrong = at;
			*ret_wrong_length = length;
			return SIZE_MAX;
		}
		ret[chosen++] = &columns[i];
		at = at[length] ? at + length + 1 : NULL;
	}
	return chosen;
}

int table_check(const struct verb *verb, const struct column *columns, size_t count)
{
	const struct column *chosen[COLUMNS_MAX];
	char names[512] = "";
	const char *wrong;
	size_t length, used = 0;

	if (choose(columns, count, chosen, &wrong, &length) != SIZE_MAX)
		return GO_ON;
	for (size_t i = 0; i < count && used < sizeof names; i++)
		used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? "," : "",
					 columns[i].key);
	return say_usage(verb, "there is no column '%.*s'; the columns are %s", (int)length, wrong,
			 names);
}

/* ---- text of a cell -------------------------------------------------------------------- */

static void cell_text(const struct column *column, const json_t *value, char *text, size_t size)
{
	int64_t number = json_integer_value(value);

	snprintf(text, size, "-");
	if (!value || json_is_null(value))
		return;
	if (json_is_string(value)) {
		if (json_string_length(value))
			snprintf(text, size, "%s", json_string_value(value));
	} else if (json_is_boolean(value)) {
		snprintf(text, size, "%s", json_is_true(value) ? "yes" : "-");
	} else if (column->type == COLUMN_SIZE && !table_style.bytes) {
		format_size((uint64_t)number, text, size);
	} else if (column->type == COLUMN_TIME) {
		format_time(number, text, size);
	} else {
		snprintf(text, size, "%" PRId64, number);
	}
}

static const char *health_color(const char *health)
{
	static const char *const colors[][2] = {{"alive", "green"},     {"stopped", "yellow"},
						{"leftover", "yellow"}, {"dead", "red"},
						{"damaged", "red"},     {"foreign", "magenta"}};

	for (size_t i = 0; i < sizeof colors / sizeof colors[0]; i++) {
		if (strcmp(colors[i][0], health) == 0)
			return colors[i][1];
	}
	return NULL;
}

/* ---- printing -------------------------------------------------------------------------- */

static int add_columns(struct libscols_table *table, const struct column *const *chosen,
		       size_t count)
{
	for (size_t i = 0; i < count; i++) {
		bool number = chosen[i]->type == COLUMN_NUMBER || chosen[i]->type == COLUMN_SIZE;
		const char *name = chosen[i]->heading ? chosen[i]->heading : chosen[i]->key;
		char heading[32];
		size_t length = 0;
		for (const char *c = name; *c && length + 1 < sizeof heading; c++)
			heading[length++] = *c == '_' ? '-' : (char)toupper((unsigned char)*c);
		heading[length] = '\0';
		if (!scols_table_new_column(table, heading, 0, number ? SCOLS_FL_RIGHT : 0))
			return -1;
	}
	return 0;
}

static int add_row(struct libscols_table *table, const json_t *row,
		   const struct column *const *chosen, size_t count)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);

	if (!line)
		return -1;
	for (size_t i = 0; i < count; i++) {
		char text[512];
		cell_text(chosen[i], json_object_get(row, chosen[i]->key), text, sizeof text);
		if (scols_line_set_data(line, i, text) < 0)
			return -1;
		if (chosen[i]->type == COLUMN_HEALTH)
			scols_cell_set_color(scols_line_get_cell(line, i), health_color(text));
	}
	return 0;
}

/* Failed, and yet stdout has nothing to complain of: there was no memory. What stdout complains of
 * is finish_stdout's to judge, since a reader that went away is no failure. */
static int finish_printing(int r)
{
	if (r < 0 && !ferror(stdout)) {
		say("out of memory");
		return EXIT_FAILED;
	}
	return finish_stdout(EXIT_DONE);
}

static int print_table(const json_t *rows, const struct column *const *chosen, size_t count)
{
	struct libscols_table *table = scols_new_table();
	const json_t *row;
	size_t index;
	int r = -1;

	if (!table)
		return EXIT_FAILED;
	scols_table_enable_noheadings(table, table_style.no_headings);
	scols_table_enable_colors(table, color_wanted());
	if (add_columns(table, chosen, count) == 0) {
		r = 0;
		json_array_foreach(rows, index, row) r |= add_row(table, row, chosen, count);
	}
	if (r == 0)
		r = scols_print_table(table);
	scols_unref_table(table);
	return finish_printing(r);
}

int json_print(const json_t *value)
{
	int r = json_dumpf(value, stdout, JSON_INDENT(2));

	if (r == 0)
		putchar('\n');
	return finish_printing(r);
}

static int print_json_columns(const json_t *rows, const struct column *const *chosen, size_t count)
{
	json_t *some = json_array();
	const json_t *row;
	size_t index;
	int code;

	json_array_foreach(rows, index, row)
	{
		json_t *members = json_object();
		for (size_t i = 0; i < count; i++)
			json_object_set(members, chosen[i]->key,
					json_object_get(row, chosen[i]->key));
		json_array_append_new(some, members);
	}
	code = json_print(some);
	json_decref(some);
	return code;
}

int table_print(const json_t *rows, const struct column *columns, size_t count)
{
	const struct column *chosen[COLUMNS_MAX];
	const char *wrong;
	size_t length;
	size_t number = choose(columns, count, chosen, &wrong, &length);

	if (number == SIZE_MAX || !rows)
		return EXIT_FAILED;
	if (table_style.json && table_style.columns)
		return print_json_columns(rows, chosen, number);
	if (table_style.json)
		return json_print(rows);
	if (json_array_size(rows) == 0)
		return EXIT_DONE;
	return print_table(rows, chosen, number);
}
