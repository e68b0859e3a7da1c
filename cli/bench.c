/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shoal bench: how fast this machine's ways between two processes are, and Shoal beside them. The
 * lab is a program of its own, which knows the options and cleans up after itself.
 */
#include "helper.h"

int verb_bench(const struct verb *verb, int argc, const char **argv)
{
	(void)verb;
	(void)argc;
	return helper_become("shoal-bench", argv);
}
