/* SPDX-License-Identifier: Apache-2.0 */
/* JSON: one place that knows how strangers' bytes become JSON text. */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include "cli.h"

#include <jansson.h>

/* A JSON string of text that may be anything: bytes that are not UTF-8 come out as '?'. */
json_t *json_text(const char *text);
json_t *json_u64(uint64_t value);

/* One message as a line of JSON (without newline), malloc'ed; NULL when memory is out. */
char *json_message(const struct shoal_view *view, int64_t time_ns, size_t *ret_bytes);

#endif
