/* SPDX-License-Identifier: Apache-2.0 */
/* ptrace: starts the victim, steps it, runs it to a place, kills it. */
#include "step.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__x86_64__)

#include <linux/futex.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

/* Functions of their own, and not the same, so that each has an address to be recognised by. */
static __attribute__((noinline)) void begin_marker(void)
{
	__asm__ volatile("int3" ::: "memory");
}

static __attribute__((noinline)) void end_marker(void)
{
	__asm__ volatile("int3\n\tnop" ::: "memory");
}

static long trace(int request, pid_t pid, uintptr_t address, uintptr_t data)
{
	errno = 0;
	long r = ptrace((enum __ptrace_request)request, pid, (void *)address, (void *)data);
	if (r < 0 && errno)
		give_up("ptrace request %d: %s", request, strerror(errno));
	return r;
}

static uint64_t get_rip(pid_t pid)
{
	return (uint64_t)trace(PTRACE_PEEKUSER, pid, offsetof(struct user, regs.rip), 0);
}

/* Waits for the next stop. It must be `signal`: anything else is the victim's own mistake. */
static void await_stop(struct stage *stage, int signal)
{
	int status = 0;
	pid_t r;
	do
		r = waitpid(stage->pid, &status, __WALL);
	while (r < 0 && errno == EINTR);
	if (r != stage->pid)
		give_up("waitpid: %s", strerror(errno));
	if (!WIFSTOPPED(status) || WSTOPSIG(status) != signal)
		give_up("%s: the victim stopped with status 0x%x", stage->op->name,
			(unsigned)status);
}

/* ---- the victim's os table ---------------------------------------------------------------- */

static struct share *shared;

static int map_and_tell(int fd, uint64_t bytes, enum os_map how, void **ret)
{
	int r = os_linux.map(fd, bytes, how, ret);
	if (r == 0 && how == OS_MAP_WRITE) {
		shared->mapped_bytes = bytes;
		shared->mapped = (uintptr_t)*ret;
	}
	return r;
}

static int unmap_and_tell(void *address, uint64_t bytes)
{
	if (shared->mapped == (uintptr_t)address)
		shared->mapped = 0;
	return os_linux.unmap(address, bytes);
}

static int no_unnamed_files(const char *directory)
{
	(void)directory;
	return -EOPNOTSUPP;
}

void forget_unnamed_files(void)
{
	static struct os_calls table;
	table = *os;
	table.create_unnamed = no_unnamed_files;
	os = &table;
}

static void tell_mappings(struct stage *stage)
{
	static struct os_calls table;
	table = *os;
	table.map = map_and_tell;
	table.unmap = unmap_and_tell;
	shared = stage->share;
	os = &table;
}

bool victim_read(const struct stage *stage, uint8_t *image, size_t bytes)
{
	if (stage->share->mapped == 0 || stage->share->mapped_bytes > bytes)
		return false;
	size_t n = (size_t)stage->share->mapped_bytes;
	struct iovec here = {image, n};
	struct iovec there = {(void *)(uintptr_t)stage->share->mapped, n};
	return process_vm_readv(stage->pid, &here, 1, &there, 1, 0) == (ssize_t)n;
}

static _Noreturn void be_victim(struct stage *stage)
{
	die_with_harness();
	tell_mappings(stage);
	if (stage->op->flags & OP_HIDDEN)
		forget_unnamed_files();
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	if (stage->op->prepare)
		stage->op->prepare(stage);
	begin_marker();
	stage->share->result = stage->op->run(stage);
	end_marker();
	_exit(0);
}

void victim_start(struct stage *stage)
{
	fflush(NULL);
	stage->pid = fork();
	if (stage->pid < 0)
		give_up("fork: %s", strerror(errno));
	if (stage->pid == 0)
		be_victim(stage);
	await_stop(stage, SIGSTOP);
	trace(PTRACE_SETOPTIONS, stage->pid, 0, PTRACE_O_EXITKILL);
	trace(PTRACE_CONT, stage->pid, 0, 0);
	await_stop(stage, SIGTRAP);
	stage->rip = get_rip(stage->pid);
	if (stage->rip != (uintptr_t)begin_marker + 1)
		give_up("%s: the victim did not get to its beginning", stage->op->name);
}

/*
 * The victim is about to make a system call. A wake-up of a word that somebody sleeps on is
 * remembered: from the next state on they are awake.
 */
static void note_wake(struct stage *stage)
{
	struct user_regs_struct regs;
	trace(PTRACE_GETREGS, stage->pid, 0, (uintptr_t)&regs);
	int command = (int)regs.rsi & FUTEX_CMD_MASK;
	if (regs.rax != SYS_futex || !stage->share->base ||
	    (command != FUTEX_WAKE && command != FUTEX_WAKE_OP))
		return;
	struct topic_map map;
	if (topic_map(&map, &stage->real) < 0)
		return;
	uint64_t offset = regs.rdi - stage->share->base;
	if (offset == (uint64_t)((uint8_t *)&map.body->wake - stage->real.base))
		stage->woken = true;
	for (uint32_t i = 0; i < LANES; i++)
		if (offset == (uint64_t)((uint8_t *)&map.controls[i].gate - stage->real.base))
			stage->gate_woken[i] = true;
}

bool victim_at_syscall(const struct stage *stage)
{
	/* The same text as ours. A step of the vdso or of libc is one like any other. */
	const uint8_t *text = (const uint8_t *)(uintptr_t)stage->rip;
	return text[0] == 0x0f && text[1] == 0x05;
}

bool victim_step(struct stage *stage)
{
	if (stage->share->base && victim_at_syscall(stage))
		note_wake(stage);
	trace(PTRACE_SINGLESTEP, stage->pid, 0, 0);
	await_stop(stage, SIGTRAP);
	stage->rip = get_rip(stage->pid);
	return stage->rip != (uintptr_t)end_marker;
}

bool victim_finish(struct stage *stage)
{
	trace(PTRACE_CONT, stage->pid, 0, 0);
	await_stop(stage, SIGTRAP);
	stage->rip = get_rip(stage->pid);
	return stage->rip == (uintptr_t)end_marker + 1;
}

static void set_rip(struct stage *stage, uint64_t rip)
{
	trace(PTRACE_POKEUSER, stage->pid, offsetof(struct user, regs.rip), rip);
	stage->rip = rip;
}

bool victim_run_to(struct stage *stage, struct place place)
{
	const uint64_t text = (uint64_t)trace(PTRACE_PEEKTEXT, stage->pid, place.rip, 0);
	const uint64_t trap = (text & ~(uint64_t)0xff) | 0xcc;
	for (uint64_t pass = 0;; pass++) {
		trace(PTRACE_POKETEXT, stage->pid, place.rip, trap);
		trace(PTRACE_CONT, stage->pid, 0, 0);
		await_stop(stage, SIGTRAP);
		bool there = get_rip(stage->pid) == place.rip + 1;
		trace(PTRACE_POKETEXT, stage->pid, place.rip, text);
		if (!there)
			return false;
		set_rip(stage, place.rip);
		if (pass == place.passes)
			return true;
		trace(PTRACE_SINGLESTEP, stage->pid, 0, 0);
		await_stop(stage, SIGTRAP);
	}
}

void victim_kill(struct stage *stage)
{
	int status;
	if (stage->pid <= 0)
		return;
	kill(stage->pid, SIGKILL);
	while (waitpid(stage->pid, &status, __WALL) != stage->pid || !WIFSIGNALED(status))
		if (errno == ECHILD)
			break;
	stage->pid = 0;
}

bool can_step(void)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0);
	int status = 0;
	if (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0)
		return true;
	printf("skipped: this sandbox allows no ptrace\n");
	return false;
}

#else

void victim_start(struct stage *stage)
{
	(void)stage;
}
bool victim_step(struct stage *stage)
{
	(void)stage;
	return false;
}
bool victim_at_syscall(const struct stage *stage)
{
	(void)stage;
	return false;
}
bool victim_finish(struct stage *stage)
{
	(void)stage;
	return false;
}
bool victim_run_to(struct stage *stage, struct place place)
{
	(void)stage;
	(void)place;
	return false;
}
void victim_kill(struct stage *stage)
{
	(void)stage;
}
bool victim_read(const struct stage *stage, uint8_t *image, size_t bytes)
{
	(void)stage;
	(void)image;
	(void)bytes;
	return false;
}
void forget_unnamed_files(void)
{
}
bool can_step(void)
{
	printf("skipped: single steps are written for x86-64 only\n");
	return false;
}

#endif
