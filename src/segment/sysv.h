/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the System V backend share: see place_sysv.c for how it works. */
#ifndef SHOAL_SEGMENT_SYSV_H
#define SHOAL_SEGMENT_SYSV_H

#include "segment/segment.h"

#define SYSV_SCHEME     "sysv:"
#define SYSV_PREFIX     "shoal-sysv:"      /* of companions */
#define SYSV_NEW_PREFIX ".shoal-sysv-new:" /* while the segment is being made */
/* The mode of a segment that is being made. Its execute bits give nobody anything, and nobody else
 * has a use for them: they tell it from other people's. */
#define SYSV_MAKING_MODE 0611u

/* So long is waited for who makes or removes what we want, in naps. */
#define SYSV_PATIENCE_NS 2000000000
void sysv_nap(void);

/* A key by hashing, never one that means something else (IPC_PRIVATE, a failed ftok). */
uint32_t sysv_key(const void *data, size_t bytes);
/* The same for a file, by all of its device and inode and all 32 bits of the project. */
uint32_t sysv_file_key(uint64_t device, uint64_t inode, uint32_t project);

/* ---- sysv_record.c ----------------------------------------------------------------------- */

enum sysv_stage { SYSV_MADE, SYSV_MAKING };
/* Where the companion of that key or token is. False: SHOAL_DIR is too long. */
bool sysv_path(char path[SEGMENT_PATH_BYTES], uint32_t key, uint64_t token, enum sysv_stage stage);
/* What comes behind "sysv:" in listings, or false when the file is no companion's. */
bool sysv_entry(const char *entry, char *name, size_t room);

/* Who we are and what is asked for; no segment yet. Sets the detail. */
int sysv_record_begin(struct sysv_record *record, const struct segment *segment);
/* Writes it, with its checksum. Returns -errno without a detail. */
int sysv_record_write(int fd, struct sysv_record *record);
/* Reads and checks it: total on garbage. Sets the detail. */
int sysv_record_read(int fd, const char *name, struct sysv_record *ret);
/* 0: of this boot and this IPC namespace. -EIDRM: its boot is over. -EXDEV. Sets the detail. */
int sysv_record_here(const struct sysv_record *record, const char *name);
/* Is the segment that `shm` shows the record's, half made or whole? */
bool sysv_is_of(const struct sysv_record *record, const struct os_shm *shm);

/* ---- place_sysv.c ------------------------------------------------------------------------ */

/* The name that leads to what was opened, or failed to be, for others to use. */
void sysv_title(const struct segment *segment, char *name, size_t room);

/* ---- sysv_make.c ------------------------------------------------------------------------- */

int sysv_create(struct segment *segment);
int sysv_publish(struct segment *segment);
void sysv_drop(struct segment *segment);
/* Takes away what a dead maker left under `making`. 1: it is gone, 0: its maker lives. Else
 * -errno with a detail. */
int sysv_sweep(const char *making, const char *final, const char *name);

/* ---- sysv_error.c ------------------------------------------------------------------------ */

/* shmget failed: which limit it was, and where to change it. Sets the detail, returns r. */
int sysv_fail_get(const char *name, uint32_t key, uint64_t bytes, bool huge, int r);
/* The same for any other call on the segment. */
int sysv_fail_call(const char *name, int id, const char *what, int r);
/* There is no companion: what there is instead. -ENOENT, -EXDEV or -EBADMSG. */
int sysv_fail_absent(const struct segment_name *name, const struct os_shm *shm);

/* The header of a segment that nobody may have made: attached, copied, detached. */
int sysv_read_header(const struct os_shm *shm, struct segment_header *ret);

#endif
