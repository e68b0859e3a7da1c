/* SPDX-License-Identifier: Apache-2.0 */
#include "paced.h"

#define PACED_EVERY_NS (1000000000 / PACED_RATE)

void pace_begin(struct pace *pace, uint64_t warm)
{
	if (shoal_histogram_init(&pace->latency, pace->memory, sizeof pace->memory, PACED_DIGITS,
				 PACED_HIGHEST) < 0)
		bench_die("no histogram");
	pace->warm = warm;
	pace->due_ns = bench_now_ns();
}

void pace_wait(struct pace *pace)
{
	pace->due_ns += PACED_EVERY_NS;
	while (bench_now_ns() < pace->due_ns)
		;
}

void pace_answered(struct pace *pace)
{
	int64_t took_ns = bench_now_ns() - pace->due_ns;

	if (pace->warm > 0)
		pace->warm--;
	else
		shoal_histogram_record(&pace->latency, (uint64_t)took_ns);
}

double pace_p99(const struct pace *pace)
{
	return (double)shoal_histogram_percentile(&pace->latency, 99.0);
}
