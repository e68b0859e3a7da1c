/* SPDX-License-Identifier: Apache-2.0 */
/*
 * anon-family-bare [CHILDREN]: a parent and its children (3) over an anonymous map, with the bare
 * calls. anon-family.c does the same through Shoal.
 *
 * What to mind here: who writes where, and how much, has to be settled before the fork; a child
 * that was forked before the map, or that execs, has no part in it; and of a child that is killed
 * while it speaks, the parent finds half a sentence and can't tell.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct place {
	char text[64];
};

int main(int argc, char **argv)
{
	unsigned children = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 3;
	size_t bytes = (children + 1) * sizeof(struct place); /* none would be EINVAL */
	struct place *places =
	    mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (places == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	for (unsigned i = 0; i < children; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			snprintf(places[i].text, sizeof(places[i].text), "child %u speaks", i);
			_exit(0);
		}
	}
	while (wait(NULL) > 0) /* before, there is nothing, or half of it */
		;
	for (unsigned i = 0; i < children; i++)
		puts(places[i].text);
	munmap(places, bytes);
	return 0;
}
