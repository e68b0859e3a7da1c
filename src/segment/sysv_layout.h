/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System V objects: the companion, byte by byte, and what the segment's own header says of it.
 *
 * A System V segment is no file, so each has a companion: a file of 512 bytes in SHOAL_DIR on which
 * its seats are locked, and which says which segment it belongs to. It is written by its maker
 * alone, before it has its name, and never after.
 */
#ifndef SHOAL_SEGMENT_SYSV_LAYOUT_H
#define SHOAL_SEGMENT_SYSV_LAYOUT_H

#include "base/bits.h"

#define SYSV_MAGIC  0x0a1a56534c414853u /* "SHALSV\x1a\n" */
#define SYSV_LAYOUT 1u

/* How an object was named; what it takes to be the same name. */
enum sysv_form {
	SYSV_NAME = 1,    /* NAME or GROUP/NAME: the text */
	SYSV_KEY = 2,     /* key=N: the key */
	SYSV_FILE = 3,    /* path=FILE,proj=N: device, inode and project */
	SYSV_PRIVATE = 4, /* IPC_PRIVATE: the token */
	SYSV_ID = 5,      /* id=N: only asked for, never recorded */
};

struct sysv_record {
	uint64_t magic;
	uint32_t layout;
	uint32_t key;  /* 0: IPC_PRIVATE */
	uint32_t form; /* enum sysv_form */
	uint32_t project;
	uint64_t device; /* of the file that the key comes from */
	uint64_t inode;
	uint64_t token; /* random, of a private one: part of the companion's name */
	uint64_t bytes; /* the segment's size */
	int64_t id;     /* the segment's, -1 while there is none yet */
	uint64_t instance[2];
	uint8_t boot_id[16];    /* segments do not survive a boot, files may */
	uint64_t ipc_namespace; /* where key and id mean something; 0: unknown */
	/* Of the maker: */
	uint64_t pid_namespace;
	uint64_t start_time;
	int64_t made_ns; /* CLOCK_REALTIME, before there was a segment */
	uint32_t pid;
	uint32_t reserved[31];
	char text[248];    /* the name, as it stands behind "sysv:"; ends with a zero */
	uint64_t checksum; /* of the 504 bytes before it */
};
static_assert(sizeof(struct sysv_record) == 512, "layout");
static_assert(offsetof(struct sysv_record, instance) == 64, "layout");
static_assert(offsetof(struct sysv_record, pid) == 128, "layout");
static_assert(offsetof(struct sysv_record, text) == 256, "layout");

/* Bytes 96..127 of the header of an object that has the feature SEGMENT_SYSV: the way from a
 * segment to its companion. Written by the maker before the companion has its name. */
struct segment_sysv {
	uint32_t key;
	uint32_t form;
	uint64_t token;
	uint64_t name;     /* checksum of the record's text */
	uint64_t checksum; /* of the 24 bytes before it */
};
static_assert(sizeof(struct segment_sysv) == 32, "layout");

#endif
