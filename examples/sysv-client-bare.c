/* SPDX-License-Identifier: Apache-2.0 */
/* The client of sysv-server-bare.c: `sysv-client-bare KEY`, or without a key by the id in BOARD_ID.
 */
#include "sysv-board.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <time.h>

int main(int argc, char **argv)
{
	static const struct timespec while_ago = {.tv_nsec = 10000000};
	const char *inherited = getenv(BOARD_VARIABLE);
	int id = -1;
	if (argc > 1) /* the size again, and it had better be the same */
		id = shmget((key_t)strtoul(argv[1], NULL, 0), sizeof(struct board), 0);
	else if (inherited)
		id = (int)strtol(inherited, NULL, 10); /* whatever that is by now */
	struct board *board = id < 0 ? (void *)-1 : shmat(id, NULL, 0);
	if (board == (void *)-1) {
		perror("no board");
		return 1;
	}
	while (atomic_load(&board->state) != 1)
		nanosleep(&while_ago, NULL);
	puts(board->text);
	atomic_store(&board->state, 2);
	shmdt(board);
	return 0;
}
