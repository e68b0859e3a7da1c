/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stops a recovery at every store.
 *
 * A recovery runs in this process, on a copy of the region, with the kernel of world.c. If it is
 * killed, what is left of it is the region, the name, and who was woken; its locks go with it. So
 * two instructions between which none of these changes are the same place to die, and it is enough
 * to stop where one of them may change:
 *
 *   the region   is read-only: a store to it is a page fault. The handler lets that one instruction
 *                through (the trap flag stops right behind it; a repeated one after each round),
 *                looks what changed, and closes the region again.
 *   the rest     changes inside of world.c, which says so (trap_note). What the kernel does in one
 *                piece (add and wake) is one piece there too (trap_pause).
 *
 * No store can be missed, since the processor checks them all; and none is too many, since only
 * what differs from the state before is kept. `each_instruction` does without the argument: the
 * trap flag is on all the time, and the region is compared after each instruction. Both must find
 * the same moments; recover.c makes sure that they do. A stop costs a few microseconds, a recovery
 * of 4,000 instructions with 20 stores a tenth of a millisecond, and 12 ms the other way.
 *
 * PAYLOAD. Recoveries neither read nor write the lanes' payload areas: these pages can't be
 * accessed at all meanwhile, and a recovery that tries is stopped. So states that differ in nothing
 * but payload are one state to a recovery. recover.c says what follows from that.
 */
#include "step.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__x86_64__)

enum { TRAP_FLAG = 0x100 };

enum { PAGES_MAX = REGION_MAX / PAGE_BYTES };

static struct {
	struct region region;
	struct moments *moments;
	_Alignas(PAGE_BYTES) uint8_t last[REGION_MAX]; /* the region when we last looked */
	struct moment state;                           /* all but the region, then */
	bool payload[PAGES_MAX];
	bool open[PAGES_MAX]; /* may be written, and was not looked at since */
	bool on, each_instruction;
} trap;

static size_t pages(void)
{
	return trap.region.bytes / PAGE_BYTES;
}

static void protect(size_t page, int access)
{
	if (mprotect(trap.region.base + page * PAGE_BYTES, PAGE_BYTES, access) < 0)
		_exit(98);
	trap.open[page] = access & PROT_WRITE;
}

static void protect_all(int access)
{
	if (mprotect(trap.region.base, trap.region.bytes, access) < 0)
		_exit(98);
	memset(trap.open, 0, sizeof(trap.open));
}

static void open_pages(void)
{
	for (size_t i = 0; i < pages(); i++)
		if (!trap.payload[i])
			protect(i, PROT_READ | PROT_WRITE);
}

static void close_pages(void)
{
	for (size_t i = 0; i < pages(); i++)
		if (trap.open[i])
			protect(i, PROT_READ);
}

/* Only what could be written can have changed. */
static bool look_for_changes(void)
{
	bool changed = false;
	for (size_t i = 0; i < pages(); i++) {
		const uint8_t *now = trap.region.base + i * PAGE_BYTES;
		uint8_t *before = trap.last + i * PAGE_BYTES;
		if (!trap.open[i] || memcmp(before, now, PAGE_BYTES) == 0)
			continue;
		memcpy(before, now, PAGE_BYTES);
		changed = true;
	}
	return changed;
}

static void keep_moment(uint64_t rip)
{
	struct moment now = {.image = NULL};
	world_tell(&now);
	bool same = now.named == trap.state.named && now.woken == trap.state.woken &&
		    memcmp(now.gate_woken, trap.state.gate_woken, sizeof(now.gate_woken)) == 0;
	if (!look_for_changes() && same)
		return;
	trap.state = now;
	struct moments *moments = trap.moments;
	if (moments->count == MOMENTS_MAX) {
		moments->too_many = true;
		return;
	}
	struct moment *moment = &moments->at[moments->count++];
	now.image = moment->image;
	now.rip = rip;
	*moment = now;
	memcpy(moment->image, trap.last, trap.region.bytes);
}

/* Somebody else's fault is none of ours: the default action shows it. */
static void die_of(int signal_number)
{
	signal(signal_number, SIG_DFL);
}

static void on_fault(int number, siginfo_t *info, void *context)
{
	ucontext_t *at = context;
	uintptr_t offset = (uintptr_t)info->si_addr - (uintptr_t)trap.region.base;
	size_t page = offset / PAGE_BYTES;
	if (!trap.on || offset >= trap.region.bytes || trap.payload[page] || trap.open[page]) {
		static const char what[] = "a recovery touches a payload area\n";
		if (trap.on && offset < trap.region.bytes &&
		    write(STDOUT_FILENO, what, sizeof(what) - 1) < 0)
			_exit(98);
		die_of(number);
		return;
	}
	protect(page, PROT_READ | PROT_WRITE);
	at->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void on_step(int number, siginfo_t *info, void *context)
{
	ucontext_t *at = context;
	(void)number;
	(void)info;
	if (!trap.on) {
		at->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
		return;
	}
	trap.moments->stops++;
	keep_moment((uint64_t)at->uc_mcontext.gregs[REG_RIP]);
	if (trap.each_instruction)
		return;
	at->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
	close_pages();
}

static void handle(int number, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	if (sigaction(number, &action, NULL) < 0)
		give_up("sigaction: %s", strerror(errno));
}

/* Below the red zone. */
static inline void set_trap_flag(void)
{
	__asm__ volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\torl $0x100, (%%rsp)\n\tpopfq\n\t"
			 "lea 128(%%rsp), %%rsp" ::
			     : "memory", "cc");
}

static inline void clear_trap_flag(void)
{
	__asm__ volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\tandl $~0x100, (%%rsp)\n\tpopfq\n\t"
			 "lea 128(%%rsp), %%rsp" ::
			     : "memory", "cc");
}

static void find_payload(void)
{
	struct topic_map map;
	if (topic_map(&map, &trap.region) < 0)
		give_up("no topic to recover");
	memset(trap.payload, 0, sizeof(trap.payload));
	for (uint32_t i = 0; i < map.lane_count; i++) {
		size_t first = (size_t)(topic_lane(&map, i).payload - trap.region.base);
		for (size_t at = 0; at < map.payload_bytes; at += PAGE_BYTES)
			trap.payload[(first + at) / PAGE_BYTES] = true;
	}
}

void trap_begin(const struct region *region, struct moments *moments, bool each_instruction)
{
	trap.region = *region;
	trap.moments = moments;
	trap.each_instruction = each_instruction;
	moments->count = moments->stops = 0;
	moments->too_many = false;
	memcpy(trap.last, region->base, region->bytes);
	memset(&trap.state, 0, sizeof(trap.state));
	world_tell(&trap.state);
	find_payload();
	handle(SIGSEGV, on_fault);
	handle(SIGTRAP, on_step);
	protect_all(PROT_READ);
	for (size_t i = 0; i < pages(); i++)
		if (trap.payload[i])
			protect(i, PROT_NONE);
	trap.on = true;
	if (!each_instruction)
		return;
	open_pages();
	set_trap_flag();
}

void trap_end(void)
{
	clear_trap_flag();
	trap.on = false;
	protect_all(PROT_READ | PROT_WRITE);
	die_of(SIGSEGV);
	die_of(SIGTRAP);
	if (trap.moments->too_many)
		give_up("a recovery with more than %d moments", MOMENTS_MAX);
}

void trap_note(void)
{
	if (trap.on)
		keep_moment((uintptr_t)__builtin_return_address(0));
}

void trap_pause(void)
{
	if (!trap.on)
		return;
	clear_trap_flag();
	open_pages();
}

void trap_resume(void)
{
	if (!trap.on)
		return;
	keep_moment((uintptr_t)__builtin_return_address(0));
	if (trap.each_instruction)
		set_trap_flag();
	else
		close_pages();
}

#else

void trap_begin(const struct region *region, struct moments *moments, bool each_instruction)
{
	(void)region;
	(void)moments;
	(void)each_instruction;
}
void trap_end(void)
{
}
void trap_note(void)
{
}
void trap_pause(void)
{
}
void trap_resume(void)
{
}

#endif
