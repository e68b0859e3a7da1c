/* SPDX-License-Identifier: Apache-2.0 */
#include "leak_check.h"
#include "support.h"

#include <dirent.h>
#include <sys/wait.h>

static unsigned count_descriptors(void)
{
	unsigned count = 0;
	DIR *dir = opendir("/proc/self/fd");
	CHECKF(dir, "%s", strerror(errno));
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 3; /* ".", ".." and the one of `dir` */
}

static void count_mappings(struct holdings *holdings)
{
	char line[4096];
	uint64_t kib = 0;
	FILE *file = fopen("/proc/self/smaps", "re");
	CHECKF(file, "%s", strerror(errno));
	while (fgets(line, sizeof(line), file)) {
		/* A file made by O_TMPFILE is listed as "/dev/shm/#12 (deleted)". */
		if (strstr(line, "/shoal") || strstr(line, "/#"))
			holdings->files++;
		if (line_number(line, "Size:", &kib))
			continue;
		if (strncmp(line, "VmFlags:", 8) == 0 &&
		    (strstr(line, " dc") || strstr(line, " wf")))
			holdings->private_kib += kib;
	}
	fclose(file);
}

struct holdings holdings_now(void)
{
	struct holdings holdings = {.descriptors = count_descriptors()};
	count_mappings(&holdings);
	return holdings;
}

static void list_descriptors(void)
{
	char path[64], target[256];
	for (int fd = 3; fd < 4096; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		ssize_t n = readlink(path, target, sizeof(target) - 1);
		if (n > 0)
			printf("  descriptor %d: %.*s\n", fd, (int)n, target);
	}
}

void holdings_check(const struct holdings *before, const char *where)
{
	struct holdings now = holdings_now();
	if (now.descriptors != before->descriptors)
		list_descriptors();
	CHECKF(now.descriptors == before->descriptors, "%s: %u descriptors, %u before", where,
	       now.descriptors, before->descriptors);
	CHECKF(now.files == before->files, "%s: %u mappings of objects, %u before", where,
	       now.files, before->files);
	CHECKF(now.private_kib == before->private_kib, "%s: %llu KiB of handles, %llu before",
	       where, (unsigned long long)now.private_kib, (unsigned long long)before->private_kib);
}

void children_check(const char *where)
{
	int status;
	pid_t pid = waitpid(-1, &status, WNOHANG);
	CHECKF(pid < 0 && errno == ECHILD, "%s: a child was left behind (%d)", where, (int)pid);
}
