/* SPDX-License-Identifier: Apache-2.0 */
/* Stacks, and going from one to another: a dozen instructions where we know the processor. */
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { STACK_BYTES = 256 * 1024 };

static void need_stack(struct fiber *fiber)
{
	if (fiber->memory)
		return;
	void *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stack == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
	mprotect(stack, 4096, PROT_NONE);
	fiber->memory = stack;
}

#if defined(__x86_64__)

/* What a function must find unchanged when it comes back: six registers, and where it was. */
void sim_switch(void **from, void *to);
__asm__(".text\n"
	".hidden sim_switch\n"
	".globl sim_switch\n"
	".type sim_switch, @function\n"
	"sim_switch:\n"
	"	pushq %rbp\n"
	"	pushq %rbx\n"
	"	pushq %r12\n"
	"	pushq %r13\n"
	"	pushq %r14\n"
	"	pushq %r15\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	popq %r15\n"
	"	popq %r14\n"
	"	popq %r13\n"
	"	popq %r12\n"
	"	popq %rbx\n"
	"	popq %rbp\n"
	"	ret\n"
	".size sim_switch, . - sim_switch\n");

void fiber_begin(struct fiber *fiber, void (*run)(void))
{
	need_stack(fiber);
	void **top = (void **)(void *)(fiber->memory + STACK_BYTES);
	*--top = NULL; /* where run() would return to; the stack is aligned as after a call */
	*--top = (void *)(uintptr_t)run;
	top -= 6;
	memset(top, 0, 6 * sizeof(*top));
	fiber->stack = top;
}

void fiber_switch(struct fiber *from, struct fiber *to)
{
	sim_switch(&from->stack, to->stack);
}

#else

static ucontext_t *context_of(struct fiber *fiber)
{
	if (!fiber->context)
		fiber->context = calloc(1, sizeof(ucontext_t));
	if (!fiber->context)
		exit(2);
	return fiber->context;
}

void fiber_begin(struct fiber *fiber, void (*run)(void))
{
	need_stack(fiber);
	ucontext_t *context = context_of(fiber);
	getcontext(context);
	context->uc_stack.ss_sp = fiber->memory;
	context->uc_stack.ss_size = STACK_BYTES;
	context->uc_link = NULL;
	makecontext(context, run, 0);
}

void fiber_switch(struct fiber *from, struct fiber *to)
{
	swapcontext(context_of(from), context_of(to));
}

#endif
