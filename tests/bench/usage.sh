#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage.sh SHOAL-BENCH-TOPIC: a figure that it does not know is a wrong call, said before anything is
# measured or printed.
"$1" --only nosuch >out 2>err
code=$?
[ $code -eq 2 ] || { echo "exit code $code instead of 2" && exit 1; }
[ ! -s out ] || { cat out && exit 1; }
grep -q 'no figure is called nosuch' err
