/* SPDX-License-Identifier: Apache-2.0 */
/* What the machine itself does to a loop: interrupts and the hypervisor are in no transport's
 * power, and are in the largest values of all. */
#include "jitter.h"

#include <sched.h>
#include <stdlib.h>

#define LOOK_NS 50000000

struct lab_jitter lab_jitter(int core)
{
	struct shoal_histogram gaps;
	struct lab_jitter jitter = {0};
	cpu_set_t allowed;
	int64_t start_ns, before_ns, now_ns;

	if (sched_getaffinity(0, sizeof allowed, &allowed) < 0)
		return jitter;
	lab_latency_make(&gaps);
	bench_pin(core);
	start_ns = now_ns = bench_now_ns();
	do {
		before_ns = now_ns;
		now_ns = bench_now_ns();
		shoal_histogram_record(&gaps, (uint64_t)(now_ns - before_ns));
	} while (now_ns - start_ns < LOOK_NS);
	sched_setaffinity(0, sizeof allowed, &allowed);
	jitter.p50 = (double)shoal_histogram_percentile(&gaps, 50.0);
	jitter.p99 = (double)shoal_histogram_percentile(&gaps, 99.0);
	jitter.max = (double)shoal_histogram_max(&gaps);
	free(gaps.memory);
	return jitter;
}
