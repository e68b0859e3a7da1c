#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every C file is as clang-format leaves it. Another version formats differently: skipped then.
set -eu
clang-format --version 2>/dev/null | grep -q 'version 14\.' || { echo "no clang-format 14"; exit 77; }
cd "$SHOAL_SRC"
scripts/sources | xargs clang-format --dry-run -Werror || {
	echo "make format mends this"
	exit 1
}
