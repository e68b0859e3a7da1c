/* SPDX-License-Identifier: Apache-2.0 */
/* Everything: #include <shoal/shoal.h> and link with -lshoal. */
#ifndef SHOAL_SHOAL_H
#define SHOAL_SHOAL_H

#include <shoal/block.h>
#include <shoal/error.h>
#include <shoal/histogram.h>
#include <shoal/map.h>
#include <shoal/object.h>
#include <shoal/sysv.h>
#include <shoal/topic.h>
#include <shoal/version.h>

#endif
