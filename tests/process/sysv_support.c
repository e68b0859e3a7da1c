/* SPDX-License-Identifier: Apache-2.0 */
#include "sysv_support.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>

static bool one_user; /* in a user namespace where we are the only one */

static void write_proc(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	CHECKF(fd >= 0 && write(fd, text, strlen(text)) > 0, "%s: %s", file, strerror(errno));
	close(fd);
}

/* Without a number a user can't give a segment to himself, which is what IPC_SET does. */
static void be_root_of_our_own(unsigned uid, unsigned gid)
{
	char map[64];
	snprintf(map, sizeof(map), "0 %u 1", uid);
	write_proc("/proc/self/uid_map", map);
	write_proc("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", gid);
	write_proc("/proc/self/gid_map", map);
	one_user = true;
}

void own_ipc_namespace(void)
{
	unsigned uid = geteuid(), gid = getegid();
	if (unshare(CLONE_NEWIPC) < 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWIPC) < 0)
			skip("no IPC namespace of our own: %s", strerror(errno));
		be_root_of_our_own(uid, gid);
	}
	CHECK(segment_count() == 0);
}

void need_other_users(void)
{
	if (geteuid() != 0 || one_user)
		skip("only root can become another user");
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

#define MARK 0x5e5e5e5e

void failing_mark(void)
{
	syscall(SYS_getpgid, MARK);
}

#if defined(__x86_64__)
/* Calls that give something back always do, and a lock that is let go is let go. */
static bool may_fail(const struct user_regs_struct *regs)
{
	static const unsigned long long never[] = {SYS_close,          SYS_munmap, SYS_shmdt,
						   SYS_rt_sigprocmask, SYS_futex,  SYS_exit_group,
						   SYS_sched_yield,    SYS_brk};
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		if (regs->orig_rax == never[i])
			return false;
	return !(regs->orig_rax == SYS_fcntl && regs->rsi == F_OFD_SETLK);
}

static struct user_regs_struct registers(pid_t pid)
{
	struct user_regs_struct regs;
	CHECK(ptrace(PTRACE_GETREGS, pid, NULL, &regs) == 0);
	return regs;
}

/* At the entry of a call: makes it none, and its result that error. */
static void spoil(pid_t pid, int error)
{
	struct user_regs_struct regs = registers(pid);
	regs.orig_rax = (unsigned long long)-1;
	CHECK(ptrace(PTRACE_SETREGS, pid, NULL, &regs) == 0);
	CHECK(next_stop(pid));
	regs = registers(pid);
	regs.rax = (unsigned long long)-(long long)error;
	CHECK(ptrace(PTRACE_SETREGS, pid, NULL, &regs) == 0);
}

bool failed_at(unsigned nth, int error, void (*op)(void))
{
	pid_t pid = start(op);
	bool between = false, done = false;
	unsigned count = 0;
	for (bool entry = true; next_stop(pid); entry = !entry) {
		struct user_regs_struct regs = registers(pid);
		if (!entry)
			continue;
		if (regs.orig_rax == SYS_getpgid && regs.rdi == MARK) {
			between = !between;
		} else if (between && !done && may_fail(&regs) && count++ == nth) {
			spoil(pid, error);
			done = true;
			entry = false;
		}
	}
	return done;
}
#else
bool failed_at(unsigned nth, int error, void (*op)(void))
{
	(void)nth;
	(void)error;
	(void)op;
	skip("only on x86-64 is it known here how to make a system call fail");
}
#endif

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
