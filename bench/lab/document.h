/* SPDX-License-Identifier: Apache-2.0 */
/* What was measured, as one JSON document: the table, and whatever else is made of it, come from
 * this alone. shoal-bench(1) describes it. */
#ifndef LAB_DOCUMENT_H
#define LAB_DOCUMENT_H

#include "json.h"
#include "run.h"

/* NULL when memory is out. */
json_t *document_make(const struct lab_plan *plan, const struct lab_result *result);
/* As JSON, to stdout. An exit code. */
int document_print(const json_t *document);

#endif
