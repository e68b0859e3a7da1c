/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile peer: each read of shared bytes that a call makes may be answered with a value of the
 * attacker's choice, each time with another one; that is what somebody with write permission and
 * perfect timing can do. Whole objects of garbage, too. Promised (rule 3, shoal/error.h): the call
 * comes back, with success or an error of its contract; it touches nothing outside the mapping and
 * does not go on without a bound; a failed open leaves nothing open.
 */
#ifndef SIM_HOSTILE_H
#define SIM_HOSTILE_H

#include "sim.h"

struct hostile_entry {
	const char *name;
	void (*set_up)(void);
	int64_t (*run)(void);
	const int *errors; /* that it may answer with: positive, ends with 0 */
	bool opens;        /* a failure leaves nothing open */
};
extern const struct hostile_entry hostile_entries[];
extern const size_t hostile_entry_count;
/* Those that must not stand. */
extern const struct hostile_entry careless_entries[];
extern const size_t careless_entry_count;

struct hostile_totals {
	uint64_t calls;
	uint64_t reads;  /* of shared bytes, answered by the attacker */
	uint64_t words;  /* of copies that pread made, and of objects of garbage */
	uint64_t failed; /* calls that said no */
	uint64_t violations;
};

/* Calls until so many reads were answered by the attacker. */
void hostile_run(const struct hostile_entry *entry, uint64_t reads, uint64_t seed,
		 struct hostile_totals *totals);

#endif
