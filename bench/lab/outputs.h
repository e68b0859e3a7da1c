/* SPDX-License-Identifier: Apache-2.0 */
/* What else becomes of a run: pages, pictures, and the comparison with an earlier one. */
#ifndef LAB_OUTPUTS_H
#define LAB_OUTPUTS_H

#include "json.h"

struct lab_outputs {
	const char *from; /* files' names, or NULL */
	const char *html;
	const char *svg;
	const char *compare;
	json_t *run; /* the document of `from` */
	json_t *old; /* that of `compare` */
};

/* Before anything is measured: reads and checks what is to be read, and looks whether files can be
 * made where they are wanted. GO_ON, or an exit code after a sentence. */
int outputs_begin(struct lab_outputs *outputs);
/* Makes them: each file complete or not at all. An exit code: EXIT_NO when something got slower. */
int outputs_make(const struct lab_outputs *outputs, const json_t *document);
void outputs_free(struct lab_outputs *outputs);

#endif
