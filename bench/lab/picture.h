/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pictures of a run of `shoal bench`, from its JSON document alone: latency percentiles as curves,
 * throughput as bars, a panel for each job, size and mode. They load nothing, run no script, follow
 * the reader's light or dark theme, and hold no markup of the document's: all its text is escaped.
 *
 * The document may be anybody's file. 0; or -EINVAL, -ENOTSUP (see run_document.h), -ENOMEM, or
 * the error of writing; then `why` is a sentence. Nothing is written of a document that is refused.
 * Numbers are printed as LC_NUMERIC says, so the program leaves that at "C".
 */
#ifndef BENCH_LAB_PICTURE_H
#define BENCH_LAB_PICTURE_H

#include <jansson.h>
#include <stdio.h>

/* One page that needs nothing else: the panels, what was measured on, what was not there, and all
 * figures as tables. It is well-formed XML, too. */
int picture_html(const json_t *document, FILE *to, char *why, size_t why_size);

/* The same panels as one SVG, for a page that someone else writes. */
int picture_svg(const json_t *document, FILE *to, char *why, size_t why_size);

#endif
