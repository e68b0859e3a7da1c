/* SPDX-License-Identifier: Apache-2.0 */
/* The machine that a figure belongs to, and how quiet it was. */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

/* A virtual machine's two cores share a cache at one moment, and don't at the next; then a line's
 * round trip takes more than this. */
#define BENCH_FAR_NS 300

/* The machine, and what else happened on it while we measured. */
struct bench_machine {
	char processor[96];
	char kernel[144];
	int processors;
	int cores[2];
	uint32_t starts;
	uint32_t repeats;
	uint64_t disturbed; /* repeats in which another process took a core */
	double took_s;
	char governor[32]; /* "unknown" where the kernel does not tell */
	bool hypervisor;
	double busy;   /* share of all processors' time that was not idle, before we began */
	double stolen; /* share that the hypervisor kept while we measured */
};

/* Reads what it is; `cores` must be set. Sleeps 0.3 s to see how busy it is. */
void bench_machine_begin(struct bench_machine *machine);
void bench_machine_end(struct bench_machine *machine);

#endif
