/* SPDX-License-Identifier: Apache-2.0 */
/* How much has gone through: --stats, and a line of progress on a terminal. */
#ifndef CLI_METER_H
#define CLI_METER_H

#include "cli.h"

struct meter {
	uint64_t messages;
	uint64_t bytes;
	uint64_t total_bytes; /* of the input, 0 when unknown */
	int64_t first_ns;     /* when the first message came; 0: none yet */
	int64_t last_ns;
	int64_t shown_ns;
	bool live;    /* show progress: stderr is a terminal */
	bool showing; /* there is a line of progress to be wiped */
};

/* `live` asks for a line of progress, which only a terminal gets. */
void meter_start(struct meter *meter, bool live);
void meter_add(struct meter *meter, uint64_t messages, uint64_t bytes);
/* Wipes the line of progress. */
void meter_end(struct meter *meter);
/* "N messages, ..." on stderr. `lost` is left out when `count_lost` is false. */
void meter_report(const struct meter *meter, const char *what, bool count_lost, uint64_t lost);

#endif
