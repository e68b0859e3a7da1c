/* SPDX-License-Identifier: Apache-2.0 */
/* How much has gone through; see meter.h. */
#include "meter.h"

#include <stdio.h>
#include <unistd.h>

#define FIRST_AFTER_NS (2 * NS_PER_SECOND) /* short work shows no progress */
#define SHOW_EVERY_NS  (NS_PER_SECOND / 4)

void meter_start(struct meter *meter, bool live)
{
	*meter = (struct meter){.live = live && isatty(STDERR_FILENO)};
}

static void show(struct meter *meter)
{
	char bytes[32], rate[32];
	double seconds = (double)(meter->last_ns - meter->first_ns) / 1e9;

	format_size(meter->bytes, bytes, sizeof bytes);
	format_size((uint64_t)((double)meter->bytes / seconds), rate, sizeof rate);
	fprintf(stderr, "\r\033[K%llu message%s, %sB, %sB/s", (unsigned long long)meter->messages,
		plural(meter->messages), bytes, rate);
	if (meter->total_bytes)
		fprintf(stderr, ", %.0f%%",
			100.0 * (double)meter->bytes / (double)meter->total_bytes);
	meter->showing = true;
}

void meter_add(struct meter *meter, uint64_t messages, uint64_t bytes)
{
	meter->messages += messages;
	meter->bytes += bytes;
	meter->last_ns = now_ns();
	if (meter->first_ns == 0)
		meter->first_ns = meter->last_ns;
	if (meter->live && meter->last_ns - meter->first_ns > FIRST_AFTER_NS &&
	    meter->last_ns - meter->shown_ns > SHOW_EVERY_NS) {
		meter->shown_ns = meter->last_ns;
		show(meter);
	}
}

void meter_end(struct meter *meter)
{
	if (meter->showing)
		fprintf(stderr, "\r\033[K");
	meter->showing = false;
}

/* Slow ones with a decimal: one in two seconds is not none. */
static void format_rate(double rate, char *buffer, size_t size)
{
	if (rate < 9.95)
		snprintf(buffer, size, "%.1f", rate);
	else
		format_count((uint64_t)(rate + 0.5), buffer, size);
}

void meter_report(const struct meter *meter, const char *what, bool count_lost, uint64_t lost)
{
	double seconds = (double)(meter->last_ns - meter->first_ns) / 1e9;
	char messages[32], bytes[32], missing[64] = "", speed[96] = "";

	format_count(meter->messages, messages, sizeof messages);
	format_count(meter->bytes, bytes, sizeof bytes);
	if (count_lost) {
		char count[32];
		format_count(lost, count, sizeof count);
		snprintf(missing, sizeof missing, ", %s lost", count);
	}
	/* A rate of one burst would be made up. */
	if (seconds > 1e-6) {
		char rate[32];
		format_rate((double)meter->messages / seconds, rate, sizeof rate);
		snprintf(speed, sizeof speed, " in %.3f s: %s messages/s, %.1f MB/s", seconds, rate,
			 (double)meter->bytes / seconds / 1e6);
	}
	say("%s %s message%s, %s byte%s%s%s", what, messages, plural(meter->messages), bytes,
	    plural(meter->bytes), missing, speed);
}
