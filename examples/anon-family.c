/* SPDX-License-Identifier: Apache-2.0 */
/*
 * anon-family [CHILDREN]: a parent and its children (3) over memory that has no name. The parent
 * opens its handles before it forks; each child takes a place of its own in what it inherited, and
 * publishes. No file, nothing to clean up, whoever is killed; and a child that is killed costs the
 * others nothing but its messages.
 */
#include <errno.h>
#include <shoal/shoal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int complain(const char *what, int r)
{
	fprintf(stderr, "anon-family: %s: %s: %s\n", what, shoal_strerror(r), shoal_error_detail());
	return 1;
}

/* In the child: the handles that it inherited answer -ECHILD until they rejoin. */
static int be_child(shoal_pub *pub, shoal_sub *sub, unsigned number)
{
	char text[64];
	shoal_sub_close(sub); /* not needed here; the parent's is not touched */
	int r = shoal_pub_rejoin(pub);
	int bytes = snprintf(text, sizeof(text), "child %u speaks", number);
	if (r == 0)
		r = shoal_pub_publish(pub, text, (size_t)bytes, SHOAL_FOREVER);
	shoal_pub_close(pub);
	return r < 0 ? complain("child", r) : 0;
}

/* All that was said, to the end: every publisher is gone, and the last one closed in order. */
static int listen(shoal_sub *sub)
{
	struct shoal_view view;
	int r;
	while ((r = shoal_sub_borrow(sub, SHOAL_FOREVER, &view)) >= 0) {
		printf("%.*s\n", (int)view.bytes, (const char *)view.data);
		shoal_sub_release(sub, &view);
	}
	return r == -EPIPE ? 0 : complain("parent", r);
}

int main(int argc, char **argv)
{
	unsigned children = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 3;
	struct shoal_topic_options options = {
	    .size = sizeof(options), .lanes = children + 1, /* one for each, and the parent's */
	};
	shoal_pub *pub = NULL;
	shoal_sub *sub = NULL;
	char name[32];
	int r = shoal_pub_open(&pub, "anon:family", SHOAL_CREATE, &options);
	if (r >= 0) {
		/* A second handle on the same memory: by the descriptor of the first. */
		snprintf(name, sizeof(name), "memfd:fd=%d", shoal_pub_fd(pub));
		r = shoal_sub_open(&sub, name, 0, NULL);
	}
	if (r < 0)
		return complain("open", r);
	for (unsigned i = 0; i < children; i++) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(be_child(pub, sub, i));
	}
	while (wait(NULL) > 0) /* what they said stays, also of one that was killed */
		;
	shoal_pub_close(pub); /* held until here: before, it would have looked like the end */
	r = listen(sub);
	shoal_sub_close(sub);
	return r;
}
