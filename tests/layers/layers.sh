#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# This tree keeps its layers; and check-layers notices each kind of breach, so that its silence
# means something.
set -eu
here=$SHOAL_SRC/tests/layers
failures=0

# expect NAME WANTED FILE: puts stdin into tree/FILE, checks, and looks for WANTED in what it says.
# An empty WANTED: it must be content.
expect() {
	rm -rf tree
	mkdir -p "tree/$(dirname "$3")"
	cat >"tree/$3"
	result=0
	said=$("$here/check-layers" tree) || result=1
	case $2 in
	'') [ $result -eq 0 ] && return ;;
	*) [ $result -eq 1 ] && case $said in *"$2"*) return ;; esac ;;
	esac
	echo "self-check failed: $1: wanted «$2», got «$said»"
	failures=$((failures + 1))
}

expect 'downwards is fine' '' src/topic/topic.c <<'END'
#include "topic/topic.h"
#include "lane/lane.h"
#include "base/bits.h"
#include <shoal/topic.h>
/* printf("in a comment"); abort() */
static const char text[] = "exit(1)";
int f(void) { return os->getpid() + ops.exit(); }
END
expect 'the top may use both columns' '' src/kinds/kinds.c <<'END'
#include "registry/registry.h"
#include "topic/topic.h"
END
expect 'a lane may wait' '' src/lane/lane.c <<'END'
#include "wait/wait.h"
END
expect 'os may use the kernel' '' src/os/os.c <<'END'
#include <unistd.h>
void f(void) { abort(); }
END
expect 'a rig is part of unit tests' '' src/seat/seat_rig.h <<'END'
#include <sys/mman.h>
END
expect 'a unit test may fork' '' src/seat/seat_test.c <<'END'
#include <unistd.h>
void f(void) { printf("x"); }
END
expect 'upwards' 'seat is not below segment' src/segment/segment.c <<'END'
#include "seat/seat.h"
END
expect 'wait does not know lanes' 'lane is not below wait' src/wait/wait.c <<'END'
#include "lane/lane.h"
END
expect 'the registry does not know topics' 'topic is not below registry' src/registry/r.c <<'END'
#include "topic/topic_layout.h"
END
expect 'a unit test keeps its layer' 'topic is not below seat' src/seat/seat_test.c <<'END'
#include "topic/topic.h"
END
expect 'a histogram is memory and nothing else' 'os is not below histogram' src/histogram/h.c <<'END'
#include "os/os.h"
END
expect 'a way around' 'name the module' src/base/a.c <<'END'
#include "../os/os.h"
END
expect 'an unknown module' 'no such module' src/magic/magic.c <<'END'
int magic;
END
expect 'a system header outside os' 'for src/os only' src/seat/seat.c <<'END'
#include <sys/mman.h>
END
expect 'a kernel header outside os' 'for src/os only' src/wait/wait.c <<'END'
#include <linux/futex.h>
END
expect 'a clock outside os' 'belong to src/os' src/wait/wait.c <<'END'
	clock_gettime(CLOCK_MONOTONIC, &ts);
END
expect 'printing' 'neither prints' src/base/error.c <<'END'
	fprintf(stderr, "oh\n");
END
expect 'ending the process' 'neither prints' src/base/error.c <<'END'
	if (x) abort ();
END
expect 'the command behind the curtain' 'only <shoal/...>' cli/ls.c <<'END'
#include "seat/seat_layout.h"
END
expect 'a bench behind the curtain' 'only <shoal/...>' bench/ring.c <<'END'
#include "../src/lane/lane.h"
END
printf '\t/* %093d */\n' 0 | expect 'a long line' 'more than 100 columns' src/base/a.h
{ printf '/* '; printf 'ü%.0s' $(seq 93); printf ' */\n'; } |
	expect 'columns are characters' '' src/base/a.h
yes '' | head -701 | expect 'a long file' 'more than 700 lines' tests/process/a.c

"$here/check-layers" "$SHOAL_SRC" || failures=$((failures + 1))
[ $failures -eq 0 ]
