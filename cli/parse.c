/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as people write them, and back. */
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* Digits, with '_' between them for the eye. Sets *ret_rest behind them. */
static int leading_number(const char *text, uint64_t *ret, const char **ret_rest)
{
	const char *at = text;
	uint64_t value = 0;

	if (!isdigit((unsigned char)*at))
		return -EINVAL;
	for (; isdigit((unsigned char)*at) || *at == '_'; at++) {
		if (*at == '_')
			continue;
		if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
			return -EINVAL;
	}
	*ret = value;
	*ret_rest = at;
	return 0;
}

int parse_count(const char *text, uint64_t *ret)
{
	const char *rest;
	uint64_t value;

	if (leading_number(text, &value, &rest) < 0 || *rest)
		return -EINVAL;
	*ret = value;
	return 0;
}

int parse_size(const char *text, uint64_t *ret)
{
	static const char units[] = "KMGT";
	const char *rest, *unit;
	uint64_t value;

	if (leading_number(text, &value, &rest) < 0)
		return -EINVAL;
	if (*rest && strcasecmp(rest, "B") != 0) {
		unit = strchr(units, toupper((unsigned char)*rest));
		if (!unit)
			return -EINVAL;
		rest++;
		if (*rest && strcasecmp(rest, "iB") != 0)
			return -EINVAL;
		unsigned shift = 10U * (unsigned)(unit - units + 1);
		if (value > UINT64_MAX >> shift)
			return -EINVAL;
		value <<= shift;
	}
	*ret = value;
	return 0;
}

/* strtod takes more than we want to: "inf", "0x1p3", " 1". */
static int plain_number(const char *text, double *ret, const char **ret_rest)
{
	char *rest;
	size_t length = strspn(text, "0123456789.");

	if (length == 0 || length > 30 || strcspn(text, "0123456789") > 1)
		return -EINVAL;
	*ret = strtod(text, &rest);
	if (rest != text + length)
		return -EINVAL;
	*ret_rest = rest;
	return 0;
}

int parse_seconds(const char *text, int64_t *ret)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = {{"", 1e9}, {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"ns", 1}};
	const char *rest;
	double value;

	if (plain_number(text, &value, &rest) < 0)
		return -EINVAL;
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (strcmp(rest, units[i].name) != 0)
			continue;
		if (value * units[i].ns > 9e18)
			return -EINVAL;
		*ret = (int64_t)(value * units[i].ns);
		return 0;
	}
	return -EINVAL;
}

int parse_rate(const char *text, double *ret)
{
	const char *rest;
	double value;

	if (plain_number(text, &value, &rest) < 0 || *rest || !(value > 0))
		return -EINVAL;
	*ret = value;
	return 0;
}

int parse_mode(const char *text, uint32_t *ret)
{
	char *rest;
	unsigned long value;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	value = strtoul(text, &rest, 8);
	if (*rest || value == 0 || value > 0777)
		return -EINVAL;
	*ret = (uint32_t)value;
	return 0;
}

int parse_choice(const char *text, const char *choices, int *ret)
{
	size_t length = strlen(text);
	int index = 0;

	for (const char *at = choices;; index++) {
		size_t here = strcspn(at, "|");
		if (here == length && strncmp(at, text, length) == 0) {
			*ret = index;
			return 0;
		}
		if (!at[here])
			return -EINVAL;
		at += here + 1;
	}
}

void format_size(uint64_t bytes, char *buffer, size_t size)
{
	static const char units[] = "KMGTPE";
	double value = (double)bytes;
	size_t unit = 0;

	if (bytes < 1024) {
		snprintf(buffer, size, "%" PRIu64, bytes);
		return;
	}
	for (value /= 1024; value >= 1023.95 && units[unit + 1]; unit++)
		value /= 1024;
	/* Whole numbers stay whole: 2M, not 2.0M. */
	if (value >= 100 || fabs(value - round(value)) < 0.05)
		snprintf(buffer, size, "%.0f%c", value, units[unit]);
	else
		snprintf(buffer, size, "%.1f%c", value, units[unit]);
}

const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

void format_count(uint64_t count, char *buffer, size_t size)
{
	char digits[24];
	int length = snprintf(digits, sizeof digits, "%" PRIu64, count);
	size_t out = 0;

	for (int i = 0; i < length && out + 2 < size; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			buffer[out++] = ',';
		buffer[out++] = digits[i];
	}
	buffer[out] = '\0';
}

void format_time(int64_t realtime, char *buffer, size_t size)
{
	time_t seconds = (time_t)(realtime / NS_PER_SECOND);
	struct tm local;

	if (realtime <= 0 || !localtime_r(&seconds, &local) ||
	    !strftime(buffer, size, "%Y-%m-%dT%H:%M:%S%z", &local))
		snprintf(buffer, size, "-");
}
