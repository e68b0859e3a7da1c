/* SPDX-License-Identifier: Apache-2.0 */
/* The client of sysv-server.c: `sysv-client KEY`, or without a key by the id in BOARD_ID. */
#include <shoal/shoal.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	const char *inherited = getenv("BOARD_ID");
	char name[64], text[64];
	shoal_sub *sub;
	if (argc > 1)
		snprintf(name, sizeof(name), "sysv:key=%s", argv[1]);
	else /* whatever that is by now: what is none of Shoal's is refused */
		snprintf(name, sizeof(name), "sysv:id=%s", inherited ? inherited : "");
	unsigned flags = SHOAL_FROM_OLDEST | (argc > 1 ? SHOAL_CREATE : 0);
	if (shoal_sub_open(&sub, name, flags, NULL) < 0 ||
	    shoal_sub_receive(sub, text, sizeof(text), SHOAL_FOREVER, NULL) < 0) {
		fprintf(stderr, "no board: %s\n", shoal_error_detail());
		return 1;
	}
	puts(text);
	shoal_sub_close(sub);
	return 0;
}
