/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_LIMIT_NS 10000000000
#define END_LIMIT_NS   10000000000
#define LOOK_NS        5000000
#define SAID_BYTES     16384 /* of what it says, from the beginning */

static void name_output(pid_t pid, char *path, size_t size)
{
	snprintf(path, size, "%s/daemon-%d", getenv("SHOAL_DIR"), (int)pid);
}

/* Says by `failed`, which a successful exec closes, why it could not. */
static _Noreturn void become(const char *const *command, pid_t driver, int failed)
{
	int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char path[512];
	int output;
	int error;

	name_output(getpid(), path, sizeof path);
	output = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != driver)
		_exit(1);
	dup2(input, STDIN_FILENO);
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	execvp(command[0], (char *const *)command);
	error = errno;
	if (write(failed, &error, sizeof error) < 0)
		_exit(2);
	_exit(1);
}

bool peer_daemon_start(struct lab_link *link, const char *const *command, char *reason)
{
	pid_t driver = getpid();
	int ends[2];
	int error = 0;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0) {
		snprintf(reason, LAB_REASON, "pipe: %s", strerror(errno));
		return false;
	}
	pid = fork();
	if (pid == 0)
		become(command, driver, ends[1]);
	close(ends[1]);
	if (pid < 0)
		error = errno;
	else if (read(ends[0], &error, sizeof error) != sizeof error)
		error = 0;
	close(ends[0]);
	if (error == 0) {
		link->daemon = pid;
		return true;
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
	snprintf(reason, LAB_REASON, "can't run %s: %s", command[0], strerror(error));
	return false;
}

static bool has_said(const struct lab_link *link, const char *text)
{
	char said[SAID_BYTES];
	char path[512];
	size_t bytes;
	FILE *file;

	name_output(link->daemon, path, sizeof path);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	bytes = fread(said, 1, sizeof said - 1, file);
	fclose(file);
	said[bytes] = '\0';
	return strstr(said, text) != NULL;
}

bool peer_daemon_ready(struct lab_link *link, const char *text, char *reason)
{
	int64_t limit_ns = bench_now_ns() + START_LIMIT_NS;
	struct timespec moment = {.tv_nsec = LOOK_NS};

	while (!has_said(link, text)) {
		if (waitpid(link->daemon, NULL, WNOHANG) != 0) {
			link->daemon = 0;
			snprintf(reason, LAB_REASON, "its daemon ended at once");
			return false;
		}
		if (bench_now_ns() > limit_ns) {
			snprintf(reason, LAB_REASON, "its daemon did not say '%s'", text);
			return false;
		}
		nanosleep(&moment, NULL);
	}
	return true;
}

void peer_daemon_stop(struct lab_link *link)
{
	int64_t limit_ns = bench_now_ns() + END_LIMIT_NS;
	struct timespec moment = {.tv_nsec = LOOK_NS};

	if (link->daemon <= 0)
		return;
	kill(link->daemon, SIGTERM);
	while (waitpid(link->daemon, NULL, WNOHANG) == 0) {
		if (bench_now_ns() > limit_ns)
			kill(link->daemon, SIGKILL);
		nanosleep(&moment, NULL);
	}
	link->daemon = 0;
}
