/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the compiler calls for each access of the library's code, and for its copies. Private memory
 * is let pass; for the rest this is where the machine comes in. Checked here as well: that nothing
 * outside a mapping is touched, before it is.
 */
#include "machine.h"

#include "hooked.h"

/* The C library's own: clang makes calls of copies that nobody wrote as one, and these end up here
 * by the linker's --wrap. */
void *__real_memcpy(void *to, const void *from, size_t bytes);
void *__real_memset(void *to, int byte, size_t bytes);
void *__wrap_memcpy(void *to, const void *from, size_t bytes);
void *__wrap_memset(void *to, int byte, size_t bytes);

enum hook_op { OP_EXCHANGE, OP_ADD, OP_SUB, OP_AND, OP_OR, OP_XOR, OP_NAND };

SLOW_PATH _Noreturn static void refuse(struct spot spot, uint32_t bytes)
{
	uint32_t mapped = machine.mapped[spot.actor * FILES + spot.file];
	if (spot.actor != machine.current)
		sim_fail("touched what another process has mapped");
	if (mapped == 0)
		sim_fail("touched what is not mapped, at +0x%x", spot.offset);
	sim_fail("touched %u bytes at +0x%x, and the object ends at +0x%x", bytes, spot.offset,
		 mapped);
}

static inline struct spot place(const volatile void *p, uint32_t bytes)
{
	struct spot spot = spot_of(p);
	if (unlikely(spot.actor != machine.current ||
		     spot.offset + (uint64_t)bytes >
			 machine.mapped[spot.actor * FILES + spot.file]))
		refuse(spot, bytes);
	return spot;
}

static bool acquires(int order)
{
	return order == __ATOMIC_ACQUIRE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

static bool releases(int order)
{
	return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

/* What is loaded goes through the attacker's hands, and onto the trace. */
static uint64_t loaded(struct spot spot, uint32_t bytes, uint64_t value)
{
	if (unlikely(hostile_on))
		value = hostile_answer(spot, bytes, value);
	if (unlikely(machine.tracing))
		trace_step("load", spot, bytes, value);
	return value;
}

static uint64_t load_now(struct spot spot, uint32_t bytes)
{
	uint64_t value = memory_load(spot.actor, spot, bytes);
	memory_acquire(spot.actor, memory_changes);
	return loaded(spot, bytes, value);
}

static uint64_t load_early(struct spot spot, uint32_t bytes, bool acquire)
{
	uint32_t at;
	uint64_t value = memory_load_past(spot.actor, spot, bytes, &at);
	if (acquire)
		memory_acquire(spot.actor, at);
	return loaded(spot, bytes, value);
}

/* ---- plain accesses ---------------------------------------------------------------------- */

/* Makes the view's bytes true; at most a word in a step. */
static void refresh(const volatile void *p, uint32_t bytes)
{
	uint8_t *view = (uint8_t *)(uintptr_t)p;
	while (bytes > 0) {
		uint32_t n = min_u32(bytes, 8 - (uint32_t)((uintptr_t)view & 7));
		machine_step(STEP_LOAD);
		uint64_t value = load_early(place(view, n), n, false);
		__real_memcpy(view, &value, n);
		view += n;
		bytes -= n;
	}
}

static void hook_read(const volatile void *p, uint32_t bytes)
{
	if (is_shared(p))
		refresh(p, bytes);
}

static void store_word(const uint8_t *view, uint32_t n)
{
	uint64_t value = 0;
	struct spot spot = place(view, n);
	__real_memcpy(&value, view, n);
	if (unlikely(machine.tracing))
		trace_step("store", spot, n, value);
	memory_store(machine.current, spot, n, value, false);
}

/* What the compiled code stored after its last call. A long one is several stores. */
void machine_take_pending(struct actor *actor)
{
	const uint8_t *view = actor->pending;
	uint32_t bytes = actor->pending_bytes;
	actor->pending = NULL;
	while (bytes > 0) {
		uint32_t n = min_u32(bytes, 8 - (uint32_t)((uintptr_t)view & 7));
		store_word(view, n);
		view += n;
		bytes -= n;
		if (bytes > 0)
			machine_step(STEP_STORE);
	}
}

static void hook_write(void *p, uint32_t bytes)
{
	if (!is_shared(p))
		return;
	place(p, bytes);
	machine_step(STEP_STORE);
	current_actor()->pending = p;
	current_actor()->pending_bytes = bytes;
}

#define HERE() (machine.site = __builtin_return_address(0))

#define PLAIN(bytes)                                                                               \
	void __tsan_read##bytes(void *p);                                                          \
	void __tsan_read##bytes(void *p)                                                           \
	{                                                                                          \
		HERE();                                                                            \
		hook_read(p, bytes);                                                               \
	}                                                                                          \
	void __tsan_write##bytes(void *p);                                                         \
	void __tsan_write##bytes(void *p)                                                          \
	{                                                                                          \
		HERE();                                                                            \
		hook_write(p, bytes);                                                              \
	}                                                                                          \
	void __tsan_unaligned_read##bytes(void *p);                                                \
	void __tsan_unaligned_read##bytes(void *p)                                                 \
	{                                                                                          \
		HERE();                                                                            \
		hook_read(p, bytes);                                                               \
	}                                                                                          \
	void __tsan_unaligned_write##bytes(void *p);                                               \
	void __tsan_unaligned_write##bytes(void *p)                                                \
	{                                                                                          \
		HERE();                                                                            \
		hook_write(p, bytes);                                                              \
	}
PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

void __tsan_read_range(void *p, unsigned long bytes);
void __tsan_read_range(void *p, unsigned long bytes)
{
	HERE();
	hook_read(p, (uint32_t)bytes);
}

void __tsan_write_range(void *p, unsigned long bytes);
void __tsan_write_range(void *p, unsigned long bytes)
{
	HERE();
	hook_write(p, (uint32_t)bytes);
}

void __tsan_init(void);
void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller);
void __tsan_func_entry(void *caller)
{
	(void)caller;
}

void __tsan_func_exit(void);
void __tsan_func_exit(void)
{
}

/* ---- copies ------------------------------------------------------------------------------ */

void sim_read(const void *view, void *to, size_t bytes)
{
	hook_read(view, (uint32_t)bytes);
	__real_memcpy(to, view, bytes);
}

void sim_write(void *view, const void *from, size_t bytes)
{
	hook_write(view, (uint32_t)bytes);
	__real_memcpy(view, from, bytes);
}

void *sim_memcpy(void *to, const void *from, size_t bytes)
{
	HERE();
	if (bytes == 0)
		return to;
	hook_read(from, (uint32_t)bytes);
	hook_write(to, (uint32_t)bytes);
	return __real_memcpy(to, from, bytes);
}

void *sim_memset(void *to, int byte, size_t bytes)
{
	HERE();
	if (bytes > 0)
		hook_write(to, (uint32_t)bytes);
	return __real_memset(to, byte, bytes);
}

int sim_memcmp(const void *a, const void *b, size_t bytes)
{
	HERE();
	hook_read(a, (uint32_t)bytes);
	hook_read(b, (uint32_t)bytes);
	return memcmp(a, b, bytes);
}

void *__wrap_memcpy(void *to, const void *from, size_t bytes)
{
	if (likely(!is_shared(to) && !is_shared(from)))
		return __real_memcpy(to, from, bytes);
	HERE();
	hook_read(from, (uint32_t)bytes);
	hook_write(to, (uint32_t)bytes);
	return __real_memcpy(to, from, bytes);
}

void *__wrap_memset(void *to, int byte, size_t bytes)
{
	if (likely(!is_shared(to)))
		return __real_memset(to, byte, bytes);
	HERE();
	hook_write(to, (uint32_t)bytes);
	return __real_memset(to, byte, bytes);
}

/* ---- atomics ----------------------------------------------------------------------------- */

static uint64_t shared_load(const volatile void *p, uint32_t bytes, int order)
{
	if (acquires(order) && is_weak(WEAK_LOAD))
		order = __ATOMIC_RELAXED;
	if (order == __ATOMIC_SEQ_CST) {
		machine_step(STEP_ATOMIC);
		return load_now(place(p, bytes), bytes);
	}
	machine_step(STEP_LOAD);
	return load_early(place(p, bytes), bytes, acquires(order));
}

static void shared_store(const volatile void *p, uint32_t bytes, uint64_t value, int order)
{
	bool strong = order == __ATOMIC_SEQ_CST;
	bool release = releases(order);
	if (release && is_weak(WEAK_STORE))
		strong = release = false;
	bool drop = is_weak(WEAK_DROP);
	machine_step(strong ? STEP_ATOMIC : STEP_STORE);
	struct spot spot = place(p, bytes);
	if (unlikely(machine.tracing))
		trace_step(strong ? "STORE" : release ? "release" : "store", spot, bytes, value);
	if (drop)
		return;
	if (!strong) {
		memory_store(spot.actor, spot, bytes, value, release);
		return;
	}
	memory_drain(spot.actor);
	memory_set(spot, bytes, value);
}

/* A read-modify-write looks, always at what is there now. */
static uint64_t enter_atomic(const volatile void *p, uint32_t bytes, int order,
			     struct spot *ret_spot)
{
	if (is_weak(WEAK_ATOMIC))
		order = __ATOMIC_RELAXED;
	machine_step(STEP_ATOMIC);
	struct spot spot = *ret_spot = place(p, bytes);
	if (releases(order))
		memory_drain(spot.actor);
	else
		memory_drain_bytes(spot.actor, spot, bytes);
	if (acquires(order))
		return load_now(spot, bytes);
	return loaded(spot, bytes, memory_load(spot.actor, spot, bytes));
}

static uint64_t apply(enum hook_op op, uint64_t old, uint64_t operand)
{
	switch (op) {
	case OP_EXCHANGE:
		return operand;
	case OP_ADD:
		return old + operand;
	case OP_SUB:
		return old - operand;
	case OP_AND:
		return old & operand;
	case OP_OR:
		return old | operand;
	case OP_XOR:
		return old ^ operand;
	case OP_NAND:
		return ~(old & operand);
	}
	return old;
}

static uint64_t cut(uint64_t value, uint32_t bytes)
{
	return bytes == 8 ? value : value & (((uint64_t)1 << (bytes * 8)) - 1);
}

static uint64_t shared_modify(volatile void *p, uint32_t bytes, enum hook_op op, uint64_t operand,
			      int order)
{
	bool drop = is_weak(WEAK_DROP);
	struct spot spot;
	uint64_t old = enter_atomic(p, bytes, order, &spot);
	uint64_t value = cut(apply(op, old, operand), bytes);
	if (unlikely(machine.tracing))
		trace_step("MODIFY", spot, bytes, value);
	if (!drop)
		memory_set(spot, bytes, value);
	return old;
}

/* Returns what was there. */
static uint64_t shared_compare(volatile void *p, uint32_t bytes, uint64_t expected, uint64_t value,
			       int order)
{
	bool drop = is_weak(WEAK_DROP);
	struct spot spot;
	uint64_t old = enter_atomic(p, bytes, order, &spot);
	if (old != expected) {
		memory_acquire(spot.actor, memory_changes); /* stronger than it need be */
		return old;
	}
	if (unlikely(machine.tracing))
		trace_step("CAS", spot, bytes, value);
	if (!drop)
		memory_set(spot, bytes, value);
	return old;
}

#define MODIFY(bits, type, name, op, builtin)                                                      \
	type __tsan_atomic##bits##_##name(volatile type *p, type operand, int order);              \
	type __tsan_atomic##bits##_##name(volatile type *p, type operand, int order)               \
	{                                                                                          \
		HERE();                                                                            \
		if (!is_shared(p))                                                                 \
			return builtin(p, operand, __ATOMIC_SEQ_CST);                              \
		return (type)shared_modify(p, bits / 8, op, operand, order);                       \
	}

#define COMPARE(bits, type, strength)                                                              \
	int __tsan_atomic##bits##_compare_exchange_##strength(volatile type *p, type *expected,    \
							      type value, int order, int failure); \
	int __tsan_atomic##bits##_compare_exchange_##strength(volatile type *p, type *expected,    \
							      type value, int order, int failure)  \
	{                                                                                          \
		(void)failure;                                                                     \
		HERE();                                                                            \
		if (!is_shared(p))                                                                 \
			return __atomic_compare_exchange_n(p, expected, value, 0,                  \
							   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);    \
		type old = (type)shared_compare(p, bits / 8, *expected, value, order);             \
		if (old == *expected)                                                              \
			return 1;                                                                  \
		*expected = old;                                                                   \
		return 0;                                                                          \
	}

/* clang's: returns what was there. */
#define COMPARE_VALUE(bits, type)                                                                  \
	type __tsan_atomic##bits##_compare_exchange_val(volatile type *p, type expected,           \
							type value, int order, int failure);       \
	type __tsan_atomic##bits##_compare_exchange_val(volatile type *p, type expected,           \
							type value, int order, int failure)        \
	{                                                                                          \
		(void)failure;                                                                     \
		HERE();                                                                            \
		if (is_shared(p))                                                                  \
			return (type)shared_compare(p, bits / 8, expected, value, order);          \
		__atomic_compare_exchange_n(p, &expected, value, 0, __ATOMIC_SEQ_CST,              \
					    __ATOMIC_SEQ_CST);                                     \
		return expected;                                                                   \
	}

#define ATOMIC(bits, type)                                                                         \
	type __tsan_atomic##bits##_load(const volatile type *p, int order);                        \
	type __tsan_atomic##bits##_load(const volatile type *p, int order)                         \
	{                                                                                          \
		HERE();                                                                            \
		if (!is_shared(p))                                                                 \
			return __atomic_load_n(p, __ATOMIC_SEQ_CST);                               \
		return (type)shared_load(p, bits / 8, order);                                      \
	}                                                                                          \
	void __tsan_atomic##bits##_store(volatile type *p, type value, int order);                 \
	void __tsan_atomic##bits##_store(volatile type *p, type value, int order)                  \
	{                                                                                          \
		HERE();                                                                            \
		if (!is_shared(p))                                                                 \
			__atomic_store_n(p, value, __ATOMIC_SEQ_CST);                              \
		else                                                                               \
			shared_store(p, bits / 8, value, order);                                   \
	}                                                                                          \
	MODIFY(bits, type, exchange, OP_EXCHANGE, __atomic_exchange_n)                             \
	MODIFY(bits, type, fetch_add, OP_ADD, __atomic_fetch_add)                                  \
	MODIFY(bits, type, fetch_sub, OP_SUB, __atomic_fetch_sub)                                  \
	MODIFY(bits, type, fetch_and, OP_AND, __atomic_fetch_and)                                  \
	MODIFY(bits, type, fetch_or, OP_OR, __atomic_fetch_or)                                     \
	MODIFY(bits, type, fetch_xor, OP_XOR, __atomic_fetch_xor)                                  \
	MODIFY(bits, type, fetch_nand, OP_NAND, __atomic_fetch_nand)                               \
	COMPARE(bits, type, strong)                                                                \
	COMPARE(bits, type, weak)                                                                  \
	COMPARE_VALUE(bits, type)
ATOMIC(8, uint8_t)
ATOMIC(16, uint16_t)
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)

void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_thread_fence(int order)
{
	HERE();
	bool weak = is_weak(WEAK_FENCE);
	machine_step(STEP_FENCE);
	if (unlikely(machine.tracing))
		trace_note(weak ? "a fence that is left out" : "fence");
	if (weak)
		return;
	if (order == __ATOMIC_SEQ_CST)
		memory_drain(machine.current);
	else if (releases(order))
		memory_release_fence(machine.current);
	if (acquires(order))
		memory_acquire(machine.current, memory_changes);
}

/* What the compiler kept in order is in order. */
void __tsan_atomic_signal_fence(int order);
void __tsan_atomic_signal_fence(int order)
{
	(void)order;
}
