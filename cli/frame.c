/* SPDX-License-Identifier: Apache-2.0 */
/* Messages to bytes and back; see frame.h. */
#include "frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define READ_BYTES   ((size_t)512 << 10)
#define WRITE_BYTES  ((size_t)256 << 10)
#define WRITE_DIRECT ((size_t)16 << 10) /* from here on not worth a copy */
#define U32_BYTES    4

/* ---- reading --------------------------------------------------------------------------- */

int frame_reader_init(struct frame_reader *reader, int fd, enum framing framing, size_t piece)
{
	*reader = (struct frame_reader){.fd = fd, .framing = framing, .piece = piece};
	reader->size = READ_BYTES;
	reader->buffer = malloc(reader->size);
	reader->failed = reader->buffer ? 0 : -ENOMEM;
	return reader->failed;
}

void frame_reader_free(struct frame_reader *reader)
{
	free(reader->buffer);
	reader->buffer = NULL;
}

static uint32_t read_u32(const char *at)
{
	const unsigned char *b = (const unsigned char *)at;

	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static bool take_line(struct frame_reader *reader, struct iovec *ret)
{
	char *from = reader->buffer + reader->start;
	char *newline =
	    memchr(reader->buffer + reader->scanned, '\n', reader->end - reader->scanned);

	if (!newline) {
		reader->scanned = reader->end;
		return false;
	}
	*ret = (struct iovec){.iov_base = from, .iov_len = (size_t)(newline - from)};
	reader->start += ret->iov_len + 1;
	reader->scanned = reader->start;
	return true;
}

static bool take_counted(struct frame_reader *reader, struct iovec *ret)
{
	size_t there = reader->end - reader->start;
	size_t header = reader->framing == FRAME_U32 ? U32_BYTES : 0;
	char *from = reader->buffer + reader->start;
	size_t bytes;

	if (there < header || there == 0)
		return false;
	bytes = header ? read_u32(from) : reader->piece;
	if (there - header < bytes)
		return false;
	*ret = (struct iovec){.iov_base = from + header, .iov_len = bytes};
	reader->start += header + bytes;
	return true;
}

size_t frame_take(struct frame_reader *reader, struct iovec *frames, size_t most)
{
	size_t count = 0;

	while (count < most) {
		bool taken = reader->framing == FRAME_LINE ? take_line(reader, &frames[count])
							   : take_counted(reader, &frames[count]);
		if (!taken)
			break;
		count++;
	}
	return count;
}

size_t frame_pending(const struct frame_reader *reader)
{
	return reader->end - reader->start;
}

size_t frame_large(struct frame_reader *reader)
{
	size_t bytes = 0;

	if (reader->framing == FRAME_NONE && !reader->at_end && !reader->collect)
		bytes = reader->piece;
	if (reader->framing == FRAME_U32 && frame_pending(reader) >= U32_BYTES)
		bytes = read_u32(reader->buffer + reader->start);
	return bytes >= FRAME_LARGE ? bytes : 0;
}

int64_t frame_read_large(struct frame_reader *reader, void *into, size_t bytes)
{
	size_t *done = &reader->large_came; /* what was read when a read fails, too */

	if (reader->framing == FRAME_U32)
		reader->start += U32_BYTES;
	reader->large_bytes = bytes;
	*done = frame_pending(reader);
	if (*done > bytes)
		*done = bytes;
	memcpy(into, reader->buffer + reader->start, *done);
	reader->start += *done;
	while (*done < bytes) {
		int64_t got = read_some(reader->fd, (char *)into + *done, bytes - *done);
		if (got < 0)
			return reader->failed = (int)got;
		reader->at_end = got == 0;
		if (got == 0 && reader->framing == FRAME_U32)
			return -ENODATA;
		if (got == 0)
			break;
		*done += (size_t)got;
	}
	reader->large_bytes = 0;
	return (int64_t)*done;
}

bool frame_unfinished(const struct frame_reader *reader, struct frame_part *ret)
{
	size_t pending = frame_pending(reader);

	*ret = (struct frame_part){.came = pending};
	if (reader->large_bytes) {
		*ret = (struct frame_part){reader->large_came, reader->large_bytes, false};
		/* A piece of which nothing came is none; a frame with a length is one. */
		return reader->framing == FRAME_U32 || ret->came;
	}
	if (reader->framing == FRAME_NONE)
		ret->bytes = reader->piece;
	if (reader->framing == FRAME_U32 && pending < U32_BYTES) {
		ret->bytes = U32_BYTES;
		ret->length = true;
	} else if (reader->framing == FRAME_U32) {
		ret->came = pending - U32_BYTES;
		ret->bytes = read_u32(reader->buffer + reader->start);
	}
	return pending > 0;
}

/* Moves what is pending to the front, and doubles the buffer if that is not enough. */
static int make_room(struct frame_reader *reader)
{
	if (reader->start > 0) {
		memmove(reader->buffer, reader->buffer + reader->start, frame_pending(reader));
		reader->end -= reader->start;
		reader->scanned = reader->scanned > reader->start ? reader->scanned - reader->start
								  : 0;
		reader->start = 0;
	}
	if (reader->size - reader->end >= reader->size / 2)
		return 0;
	char *larger = realloc(reader->buffer, reader->size * 2);
	if (!larger)
		return -ENOMEM;
	reader->buffer = larger;
	reader->size *= 2;
	return 0;
}

int frame_fill(struct frame_reader *reader)
{
	int64_t got;
	int r = make_room(reader);

	if (r < 0)
		return reader->failed = r;
	got = read_some(reader->fd, reader->buffer + reader->end, reader->size - reader->end);
	if (got < 0)
		return reader->failed = (int)got;
	reader->end += (size_t)got;
	reader->at_end = got == 0;
	return 0;
}

int frame_last(struct frame_reader *reader, struct iovec *ret_frame)
{
	size_t pending = frame_pending(reader);

	if (pending == 0)
		return 0;
	if (reader->framing == FRAME_U32)
		return -ENODATA;
	*ret_frame = (struct iovec){.iov_base = reader->buffer + reader->start, .iov_len = pending};
	reader->start = reader->end;
	return 1;
}

/* ---- writing --------------------------------------------------------------------------- */

int frame_writer_init(struct frame_writer *writer, int fd, enum framing framing)
{
	*writer = (struct frame_writer){.fd = fd, .framing = framing, .size = WRITE_BYTES};
	writer->buffer = malloc(writer->size);
	writer->failed = writer->buffer ? 0 : -ENOMEM;
	return writer->failed;
}

void frame_writer_free(struct frame_writer *writer)
{
	free(writer->buffer);
	writer->buffer = NULL;
}

static int write_parts(struct frame_writer *writer, struct iovec *parts, size_t count)
{
	int r = write_all(writer->fd, parts, count);

	writer->used = 0;
	if (r < 0)
		writer->failed = r;
	return r;
}

int frame_flush(struct frame_writer *writer)
{
	struct iovec all = {.iov_base = writer->buffer, .iov_len = writer->used};

	return write_parts(writer, &all, 1);
}

static void append(struct frame_writer *writer, const void *data, size_t bytes)
{
	memcpy(writer->buffer + writer->used, data, bytes);
	writer->used += bytes;
}

/* What is in the buffer and this message, without copying it. */
static int write_direct(struct frame_writer *writer, const void *data, size_t bytes)
{
	char newline = '\n';
	struct iovec parts[3] = {
	    {.iov_base = writer->buffer, .iov_len = writer->used},
	    {.iov_base = (void *)(uintptr_t)data, .iov_len = bytes},
	    {.iov_base = &newline, .iov_len = writer->framing == FRAME_LINE},
	};

	return write_parts(writer, parts, 3);
}

int frame_write(struct frame_writer *writer, const void *data, size_t bytes)
{
	size_t around = writer->framing == FRAME_U32 ? U32_BYTES : 1;
	bool direct = bytes >= WRITE_DIRECT;
	int r;

	if (writer->framing == FRAME_U32 && bytes > UINT32_MAX)
		return writer->failed = -EMSGSIZE;
	if (writer->size - writer->used < around + (direct ? 0 : bytes)) {
		r = frame_flush(writer);
		if (r < 0)
			return r;
	}
	if (writer->framing == FRAME_U32) {
		unsigned char header[U32_BYTES] = {
		    (unsigned char)bytes,
		    (unsigned char)(bytes >> 8),
		    (unsigned char)(bytes >> 16),
		    (unsigned char)(bytes >> 24),
		};
		append(writer, header, sizeof header);
	}
	if (direct)
		return write_direct(writer, data, bytes);
	if (bytes)
		append(writer, data, bytes);
	if (writer->framing == FRAME_LINE)
		append(writer, "\n", 1);
	return 0;
}
