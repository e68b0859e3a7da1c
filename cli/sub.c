/* SPDX-License-Identifier: Apache-2.0 */
/* shoal sub: a topic to standard output. */
#include "frame.h"
#include "json.h"
#include "meter.h"
#include "objects.h"
#include "options.h"
#include "wait.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH        512
#define BUFFER_BYTES ((size_t)128 << 10) /* what doesn't fit is written from where it lies */
#define NO_LIMIT     UINT64_MAX
#define LOOK_MAX_NS  (60 * NS_PER_SECOND)
#define DAMAGED_MAX  1000 /* in a row; then the topic is beyond use */
#define VANISHED_MAX 100  /* a topic that is there and gone whenever we come */

static struct {
	int framing;
	uint64_t count;
	int64_t timeout_ns;
	int from_now;
	bool lossy;
	bool follow;
	bool json;
	bool stats;
	bool foreign;
} opt = {.count = NO_LIMIT, .timeout_ns = SHOAL_FOREVER};

static const struct option sub_options[] = {
    {OPTION_CHOICE, 'f', "frame", &opt.framing, FRAMING_CHOICES,
     "how to write messages (default line: each with a newline)"},
    {OPTION_COUNT, 'c', "count", &opt.count, "N", "end after N messages"},
    {OPTION_SECONDS, 't', "timeout", &opt.timeout_ns, "SECONDS",
     "end with exit code 4 when no message comes for so long"},
    {OPTION_CHOICE, 0, "from", &opt.from_now, "oldest|now",
     "where to begin (default oldest: what is still there)"},
    {OPTION_FLAG, 0, "lossy", &opt.lossy, NULL, "hold up nobody; lose what is overwritten"},
    {OPTION_FLAG, 'F', "follow", &opt.follow, NULL, "stay when the last publisher has closed"},
    {OPTION_FLAG, 'j', "json", &opt.json, NULL, "write a JSON object a line"},
    {OPTION_FLAG, 0, "stats", &opt.stats, NULL,
     "say how much came, how fast, and how much was lost"},
    {OPTION_FLAG, 0, "foreign", &opt.foreign, NULL, "accept another user's topic"},
    {OPTION_END, 0, NULL, NULL, NULL, NULL},
};

struct receiver {
	shoal_sub *sub;
	const char *name;
	uint64_t received;
	int64_t heard_ns; /* when the last message came, or when we began */
	int damaged_in_a_row;
	bool damaged;
	bool to_pipe; /* a reader that goes away while nothing comes is to be noticed */
	struct frame_writer out;
	struct wait_note note;
	struct meter meter;
	struct shoal_view *views;
	char *buffer;
};

/* Up to `slice_ns`, but not past the deadline of --timeout; 0 when that has passed. */
static int64_t time_left(const struct receiver *receiver, int64_t slice_ns)
{
	int64_t left;

	if (opt.timeout_ns < 0)
		return slice_ns;
	left = receiver->heard_ns + opt.timeout_ns - now_ns();
	if (left <= 0)
		return 0;
	return left < slice_ns ? left : slice_ns;
}

/* ---- opening --------------------------------------------------------------------------- */

static unsigned open_flags(void)
{
	return SHOAL_GUARD_SIGBUS | (opt.from_now ? 0 : SHOAL_FROM_OLDEST) |
	       (opt.lossy ? SHOAL_LOSSY : 0) | (opt.follow ? SHOAL_FOLLOW : 0) |
	       (opt.foreign ? SHOAL_FOREIGN : 0);
}

/* Could it come at all? Where there is no directory for objects, it is a mistake to wait. 0, or
 * what the library says about that. Names that no list shows are taken as they are. */
static int check_directory(const char *name)
{
	struct shoal_object *objects;
	size_t count;
	int r = shoal_list(name, &objects, &count);

	if (r == 0)
		shoal_list_free(objects);
	return r == -ENOENT || r == -ENOTDIR ? r : 0;
}

/* A topic that isn't there yet is waited for, and so is the next one after one that is just
 * being removed. */
static int open_topic(struct receiver *receiver)
{
	bool said = false;
	int vanished = 0;

	for (;;) {
		int r = shoal_sub_open(&receiver->sub, receiver->name, open_flags(), NULL);
		if ((r != -ENOENT && r != -ESTALE) || is_nameless(receiver->name))
			return r;
		if (stopped())
			return -EINTR;
		r = shoal_wait_exists(receiver->name, 0);
		if (r == 0) {
			/* It went away or came in between. Not for ever, and not in a loop. */
			if (++vanished > VANISHED_MAX)
				return -ESTALE;
			if (sleep_until(now_ns() + NS_PER_SECOND / 1000) < 0)
				return -EINTR;
			continue;
		}
		if (!said && (r = check_directory(receiver->name)) < 0)
			return r;
		if (!said)
			say("waiting for the topic %s", receiver->name);
		said = true;
		r = shoal_wait_exists(receiver->name, time_left(receiver, LOOK_MAX_NS));
		if (r < 0 && r != -ETIMEDOUT && r != -EAGAIN && r != -EINTR)
			return r;
		if (r == 0)
			vanished = 0;
		else if (opt.timeout_ns >= 0 && time_left(receiver, LOOK_MAX_NS) == 0)
			return -ETIMEDOUT;
	}
}

/* ---- messages -------------------------------------------------------------------------- */

static int pass_on(struct receiver *receiver, const struct shoal_view *view, int64_t time_ns)
{
	char *line;
	size_t bytes;
	int r;

	if (!opt.json)
		return frame_write(&receiver->out, view->data, view->bytes);
	line = json_message(view, time_ns, &bytes);
	if (!line) /* no topic's fault, either */
		return receiver->out.failed = -ENOMEM;
	r = frame_write(&receiver->out, line, bytes);
	free(line);
	return r;
}

static int pass_on_all(struct receiver *receiver, size_t count)
{
	int64_t time_ns = opt.json ? realtime_ns() : 0;
	uint64_t bytes = 0;

	for (size_t i = 0; i < count; i++) {
		int r = pass_on(receiver, &receiver->views[i], time_ns);
		if (r < 0)
			return r;
		bytes += receiver->views[i].bytes;
	}
	meter_add(&receiver->meter, count, bytes);
	receiver->received += count;
	receiver->damaged_in_a_row = 0;
	return 0;
}

/* One that doesn't fit into the buffer is written from where it lies. */
static int pass_on_large(struct receiver *receiver)
{
	int r = shoal_sub_borrow(receiver->sub, 0, &receiver->views[0]);
	int released;

	if (r < 0)
		return r;
	r = pass_on_all(receiver, 1);
	released = shoal_sub_release(receiver->sub, &receiver->views[0]);
	return released < 0 ? released : r;
}

static bool reader_is_gone(const struct receiver *receiver)
{
	struct pollfd out = {.fd = receiver->out.fd, .events = 0};

	return receiver->to_pipe && poll(&out, 1, 0) > 0 && out.revents & POLLERR;
}

static size_t batch_limit(const struct receiver *receiver)
{
	uint64_t left = opt.count - receiver->received;

	return left < BATCH ? (size_t)left : BATCH;
}

static int64_t receive(struct receiver *receiver, int64_t timeout_ns)
{
	return shoal_sub_receivev(receiver->sub, receiver->views, batch_limit(receiver),
				  receiver->buffer, BUFFER_BYTES, timeout_ns);
}

/*
 * Sleeps for the next message. Looks up now and then, less and less often, whether there is
 * still a publisher that could send one, and whether anybody reads us.
 */
static int64_t wait_for_more(struct receiver *receiver)
{
	int64_t slice = NS_PER_SECOND;

	receiver->heard_ns = receiver->received ? now_ns() : receiver->heard_ns;
	for (;;) {
		int64_t left = time_left(receiver, slice);
		int64_t r = receive(receiver, left);
		if (r == -EINTR && !stopped())
			continue;
		if (r != -ETIMEDOUT && r != -EAGAIN)
			return r;
		if (left < slice && time_left(receiver, slice) == 0)
			return -ETIMEDOUT;
		if (reader_is_gone(receiver))
			return -EPIPE;
		meter_end(&receiver->meter);
		wait_note_messages(&receiver->note);
		if (!receiver->to_pipe && slice < LOOK_MAX_NS)
			slice *= 2;
	}
}

static int skip_damaged(struct receiver *receiver)
{
	if (!receiver->damaged)
		say("skipping a damaged message: %s", error_text(-EBADMSG));
	receiver->damaged = true;
	return ++receiver->damaged_in_a_row > DAMAGED_MAX ? -EBADMSG : 0;
}

/* Until there is nothing more to come. Returns 0 at an end in order, or why it ended. */
static int pass_messages(struct receiver *receiver)
{
	while (batch_limit(receiver) > 0) {
		int64_t r = receive(receiver, 0);
		if (r == -EAGAIN) {
			/* Nothing may lie in our buffer while we sleep. */
			int flushed = frame_flush(&receiver->out);
			if (flushed < 0)
				return flushed;
			r = wait_for_more(receiver);
		}
		if (r > 0)
			r = pass_on_all(receiver, (size_t)r);
		else if (r == -EMSGSIZE)
			r = pass_on_large(receiver);
		else if (r == -EBADMSG)
			r = skip_damaged(receiver);
		else if (r == -EINTR && !stopped())
			r = 0;
		if (r >= 0 && stopped()) /* a call that need not wait is not interrupted */
			r = -EINTR;
		if (r < 0)
			return (int)r;
	}
	return 0;
}

/* ---- the end --------------------------------------------------------------------------- */

static int finish(struct receiver *receiver, int r)
{
	uint64_t lost = shoal_sub_lost(receiver->sub);
	/* Both ends of us look the same: the last publisher closed, or our reader did. */
	int flushed = frame_flush(&receiver->out);

	meter_end(&receiver->meter);
	if (opt.stats)
		meter_report(&receiver->meter, "received", true, lost);
	else if (lost)
		say("lost %llu message%s, overwritten before %s read", (unsigned long long)lost,
		    plural(lost), lost == 1 ? "it was" : "they were");
	if (r == -ETIMEDOUT) {
		say("%s: no message for %g s", receiver->name, (double)opt.timeout_ns / 1e9);
		return EXIT_TIMEOUT;
	}
	if (r == 0 || r == -EPIPE || (r == -EINTR && stopped()))
		r = flushed == -EPIPE || flushed == -EINTR ? 0 : flushed;
	if (r < 0 && r == receiver->out.failed)
		return say_stream_error(r, "standard output");
	if (r < 0) {
		say_error(r, receiver->name);
		return EXIT_FAILED;
	}
	return receiver->damaged ? EXIT_FAILED : EXIT_DONE;
}

static int prepare(struct receiver *receiver)
{
	struct stat out;

	receiver->views = calloc(BATCH, sizeof *receiver->views);
	receiver->buffer = aligned_alloc(64, BUFFER_BYTES);
	if (!receiver->views || !receiver->buffer)
		return -ENOMEM;
	receiver->to_pipe = fstat(STDOUT_FILENO, &out) == 0 && S_ISFIFO(out.st_mode);
	receiver->heard_ns = now_ns();
	/* On one terminal its line would stand among the messages. */
	meter_start(&receiver->meter, opt.stats && !isatty(STDOUT_FILENO));
	return frame_writer_init(&receiver->out, STDOUT_FILENO, (enum framing)opt.framing);
}

static int subscribe(struct receiver *receiver)
{
	int r = prepare(receiver);

	if (r >= 0)
		r = open_topic(receiver);
	if (r == -EINTR)
		return EXIT_DONE;
	if (r == -ETIMEDOUT) {
		say("%s: no such topic for %g s", receiver->name, (double)opt.timeout_ns / 1e9);
		return EXIT_TIMEOUT;
	}
	if (r < 0)
		return say_error(r, receiver->name);
	stop_interrupts_sub(receiver->sub);
	return finish(receiver, pass_messages(receiver));
}

static int check(const struct verb *verb)
{
	if (opt.json && opt.framing != FRAME_LINE)
		return say_usage(verb, "--json and --frame exclude each other");
	return GO_ON;
}

int verb_sub(const struct verb *verb, int argc, const char **argv)
{
	static const struct option *const tables[] = {sub_options, NULL};
	struct receiver receiver = {0};
	struct options options;
	int code;

	code = options_parse(&options, verb, argc, argv, tables, NULL, 1, 1);
	if (code != GO_ON)
		return code;
	code = check(verb);
	if (code == GO_ON) {
		receiver.name = options.arguments[0];
		receiver.note.name = receiver.name;
		receiver.note.flags = opt.foreign ? SHOAL_FOREIGN : 0;
		stop_on_signals();
		code = subscribe(&receiver);
		stop_interrupts_sub(NULL);
		shoal_sub_close(receiver.sub);
		frame_writer_free(&receiver.out);
		free(receiver.buffer);
		free(receiver.views);
	}
	options_free(&options);
	return code;
}
