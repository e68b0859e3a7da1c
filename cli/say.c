/* SPDX-License-Identifier: Apache-2.0 */
/* Talk: everything that is said to a human goes through here, to stderr. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048

/* Names of processes and objects come from strangers: no escape sequence gets to a terminal. */
static void make_harmless(char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if (c < 0x20 || c == 0x7f)
			*text = '?';
	}
}

static void say_line(const char *format, va_list arguments)
{
	char line[LINE_MAX_BYTES];

	vsnprintf(line, sizeof line, format, arguments);
	make_harmless(line);
	/* One call, so that lines of several processes don't get mixed up. */
	fprintf(stderr, "shoal: %s\n", line);
}

void say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say_line(format, arguments);
	va_end(arguments);
}

int say_usage(const struct verb *verb, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say_line(format, arguments);
	va_end(arguments);
	if (verb)
		fprintf(stderr, "Try 'shoal %s --help'.\n", verb->name);
	else
		fprintf(stderr, "Try 'shoal --help'.\n");
	return EXIT_USAGE;
}

const char *error_text(int err)
{
	/* These leave the sentence of an earlier failure where it was. */
	bool normal = err == -EAGAIN || err == -ETIMEDOUT || err == -EINTR || err == -EPIPE;
	const char *detail = shoal_error_detail();

	if (!normal && detail[0])
		return detail;
	return shoal_strerror(err);
}

int exit_code_of(int err)
{
	switch (err) {
	case -EINVAL:
	case -ENAMETOOLONG:
		return EXIT_USAGE;
	case -ETIMEDOUT:
		return EXIT_TIMEOUT;
	default:
		return err < 0 ? EXIT_FAILED : EXIT_DONE;
	}
}

int say_error(int err, const char *subject)
{
	const char *text = error_text(err);

	/* The library's sentence names the object itself. */
	if (text == shoal_error_detail())
		say("%s", text);
	else
		say("%s: %s", subject, text);
	return exit_code_of(err);
}

int say_stream_error(int err, const char *stream)
{
	say("%s: %s", stream, strerror(-err));
	return EXIT_FAILED;
}

bool color_wanted(void)
{
	const char *no_color = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && !(no_color && no_color[0]);
}

bool can_ask(void)
{
	return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

bool ask(const char *question)
{
	char answer[16];

	if (!can_ask())
		return false;
	fprintf(stderr, "%s [y/N] ", question);
	if (!fgets(answer, sizeof answer, stdin))
		return false;
	return answer[0] == 'y' || answer[0] == 'Y';
}

int finish_stdout(int code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	if (errno == EPIPE)
		return code;
	return say_stream_error(-errno, "standard output");
}

void keep_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		/* The lowest that is free, which is this one; the wrong way, so that it fails. */
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			(void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
	}
}
