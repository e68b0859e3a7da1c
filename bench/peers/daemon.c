/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define END_LIMIT_NS 10000000000
#define LOOK_NS      5000000

/* Says by `failed`, which a successful exec closes, why it could not. */
static _Noreturn void become(const char *const *command, pid_t driver, int failed)
{
	int quiet = open("/dev/null", O_RDWR | O_CLOEXEC);
	int error;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != driver)
		_exit(1);
	for (int fd = 0; fd < 3; fd++)
		dup2(quiet, fd);
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
