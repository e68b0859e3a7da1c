/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A System V server with the bare calls: shows the alphabet to one client, which finds it by a key
 * or inherits an id. sysv-server.c does the same through Shoal.
 *
 *   sysv-server-bare KEY            for sysv-client-bare KEY
 *   sysv-server-bare -- COMMAND...  runs the command, with the id in BOARD_ID
 *
 * What to mind here: a client that comes too early is told that there is nothing, or finds a board
 * that is not written yet; the server looks again and again, and for ever if its client was killed;
 * and if the server is killed, the segment stays.
 */
#include "sysv-board.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int fail(const char *what)
{
	perror(what);
	return 1;
}

static int show(int id)
{
	static const struct timespec while_ago = {.tv_nsec = 10000000};
	struct board *board = shmat(id, NULL, 0);
	if (board == (void *)-1)
		return fail("shmat");
	strcpy(board->text, "abcdefghijklmnopqrstuvwxyz");
	atomic_store(&board->state, 1);
	while (atomic_load(&board->state) != 2)
		nanosleep(&while_ago, NULL);
	shmdt(board);
	return 0;
}

static int run(int id, char **command)
{
	char text[32];
	snprintf(text, sizeof(text), "%d", id);
	setenv(BOARD_VARIABLE, text, 1);
	pid_t pid = fork();
	if (pid == 0) {
		execvp(command[0], command);
		_exit(fail(command[0]));
	}
	int r = pid < 0 ? fail("fork") : show(id);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return r;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	int inherited = argc > 2 && strcmp(argv[1], "--") == 0;
	key_t key = inherited ? IPC_PRIVATE : (key_t)strtoul(argv[1], NULL, 0);
	int id = shmget(key, sizeof(struct board), IPC_CREAT | IPC_EXCL | 0600);
	if (id < 0)
		return fail("shmget");
	int r = inherited ? run(id, argv + 2) : show(id);
	shmctl(id, IPC_RMID, NULL);
	return r;
}
