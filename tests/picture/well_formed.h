/* SPDX-License-Identifier: Apache-2.0 */
/* Is it well-formed XML? Enough of the rules that no reader trips, and no text becomes markup. */
#ifndef TESTS_PICTURE_WELL_FORMED_H
#define TESTS_PICTURE_WELL_FORMED_H

#include <stddef.h>

/* NULL, or what is wrong; *ret_at is how far it was right. A document type may come first. */
const char *well_formed(const char *text, size_t bytes, size_t *ret_at);

#endif
