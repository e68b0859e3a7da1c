/* SPDX-License-Identifier: Apache-2.0 */
/* shoal put, get and sync: the bytes of a block. */
#include "block.h"

#include <errno.h>
#include <unistd.h>

/* What the three verbs share. */
static struct {
	uint64_t offset;
	uint64_t size;
	bool foreign;
	bool grow;
	bool start;
} wanted = {.size = SHOAL_REST};

#define OFFSET_OPTION                                                                              \
	{                                                                                          \
		OPTION_SIZE, 0, "offset", &wanted.offset, "SIZE", "begin there (default 0)"        \
	}
#define FOREIGN_OPTION                                                                             \
	{                                                                                          \
		OPTION_FLAG, 0, "foreign", &wanted.foreign, NULL, "also another user's block"      \
	}
#define END_OF_OPTIONS                                                                             \
	{                                                                                          \
		OPTION_END, 0, NULL, NULL, NULL, NULL                                              \
	}

static unsigned foreign_flag(void)
{
	return wanted.foreign ? SHOAL_FOREIGN : 0;
}

/* The block of that name, or the exit code. */
static int open_block(shoal_block **ret, const char *name, unsigned flags)
{
	int r = shoal_block_open(ret, name, flags | foreign_flag(), NULL);

	if (r == -ENOENT) {
		say("there is no block %s", name);
		return EXIT_NO;
	}
	return r < 0 ? say_error(r, name) : GO_ON;
}

static int say_outside(const char *name, uint64_t bytes)
{
	say("%s has %llu bytes, so there is nothing at offset %llu", name,
	    (unsigned long long)bytes, (unsigned long long)wanted.offset);
	return EXIT_FAILED;
}

static int run_with_one_name(const struct verb *verb, int argc, const char **argv,
			     const struct option *table, int (*run)(const char *name))
{
	const struct option *const tables[] = {table, NULL};
	struct options options;
	int code;

	code = options_parse(&options, verb, argc, argv, tables, NULL, 1, 1);
	if (code != GO_ON)
		return code;
	stop_on_signals();
	code = run(options.arguments[0]);
	options_free(&options);
	return code;
}

/* ---- put --------------------------------------------------------------------------------- */

/* Room behind `at`. With --grow there is more, as long as the block may grow. */
static int64_t make_room(shoal_block *block, uint64_t at)
{
	const uint64_t piece = 1 << 20;
	uint64_t bytes = shoal_block_bytes(block);
	int r = 0;

	if (at < bytes)
		return (int64_t)(bytes - at);
	if (!wanted.grow)
		return 0;
	for (uint64_t more = piece; more >= 1; more /= 2) {
		r = shoal_block_grow(block, at + more, SHOAL_FOREVER);
		if (r != -EMSGSIZE && r != -ENOSPC)
			break;
	}
	return r < 0 ? r : (int64_t)(shoal_block_bytes(block) - at);
}

/* Is there more than fits? */
static int at_the_end(const char *name, uint64_t at)
{
	char byte;
	int64_t got = read_some(STDIN_FILENO, &byte, 1);

	if (got == 0)
		return EXIT_DONE;
	if (got < 0)
		return say_error((int)got, "standard input");
	say("%s is full: what came before is written, up to byte %llu, and the rest is not", name,
	    (unsigned long long)at);
	return EXIT_FAILED;
}

static int fill(const char *name, shoal_block *block)
{
	char *data = shoal_block_data(block);
	uint64_t at = wanted.offset;

	for (;;) {
		int64_t room = make_room(block, at);
		if (room == -EMSGSIZE || room == 0)
			return at_the_end(name, at);
		if (room < 0)
			return say_error((int)room, name);
		int64_t got = read_some(STDIN_FILENO, data + at, (size_t)room);
		if (got < 0)
			return say_error((int)got, "standard input");
		at += (uint64_t)got;
		if (got > 0)
			continue;
		/* What was made ready and not used goes again, if nobody has it open. */
		if (wanted.grow)
			shoal_block_shrink(block, at, 0, 0);
		return EXIT_DONE;
	}
}

static int put(const char *name)
{
	shoal_block *block = NULL;
	int code = open_block(&block, name, 0);

	if (code != GO_ON)
		return code;
	uint64_t bytes = shoal_block_bytes(block);
	if (wanted.offset > bytes || (wanted.offset == bytes && !wanted.grow))
		code = say_outside(name, bytes);
	else
		code = fill(name, block);
	shoal_block_close(block);
	return code;
}

int verb_put(const struct verb *verb, int argc, const char **argv)
{
	static const struct option table[] = {
	    OFFSET_OPTION,
	    {OPTION_FLAG, 0, "grow", &wanted.grow, NULL,
	     "let the block grow for what does not fit, as far as it may"},
	    FOREIGN_OPTION,
	    END_OF_OPTIONS,
	};
	return run_with_one_name(verb, argc, argv, table, put);
}

/* ---- get --------------------------------------------------------------------------------- */

/* By writev, so that a block that somebody truncates meanwhile is an error and kills nobody. */
static int print_bytes(const char *name, shoal_block *block)
{
	uint64_t bytes = shoal_block_bytes(block);

	if (wanted.offset >= bytes)
		return say_outside(name, bytes);
	if (wanted.size == SHOAL_REST)
		wanted.size = bytes - wanted.offset;
	if (wanted.size > bytes - wanted.offset) {
		say("%s has %llu bytes: there are no %llu from offset %llu on", name,
		    (unsigned long long)bytes, (unsigned long long)wanted.size,
		    (unsigned long long)wanted.offset);
		return EXIT_FAILED;
	}
	struct iovec part = {(char *)shoal_block_data(block) + wanted.offset, (size_t)wanted.size};
	int r = write_all(STDOUT_FILENO, &part, 1);
	if (r == -EPIPE) /* a reader that went away is no failure */
		return EXIT_DONE;
	if (r == -EFAULT) {
		say("%s was truncated while it was read", name);
		return EXIT_FAILED;
	}
	return r < 0 ? say_error(r, "standard output") : EXIT_DONE;
}

static int get(const char *name)
{
	shoal_block *block = NULL;
	int code = open_block(&block, name, SHOAL_READ);

	if (code != GO_ON)
		return code;
	code = print_bytes(name, block);
	shoal_block_close(block);
	return code;
}

int verb_get(const struct verb *verb, int argc, const char **argv)
{
	static const struct option table[] = {
	    OFFSET_OPTION,
	    {OPTION_SIZE, 0, "size", &wanted.size, "SIZE", "so much (default: all the rest)"},
	    FOREIGN_OPTION,
	    END_OF_OPTIONS,
	};
	return run_with_one_name(verb, argc, argv, table, get);
}

/* ---- sync -------------------------------------------------------------------------------- */

static int sync_block(const char *name)
{
	shoal_block *block = NULL;
	int code = open_block(&block, name, SHOAL_READ);

	if (code != GO_ON)
		return code;
	int r = shoal_block_sync(block, wanted.offset, wanted.size,
				 wanted.start ? SHOAL_SYNC_START : SHOAL_SYNC);
	code = r < 0 ? say_error(r, name) : EXIT_DONE;
	shoal_block_close(block);
	return code;
}

int verb_sync(const struct verb *verb, int argc, const char **argv)
{
	static const struct option table[] = {
	    OFFSET_OPTION,
	    {OPTION_SIZE, 0, "size", &wanted.size, "SIZE", "so much (default: all the rest)"},
	    {OPTION_FLAG, 0, "start", &wanted.start, NULL, "don't wait until it is done"},
	    FOREIGN_OPTION,
	    END_OF_OPTIONS,
	};
	return run_with_one_name(verb, argc, argv, table, sync_block);
}
