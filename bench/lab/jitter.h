/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAB_JITTER_H
#define LAB_JITTER_H

#include "run.h"

/* Looks at the clock on that core for 50 ms, and nothing else. */
struct lab_jitter lab_jitter(int core);

#endif
