/* SPDX-License-Identifier: Apache-2.0 */
/* All kinds of objects, for those who meet an object without knowing what it is. */
#ifndef SHOAL_KINDS_KINDS_H
#define SHOAL_KINDS_KINDS_H

#include "object/object.h"

/* Ends with NULL. */
extern const struct kind *const kinds[];

#endif
