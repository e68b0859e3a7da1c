/* SPDX-License-Identifier: Apache-2.0 */
/* Figures in words; see run_text.h. */
#include "run_text.h"

#include <stdarg.h>
#include <string.h>

#define ELLIPSIS "\342\200\246"

/* ---- numbers ------------------------------------------------------------------------------ */

static struct run_text none(void)
{
	return (struct run_text){"-"};
}

enum digits {
	THREE, /* always: they stand in columns */
	AS_FEW /* as the number needs, up to three: in sentences and at ticks */
};

/* What would round to a thousand takes the next unit. */
static struct run_text scaled(double value, enum digits style, const char *const *units,
			      size_t count)
{
	struct run_text text = none();
	size_t unit = 0;
	int digits;

	if (!run_has(value))
		return text;
	for (; unit + 1 < count && value >= 999.5; unit++)
		value /= 1000;
	if (style == AS_FEW && value >= 1) {
		snprintf(text.text, sizeof text.text, "%.3g %s", value, units[unit]);
		return text;
	}
	if (value < 9.995)
		digits = value > 0 ? 2 : 0;
	else
		digits = value < 99.95;
	snprintf(text.text, sizeof text.text, "%.*f %s", digits, value, units[unit]);
	return text;
}

struct run_text run_time(double ns, const char *micro)
{
	const char *const units[] = {"ns", micro, "ms", "s"};

	return scaled(ns, THREE, units, 4);
}

struct run_text run_short_time(double ns)
{
	static const char *const units[] = {"ns", RUN_MICRO, "ms", "s"};

	return scaled(ns, AS_FEW, units, 4);
}

static const char *const rates[] = {"/s", "k/s", "M/s", "G/s"};

struct run_text run_rate(double per_s)
{
	return scaled(per_s, THREE, rates, 4);
}

struct run_text run_short_rate(double per_s)
{
	return scaled(per_s, AS_FEW, rates, 4);
}

struct run_text run_bytes(double per_s)
{
	static const char *const units[] = {"B/s", "kB/s", "MB/s", "GB/s", "TB/s"};

	return scaled(per_s, THREE, units, 5);
}

struct run_text run_size(double bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB"};
	struct run_text text = none();
	size_t unit = 0;

	if (!run_has(bytes))
		return text;
	for (; unit + 1 < 4 && bytes >= 1024 && fmod(bytes, 1024) == 0; unit++)
		bytes /= 1024;
	snprintf(text.text, sizeof text.text, "%.0f %s", bytes, units[unit]);
	return text;
}

struct run_text run_ratio(double ratio)
{
	struct run_text text = none();
	int digits;

	if (!run_has(ratio))
		return text;
	if (ratio < 0.0995)
		digits = ratio < 0.00995 ? 4 : 3;
	else
		digits = ratio < 9.995 ? 2 : ratio < 99.95;
	snprintf(text.text, sizeof text.text, "%.*f", digits, ratio);
	return text;
}

struct run_text run_count(double count)
{
	struct run_text text = none();

	if (run_has(count))
		snprintf(text.text, sizeof text.text, "%.0f", count);
	return text;
}

struct run_text run_percent(double percent)
{
	struct run_text text = none();

	if (run_has(percent))
		snprintf(text.text, sizeof text.text, "%.1f %%", percent);
	return text;
}

/* ---- names -------------------------------------------------------------------------------- */

struct run_text run_short(const char *text, size_t characters)
{
	struct run_text out;
	size_t count = 0;
	size_t used = 0;
	size_t cut = 0; /* where the ellipsis would go */
	size_t bytes;

	for (; text[used] != '\0'; used += bytes, count++) {
		run_character(text + used, &bytes);
		if (count == characters || used + bytes + sizeof ELLIPSIS > sizeof out.text) {
			snprintf(out.text, sizeof out.text, "%.*s" ELLIPSIS, (int)cut, text);
			return out;
		}
		if (count + 1 < characters)
			cut = used + bytes;
	}
	memcpy(out.text, text, used + 1);
	return out;
}

const char *run_job_name(enum run_job job)
{
	static const char *const names[] = {[RUN_ROUND_TRIP] = "Round trip",
					    [RUN_OPEN_LOOP] = "Open loop",
					    [RUN_STREAM] = "Stream",
					    [RUN_BATCH] = "Batch"};

	return names[job];
}

/* Adds to the text; what does not fit is left out. */
__attribute__((format(printf, 2, 3))) static void add(struct run_text *text, const char *format,
						      ...)
{
	size_t used = strlen(text->text);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text->text + used, sizeof text->text - used, format, arguments);
	va_end(arguments);
}

struct run_text run_title(const struct run_result *result)
{
	struct run_text text = {""};

	add(&text, "%s", run_job_name(result->job));
	if (result->rate > 0)
		add(&text, " at %s", run_short_rate(result->rate).text);
	add(&text, ", %s, %s", run_size(result->size).text, run_mode_key(result->mode));
	if (result->publishers != 1 || result->subscribers != 1)
		add(&text, ", %.0f to %.0f", result->publishers, result->subscribers);
	if (result->slots > 0)
		add(&text, ", %.0f slots", result->slots);
	return text;
}

/* ---- characters --------------------------------------------------------------------------- */

/* Not in XML, or it steers the terminal or the direction of the text around it. */
static bool is_harmful(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
	       (c >= 0xd800 && c < 0xe000) || c == 0xfffe || c == 0xffff || c > 0x10ffff;
}

uint32_t run_character(const char *text, size_t *ret_bytes)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char first = (unsigned char)*text;
	uint32_t c = first;
	size_t bytes = 1;

	*ret_bytes = 1;
	if (first >= 0xf0)
		bytes = 4;
	else if (first >= 0xe0)
		bytes = 3;
	else if (first >= 0xc0)
		bytes = 2;
	if (first >= 0xf8 || (first >= 0x80 && first < 0xc0))
		return 0xfffd;
	if (bytes > 1)
		c = first & (0x7fu >> bytes);
	for (size_t i = 1; i < bytes; i++) {
		unsigned char next = (unsigned char)text[i];

		if ((next & 0xc0) != 0x80)
			return 0xfffd;
		c = c << 6 | (next & 0x3f);
	}
	*ret_bytes = bytes;
	return c < least[bytes] || is_harmful(c) ? 0xfffd : c;
}

void run_print(FILE *to, const char *text)
{
	size_t bytes;

	for (; *text != '\0'; text += bytes) {
		if (run_character(text, &bytes) == 0xfffd)
			putc('?', to);
		else
			fwrite(text, 1, bytes, to);
	}
}
