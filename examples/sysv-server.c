/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A System V server: shows the alphabet to its clients, which find it by a key or inherit an id.
 * sysv-server-bare.c does the same with the bare calls.
 *
 *   sysv-server KEY            for sysv-client KEY, started in either order
 *   sysv-server -- COMMAND...  runs the command, with the id in BOARD_ID
 *
 * It sleeps until a client has read it, and is not held up by one that was killed. If it is killed
 * itself, the next one that uses the key clears away what it left.
 */
#include <shoal/shoal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char letters[] = "abcdefghijklmnopqrstuvwxyz";

static int fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, shoal_error_detail());
	return 1;
}

/* Held until somebody has come, and until all who have come have read it. */
static int show(shoal_pub *pub)
{
	if (shoal_pub_publish(pub, letters, sizeof(letters), SHOAL_FOREVER) < 0 ||
	    shoal_pub_drain(pub, SHOAL_FOREVER) < 0)
		return fail("can't show it");
	return 0;
}

static int run(shoal_pub *pub, char **command)
{
	char text[32];
	snprintf(text, sizeof(text), "%d", shoal_pub_sysv_id(pub));
	setenv("BOARD_ID", text, 1);
	pid_t pid = fork();
	if (pid == 0) {
		execvp(command[0], command);
		perror(command[0]);
		_exit(1);
	}
	int r = pid < 0 ? 1 : show(pub);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return r;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	int inherited = argc > 2 && strcmp(argv[1], "--") == 0;
	char name[64] = "sysv:private";
	if (!inherited)
		snprintf(name, sizeof(name), "sysv:key=%s", argv[1]);
	shoal_pub *pub;
	if (shoal_pub_open(&pub, name, SHOAL_CREATE | SHOAL_HOLD, NULL) < 0)
		return fail("no board");
	int r = inherited ? run(pub, argv + 2) : show(pub);
	shoal_pub_close(pub);
	return r;
}
