/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAB_WORKER_H
#define LAB_WORKER_H

#include "control.h"

/* All that a side does in its life. */
void lab_worker(int control_fd, int side);

#endif
