/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces and file systems of our own, where the kernel lets us have them. */
#include "soak.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

const char *place_cgroup;
static char own_cgroup[96];
static bool may_mount, may_twin;
static int own_pids = -1;
static int twin_pids[2] = {-1, -1};
static pid_t twin_init[2];

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	bool written = write(fd, text, strlen(text)) > 0;
	if (!written)
		printf("can't write %s: %s\n", path, strerror(errno));
	close(fd);
	return written;
}

bool place_squeeze(void)
{
	char path[300];
	snprintf(path, sizeof(path), "%s/cgroup.procs", place_cgroup);
	return write_file(path, "0");
}

/* ---- a memory cgroup ----------------------------------------------------------------------- */

static bool try_cgroup(const char *parent, const char *limit)
{
	char path[128];
	snprintf(own_cgroup, sizeof(own_cgroup), "%s/shoal-soak-%" PRIx64, parent, book->seed);
	snprintf(path, sizeof(path), "%s/%s", own_cgroup, limit);
	if (mkdir(own_cgroup, 0700) < 0)
		return false;
	if (access(path, W_OK) == 0 && write_file(path, "16777216"))
		return true;
	rmdir(own_cgroup);
	return false;
}

void place_make_cgroup(void)
{
	if (place_cgroup)
		return;
	if (try_cgroup("/sys/fs/cgroup/memory", "memory.limit_in_bytes") ||
	    try_cgroup("/sys/fs/cgroup", "memory.max"))
		place_cgroup = own_cgroup;
	else
		printf("left out: a memory cgroup (none can be made, none was named: --cgroup)\n");
}

void place_remove_cgroup(void)
{
	if (place_cgroup == own_cgroup && rmdir(own_cgroup) < 0)
		printf("can't remove %s: %s\n", own_cgroup, strerror(errno));
}

/* ---- becoming able ------------------------------------------------------------------------- */

/*
 * An unprivileged user is one still, but may do more in a namespace of its own. From a PID
 * namespace that is not ours we could not come back to where we are: so the rest of this program is
 * the first process of a new one, and we wait for it.
 */
static bool become_master(void)
{
	char map[64];
	unsigned uid = geteuid(), gid = getegid();
	if (unshare(CLONE_NEWUSER | CLONE_NEWPID) < 0)
		return false;
	write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	write_file("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	write_file("/proc/self/gid_map", map);
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		return true;
	}
	int status = 0;
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		exit(77);
	exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

void place_enter(void)
{
	bool master = unshare(CLONE_NEWNS) == 0;
	if (!master)
		master = become_master() && unshare(CLONE_NEWNS) == 0;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (!master) {
		printf("left out: namespaces and the small file system (unshare: %s)\n",
		       strerror(errno));
		return;
	}
	may_mount = mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	if (getpid() == 1) /* else numbers in /proc are not those that we know */
		mount("proc", "/proc", "proc", 0, NULL);
	own_pids = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	may_twin = own_pids >= 0;
}

bool place_small(const char *path)
{
	if (!may_mount)
		return false;
	if (mkdir(path, 0700) == 0 && mount("shoal-soak", path, "tmpfs", 0, "size=4m") == 0)
		return true;
	printf("left out: a tmpfs of 4 MiB (%s)\n", strerror(errno));
	rmdir(path);
	return false;
}

void place_leave(const char *path)
{
	umount2(path, MNT_DETACH);
	rmdir(path);
}

/* ---- PID namespaces ------------------------------------------------------------------------ */

__attribute__((noreturn)) static void be_init(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		if (waitpid(-1, NULL, 0) < 0)
			nap_ns(5 * MS);
}

static bool open_twin(int i)
{
	if (unshare(CLONE_NEWPID) < 0)
		return false;
	pid_t pid = fork();
	if (pid == 0)
		be_init();
	setns(own_pids, CLONE_NEWPID);
	if (pid < 0)
		return false;
	twin_init[i] = pid;
	twin_pids[i] = (int)syscall(SYS_pidfd_open, pid, 0u);
	return twin_pids[i] >= 0;
}

bool place_open_twins(void)
{
	if (may_twin && open_twin(0) && open_twin(1))
		return true;
	if (may_twin)
		printf("left out: PID namespaces (%s)\n", strerror(errno));
	may_twin = false;
	place_close_twins();
	return false;
}

void place_close_twins(void)
{
	for (int i = 0; i < 2; i++) {
		if (twin_pids[i] >= 0)
			close(twin_pids[i]);
		twin_pids[i] = -1;
		if (twin_init[i] > 0) {
			kill(twin_init[i], SIGKILL);
			waitpid(twin_init[i], NULL, 0);
		}
		twin_init[i] = 0;
	}
}

pid_t place_fork(int twin)
{
	bool inside = twin >= 0 && twin_pids[twin] >= 0;
	if (inside && setns(twin_pids[twin], CLONE_NEWPID) < 0)
		return -1;
	pid_t pid = fork();
	if (pid != 0 && inside)
		setns(own_pids, CLONE_NEWPID);
	return pid;
}

/* ---- what a process holds ------------------------------------------------------------------ */

struct holdings holdings_now(void)
{
	struct holdings holdings = {0};
	char line[4096];
	DIR *dir = opendir("/proc/self/fd");
	while (dir && readdir(dir))
		holdings.descriptors++;
	if (dir)
		closedir(dir);
	FILE *maps = fopen("/proc/self/maps", "re");
	while (maps && fgets(line, sizeof(line), maps))
		/* A file made by O_TMPFILE is listed as "/dev/shm/#12 (deleted)". */
		if (strstr(line, "/shoal:") || strstr(line, "/#") || strstr(line, "/in-a-file"))
			holdings.files++;
	if (maps)
		fclose(maps);
	return holdings;
}
