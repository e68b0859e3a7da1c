/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Framing: how messages lie in a stream of bytes.
 *
 *   line   each message is a line; its newline is not part of it. What follows the last newline
 *          is a message as well, if it is not empty.
 *   none   cut every `piece` bytes (reading), or one after the other (writing)
 *   u32    each message behind its length: 4 bytes, little-endian
 */
#ifndef CLI_FRAME_H
#define CLI_FRAME_H

#include "cli.h"

enum framing { FRAME_LINE = 0, FRAME_NONE, FRAME_U32 };
#define FRAMING_CHOICES "line|none|u32" /* in the order of the enum */

/* ---- reading --------------------------------------------------------------------------- */

/* A frame of at least this size is not collected in the buffer: the caller reads it into place. */
#define FRAME_LARGE ((size_t)128 << 10)

struct frame_reader {
	int fd;
	enum framing framing;
	size_t piece; /* FRAME_NONE */
	char *buffer;
	size_t size;
	size_t start;   /* the first byte that was not taken */
	size_t end;     /* behind the last byte that was read */
	size_t scanned; /* FRAME_LINE: no newline between start and here */
	bool at_end;    /* of the input */
	bool collect; /* no piece is to be read into place: it may turn out shorter than it could be
		       */
	/* The large frame that is being read into place, or was when reading ended: */
	size_t large_bytes; /* what it should have; 0: none is */
	size_t large_came;
	int failed; /* what a call below failed with: the input's fault, not the topic's */
};

/* The last of what was read, if it is no whole frame. */
struct frame_part {
	size_t came;
	size_t bytes; /* what it should have; 0: nobody knows, as of a line */
	bool length;  /* these are of its length prefix: of the frame itself nothing came */
};

int frame_reader_init(struct frame_reader *reader, int fd, enum framing framing, size_t piece);
void frame_reader_free(struct frame_reader *reader);

/* Takes up to `most` frames that are complete. They are valid until the next frame_fill. */
size_t frame_take(struct frame_reader *reader, struct iovec *frames, size_t most);

/* If the next frame is of a known size and is a large one: that size; else 0. Then
 * frame_read_large reads it. */
size_t frame_large(struct frame_reader *reader);
/* Reads the large frame into `into`. Returns its bytes (fewer for the last piece of FRAME_NONE,
 * and 0 when there is none), or -ENODATA when the input ends within it, -EINTR, another error of
 * read. */
int64_t frame_read_large(struct frame_reader *reader, void *into, size_t bytes);

/*
 * Reads once from the descriptor, making room first: for a line longer than the buffer the
 * buffer grows. Returns 0 (also at the end of input: see at_end), -EINTR, -ENOMEM, or an error
 * of read.
 */
int frame_fill(struct frame_reader *reader);
/* Bytes in the buffer that were not taken. */
size_t frame_pending(const struct frame_reader *reader);
/* When all whole frames are taken: is there a part of another? Then it is described. */
bool frame_unfinished(const struct frame_reader *reader, struct frame_part *ret);

/* At the end of input: 1 and the last frame, 0 if there is none, -ENODATA if a frame was cut
 * off. */
int frame_last(struct frame_reader *reader, struct iovec *ret_frame);

/* ---- writing --------------------------------------------------------------------------- */

struct frame_writer {
	int fd;
	enum framing framing;
	char *buffer;
	size_t size;
	size_t used;
	int failed; /* as above: the output's fault */
};

int frame_writer_init(struct frame_writer *writer, int fd, enum framing framing);
void frame_writer_free(struct frame_writer *writer);
/* Both return 0, -EPIPE, -EINTR, -EMSGSIZE (too long for u32) or an error of write. */
int frame_write(struct frame_writer *writer, const void *data, size_t bytes);
int frame_flush(struct frame_writer *writer);

#endif
