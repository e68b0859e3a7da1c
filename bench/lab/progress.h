/* SPDX-License-Identifier: Apache-2.0 */
/* A bar on stderr: how far the run is, and at what. */
#ifndef LAB_PROGRESS_H
#define LAB_PROGRESS_H

#include "run.h"

/* The figure `index` is about to be measured for the start number `start`. */
void progress_show(const struct lab_plan *plan, size_t index, uint32_t start);
/* Wipes it. */
void progress_end(void);

#endif
