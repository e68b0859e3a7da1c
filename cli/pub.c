/* SPDX-License-Identifier: Apache-2.0 */
/* shoal pub: standard input to a topic. */
#include "frame.h"
#include "meter.h"
#include "objects.h"
#include "options.h"
#include "wait.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH            1024
#define DEFAULT_PIECE    ((uint64_t)64 << 10)
#define NO_LIMIT         UINT64_MAX
#define SLEEP_LEAST_NS   20000 /* closer than this a message of --rate goes out at once */
#define LINE_CHECK_BYTES ((size_t)1 << 20)
#define RATE_BEHIND_MAX  NS_PER_SECOND

static struct {
	int framing;
	uint64_t piece;
	double rate;
	uint64_t count;
	uint32_t wait_subscribers;
	bool no_wait;
	bool keep;
	bool foreign;
	bool stats;
} opt = {.count = NO_LIMIT};

static const struct option pub_options[] = {
    {OPTION_CHOICE, 'f', "frame", &opt.framing, FRAMING_CHOICES,
     "how messages lie in the input (default line)"},
    {OPTION_SIZE, 's', "size", &opt.piece, "SIZE",
     "with --frame none: bytes of a message (default 64K)"},
    {OPTION_RATE, 'r', "rate", &opt.rate, "N", "at most N messages a second"},
    {OPTION_COUNT, 'c', "count", &opt.count, "N", "end after N messages"},
    {OPTION_U32_OR_0, 'w', "wait-subscribers", &opt.wait_subscribers, "N",
     "begin when N subscribers are there"},
    {OPTION_FLAG, 0, "no-wait", &opt.no_wait, NULL,
     "wait neither for a first subscriber nor until all is read"},
    {OPTION_FLAG, 'k', "keep", &opt.keep, NULL, "a topic made by this call stays"},
    {OPTION_FLAG, 0, "foreign", &opt.foreign, NULL, "accept another user's topic"},
    {OPTION_FLAG, 0, "stats", &opt.stats, NULL, "say how much was sent, and how fast"},
    {OPTION_END, 0, NULL, NULL, NULL, NULL},
};

struct sender {
	shoal_pub *pub;
	const char *name;
	uint64_t sent;
	uint64_t largest;  /* message that the topic takes; 0: not looked up yet */
	uint64_t taken;    /* from the input, to be sent: more than was sent after a failure */
	int64_t next_ns;   /* --rate: when the next message is due */
	bool goes_with_us; /* made here, and without a name */
	struct frame_reader in;
	struct wait_note note;
	struct meter meter;
};

/* ---- opening --------------------------------------------------------------------------- */

static void say_created(const struct sender *sender)
{
	struct shoal_topic_stat *stat;
	char text[256];

	if (shoal_topic_stat(sender->name, sender->note.flags, &stat) < 0)
		return;
	geometry_text(stat, text, sizeof text);
	say("made the topic %s: %s", sender->name, text);
	shoal_topic_stat_free(stat);
}

/* One without a name is found by our descriptor of it: by us, and by those who may look at us. */
static void use_descriptor(struct sender *sender)
{
	static char name[64];
	int fd = shoal_pub_fd(sender->pub);

	snprintf(name, sizeof name, "memfd:pid=%d,fd=%d", (int)getpid(), fd);
	sender->name = name;
	sender->note.name = name;
}

static int open_topic(struct sender *sender)
{
	struct shoal_topic_options options;
	unsigned flags = SHOAL_CREATE | SHOAL_GUARD_SIGBUS;
	bool asked = geometry_given();
	int r;

	if (!opt.no_wait)
		flags |= SHOAL_HOLD;
	if (opt.keep)
		flags |= SHOAL_KEEP;
	flags |= sender->note.flags;
	if (opt.framing == FRAME_NONE && !geometry.message)
		geometry.message = opt.piece;
	options = geometry_for_library();
	r = shoal_pub_open(&sender->pub, sender->name, flags, &options);
	if (r < 0)
		return r;
	if (r == 1 && is_nameless(sender->name)) {
		use_descriptor(sender);
		sender->goes_with_us = true;
	}
	if (r == 1)
		say_created(sender);
	else if (asked)
		say("%s is there already: its own geometry holds", sender->name);
	stop_interrupts_pub(sender->pub);
	return 0;
}

static int wait_for_subscribers(struct sender *sender)
{
	int r = -ETIMEDOUT;

	while (r == -ETIMEDOUT || (r == -EINTR && !stopped())) {
		r = shoal_pub_wait_subscribers(sender->pub, opt.wait_subscribers, NS_PER_SECOND);
		if (r == -ETIMEDOUT)
			wait_note_subscribers(&sender->note, opt.wait_subscribers);
	}
	return r;
}

/* ---- sending --------------------------------------------------------------------------- */

/* After a call that failed: 0 to call again, or the error. */
static int go_on_waiting(struct sender *sender, int64_t err)
{
	if (err == -ETIMEDOUT) {
		meter_end(&sender->meter);
		wait_note_room(&sender->note);
		return 0;
	}
	if (err == -EINTR && !stopped())
		return 0;
	return (int)err;
}

static int send_all(struct sender *sender, const struct iovec *frames, size_t count)
{
	while (count) {
		uint64_t bytes = 0;
		int64_t sent = shoal_pub_publishv(sender->pub, frames, count, NS_PER_SECOND);
		if (sent <= 0) {
			int r = go_on_waiting(sender, sent);
			if (r < 0)
				return r;
			continue;
		}
		for (int64_t i = 0; i < sent; i++)
			bytes += frames[i].iov_len;
		meter_add(&sender->meter, (uint64_t)sent, bytes);
		sender->sent += (uint64_t)sent;
		frames += sent;
		count -= (size_t)sent;
	}
	return 0;
}

/*
 * Waits until the next message is due. The schedule is absolute, so that neither the time a
 * message takes nor a late wake-up adds up. After a long wait for something else it starts anew
 * instead of sending a burst.
 */
static int wait_until_due(struct sender *sender)
{
	int64_t now = now_ns();
	int r = 0;

	if (sender->next_ns == 0 || now - sender->next_ns > RATE_BEHIND_MAX)
		sender->next_ns = now;
	if (sender->next_ns - now > SLEEP_LEAST_NS)
		r = sleep_until(sender->next_ns);
	/* A century at most: what is slower would not fit the number. */
	sender->next_ns += opt.rate > 1e-9 ? (int64_t)(1e9 / opt.rate) : INT64_MAX / 3;
	return r;
}

static int send_frames(struct sender *sender, const struct iovec *frames, size_t count)
{
	sender->taken = sender->sent + count;
	if (opt.rate <= 0)
		return send_all(sender, frames, count);
	for (size_t i = 0; i < count; i++) {
		int r = wait_until_due(sender);
		if (r == 0)
			r = send_all(sender, &frames[i], 1);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Reads a large message right into the topic's memory. */
static int send_large(struct sender *sender, size_t bytes)
{
	struct shoal_loan loan;
	int64_t got;
	int r;

	if (opt.rate > 0 && (r = wait_until_due(sender)) < 0)
		return r;
	while ((r = shoal_pub_claim(sender->pub, bytes, NS_PER_SECOND, &loan)) < 0) {
		r = go_on_waiting(sender, r);
		if (r < 0)
			return r;
	}
	got = frame_read_large(&sender->in, loan.data, bytes);
	if (got <= 0) {
		shoal_pub_abort(sender->pub, &loan);
		return (int)got;
	}
	loan.bytes = (size_t)got;
	r = shoal_pub_commit(sender->pub, &loan);
	if (r < 0)
		return r;
	meter_add(&sender->meter, 1, (uint64_t)got);
	sender->sent++;
	return 0;
}

static size_t batch_limit(const struct sender *sender)
{
	uint64_t left = opt.count - sender->sent;

	return left < BATCH ? (size_t)left : BATCH;
}

/* The largest message that the topic takes. From a look at it: to try one would push out old
 * messages to make room. */
static uint64_t largest(struct sender *sender)
{
	struct shoal_topic_stat *stat;

	if (sender->largest)
		return sender->largest;
	sender->largest = UINT64_MAX;
	if (shoal_topic_stat(sender->name, sender->note.flags, &stat) == 0) {
		sender->largest = stat->payload_bytes > stat->inline_bytes ? stat->payload_bytes
									   : stat->inline_bytes;
		shoal_topic_stat_free(stat);
	}
	return sender->largest;
}

/* A line without an end is not to fill our memory before we hear that it is too large. */
static int check_long_line(struct sender *sender)
{
	size_t pending = frame_pending(&sender->in);
	struct shoal_loan loan;
	int r;

	if (pending < LINE_CHECK_BYTES || pending <= largest(sender))
		return 0;
	r = shoal_pub_claim(sender->pub, pending, 0, &loan);
	if (r == 0)
		shoal_pub_abort(sender->pub, &loan);
	return r == -EMSGSIZE ? r : 0;
}

/* All of the input. What has arrived is sent before we ask for more. */
static int send_input(struct sender *sender)
{
	struct iovec frames[BATCH];
	int r = 0;

	while (r >= 0 && batch_limit(sender) > 0) {
		size_t count = frame_take(&sender->in, frames, batch_limit(sender));
		size_t large = count ? 0 : frame_large(&sender->in);
		if (count) {
			r = send_frames(sender, frames, count);
		} else if (large) {
			r = send_large(sender, large);
		} else if (sender->in.at_end) {
			r = frame_last(&sender->in, frames);
			return r == 1 ? send_frames(sender, frames, 1) : r;
		} else {
			r = check_long_line(sender);
			if (r == 0)
				r = frame_fill(&sender->in);
		}
	}
	return r;
}

/* ---- the end --------------------------------------------------------------------------- */

/* Has nobody ever subscribed? Then *ret_kept: it stays when we go, and can be read later. */
static bool never_subscribed(const struct sender *sender, bool *ret_kept)
{
	struct shoal_topic_stat *stat;
	bool never;

	if (shoal_topic_stat(sender->name, sender->note.flags, &stat) < 0)
		return false;
	never = stat->subscribed_ever == 0;
	*ret_kept = stat->object.kept && !sender->goes_with_us;
	shoal_topic_stat_free(stat);
	return never;
}

/* Waits until everything is read. What lies in a topic that stays can be read later. */
static int drain(struct sender *sender)
{
	int r = shoal_pub_drain(sender->pub, 0);
	bool kept;

	if (r == 0 || opt.no_wait || sender->sent == 0)
		return 0;
	if (never_subscribed(sender, &kept)) {
		if (kept)
			return 0;
		wait_note_drain(&sender->note);
	}
	do {
		r = shoal_pub_drain(sender->pub, NS_PER_SECOND);
		if (r == -ETIMEDOUT)
			wait_note_drain(&sender->note);
	} while (r == -ETIMEDOUT || (r == -EINTR && !stopped()));
	return r;
}

/* "70000 of its 1000000 bytes" */
static void part_text(const struct frame_part *part, char *buffer, size_t size)
{
	if (part->length)
		snprintf(buffer, size, "%zu of the %zu bytes of its length", part->came,
			 part->bytes);
	else if (part->bytes)
		snprintf(buffer, size, "%zu of its %zu bytes", part->came, part->bytes);
	else
		snprintf(buffer, size, "%zu byte%s so far", part->came, plural(part->came));
}

/* Whole messages that were read and not sent, also those that still lie in the buffer. */
static uint64_t count_unsent(struct sender *sender)
{
	uint64_t unsent = sender->taken > sender->sent ? sender->taken - sender->sent : 0;
	struct iovec frames[BATCH];
	size_t count;

	while ((count = frame_take(&sender->in, frames, BATCH)) > 0)
		unsent += count;
	return unsent;
}

/* Is there something to read at once? poll says so of every file, at its end too. */
static bool has_more(int fd)
{
	struct pollfd input = {.fd = fd, .events = POLLIN};
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return lseek(fd, 0, SEEK_CUR) < st.st_size;
	return poll(&input, 1, 0) > 0 && input.revents & POLLIN;
}

/* After a signal: was there something to send? Then it says so, and what is lost by it. Behind
 * the last message of --count the input is not ours. */
static bool say_unsent(struct sender *sender)
{
	uint64_t left = opt.count - sender->sent;
	uint64_t unsent = count_unsent(sender);
	struct frame_part part;
	bool cut = frame_unfinished(&sender->in, &part) && unsent < left;
	char whole[48] = "", piece[96] = "";

	if (unsent > left)
		unsent = left;
	if (left == 0)
		return false;
	if (!unsent && !cut && (sender->in.at_end || !has_more(sender->in.fd)))
		return false;
	if (unsent)
		snprintf(whole, sizeof whole, "%llu message%s%s", (unsigned long long)unsent,
			 plural(unsent), cut ? " and " : "");
	if (cut)
		part_text(&part, piece, sizeof piece);
	say("stopped after %llu message%s: there was more to send%s%s%s%s",
	    (unsigned long long)sender->sent, plural(sender->sent),
	    unsent || cut ? "; read and not published: " : "", whole,
	    cut ? "a part of a message, " : "", piece);
	return true;
}

/* True: a signal ended us while the input had nothing for us, and all that was sent will be read.
 */
static bool stopped_in_peace(struct sender *sender)
{
	bool kept;

	if (say_unsent(sender))
		return false;
	if (sender->sent && !opt.no_wait && never_subscribed(sender, &kept) && !kept) {
		say("stopped: nobody has subscribed, and so nobody has read the %llu message%s",
		    (unsigned long long)sender->sent, plural(sender->sent));
		return false;
	}
	return true;
}

static int say_failure(struct sender *sender, int err)
{
	struct frame_part part;
	char text[96];

	if (err == -EINTR && stopped())
		return stopped_in_peace(sender) ? EXIT_DONE : EXIT_FAILED;
	if (err == -ENODATA && frame_unfinished(&sender->in, &part)) {
		part_text(&part, text, sizeof text);
		say("standard input ends within a message: %s came, and it was not published",
		    text);
		return EXIT_FAILED;
	}
	if (sender->in.failed)
		return say_stream_error(sender->in.failed, "standard input");
	say_error(err, sender->name);
	return EXIT_FAILED;
}

static int publish_input(struct sender *sender)
{
	struct stat input;
	int r;

	/* Only a file has an end that we can see coming. */
	bool file = fstat(STDIN_FILENO, &input) == 0 && S_ISREG(input.st_mode);
	meter_start(&sender->meter, opt.stats || file);
	if (file)
		sender->meter.total_bytes = (uint64_t)input.st_size;
	r = frame_reader_init(&sender->in, STDIN_FILENO, (enum framing)opt.framing,
			      (size_t)opt.piece);
	/* What counts is what comes, not what --size would allow. */
	if (r >= 0 && opt.framing == FRAME_NONE && opt.piece >= FRAME_LARGE)
		sender->in.collect = opt.piece > largest(sender);
	if (r >= 0 && opt.wait_subscribers)
		r = wait_for_subscribers(sender);
	if (r >= 0)
		r = send_input(sender);
	meter_end(&sender->meter);
	if (opt.stats)
		meter_report(&sender->meter, "sent", false, 0);
	/* Also after a failure: what was sent is worth reading. */
	if (r >= 0 || (r != -EINTR && r != -ESTALE)) {
		int drained = drain(sender);
		if (r >= 0)
			r = drained;
	}
	return r < 0 ? say_failure(sender, r) : EXIT_DONE;
}

static int check(const struct verb *verb)
{
	if (opt.framing != FRAME_NONE && opt.piece)
		return say_usage(verb, "--size goes with --frame none");
	if (!opt.piece)
		opt.piece = DEFAULT_PIECE;
	return GO_ON;
}

int verb_pub(const struct verb *verb, int argc, const char **argv)
{
	static const struct option *const tables[] = {pub_options, geometry_options, NULL};
	struct sender sender = {.in = {.fd = STDIN_FILENO}};
	struct options options;
	int code, r;

	code = options_parse(&options, verb, argc, argv, tables, NULL, 1, 1);
	if (code != GO_ON)
		return code;
	code = check(verb);
	if (code == GO_ON) {
		sender.name = options.arguments[0];
		sender.note.name = sender.name;
		sender.note.flags = opt.foreign ? SHOAL_FOREIGN : 0;
		stop_on_signals();
		r = open_topic(&sender);
		code = r < 0 ? say_error(r, sender.name) : publish_input(&sender);
		stop_interrupts_pub(NULL);
		shoal_pub_close(sender.pub);
		frame_reader_free(&sender.in);
	}
	options_free(&options);
	return code;
}
