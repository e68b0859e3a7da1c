/* SPDX-License-Identifier: Apache-2.0 */
/* A text that one process sets and another gets: what lies in shared memory. */
#ifndef EXAMPLES_SETGET_H
#define EXAMPLES_SETGET_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_WORDS = 15 };

/* `turn` is odd while the text is written, and another one afterwards: so a reader knows whether
 * what it has copied is one text, and not half of two. One writer at a time. */
struct note {
	_Atomic uint64_t turn;
	_Atomic uint64_t text[TEXT_WORDS];
};

static inline void note_set(struct note *note, const char *text)
{
	uint64_t words[TEXT_WORDS] = {0};
	uint64_t turn = note->turn | 1;
	snprintf((char *)words, sizeof(words), "%s", text);
	note->turn = turn;
	for (int i = 0; i < TEXT_WORDS; i++)
		note->text[i] = words[i];
	note->turn = turn + 1;
}

/* 0: somebody is at it, or died in it. */
static inline int note_get(const struct note *note, char text[TEXT_WORDS * 8])
{
	uint64_t words[TEXT_WORDS];
	for (int tries = 0; tries < 1000000; tries++) {
		uint64_t turn = note->turn;
		for (int i = 0; i < TEXT_WORDS; i++)
			words[i] = note->text[i];
		if (turn % 2 == 0 && note->turn == turn) {
			memcpy(text, words, sizeof(words));
			text[sizeof(words) - 1] = '\0';
			return 1;
		}
	}
	return 0;
}

#endif
