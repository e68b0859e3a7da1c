/* SPDX-License-Identifier: Apache-2.0 */
#include "janitor.h"

#include "scratch.h"

#include <errno.h>
#include <signal.h>
#include <sys/msg.h>
#include <sys/wait.h>
#include <unistd.h>

static int living = -1; /* the end of a pipe; every child inherits it, and nobody writes */
static pid_t janitor = -1;

void janitor_remove_files(const struct lab_link *link)
{
	for (int i = 0; i < LAB_FILES; i++) {
		if (link->files[i][0] != '\0')
			unlink(link->files[i]);
	}
}

static _Noreturn void clean_up_after(const struct lab_control *control, int dead)
{
	static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGALRM};
	char byte;

	/* A terminal's Ctrl-C is for us too, who must outlive it. */
	for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
		signal(ignored[i], SIG_IGN);
	while (read(dead, &byte, 1) < 0 && errno == EINTR)
		;
	if (control->queue > 0)
		msgctl(control->queue - 1, IPC_RMID, NULL);
	for (int part = 0; part < LAB_PARTS; part++)
		janitor_remove_files(&control->link[part]);
	scratch_remove(control->scratch);
	_exit(0);
}

int janitor_start(const struct lab_control *control)
{
	int ends[2];

	if (pipe(ends) < 0)
		return -errno;
	janitor = fork();
	if (janitor < 0)
		return -errno;
	if (janitor == 0) {
		close(ends[1]);
		clean_up_after(control, ends[0]);
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
