/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel for actors: waiting, time, who is who, and private memory. */
#include "kernel.h"

#include <errno.h>
#include <stdlib.h>

/* ---- futexes ----------------------------------------------------------------------------- */

static uint32_t word_now(const void *word)
{
	if (!is_shared(word))
		return *(const uint32_t *)word;
	return (uint32_t)memory_get(spot_of(word), 4);
}

static int sim_futex_wait(const void *word, uint32_t value, int64_t timeout_ns)
{
	machine_step(STEP_CALL);
	memory_drain(machine.current);
	if (word_now(word) != value && !hostile_on)
		return -EAGAIN;
	return machine_sleep(word, timeout_ns);
}

static int sim_futex_wake(const void *word, int count)
{
	machine_step(STEP_CALL);
	memory_drain(machine.current);
	return machine_wake(spot_of(word), count);
}

/* FUTEX_WAKE_OP as os_linux calls it: all who sleep on `word`, and one on `add` if that was 0. */
static int sim_futex_add_and_wake(const void *word, void *add, unsigned shift)
{
	machine.site = __builtin_return_address(0);
	bool weak = is_weak(WEAK_DROP);
	machine_step(STEP_CALL);
	memory_drain(machine.current);
	struct spot spot = spot_of(add);
	SIM_CHECK(machine.mapped[spot.actor * FILES + spot.file] >= spot.offset + 4,
		  "a futex that is not mapped");
	uint64_t old = memory_get(spot, 4);
	memory_set(spot, 4, (old + ((uint64_t)1 << (shift & 31))) & 0xffffffffu);
	if (machine.tracing)
		trace_step("ADD, WAKE", spot, 4, memory_get(spot, 4));
	if (weak)
		return 0;
	machine_wake(spot_of(word), INT32_MAX);
	if (old == 0)
		machine_wake(spot, 1);
	return 0;
}

static int sim_barrier_register(void)
{
	if (current_actor()->fences_itself)
		return -ENOSYS;
	current_actor()->registered = true;
	return 0;
}

static int sim_barrier(void)
{
	machine.site = __builtin_return_address(0);
	bool weak = is_weak(WEAK_BARRIER);
	machine_step(STEP_CALL);
	if (current_actor()->fences_itself)
		return -ENOSYS;
	memory_drain(machine.current);
	if (machine.tracing)
		trace_note(weak ? "a membarrier that is left out" : "membarrier");
	if (!weak)
		memory_fence_registered();
	return 0;
}

static int sim_wait_entry(const char *directory, int64_t timeout_ns, int (*there)(void *context),
			  void *context)
{
	(void)directory;
	(void)timeout_ns;
	int r = there(context);
	return r == 0 ? -EAGAIN : r < 0 ? r : 0;
}

static void sim_os_yield(void)
{
	sim_yield();
}

/* Each look takes a while, so that what is limited in time comes to an end. */
static int64_t sim_now_ns(void)
{
	machine.now += hostile_on ? 1000000 : 100;
	return machine.now;
}

static int64_t sim_realtime_ns(void)
{
	return machine.now;
}

/* ---- who and where ----------------------------------------------------------------------- */

static int sim_random(void *buffer, size_t bytes)
{
	uint8_t *to = buffer;
	for (size_t i = 0; i < bytes; i++)
		to[i] = (uint8_t)(++kernel.randoms * 37);
	return 0;
}

static int sim_boot_id(uint8_t id[16])
{
	memset(id, 7, 16);
	return 0;
}

static uint32_t sim_user(void)
{
	return 1000;
}

static bool sim_privileged_exec(void)
{
	return false;
}

static uint32_t sim_pid(void)
{
	return 100 + machine.current;
}

static uint64_t sim_pid_namespace(void)
{
	return 1;
}

static void sim_process_name(char name[16])
{
	memset(name, 0, 16);
	name[0] = 'a';
}

static uint64_t sim_start_time(void)
{
	return 1;
}

static int sim_process(uint32_t pid, struct os_process *process)
{
	bool exists = pid >= 100 && pid < 100 + ACTORS && !sim_is_dead(pid - 100);
	*process = (struct os_process){.exists = exists, .start_time = 1};
	return 0;
}

/* ---- private memory ---------------------------------------------------------------------- */

/*
 * From one heap, whose use is put back before each schedule: what set_up left there as it was, the
 * rest empty. Of a handle's wiped part only the first pages are ever written (handle.c); what lies
 * between them and the object is neither cleared nor copied.
 */
enum { HEAP_BYTES = 4 << 20, PIECES = 64, HEAD_BYTES = 4096 };

struct piece {
	size_t at, bytes;
	size_t copied; /* from the beginning; then the rest from `tail` on */
	size_t tail;
};

static _Alignas(4096) uint8_t heap[HEAP_BYTES];
static uint8_t heap_copy[HEAP_BYTES];
static struct {
	struct piece pieces[PIECES];
	uint32_t count;
	size_t used;
} heap_now, heap_then;

static void *allocate(size_t bytes, size_t head, size_t tail)
{
	size_t at = (heap_now.used + 63) & ~(size_t)63;
	SIM_CHECK(at + bytes <= HEAP_BYTES && heap_now.count < PIECES,
		  "private memory leaks, or the harness has too little");
	heap_now.pieces[heap_now.count++] =
	    (struct piece){.at = at, .bytes = bytes, .copied = head, .tail = tail};
	heap_now.used = at + bytes;
	memset(heap + at, 0, head);
	memset(heap + at + tail, 0, bytes - tail);
	return heap + at;
}

static int sim_map_private(uint64_t bytes, void **ret)
{
	if (bytes > HEAP_BYTES / 4)
		return -ENOMEM;
	*ret = allocate(bytes, bytes, bytes);
	return 0;
}

static int sim_map_handle(uint64_t wiped, uint64_t bytes, void **ret)
{
	*ret = allocate(bytes, HEAD_BYTES, wiped);
	return 0;
}

static void copy_pieces(uint8_t *to, const uint8_t *from)
{
	for (uint32_t i = 0; i < heap_then.count; i++) {
		const struct piece *piece = &heap_then.pieces[i];
		memcpy(to + piece->at, from + piece->at, piece->copied);
		memcpy(to + piece->at + piece->tail, from + piece->at + piece->tail,
		       piece->bytes - piece->tail);
	}
}

void heap_snapshot(void)
{
	heap_then = heap_now;
	copy_pieces(heap_copy, heap);
}

void heap_restore(void)
{
	heap_now = heap_then;
	copy_pieces(heap, heap_copy);
}

void heap_reset(void)
{
	heap_now.count = 0;
	heap_now.used = 0;
}

void kernel_open_waits(struct os_calls *table)
{
	table->futex_wait = sim_futex_wait;
	table->futex_wake = sim_futex_wake;
	table->futex_add_and_wake = sim_futex_add_and_wake;
	table->barrier_register = sim_barrier_register;
	table->barrier = sim_barrier;
	table->wait_entry = sim_wait_entry;
	table->yield = sim_os_yield;
	table->now_ns = sim_now_ns;
	table->realtime_ns = sim_realtime_ns;
	table->random = sim_random;
	table->boot_id = sim_boot_id;
	table->user = sim_user;
	table->privileged_exec = sim_privileged_exec;
	table->pid = sim_pid;
	table->pid_namespace = sim_pid_namespace;
	table->process_name = sim_process_name;
	table->start_time = sim_start_time;
	table->process = sim_process;
	table->map_private = sim_map_private;
	table->map_handle = sim_map_handle;
}
