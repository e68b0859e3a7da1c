#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each public header compiles by itself, in C11 and in C++17, without a warning.
set -eu
failures=0
compilers=0

# try COMPILER STANDARD SUFFIX
try() {
	command -v "$1" >/dev/null || return 0
	compilers=$((compilers + 1))
	for header in "$SHOAL_SRC"/include/shoal/*.h; do
		# Twice: it guards itself. Before anything else: it needs no help.
		printf '#include <shoal/%s>\n#include <shoal/%s>\nint unused_%s;\n' \
			"${header##*/}" "${header##*/}" "$2" | tr + x >one."$3"
		"$1" -std="$2" -Wall -Wextra -Wpedantic -Wconversion -Wundef -Werror \
			-I"$SHOAL_SRC/include" -fsyntax-only one."$3" || {
			echo "$1 -std=$2: ${header##*/}"
			failures=$((failures + 1))
		}
	done
}

try gcc c11 c
try gcc c17 c
try clang c11 c
try g++ c++17 cc
try clang++ c++17 cc
[ $compilers -gt 0 ] || { echo "no gcc or clang here"; exit 77; }
[ $failures -eq 0 ]
