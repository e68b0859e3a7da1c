/* SPDX-License-Identifier: Apache-2.0 */
/* What kernel.c and kernel_wait.c share; scenarios look at it when all is over. */
#ifndef SIM_KERNEL_H
#define SIM_KERNEL_H

#include "machine.h"

enum { NAMES = 4, DESCRIPTIONS = 48, DESCRIPTORS = 16, LOCKS = 24, FIRST_FD = 1 << 20 };

struct file {
	bool used;
	uint32_t mode;
	uint32_t links;
	int references; /* descriptions and mappings */
	uint64_t bytes;
	uint64_t inode;
};

struct description {
	int file;
	int references; /* a descriptor, a lock page */
	uint32_t actor;
};

struct kernel {
	struct file files[FILES];
	struct {
		int file; /* -1: no name */
		char path[92];
	} names[NAMES];
	struct description descriptions[DESCRIPTIONS];
	int descriptors[ACTORS][DESCRIPTORS]; /* -1: closed */
	int maps[ACTORS][FILES];
	struct {
		int description; /* -1: nobody's */
		uint64_t offset;
	} locks[LOCKS];
	uint64_t inodes;
	uint64_t randoms;
};
extern struct kernel kernel;

int kernel_description(int fd);
/* Tells the machine what is mapped. */
void kernel_note_maps(void);
void kernel_open_waits(struct os_calls *table);

/* Private memory of actors (kernel_wait.c). */
void heap_snapshot(void);
void heap_restore(void);
void heap_reset(void);

/* What pread copied out is a stranger's, too. */
void hostile_spoil(void *copy, size_t bytes);

#endif
