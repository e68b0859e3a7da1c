/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of guarded mappings, and what the handler does with it.
 *
 * WHAT IS PROMISED. A thread that touches guarded memory which is not there any more goes on, with
 * zeroes and the owner's marks, in the whole mapping: so one signal is all there is, however many
 * pages were lost. No mapping that is not guarded is ever replaced, also while guarded ones come
 * and go in other threads. The data path has no part in it: not an instruction, not a word to look
 * at.
 *
 * A SLOT is free (base 0) or describes one mapping. Adders and removers hold os->hold_forks, which
 * is the lock here: it lets one in at a time, keeps forks out, and signal handlers that might come
 * here again. The handler takes no lock, so it may run anywhere, in any number of threads.
 *
 *   ADDER                                       HANDLER, for a fault at `address`
 *   1 bytes, marks 0, lost 0    (relaxed)       1 base, bytes: does the slot hold the address?
 *   2 base                      (release)       2 users + 1                    (seq_cst)
 *                                               3 base, bytes: does it still?  (seq_cst)
 *   REMOVER                                     4 lost = 1; replace the mapping
 *   1 base = 0                  (seq_cst)       5 users - 1                    (release)
 *   2 wait until users is 0     (seq_cst)
 *   3 the caller unmaps
 *
 * WHY NO STRANGER'S MAPPING IS REPLACED. If the handler's 3 sees the base, the remover's 1 comes
 * after it, so its 2 sees the handler's 2 and waits for its 5 (acquire): the mapping is still there
 * while it is replaced. And who maps something at a place where a guarded mapping was does so after
 * the remover's 3, so whoever faults in it sees that slot free. A slot that was freed and taken
 * again between the handler's 1 and 3 describes a mapping that is there now: 3 asks about that one.
 * WHY THE REMOVER DOES NOT WAIT FOR ITSELF. The handler blocks all signals from 2 to 5 (os_fault.c)
 * and calls nobody: no code that could remove runs in its thread in between. Nor for ever: 3 to 5
 * are a few system calls.
 *
 * TWO THREADS AT ONCE in one mapping: each replaces it, the second what the first has put there.
 * Nothing is lost by that, since all in it is already, and nobody waits. The marks are there at any
 * moment: they are written before the memory takes its place (os->map_over).
 * A PAGE THAT FAILS AGAIN, in the private memory (a memory error), is replaced again.
 *
 * A MARK is written by the owner: its fields, then `marks` (release); the handler reads `marks`
 * (acquire), and those before it.
 *
 * FORK. The child has neither the mappings nor the slots: these lie in memory that reads as zeroes
 * there, so nothing in the child is taken for guarded. Its handler stays, and passes everything on.
 * Slots are never given back to the kernel, since a handler may be looking at them.
 */
#include "guard/guard.h"

#include "base/bits.h"
#include "os/os.h"

struct guard {
	_Atomic uintptr_t base; /* 0: free */
	_Atomic uint64_t bytes;
	_Atomic uint32_t users;
	_Atomic uint32_t lost;
	_Atomic uint32_t marks;
	struct guard_mark mark[GUARD_MARKS];
};

/* A multiple of every page size. */
#define TABLE_BYTES 65536
#define TABLE_SLOTS ((TABLE_BYTES - 64) / sizeof(struct guard))

struct table {
	_Atomic(struct table *) next;
	uint64_t count; /* of the first table: slots in use, in all of them */
	struct guard slots[TABLE_SLOTS];
};
static_assert(sizeof(struct table) <= TABLE_BYTES, "a table is one mapping");

static _Atomic(struct table *) tables;

/* ---- the handler --------------------------------------------------------------------------- */

static void write_mark(const struct guard_mark *mark, uint8_t *memory)
{
	for (uint64_t i = 0; i < mark->count; i++) {
		void *word = memory + mark->offset + i * mark->stride;
		atomic_store_explicit((_Atomic uint64_t *)word, mark->value, memory_order_relaxed);
	}
}

static void write_marks(const void *context, uint8_t *memory)
{
	const struct guard *guard = context;
	uint32_t marks = atomic_load_explicit(&guard->marks, memory_order_acquire);
	for (uint32_t i = 0; i < marks; i++)
		write_mark(&guard->mark[i], memory);
}

static int replace(struct guard *guard)
{
	void *base = (void *)atomic_load_explicit(&guard->base, memory_order_relaxed);
	uint64_t bytes = atomic_load_explicit(&guard->bytes, memory_order_relaxed);
	/* Before: who finds a mark may ask at once what it means. */
	uint32_t lost = atomic_exchange(&guard->lost, 1);
	int r = os->map_over(base, bytes, write_marks, guard);
	if (r < 0)
		atomic_store(&guard->lost, lost);
	return r;
}

static bool holds(const struct guard *guard, uintptr_t address)
{
	uintptr_t base = atomic_load(&guard->base);
	return base != 0 && address - base < atomic_load(&guard->bytes);
}

static bool repair_slot(struct guard *guard, uintptr_t address)
{
	if (!holds(guard, address))
		return false;
	atomic_fetch_add(&guard->users, 1);
	bool repaired = holds(guard, address) && replace(guard) == 0;
	atomic_fetch_sub(&guard->users, 1);
	return repaired;
}

static bool repair(uintptr_t address)
{
	for (struct table *table = atomic_load(&tables); table; table = atomic_load(&table->next))
		for (size_t i = 0; i < TABLE_SLOTS; i++)
			if (repair_slot(&table->slots[i], address))
				return true;
	return false;
}

/* ---- adding and removing: under the lock --------------------------------------------------- */

static int add_table(_Atomic(struct table *) *at)
{
	void *memory = NULL;
	int r = os->map_handle(TABLE_BYTES, TABLE_BYTES, &memory);
	if (r == 0)
		atomic_store_explicit(at, memory, memory_order_release);
	return r;
}

static int find_slot(struct guard **ret)
{
	_Atomic(struct table *) *at = &tables;
	for (;; at = &atomic_load(at)->next) {
		struct table *table = atomic_load(at);
		int r = table ? 0 : add_table(at);
		if (r < 0)
			return r;
		table = atomic_load(at);
		for (size_t i = 0; i < TABLE_SLOTS; i++)
			if (atomic_load(&table->slots[i].base) == 0) {
				*ret = &table->slots[i];
				return 0;
			}
	}
}

static int add(uintptr_t base, uint64_t bytes, struct guard **ret)
{
	struct guard *guard = NULL;
	int r = find_slot(&guard);
	if (r == 0 && atomic_load(&tables)->count == 0)
		r = os->catch_faults(repair);
	if (r < 0)
		return r;
	atomic_load(&tables)->count++;
	atomic_store_explicit(&guard->bytes, bytes, memory_order_relaxed);
	atomic_store_explicit(&guard->marks, 0, memory_order_relaxed);
	atomic_store_explicit(&guard->lost, 0, memory_order_relaxed);
	atomic_store_explicit(&guard->base, base, memory_order_release);
	*ret = guard;
	return 0;
}

int guard_add(void *base, uint64_t bytes, struct guard **ret)
{
	int r = os->hold_forks();
	if (r < 0)
		return r;
	r = add((uintptr_t)base, bytes, ret);
	os->let_forks();
	return r;
}

static void wait_for_handlers(const struct guard *guard)
{
	static const uint32_t nobody_wakes = 0;
	while (atomic_load(&guard->users) != 0)
		os->futex_wait(&nobody_wakes, 0, 100000);
}

void guard_remove(struct guard *guard)
{
	bool held = os->hold_forks() == 0;
	atomic_store(&guard->base, 0);
	wait_for_handlers(guard);
	if (--atomic_load(&tables)->count == 0)
		os->let_faults();
	if (held)
		os->let_forks();
}

/* ---- for the owner ------------------------------------------------------------------------- */

static bool lies_inside(const struct guard_mark *mark, uint64_t bytes)
{
	return mark->count > 0 && mark->offset % 8 == 0 && mark->stride % 8 == 0 && bytes >= 8 &&
	       mark->offset <= bytes - 8 &&
	       (mark->count == 1 ||
		(mark->stride > 0 && mark->count - 1 <= (bytes - 8 - mark->offset) / mark->stride));
}

void guard_mark(struct guard *guard, struct guard_mark mark)
{
	uint32_t marks = atomic_load_explicit(&guard->marks, memory_order_relaxed);
	if (marks == GUARD_MARKS || !lies_inside(&mark, atomic_load(&guard->bytes)))
		return;
	guard->mark[marks] = mark;
	atomic_store_explicit(&guard->marks, marks + 1, memory_order_release);
}

bool guard_is_lost(const struct guard *guard)
{
	return atomic_load_explicit(&guard->lost, memory_order_relaxed) != 0;
}

int guard_lose(struct guard *guard)
{
	return replace(guard);
}
