/* SPDX-License-Identifier: Apache-2.0 */
#include "progress.h"

#include "cli.h"

#include <stdio.h>

#define BAR 20

void progress_show(const struct lab_plan *plan, size_t index, uint32_t start)
{
	static const char full[] = "####################";
	const struct lab_case *what = &plan->figures[index].what;
	size_t done = start * plan->count + index;
	size_t all = plan->starts * plan->count;
	int filled = (int)(done * BAR / all);
	char size[32];

	format_size(what->bytes, size, sizeof size);
	fprintf(stderr, "\r\033[K[%-*.*s] %3zu%%  %s, %s, %s, %s", BAR, filled, full,
		done * 100 / all, lab_transports[what->transport]->name, lab_job_names[what->job],
		size, lab_mode_names[what->mode]);
}

void progress_end(void)
{
	fprintf(stderr, "\r\033[K");
}
