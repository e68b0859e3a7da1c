/* SPDX-License-Identifier: Apache-2.0 */
/* A peer's daemon: started by the driver for each start of two sides, and ended after it. */
#ifndef PEERS_DAEMON_H
#define PEERS_DAEMON_H

#include "lab.h"

/* Runs it, found in PATH; its pid is in link->daemon. It gets SIGTERM when the driver dies, and
 * SIGKILL from the janitor when that does not end it. What it says goes into a file in the folder
 * of objects. False, with the reason, when it can't be run. */
bool peer_daemon_start(struct lab_link *link, const char *const *command, char *reason);
/* Waits until it said that. Before it is ready a daemon may not clean up when it is to end. */
bool peer_daemon_ready(struct lab_link *link, const char *text, char *reason);
/* Asks it to end, and waits; after some seconds it must. */
void peer_daemon_stop(struct lab_link *link);

#endif
