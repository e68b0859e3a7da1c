/* SPDX-License-Identifier: Apache-2.0 */
/* Whom a wait is for; see wait.h. */
#include "wait.h"

#include <stdio.h>
#include <string.h>

#define NAMES_MAX 3 /* so many in one sentence, then "and N more" */

void seat_text(const struct shoal_topic_seat *seat, char *buffer, size_t size)
{
	bool here = seat->same_pid_namespace;
	bool alive = seat->health == SHOAL_ALIVE;

	snprintf(buffer, size, "pid %d (%s%s)%s%s", seat->pid, seat->name,
		 here ? "" : ", in another PID namespace", alive ? "" : ", ",
		 alive ? "" : shoal_health_name(seat->health));
}

static void say_once(struct wait_note *note, const char *text)
{
	if (strcmp(note->said, text) == 0)
		return;
	snprintf(note->said, sizeof note->said, "%s", text);
	say("%s", text);
}

static bool holds_up(const struct shoal_topic_seat *seat)
{
	return seat->holds_up && seat->health != SHOAL_DEAD;
}

static bool lags(const struct shoal_topic_seat *seat)
{
	return strcmp(seat->role, "subscriber") == 0 && seat->lag > 0 && seat->health != SHOAL_DEAD;
}

static bool quiet_publisher(const struct shoal_topic_seat *seat)
{
	return strcmp(seat->role, "publisher") == 0 && seat->health == SHOAL_STOPPED;
}

/* "waiting for subscriber pid 7 (name), stopped; pid 8 (name)": false if there is none. */
static bool list_seats(const struct shoal_topic_stat *stat, const char *what,
		       bool (*wanted)(const struct shoal_topic_seat *), char *buffer, size_t size)
{
	size_t used = 0;
	uint32_t found = 0;

	for (uint32_t i = 0; i < stat->seat_count; i++) {
		char seat[96];
		if (!wanted(&stat->seats[i]) || ++found > NAMES_MAX)
			continue;
		seat_text(&stat->seats[i], seat, sizeof seat);
		used += (size_t)snprintf(buffer + used, size - used, "%s%s",
					 found == 1 ? what : "; ", seat);
	}
	if (found > NAMES_MAX)
		snprintf(buffer + used, size - used, "; and %u more", found - NAMES_MAX);
	return found > 0;
}

static void note_readers(struct wait_note *note, bool (*wanted)(const struct shoal_topic_seat *))
{
	struct shoal_topic_stat *stat;
	char text[sizeof note->said];

	if (shoal_topic_stat(note->name, note->flags, &stat) < 0)
		return;
	if (list_seats(stat, "waiting for subscriber ", wanted, text, sizeof text))
		say_once(note, text);
	else if (stat->subscribed_ever == 0)
		say_once(note, "waiting for the first subscriber (Ctrl-C gives up)");
	shoal_topic_stat_free(stat);
}

void wait_note_room(struct wait_note *note)
{
	note_readers(note, holds_up);
}

void wait_note_drain(struct wait_note *note)
{
	note_readers(note, lags);
}

void wait_note_subscribers(struct wait_note *note, uint32_t wanted)
{
	struct shoal_topic_stat *stat;
	char text[sizeof note->said];

	if (shoal_topic_stat(note->name, note->flags, &stat) < 0)
		return;
	snprintf(text, sizeof text, "waiting for subscribers of %s: %u of %u are there", note->name,
		 stat->subscribers, wanted);
	say_once(note, text);
	shoal_topic_stat_free(stat);
}

void wait_note_messages(struct wait_note *note)
{
	struct shoal_topic_stat *stat;
	char text[sizeof note->said];
	uint32_t alive = 0;

	if (shoal_topic_stat(note->name, note->flags, &stat) < 0)
		return;
	for (uint32_t i = 0; i < stat->seat_count; i++)
		alive += strcmp(stat->seats[i].role, "publisher") == 0 &&
			 stat->seats[i].health != SHOAL_DEAD;
	if (alive == 0)
		say_once(note, "no publisher is there; waiting for the next one (Ctrl-C ends)");
	else if (list_seats(stat, "waiting for publisher ", quiet_publisher, text, sizeof text))
		say_once(note, text);
	shoal_topic_stat_free(stat);
}
