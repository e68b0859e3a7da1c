/* SPDX-License-Identifier: Apache-2.0 */
/* From what was asked for to a list of cases. */
#ifndef LAB_PLAN_H
#define LAB_PLAN_H

#include "options.h"
#include "run.h"

/* As the options have it; lists are separated by commas, NULL: the usual. */
struct lab_request {
	const char *transports;
	const char *sizes;
	const char *jobs;
	const char *modes;
	const char *rates;
	const char *cores;
	bool all;
	uint32_t publishers;
	uint32_t subscribers;
	uint32_t slots;
	uint32_t starts;
	int64_t duration_ns;
};

/* What is measured when nothing is asked for. */
extern const struct lab_request lab_request_usual;
bool lab_request_is_usual(const struct lab_request *request);

/* GO_ON, or the exit code after a sentence. Free it with plan_free. */
int plan_make(const struct verb *verb, const struct lab_request *request,
	      struct lab_plan *ret_plan);
void plan_free(struct lab_plan *plan);

#endif
