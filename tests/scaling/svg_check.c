/* SPDX-License-Identifier: Apache-2.0 */
/* svg_check FILE: is it well-formed XML? 0 yes, 1 no. */
#include "well_formed.h"

#include <stdio.h>

static char text[1 << 20];

int main(int argc, char **argv)
{
	FILE *file = argc == 2 ? fopen(argv[1], "re") : NULL;
	size_t bytes, at = 0;
	const char *wrong;

	if (file == NULL)
		return 2;
	bytes = fread(text, 1, sizeof text, file);
	fclose(file);
	wrong = well_formed(text, bytes, &at);
	if (wrong != NULL)
		fprintf(stderr, "%s: byte %zu: %s\n", argv[1], at, wrong);
	return wrong != NULL;
}
