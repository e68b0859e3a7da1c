/* SPDX-License-Identifier: Apache-2.0 */
#include "weaken.h"

const struct mistake mistakes[] = {
    {"the slot's word is stored without release", "lane: small", "lane_commit", WEAK_STORE, 0,
     50000},
};
const size_t mistake_count = sizeof(mistakes) / sizeof(mistakes[0]);
