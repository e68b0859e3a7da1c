/* SPDX-License-Identifier: Apache-2.0 */
/*
 * setget NAME set TEXT    leaves a text in shared memory
 * setget NAME get         prints it
 *
 * setget-bare.c is the same with shm_open and mmap.
 */
#include "setget.h"

#include <shoal/shoal.h>

static int set(const char *name, const char *text)
{
	struct shoal_block_options options = {.size = sizeof(options),
					      .bytes = sizeof(struct note)};
	shoal_block *block;
	int r = shoal_block_open(&block, name, SHOAL_CREATE | SHOAL_KEEP, &options);
	if (r < 0)
		return r;
	note_set(shoal_block_data(block), text);
	shoal_block_close(block);
	return 0;
}

static int get(const char *name)
{
	char text[TEXT_WORDS * 8];
	shoal_block *block;
	int r = shoal_block_open(&block, name, SHOAL_READ, NULL);
	if (r < 0)
		return r;
	/* It was made complete or not at all, so it is as large as it was asked for; but by whom?
	 */
	if (shoal_block_bytes(block) >= sizeof(struct note) &&
	    note_get(shoal_block_data(block), text))
		puts(text);
	shoal_block_close(block);
	return 0;
}

int main(int argc, char **argv)
{
	int r;
	if (argc == 4 && strcmp(argv[2], "set") == 0) {
		r = set(argv[1], argv[3]);
	} else if (argc == 3 && strcmp(argv[2], "get") == 0) {
		r = get(argv[1]);
	} else {
		fprintf(stderr, "usage: setget NAME set TEXT | get\n");
		return 2;
	}
	if (r < 0)
		fprintf(stderr, "setget: %s\n", shoal_error_detail());
	return r < 0;
}
