/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAB_PRINT_H
#define LAB_PRINT_H

#include "table.h"

/* Checks -o. GO_ON, or EXIT_USAGE after a sentence. */
int print_check(const struct verb *verb);
/* The document for people: a table for each job and mode. An exit code. */
int print_tables(const json_t *document);

#endif
