#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The demonstration runs, with little data, finds nothing wrong, and leaves nothing behind.
. "$SHOAL_SRC/tests/cli/lib.sh" || exit 1

SHOAL_DEMO_MB=4 timeout 100 "$SHOAL_SRC/scripts/demo" >out 2>err
code=$?
[ $code -eq 0 ] || {
	bad "scripts/demo: exit code $code"
	cat out err
}
has out "the same bytes"
has_not out "DIFFERENT"
tail -n 1 out | grep -q shoal || bad "no last line that says what to try: $(tail -n 1 out)"

finish
