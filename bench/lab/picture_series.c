/* SPDX-License-Identifier: Apache-2.0 */
/* How a transport looks: colour by family, marker within the family. */
#include "picture_panel.h"

#include <string.h>

/*
 * A dozen colours nobody can tell apart, so a family shares one, and labels and markers say which
 * of it. Shoal has its own; what is new has that of `other` and a marker by its name.
 */
static const struct look {
	const char *transport;
	const char *colour;
	int marker;
} looks[] = {
    {"topic", "shoal", 0},
    {"line", "limit", 3},
    {"ring", "limit", 3},
    {"pipe", "pipes", 0},
    {"fifo", "pipes", 1},
    {"unix-stream", "sockets", 0},
    {"unix-seqpacket", "sockets", 1},
    {"tcp", "sockets", 2},
    {"posix-mq", "queues", 0},
    {"sysv-msg", "queues", 1},
    {"eventfd", "wakes", 0},
    {"futex", "wakes", 1},
    {"textbook", "memory", 0},
    {"process_vm_readv", "memory", 1},
};

static const struct look *look_of(const struct run_result *result)
{
	for (size_t i = 0; i < sizeof looks / sizeof *looks; i++) {
		if (strcmp(looks[i].transport, result->transport) == 0)
			return &looks[i];
	}
	return NULL;
}

const char *picture_colour(const struct run_result *result)
{
	const struct look *look = look_of(result);

	if (look == NULL)
		return run_is_limit(result) ? "limit" : "other";
	return look->colour;
}

bool picture_is_shoal(const struct run_result *result)
{
	return strcmp(result->transport, "topic") == 0;
}

static int marker_of(const struct run_result *result)
{
	const struct look *look = look_of(result);
	unsigned sum = 0;

	if (look != NULL)
		return look->marker;
	for (const char *c = result->transport; *c != '\0'; c++)
		sum = sum * 31 + (unsigned char)*c;
	return (int)(sum % 4);
}

void picture_marker(FILE *to, const struct run_result *result, double x, double y)
{
	const char *colour = picture_colour(result);
	double r = picture_is_shoal(result) ? 4 : 3;

	switch (marker_of(result)) {
	case 0:
		fprintf(to, "<circle class=\"mark %s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"/>\n",
			colour, x, y, r);
		break;
	case 1:
		fprintf(to,
			"<rect class=\"mark %s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
			"height=\"%.1f\"/>\n",
			colour, x - r, y - r, 2 * r, 2 * r);
		break;
	case 2:
		fprintf(to, "<path class=\"mark %s\" d=\"M%.1f %.1fl4 7h-8z\"/>\n", colour, x,
			y - 4);
		break;
	default:
		fprintf(to, "<path class=\"mark %s\" d=\"M%.1f %.1fl4 4l-4 4l-4-4z\"/>\n", colour,
			x, y - 4);
		break;
	}
}
