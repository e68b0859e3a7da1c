/* SPDX-License-Identifier: Apache-2.0 */
#include "janitor.h"

#include "scratch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/msg.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DAEMON_LIMIT_MS 5000

static int living = -1; /* the end of a pipe; every child inherits it, and nobody writes */
static pid_t janitor = -1;

void janitor_remove_files(const struct lab_link *link)
{
	for (int i = 0; i < LAB_FILES; i++) {
		if (link->files[i][0] != '\0')
			unlink(link->files[i]);
	}
}

/* Until one of them is there to read, or at its end. False: the time was up. */
static bool await(struct pollfd *files, unsigned count, int timeout_ms)
{
	int r;

	while ((r = poll(files, count, timeout_ms)) < 0 && errno == EINTR)
		;
	return r != 0;
}

/*
 * A daemon got SIGTERM when the driver died, and may hang for ever on a lock of a client that died
 * with it. It holds the pipe as everybody does, and the sides were killed: who still holds it is
 * the daemon, so the number is still its own.
 */
static void end_daemons(const struct lab_control *control)
{
	for (int part = 0; part < LAB_PARTS; part++)
		if (control->link[part].daemon > 0)
			kill(control->link[part].daemon, SIGKILL);
}

static void await_all(const struct lab_control *control, pid_t driver, int dead)
{
	struct pollfd files[2] = {
	    {.fd = dead, .events = POLLIN},
	    {.fd = (int)syscall(SYS_pidfd_open, driver, 0), .events = POLLIN},
	};

	if (getppid() == driver)
		await(files, 2, -1);
	if (!await(files, 1, DAEMON_LIMIT_MS)) {
		end_daemons(control);
		await(files, 1, -1);
	}
}

static _Noreturn void clean_up_after(const struct lab_control *control, pid_t driver, int dead)
{
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGALRM};

	/* A terminal's Ctrl-C is for us too, who must outlive it. */
	for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
		signal(ignored[i], SIG_IGN);
	await_all(control, driver, dead);
	if (control->queue > 0)
		msgctl(control->queue - 1, IPC_RMID, NULL);
	for (int part = 0; part < LAB_PARTS; part++)
		janitor_remove_files(&control->link[part]);
	scratch_remove(control->scratch);
	_exit(0);
}

int janitor_start(const struct lab_control *control)
{
	pid_t driver = getpid();
	int ends[2];

	if (pipe(ends) < 0)
		return -errno;
	janitor = fork();
	if (janitor < 0)
		return -errno;
	if (janitor == 0) {
		close(ends[1]);
		clean_up_after(control, driver, ends[0]);
	}
	close(ends[0]);
	living = ends[1];
	return 0;
}

void janitor_finish(void)
{
	if (janitor <= 0)
		return;
	close(living);
	while (waitpid(janitor, NULL, 0) < 0 && errno == EINTR)
		;
	janitor = -1;
}
