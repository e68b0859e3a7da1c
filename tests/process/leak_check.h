/* SPDX-License-Identifier: Apache-2.0 */
/* What a process holds that a test must give back: descriptors, the library's mappings, children.
 */
#ifndef TESTS_PROCESS_LEAK_CHECK_H
#define TESTS_PROCESS_LEAK_CHECK_H

#include <stdint.h>

struct holdings {
	unsigned descriptors;
	/* Mappings of objects' files, counted one by one. */
	unsigned files;
	/* Memory that forked children don't get, in KiB: handles and everything behind them are
	 * such, and hardly anything else in a process is. */
	uint64_t private_kib;
};

struct holdings holdings_now(void);
/* Ends the process, with a list of what is there, when it is more than before. */
void holdings_check(const struct holdings *before, const char *where);
/* Ends the process when it has a child. */
void children_check(const char *where);

#endif
