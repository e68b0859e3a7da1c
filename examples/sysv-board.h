/* SPDX-License-Identifier: Apache-2.0 */
/* What server and client agree on: this, and who writes what when. */
#ifndef EXAMPLE_SYSV_BOARD_H
#define EXAMPLE_SYSV_BOARD_H

#include <stdatomic.h>

#define BOARD_VARIABLE "BOARD_ID"

struct board {
	_Atomic int state; /* 0: empty, as a new segment is; 1: written; 2: read */
	char text[27];
};

#endif
