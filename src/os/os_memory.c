/* SPDX-License-Identifier: Apache-2.0 */
/* The table for Linux: files in memory, and what the kernel makes of them. */
#include "os/os_linux.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than the oldest headers that we build with. */
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* mmap, mlock and madvise say EAGAIN when too much is locked, or the kernel is out of something. */
static int no_memory(void)
{
	return errno == EAGAIN ? -ENOMEM : -errno;
}

static int protection_of(unsigned access)
{
	return (access & OS_READ ? PROT_READ : 0) | (access & OS_WRITE ? PROT_WRITE : 0) |
	       (access & OS_EXECUTE ? PROT_EXEC : 0);
}

int os_map_part(int fd, const struct os_part *part, void **ret)
{
	int flags = part->copy ? MAP_PRIVATE | MAP_NORESERVE : MAP_SHARED;
	if (part->address)
		flags |= part->replace ? MAP_FIXED : MAP_FIXED_NOREPLACE;
	void *p = mmap(part->address, part->bytes, protection_of(part->access), flags, fd,
		       (off_t)part->offset);
	if (p == MAP_FAILED)
		return no_memory();
	int r = 0;
	if (part->address && p != part->address)
		r = -EEXIST; /* a kernel before 4.17 takes the address for a wish */
	else if (!part->inherit && madvise(p, part->bytes, MADV_DONTFORK) < 0)
		r = no_memory();
	if (r < 0) {
		munmap(p, part->bytes);
		return r;
	}
	*ret = p;
	return 0;
}

int os_map(int fd, uint64_t bytes, enum os_map how, void **ret)
{
	static const unsigned accesses[] = {0, OS_READ, OS_READ | OS_WRITE};
	struct os_part part = {.address = *ret, .bytes = bytes, .access = accesses[how]};
	return os_map_part(fd, &part, ret);
}

int os_find_room(uint64_t bytes, uint64_t alignment, void **ret)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	uint64_t all = bytes + alignment;
	if (all < bytes)
		return -ENOMEM;
	void *p = mmap(NULL, all, PROT_NONE, flags, -1, 0);
	if (p == MAP_FAILED)
		return no_memory();
	munmap(p, all);
	uintptr_t before = (uintptr_t)p % alignment;
	*ret = (uint8_t *)p + (before ? alignment - before : 0);
	return 0;
}

int os_protect(void *address, uint64_t bytes, unsigned access)
{
	return mprotect(address, bytes, protection_of(access)) < 0 ? no_memory() : 0;
}

int os_sync(void *address, uint64_t bytes, enum os_sync how)
{
	static const int flags[] = {MS_SYNC, MS_ASYNC, MS_INVALIDATE};
	int r, tries = 0;
	do
		r = msync(address, bytes, flags[how]);
	while (r < 0 && errno == EINTR && ++tries < 10000);
	return r < 0 ? (errno == EINTR ? -EBUSY : -errno) : 0;
}

/* Before Linux 5.14: a look at a byte of each page brings it in just as well. */
static void look_at_each_page(const void *address, uint64_t bytes)
{
	const volatile uint8_t *byte = address;
	uint64_t page = os_page_bytes();
	for (uint64_t i = 0; i < bytes; i += page)
		(void)byte[i];
}

static int populate(void *address, uint64_t bytes)
{
	if (madvise(address, bytes, MADV_POPULATE_READ) == 0)
		return 0;
	if (errno != EINVAL)
		return no_memory();
	look_at_each_page(address, bytes);
	return 0;
}

int os_advise(void *address, uint64_t bytes, enum os_advice advice)
{
	static const int values[] = {
	    [OS_NORMAL] = MADV_NORMAL,      [OS_SEQUENTIAL] = MADV_SEQUENTIAL,
	    [OS_RANDOM] = MADV_RANDOM,      [OS_WILL_NEED] = MADV_WILLNEED,
	    [OS_NOT_NEEDED] = MADV_PAGEOUT, [OS_HUGE] = MADV_HUGEPAGE,
	    [OS_NO_HUGE] = MADV_NOHUGEPAGE, [OS_COLLAPSE] = MADV_COLLAPSE,
	};
	switch (advice) {
	case OS_POPULATE:
		return populate(address, bytes);
	case OS_LOCK:
		/* AddressSanitizer replaces mlock(2) by one that does nothing and says it did. */
		return syscall(SYS_mlock, address, bytes) < 0 ? no_memory() : 0;
	case OS_UNLOCK:
		return syscall(SYS_munlock, address, bytes) < 0 ? no_memory() : 0;
	default:
		return madvise(address, bytes, values[advice]) < 0 ? no_memory() : 0;
	}
}

int os_resident(const void *address, uint64_t bytes, uint64_t *ret_pages)
{
	enum { AT_ONCE = 4096 };
	unsigned char in[AT_ONCE];
	uint64_t page = os_page_bytes();
	*ret_pages = 0;
	for (uint64_t done = 0; done < bytes; done += AT_ONCE * page) {
		uint64_t left = bytes - done;
		uint64_t now = left < AT_ONCE * page ? left : AT_ONCE * page;
		if (mincore((uint8_t *)(uintptr_t)address + done, now, in) < 0)
			return no_memory();
		for (uint64_t i = 0; i * page < now; i++)
			*ret_pages += in[i] & 1;
	}
	return 0;
}

/* ---- /proc/self/maps and smaps ----------------------------------------------------------- */

struct range {
	uint64_t first, end; /* of what is asked for */
};

/* "first-end access offset device inode  name": is it such a line, and what does it share? */
static bool head_of(const char *line, struct range *ret)
{
	char *end;
	ret->first = strtoull(line, &end, 16);
	if (end == line || *end != '-')
		return false;
	ret->end = strtoull(end + 1, NULL, 16);
	return true;
}

static bool overlap(const struct range *a, const struct range *b)
{
	return a->first < b->end && b->first < a->end;
}

static void add_value(const char *line, const char *name, uint64_t *sum)
{
	size_t length = strlen(name);
	if (strncmp(line, name, length) == 0 && line[length] == ':')
		*sum += strtoull(line + length + 1, NULL, 10) * 1024;
}

/* Mappings that reach out of the range count whole: the caller asks for whole ones. */
int os_mapped(const void *address, uint64_t bytes, struct os_mapped *ret)
{
	struct range asked = {(uintptr_t)address, (uintptr_t)address + bytes}, here;
	bool inside = false;
	char line[512];
	FILE *file = fopen("/proc/self/smaps", "re");
	if (!file)
		return -errno;
	*ret = (struct os_mapped){0};
	while (fgets(line, sizeof(line), file)) {
		if (head_of(line, &here))
			inside = overlap(&here, &asked);
		if (!inside)
			continue;
		add_value(line, "Rss", &ret->resident_bytes);
		add_value(line, "Locked", &ret->locked_bytes);
		add_value(line, "AnonHugePages", &ret->huge_bytes);
		add_value(line, "ShmemPmdMapped", &ret->huge_bytes);
		add_value(line, "FilePmdMapped", &ret->huge_bytes);
	}
	int r = ferror(file) ? -EIO : 0;
	fclose(file);
	return r;
}

void os_occupant(const void *address, uint64_t bytes, char text[OS_OCCUPANT_BYTES])
{
	struct range asked = {(uintptr_t)address, (uintptr_t)address + bytes}, here;
	char line[512];
	FILE *file = fopen("/proc/self/maps", "re");
	snprintf(text, OS_OCCUPANT_BYTES, "something");
	while (file && fgets(line, sizeof(line), file)) {
		if (!head_of(line, &here) || !overlap(&here, &asked))
			continue;
		line[strcspn(line, "\n")] = '\0';
		for (char *c = line; *c; c++) /* what would move a terminal's cursor */
			*c = (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c;
		const char *name = strpbrk(line, "/[");
		snprintf(text, OS_OCCUPANT_BYTES, "%.60s at 0x%llx to 0x%llx",
			 name ? name : "anonymous memory", (unsigned long long)here.first,
			 (unsigned long long)here.end);
		break;
	}
	if (file)
		fclose(file);
}

uint64_t os_page_bytes(void)
{
	static _Atomic uint64_t known;
	uint64_t bytes = known;
	if (bytes == 0)
		known = bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	return bytes;
}
