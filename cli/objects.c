/* SPDX-License-Identifier: Apache-2.0 */
/* Objects by name and by group; see objects.h. */
#include "objects.h"

#include "block.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int add(struct targets *targets, const char *name, const struct shoal_object *object)
{
	struct target *list = realloc(targets->list, (targets->count + 1) * sizeof *list);
	struct target *target;

	if (!list)
		return -ENOMEM;
	targets->list = list;
	/* "rm a a" is about one object. */
	for (size_t i = 0; i < targets->count; i++) {
		if (strcmp(list[i].name, name) == 0)
			return 0;
	}
	target = &list[targets->count];
	target->object = *object;
	target->name = strdup(name);
	if (!target->name)
		return -ENOMEM;
	targets->count++;
	return 0;
}

void targets_free(struct targets *targets)
{
	for (size_t i = 0; i < targets->count; i++)
		free(targets->list[i].name);
	free(targets->list);
	*targets = (struct targets){0};
}

bool is_listed(const char *name)
{
	return !strchr(name, ':') || strncmp(name, "posix:", 6) == 0 ||
	       strncmp(name, "sysv:", 5) == 0;
}

bool is_nameless(const char *name)
{
	return strncmp(name, "memfd:", 6) == 0 || strncmp(name, "anon:", 5) == 0;
}

/* What is not in any list: only the library's answer about it tells what it is. */
static int add_unlisted(struct targets *targets, const char *name, unsigned flags)
{
	struct shoal_topic_stat *stat;
	struct shoal_object unknown = {.health = SHOAL_DAMAGED};
	int r = shoal_topic_stat(name, flags, &stat);

	if (r == -ENOENT)
		return 0;
	if (r == -EPROTOTYPE) {
		r = block_object(name, flags, &unknown);
		if (r == 0)
			return add(targets, name, &unknown);
	}
	if (r < 0) {
		snprintf(unknown.problem, sizeof unknown.problem, "%s", error_text(r));
		return add(targets, name, &unknown);
	}
	r = add(targets, name, &stat->object);
	shoal_topic_stat_free(stat);
	return r;
}

static const char *without_scheme(const char *name)
{
	return strncmp(name, "posix:", 6) == 0 ? name + 6 : name;
}

/* Nothing has that name. Could anything? 0, or what the library says against it. */
static int check_name(const char *argument)
{
	char name[sizeof((struct shoal_object *)0)->name];
	struct shoal_topic_stat *stat;
	size_t length = strlen(argument);
	int r;

	/* A group is written with a '/' at its end, too. */
	if (length > 1 && argument[length - 1] == '/')
		length--;
	if (length >= sizeof name)
		return shoal_topic_stat(argument, 0, &stat);
	snprintf(name, sizeof name, "%.*s", (int)length, argument);
	r = shoal_topic_stat(name, 0, &stat);
	if (r == 0)
		shoal_topic_stat_free(stat);
	return r == -EINVAL || r == -ENAMETOOLONG ? r : 0;
}

/* Where no object has that System V key: a segment that is none of Shoal's, called by its id. */
static int add_bare(struct targets *targets, const char *name)
{
	struct shoal_sysv_stat sysv = {.size = sizeof sysv};
	char by_id[32];
	int r = shoal_sysv_stat(name, &sysv);

	if (r < 0)
		return r == -ENOENT || r == -EIDRM ? 0 : r;
	snprintf(by_id, sizeof by_id, "sysv:id=%d", sysv.id);
	return targets_add(targets, by_id, 0);
}

static bool is_one_segment(const char *name)
{
	return strncmp(name, "sysv:", 5) == 0 && strchr(name, '=');
}

int targets_add(struct targets *targets, const char *argument, unsigned flags)
{
	struct shoal_object *objects;
	size_t count;
	const struct shoal_object *exact = NULL;
	const char *name = without_scheme(argument);
	int r;

	if (!is_listed(argument))
		return add_unlisted(targets, argument, flags);
	r = shoal_list(name, &objects, &count);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(objects[i].name, name) == 0)
			exact = &objects[i];
	}
	/* One that was asked for by key, id or path may be listed by another name. */
	if (count == 1 && is_one_segment(name))
		exact = &objects[0];
	/* "rm market" doesn't take the group along when there is an object of that name. */
	if (exact)
		r = add(targets, exact->name, exact);
	for (size_t i = 0; !exact && i < count && r == 0; i++)
		r = add(targets, objects[i].name, &objects[i]);
	shoal_list_free(objects);
	if (count == 0 && strncmp(name, "sysv:key=", 9) == 0)
		return add_bare(targets, name);
	return count == 0 ? check_name(argument) : r;
}

int targets_add_prefix(struct targets *targets, const char *prefix)
{
	struct shoal_object *objects;
	size_t count;
	int r = shoal_list(prefix, &objects, &count);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count && r == 0; i++)
		r = add(targets, objects[i].name, &objects[i]);
	shoal_list_free(objects);
	/* "sysv:" is no name, and yet a prefix. */
	if (!prefix || !prefix[0] || prefix[strlen(prefix) - 1] == ':')
		return r;
	return count == 0 ? check_name(prefix) : r;
}

int say_nothing_called(const char *argument)
{
	say("there is no object and no group %s", argument);
	return EXIT_NO;
}

int targets_find(struct targets *targets, const struct options *options, unsigned flags)
{
	int code = EXIT_DONE;

	for (size_t i = 0; i < options->argument_count; i++) {
		const char *argument = options->arguments[i];
		size_t before = targets->count;
		int r = targets_add(targets, argument, flags);
		if (r < 0)
			return say_error(r, argument);
		if (targets->count == before)
			code = say_nothing_called(argument);
	}
	return code;
}

static json_t *owner_text(uint32_t uid)
{
	const struct passwd *user = getpwuid(uid);
	char number[16];

	if (user)
		return json_text(user->pw_name);
	snprintf(number, sizeof number, "%u", uid);
	return json_text(number);
}

json_t *object_row(const char *name, const struct shoal_object *object)
{
	bool known = object->health != SHOAL_DAMAGED && object->health != SHOAL_FOREIGN_OWNER;
	char mode[8];
	json_t *row = json_object();

	snprintf(mode, sizeof mode, "%04o", object->mode & 07777);
	json_object_set_new(row, "name", json_text(name));
	json_object_set_new(row, "kind", json_text(object->kind));
	json_object_set_new(row, "health", json_text(shoal_health_name(object->health)));
	json_object_set_new(row, "seats_taken", json_u64(object->seats_taken));
	json_object_set_new(row, "seats_alive", json_u64(object->seats_alive));
	json_object_set_new(row, "seats_max", json_u64(object->seats_max));
	json_object_set_new(row, "size", json_u64(object->bytes));
	json_object_set_new(row, "used", json_u64(object->bytes_used));
	json_object_set_new(row, "kept", known ? json_boolean(object->kept) : json_null());
	json_object_set_new(row, "owner", owner_text(object->owner_uid));
	json_object_set_new(row, "uid", json_u64(object->owner_uid));
	json_object_set_new(row, "mode", json_text(mode));
	json_object_set_new(row, "created_ns", json_integer(object->created_ns));
	json_object_set_new(row, "problem", json_text(object->problem));
	return row;
}

void users_text(const char *name, unsigned flags, char *buffer, size_t size)
{
	struct shoal_topic_stat *stat;
	size_t used = 0;

	buffer[0] = '\0';
	int r = shoal_topic_stat(name, flags, &stat);
	if (r == -EPROTOTYPE)
		block_users_text(name, flags, buffer, size);
	if (r < 0)
		return;
	for (uint32_t i = 0; i < stat->seat_count && used < size; i++) {
		const struct shoal_topic_seat *seat = &stat->seats[i];
		if (seat->health == SHOAL_DEAD)
			continue;
		used += (size_t)snprintf(buffer + used, size - used, "%spid %d (%s, %s%s)",
					 used ? ", " : "", seat->pid, seat->name, seat->role,
					 seat->health == SHOAL_STOPPED ? ", stopped" : "");
	}
	shoal_topic_stat_free(stat);
}
