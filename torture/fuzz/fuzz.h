/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzing: whole objects made of nonsense, handed to everything that looks at one.
 *
 * An INPUT is the image of a file (header, seats, body) and, in its last SCRIPT bytes, what is done
 * with it: which seats are held by somebody alive, then calls one after another (target.c). The
 * calls are the public ones, so an image goes the way that any object goes: open and its checks,
 * join and its repairs, readers of all kinds, publishers against hostile cursors, list, stat and
 * audit through a snapshot, remove; and the kind's own functions that take a region. Among the
 * calls are words that a peer writes in between.
 *
 * NOTHING WRONG means: AddressSanitizer and UndefinedBehaviorSanitizer find nothing (the region is
 * exactly as long as the file, so a byte too far is seen), every call returns what its contract
 * names, no sleep is for ever, no loop takes longer than libFuzzer's limit, and nothing is left
 * open.
 *
 *   target.c   what is done with an input
 *   image.c    valid images: the seeds
 *   mutate.c   changes to words that lead deeper, and checksums made right half of the time
 *   kernel.c   an os table whose only file is the image, whose clock is a counter
 *
 * `run` builds it with clang's libFuzzer and runs it.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "topic/topic.h"

#include <shoal/shoal.h>

enum { SCRIPT = 64, IMAGE_MAX = 64 * 1024 };

#define OBJECT_NAME "fuzzed"

/* Prints the sentence and crashes, so that the input is kept. */
_Noreturn void wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

static inline uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* ---- kernel.c ---------------------------------------------------------------------------- */

/* From here on the file holds the image; seat i is held by somebody alive if bit i is set. */
void kernel_begin(const uint8_t *image, size_t bytes, uint32_t living);
/* The file's memory, as everybody maps it. */
uint8_t *kernel_memory(void);
size_t kernel_bytes(void);
/* Everybody has closed: was nothing left? */
void kernel_end(void);
/* The place that a file of this kernel names. */
void kernel_place(struct segment_place *place);

/* ---- image.c ----------------------------------------------------------------------------- */

/* An empty topic with that geometry; its checksums are right. Returns its length, 0: too long. */
size_t image_make(uint8_t *to, size_t room, uint32_t lanes, uint32_t subscribers, uint32_t slots,
		  bool keep);
/* Makes the checksums of header, place and geometry right, as far as they lie in the image. */
void image_seal(uint8_t *image, size_t bytes);
/* Writes inputs to start with into that directory. */
void image_write_seeds(const char *directory);

/* ---- target.c ---------------------------------------------------------------------------- */

/* What a script says. */
enum call {
	CALL_NONE,
	CALL_STAT,
	CALL_AUDIT,
	CALL_LIST,
	CALL_KIND,
	CALL_ROLL,
	CALL_ALERT,
	CALL_SUB_OPEN,
	CALL_RECEIVE,
	CALL_BORROW,
	CALL_RECEIVEV,
	CALL_INTERRUPT,
	CALL_PUB_OPEN,
	CALL_PUBLISH,
	CALL_PUBLISHV,
	CALL_COMMIT,
	CALL_ABORT,
	CALL_DRAIN,
	CALL_WAIT,
	CALL_SUB_CLOSE,
	CALL_PUB_CLOSE,
	CALL_REMOVE,
	CALL_TAMPER,
	CALLS
};

/* Does what the script says with the image. */
void run_script(const uint8_t *script);

#endif
