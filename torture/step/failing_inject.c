/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the n-th call fail.
 *
 * ENTRIES: the os table is replaced by one that counts and then asks the one before. Its clock is
 * moved on instead of sleeping: nobody else runs meanwhile, so no sleep would end earlier, and
 * retries with a limit in time don't cost that time.
 *
 * KERNEL: syscall user dispatch (prctl(2), Linux 5.11). While a byte of ours says so, each system
 * call of this thread that does not come from dispatch_code below becomes a SIGSYS instead; the
 * handler makes the call from there, or answers -errno in its place. Neither the tracer's two
 * switches a call nor a filter that can't be taken off again are needed for that.
 */
#include "failing.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

static struct {
	const struct os_calls *base; /* the table before */
	struct os_calls table;
	struct fault_plan plan;
	struct fault_seen *seen;
	const struct fault_row *stays; /* fails from here on */
	int64_t skipped_ns;
} fault;

unsigned fault_errnos(const struct fault_row *row)
{
	unsigned count = 1; /* no row is empty */
	while (count < ERRNOS_MAX && row->errnos[count])
		count++;
	return count;
}

/* "Try again" for ever is tried for ever, but with our clock. */
static bool may_stay(int error)
{
	bool again = error == EINTR || error == EAGAIN || error == EACCES;
	return fault.plan.stays && (fault.plan.layer == FAULT_ENTRIES || !again);
}

/* Which errno this call fails with; 0: it does not. */
static int strike(const struct fault_row *row)
{
	struct fault_seen *seen = fault.seen;
	seen->calls++;
	if (fault.stays && fault.stays == row)
		return seen->error;
	if (seen->calls != fault.plan.at)
		return 0;
	seen->hit = true;
	seen->row = row;
	seen->error = row->errnos[fault.plan.error % fault_errnos(row)];
	seen->stays = may_stay(seen->error);
	if (seen->stays)
		fault.stays = row;
	return seen->error;
}

static void note_wake(const void *word)
{
	struct fault_seen *seen = fault.seen;
	if (seen->wakes < WAKES_MAX)
		seen->woken[seen->wakes++] = (uintptr_t)word;
}

/* ---- entries of the os table ------------------------------------------------------------- */

#define ENTRY(name, type, parameters, arguments)                                                   \
	static type f_##name parameters                                                            \
	{                                                                                          \
		int error = strike(&fault_entries[CALL_##name]);                                   \
		return error ? -error : fault.base->name arguments;                                \
	}

ENTRY(open, int, (const char *path, bool write), (path, write))
ENTRY(create_unnamed, int, (const char *directory), (directory))
ENTRY(create_named, int, (const char *path), (path))
ENTRY(reopen, int, (int fd, bool write), (fd, write))
ENTRY(reopen_of, int, (uint32_t pid, int fd, bool write), (pid, fd, write))
ENTRY(create_memory, int, (const char *name), (name))
ENTRY(seal, int, (int fd, unsigned seals), (fd, seals))
ENTRY(seals, int, (int fd), (fd))
ENTRY(link_fd, int, (int fd, const char *path), (fd, path))
ENTRY(link, int, (const char *from, const char *to), (from, to))
ENTRY(unlink, int, (const char *path), (path))
ENTRY(stat_fd, int, (int fd, struct os_file *file), (fd, file))
ENTRY(stat_path, int, (const char *path, struct os_file *file), (path, file))
ENTRY(room, int, (int fd, struct os_room *room), (fd, room))
ENTRY(set_mode, int, (int fd, uint32_t mode), (fd, mode))
ENTRY(set_size, int, (int fd, uint64_t bytes), (fd, bytes))
ENTRY(reserve, int, (int fd, uint64_t offset, uint64_t bytes), (fd, offset, bytes))
ENTRY(release, int, (int fd, uint64_t offset, uint64_t bytes), (fd, offset, bytes))
ENTRY(read_at, int64_t, (int fd, void *buffer, size_t bytes, uint64_t offset),
      (fd, buffer, bytes, offset))
ENTRY(each_entry, int,
      (const char *directory, const char *prefix, int (*each)(void *context, const char *name),
       void *context),
      (directory, prefix, each, context))
ENTRY(lock, int, (int fd, uint64_t offset), (fd, offset))
ENTRY(unlock, int, (int fd, uint64_t offset), (fd, offset))
ENTRY(lock_held, int, (int fd, uint64_t offset), (fd, offset))
ENTRY(keep_across_fork, int, (int fd), (fd))
ENTRY(hold_forks, int, (void), ())
ENTRY(map, int, (int fd, uint64_t bytes, enum os_map how, void **ret), (fd, bytes, how, ret))
ENTRY(map_private, int, (uint64_t bytes, void **ret), (bytes, ret))
ENTRY(map_handle, int, (uint64_t wiped, uint64_t bytes, void **ret), (wiped, bytes, ret))
ENTRY(barrier_register, int, (void), ())
ENTRY(barrier, int, (void), ())
ENTRY(wait_entry, int,
      (const char *directory, int64_t timeout_ns, int (*there)(void *context), void *context),
      (directory, timeout_ns, there, context))
ENTRY(random, int, (void *buffer, size_t bytes), (buffer, bytes))
ENTRY(process, int, (uint32_t pid, struct os_process *process), (pid, process))

static int f_close(int fd)
{
	int error = strike(&fault_entries[CALL_close]);
	int r = fault.base->close(fd);
	return error ? -error : r;
}

static int f_boot_id(uint8_t id[16])
{
	int error = strike(&fault_entries[CALL_boot_id]);
	int r = fault.base->boot_id(id);
	if (error)
		memset(id, 0, 16);
	return error ? -error : r;
}

/* These two say 0 when they don't know. */
static uint64_t f_pid_namespace(void)
{
	return strike(&fault_entries[CALL_pid_namespace]) ? 0 : fault.base->pid_namespace();
}

static uint64_t f_start_time(void)
{
	return strike(&fault_entries[CALL_start_time]) ? 0 : fault.base->start_time();
}

static int f_futex_wake(const void *word, int count)
{
	int error = strike(&fault_entries[CALL_futex_wake]);
	if (error)
		return -error;
	note_wake(word);
	return fault.base->futex_wake(word, count);
}

static int f_futex_add_and_wake(const void *word, void *add, unsigned shift)
{
	int error = strike(&fault_entries[CALL_futex_add_and_wake]);
	if (error)
		return -error;
	note_wake(word);
	return fault.base->futex_add_and_wake(word, add, shift);
}

static int f_futex_wait(const void *word, uint32_t value, int64_t timeout_ns)
{
	int error = strike(&fault_entries[CALL_futex_wait]);
	if (error)
		return -error;
	if (atomic_load((const _Atomic uint32_t *)word) != value)
		return -EAGAIN;
	if (timeout_ns < 0)
		return fault.base->futex_wait(word, value, timeout_ns);
	fault.skipped_ns += timeout_ns;
	return -ETIMEDOUT;
}

static int64_t f_now_ns(void)
{
	return fault.base->now_ns() + fault.skipped_ns;
}

static void use_table(void)
{
	fault.table = *fault.base;
#define USE(name) fault.table.name = f_##name;
	FAULT_CALLS(USE)
#undef USE
	fault.table.now_ns = f_now_ns;
	os = &fault.table;
}

/* ---- the kernel -------------------------------------------------------------------------- */

#if defined(__x86_64__) && defined(PR_SET_SYSCALL_USER_DISPATCH)

/* A system call as C calls it (number, six arguments), and the way back out of a handler. */
extern const char dispatch_code[], dispatch_return[], dispatch_end[];
long dispatch_call(long number, long a, long b, long c, long d, long e, long f);
__asm__(".text\n"
	"dispatch_code:\n"
	"dispatch_call:\n"
	"	mov %rdi, %rax\n"
	"	mov %rsi, %rdi\n"
	"	mov %rdx, %rsi\n"
	"	mov %rcx, %rdx\n"
	"	mov %r8, %r10\n"
	"	mov %r9, %r8\n"
	"	mov 8(%rsp), %r9\n"
	"	syscall\n"
	"	ret\n"
	"dispatch_return:\n"
	"	mov $15, %eax\n" /* rt_sigreturn */
	"	syscall\n"
	"	ud2\n"
	"dispatch_end:\n");

static volatile char selector;

static bool is_wake(const greg_t *registers)
{
	int command = (int)registers[REG_RSI] & FUTEX_CMD_MASK;
	return registers[REG_RAX] == SYS_futex &&
	       (command == FUTEX_WAKE || command == FUTEX_WAKE_OP);
}

static long call_kernel(const greg_t *r)
{
	return dispatch_call(r[REG_RAX], r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R10], r[REG_R8],
			     r[REG_R9]);
}

static long answer(const greg_t *registers)
{
	long number = registers[REG_RAX];
	const long arguments[2] = {registers[REG_RDI], registers[REG_RSI]};
	bool never = false;
	const struct fault_row *row = fault_kernel_row(number, arguments, &never);
	if (!row && !never)
		fault.seen->unknown = (int)number;
	int error = row && !never ? strike(row) : 0;
	if (!error && is_wake(registers))
		note_wake((const void *)registers[REG_RDI]);
	if (error && number == SYS_brk) /* says where the break still is */
		return dispatch_call(SYS_brk, 0, 0, 0, 0, 0, 0);
	if (error && number != SYS_close)
		return -error;
	long r = call_kernel(registers);
	return error ? -error : r;
}

static void on_sigsys(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)info;
	selector = SYSCALL_DISPATCH_FILTER_ALLOW;
	greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
	registers[REG_RAX] = answer(registers);
	selector = SYSCALL_DISPATCH_FILTER_BLOCK;
}

/* The kernel's own structure: glibc's sigaction would put its own way back in, which lies outside
 * of the code that may make calls. */
struct kernel_sigaction {
	void (*handler)(int signal, siginfo_t *info, void *context);
	unsigned long flags;
	const void *restorer;
	uint64_t mask;
};

static bool dispatch_on(void)
{
	const struct kernel_sigaction action = {
	    .handler = on_sigsys,
	    .flags = SA_SIGINFO | 0x04000000 /* SA_RESTORER */,
	    .restorer = dispatch_return,
	};
	selector = SYSCALL_DISPATCH_FILTER_ALLOW;
	return syscall(SYS_rt_sigaction, SIGSYS, &action, NULL, 8) == 0 &&
	       prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, dispatch_code,
		     dispatch_end - dispatch_code, &selector) == 0;
}

static void dispatch_off(void)
{
	prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0, 0, 0);
	signal(SIGSYS, SIG_DFL);
}

static void set_selector(bool block)
{
	selector = block ? SYSCALL_DISPATCH_FILTER_BLOCK : SYSCALL_DISPATCH_FILTER_ALLOW;
}

#define CANT "the kernel has no syscall user dispatch (Linux 5.11), or a filter forbids it"

#else

static bool dispatch_on(void)
{
	return false;
}
static void dispatch_off(void)
{
}
static void set_selector(bool block)
{
	(void)block;
}
#define CANT "it is written for x86-64 only"

#endif

bool fault_possible(enum fault_layer layer, const char **ret_why)
{
	*ret_why = CANT;
	if (layer == FAULT_ENTRIES)
		return true;
	bool possible = dispatch_on();
	dispatch_off();
	return possible;
}

/* ---- the window -------------------------------------------------------------------------- */

void fault_begin(const struct fault_plan *plan, struct fault_seen *seen)
{
	memset(seen, 0, sizeof(*seen));
	fault.base = os;
	fault.plan = *plan;
	fault.seen = seen;
	fault.stays = NULL;
	if (plan->layer == FAULT_ENTRIES)
		use_table();
	else if (!dispatch_on())
		give_up("syscall user dispatch: %s", strerror(errno));
	else
		set_selector(true);
}

void fault_end(void)
{
	set_selector(false);
	if (fault.plan.layer == FAULT_KERNEL)
		dispatch_off();
	os = fault.base;
}
