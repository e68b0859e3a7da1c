/* SPDX-License-Identifier: Apache-2.0 */
/* What a schedule that is repeated tells: each access, one a line. */
#include "machine.h"

#include <stdarg.h>

static void begin_line(void)
{
	if (machine.alone)
		printf("    -  %u  ", machine.current);
	else
		printf("%5u  %u  ", machine.steps, machine.current);
}

void trace_step(const char *what, struct spot spot, uint32_t bytes, uint64_t value)
{
	char text[128];
	begin_line();
	printf("%*s%-9s file %u +0x%04x  %2u bytes  0x%llx  (%s)\n", (int)machine.current * 4, "",
	       what, spot.file, spot.offset, bytes, (unsigned long long)value,
	       symbol_name(machine.site, text, sizeof(text)));
}

void trace_note(const char *format, ...)
{
	va_list args;
	begin_line();
	printf("%*s", (int)machine.current * 4, "");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}
