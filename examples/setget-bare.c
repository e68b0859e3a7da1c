/* SPDX-License-Identifier: Apache-2.0 */
/*
 * setget.c with the calls of the kernel, and what that takes: whoever gets between shm_open and
 * ftruncate of whoever sets maps an empty file and is killed when he touches it, so he must look at
 * the size; the umask takes away what the mode grants; and a full /dev/shm kills whoever sets, if
 * he does not reserve the memory.
 */
#include "setget.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct note *map(int fd, int protection)
{
	void *p = mmap(NULL, sizeof(struct note), protection, MAP_SHARED, fd, 0);
	return p == MAP_FAILED ? NULL : p;
}

static int set(const char *name, const char *text)
{
	int fd = shm_open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	int r = posix_fallocate(fd, 0, sizeof(struct note));
	struct note *note = r == 0 ? map(fd, PROT_READ | PROT_WRITE) : NULL;
	close(fd);
	if (!note)
		return r ? -r : -errno;
	note_set(note, text);
	munmap(note, sizeof(*note));
	return 0;
}

static int get(const char *name)
{
	char text[TEXT_WORDS * 8];
	struct stat st;
	int fd = shm_open(name, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int r = fstat(fd, &st) < 0 ? -errno : 0;
	if (r == 0 && (size_t)st.st_size < sizeof(struct note))
		r = -EAGAIN; /* it is being made */
	struct note *note = r == 0 ? map(fd, PROT_READ) : NULL;
	close(fd);
	if (!note)
		return r ? r : -errno;
	if (note_get(note, text))
		puts(text);
	munmap(note, sizeof(*note));
	return 0;
}

int main(int argc, char **argv)
{
	int r;
	if (argc == 4 && strcmp(argv[2], "set") == 0) {
		r = set(argv[1], argv[3]);
	} else if (argc == 3 && strcmp(argv[2], "get") == 0) {
		r = get(argv[1]);
	} else if (argc == 3 && strcmp(argv[2], "remove") == 0) {
		r = shm_unlink(argv[1]) < 0 ? -errno : 0;
	} else {
		fprintf(stderr, "usage: setget-bare NAME set TEXT | get | remove\n");
		return 2;
	}
	if (r < 0)
		fprintf(stderr, "setget-bare: %s\n", strerror(-r));
	return r < 0;
}
