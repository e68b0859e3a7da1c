/* SPDX-License-Identifier: Apache-2.0 */
#include "sysv_support.h"

#include <sched.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

void own_ipc_namespace(void)
{
	if (unshare(CLONE_NEWIPC) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWIPC) < 0)
		skip("no IPC namespace of our own: %s", strerror(errno));
	CHECK(segment_count() == 0);
}

unsigned segment_count(void)
{
	char line[512];
	unsigned lines = 0;
	FILE *file = fopen("/proc/sysvipc/shm", "re");
	CHECKF(file, "%s", strerror(errno));
	while (fgets(line, sizeof(line), file))
		lines++;
	fclose(file);
	return lines - 1;
}

void check_nothing_left(const char *what)
{
	CHECKF(segment_count() == 0, "%s: %u segments are left", what, segment_count());
	CHECKF(directory_is_empty(), "%s: a file is left", what);
}

void collect(void)
{
	struct shoal_object *objects;
	size_t count;
	CHECK_R(0, shoal_list("sysv:", &objects, &count));
	for (size_t i = 0; i < count; i++) {
		int r = shoal_remove(objects[i].name, 0);
		CHECKF(r == 0 || r == -ENOENT, "%s (%s): %d, %s", objects[i].name,
		       shoal_health_name(objects[i].health), r, shoal_error_detail());
	}
	shoal_list_free(objects);
}

int open_small(shoal_pub **ret, const char *name, unsigned flags)
{
	struct shoal_topic_options o = options();
	o.lanes = 1;
	o.subscribers = 2;
	o.slots = 2;
	o.payload_bytes = 4096;
	return shoal_pub_open(ret, name, flags, &o);
}

shoal_pub *must_open(const char *name, unsigned flags)
{
	shoal_pub *pub;
	int r = open_small(&pub, name, flags);
	CHECKF(r >= 0, "%s: %d, %s", name, r, shoal_error_detail());
	return pub;
}

/* ---- deaths ------------------------------------------------------------------------------ */

static void traced(void *op)
{
	CHECK(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
	raise(SIGSTOP);
	((void (*)(void))(uintptr_t)op)();
}

static int wait_status(pid_t pid)
{
	int status;
	CHECKF(waitpid(pid, &status, 0) == pid, "%s", strerror(errno));
	return status;
}

/* Runs to the next end of a system call. False: the child has ended. */
static bool next_stop(pid_t pid)
{
	for (int signal = 0;;) {
		CHECK(ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(intptr_t)signal) == 0);
		int status = wait_status(pid);
		if (WIFEXITED(status)) {
			CHECKF(WEXITSTATUS(status) == 0, "status 0x%x", (unsigned)status);
			return false;
		}
		CHECKF(WIFSTOPPED(status), "status 0x%x", (unsigned)status);
		if (WSTOPSIG(status) == (SIGTRAP | 0x80))
			return true;
		signal = WSTOPSIG(status);
	}
}

static pid_t start(void (*op)(void))
{
	pid_t pid = spawn(traced, (void *)(uintptr_t)op);
	CHECK(WIFSTOPPED(wait_status(pid)));
	intptr_t how = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
	CHECK(ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)how) == 0);
	return pid;
}

bool killed_at(unsigned stop, void (*op)(void))
{
	pid_t pid = start(op);
	for (unsigned i = 0; i <= stop; i++)
		if (!next_stop(pid))
			return false;
	CHECK(kill(pid, SIGKILL) == 0);
	int status = wait_status(pid);
	CHECKF(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "0x%x", (unsigned)status);
	return true;
}

pid_t stopped_behind(long system_call, void (*op)(void))
{
	struct __ptrace_syscall_info info;
	pid_t pid = start(op);
	bool inside = false;
	while (next_stop(pid)) {
		long n = ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(info), &info);
		CHECKF(n > 0, "%s", strerror(errno));
		if (inside && !info.exit.is_error)
			return pid;
		inside = info.op == PTRACE_SYSCALL_INFO_ENTRY && (long)info.entry.nr == system_call;
	}
	CHECKF(false, "it never made system call %ld", system_call);
	return -1;
}
