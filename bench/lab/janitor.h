/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that sleeps until the driver, all its sides and a transport's daemon are gone, however
 * they ended, and then removes what the kernel does not: the folder of objects, the System V queue,
 * and files. A daemon that outlives a killed driver for some seconds is killed.
 */
#ifndef LAB_JANITOR_H
#define LAB_JANITOR_H

#include "control.h"

/* Starts it. 0 or -errno. From here on every child of ours keeps it waiting. */
int janitor_start(const struct lab_control *control);
/* Ends it and waits: all is removed then. The sides must be gone. */
void janitor_finish(void);
/* What a transport named in link->files. */
void janitor_remove_files(const struct lab_link *link);

#endif
