/* SPDX-License-Identifier: Apache-2.0 */
/* Running a helper program, and leaving nothing of it behind. */
#include "helper.h"
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KILL_ROUNDS = 100, CHILDREN_MAX = 256 };

static char scratch[256];

bool helper_find(const char *name, char *ret_path, size_t size)
{
	char exe[512];
	ssize_t length = readlink("/proc/self/exe", exe, sizeof exe - 1);
	char *slash;

	if (length <= 0)
		return false;
	exe[length] = '\0';
	slash = strrchr(exe, '/');
	if (!slash)
		return false;
	*slash = '\0';
	if (snprintf(ret_path, size, "%s/../libexec/shoal/%s", exe, name) >= (int)size)
		return false;
	return access(ret_path, X_OK) == 0;
}

int helper_begin(void)
{
	int r = scratch_make("torture", scratch, sizeof scratch);

	if (r < 0)
		return r;
	/* Whose parent dies is given to us, and not to init. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	return 0;
}

int helper_become(const char *name, const char *const *arguments)
{
	char path[640];

	if (!helper_find(name, path, sizeof path)) {
		say("%s is not installed beside this command", name);
		return EXIT_FAILED;
	}
	fflush(NULL);
	execv(path, (char *const *)arguments);
	say("%s: %s", path, strerror(errno));
	return EXIT_FAILED;
}

/* ---- ending ---------------------------------------------------------------------------- */

/* Kills those who are our children now. Returns how many there are. */
static size_t kill_children(void)
{
	char path[64], pid[16];
	size_t count = 0;
	FILE *list;

	snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)getpid(), (int)getpid());
	list = fopen(path, "re");
	if (!list)
		return 0;
	while (count < CHILDREN_MAX && fscanf(list, "%15s", pid) == 1) {
		long number = strtol(pid, NULL, 10);
		if (number > 1)
			kill((pid_t)number, SIGKILL);
		count++;
	}
	fclose(list);
	return count;
}

/* A child's death may give us children of its own: a round for each generation. */
static void end_all(pid_t group)
{
	if (group > 0)
		kill(-group, SIGKILL);
	for (int round = 0; round < KILL_ROUNDS; round++) {
		bool any = kill_children() > 0;
		pid_t pid = waitpid(-1, NULL, any ? 0 : WNOHANG);
		if (pid < 0 && errno == ECHILD)
			return;
	}
}

void helper_end(void)
{
	if (!scratch_remove(scratch))
		say("%s could not be removed", scratch);
	scratch[0] = '\0';
}

/* ---- running --------------------------------------------------------------------------- */

static _Noreturn void become(const char *path, const char *const *arguments, int out, pid_t parent)
{
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	signal(SIGPIPE, SIG_DFL);
	if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 ||
	    (out >= 0 && dup2(out, STDOUT_FILENO) < 0) || setenv("SHOAL_DIR", scratch, 1) < 0)
		_exit(127);
	execv(path, (char *const *)arguments);
	_exit(127);
}

int helper_run(const char *path, const char *const *arguments, int out)
{
	pid_t parent = getpid(), pid, r;
	int status = 0, error;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		become(path, arguments, out, parent);
	setpgid(pid, pid);
	do {
		/* Others may become ours and end meanwhile. */
		r = waitpid(-1, &status, 0);
	} while ((r >= 0 && r != pid) || (r < 0 && errno == EINTR && !stopped()));
	error = r < 0 ? -errno : 0;
	end_all(pid);
	if (error < 0)
		return error;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
