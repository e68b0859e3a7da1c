/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks, for the verbs that are about every kind. */
#ifndef CLI_BLOCK_H
#define CLI_BLOCK_H

#include "json.h"
#include "options.h"

/* What create needs to make one: --size, --max and so on. */
extern const struct option block_options[];
bool block_options_given(void);
/* Makes it, and says so. Exit code. */
int block_create(const char *name, bool foreign, uint32_t mode);

/* What stat shows of one: rows of its seats, all of it as JSON, or printed. */
json_t *block_seat_rows(const char *name, const struct shoal_block_stat *stat);
json_t *block_value(const char *name, const struct shoal_block_stat *stat);
void block_print(const char *name, const struct shoal_block_stat *stat);
/* As users_text and targets_add need it, for what turned out to be no topic. */
void block_users_text(const char *name, unsigned flags, char *buffer, size_t size);
int block_object(const char *name, unsigned flags, struct shoal_object *ret);

#endif
