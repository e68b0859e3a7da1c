/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which errors an operation may return: those of its header. What the kernel says for reasons of
 * its own (error.h: "any other") goes through as it is, if it was that call that failed; but none
 * of the codes that mean something of ours: a stranger's -EAGAIN is not "nothing to be had".
 */
#include "failing.h"

#include <errno.h>
#include <string.h>

#define OPENING                                                                                    \
	ENOENT, EEXIST, ENOSPC, EUSERS, EPERM, EACCES, EBADMSG, ENOTSUP, ESTALE, EPROTOTYPE,       \
	    EISDIR, ELOOP, ENODATA, EXDEV, EINVAL, E2BIG, ENAMETOOLONG, ENOMEM, EMFILE, EBUSY,     \
	    ENOSYS /* object.h: memfd: without /proc */
#define OPENS "topic.h, shoal_pub_open"

static const struct contract contracts[] = {
    {"pub_open", OPENS, CONTRACT_OPENS, {OPENING}},
    {"sub_open", OPENS, CONTRACT_OPENS, {OPENING}},
    {"topic_create", OPENS, CONTRACT_OPENS, {OPENING}},
    {"remove", "object.h, shoal_remove", CONTRACT_OPENS, {OPENING}},
    {"list", "object.h, shoal_list", CONTRACT_OPENS, {EINVAL, ENOMEM, EACCES, EBUSY}},
    {"stat", "topic.h, shoal_topic_stat", CONTRACT_OPENS, {OPENING}},
    {"audit", "topic.h, shoal_topic_audit", CONTRACT_OPENS, {OPENING}},
    {"wait for what is there",
     "object.h, shoal_wait_exists",
     CONTRACT_OPENS | CONTRACT_SIGNALS,
     {EAGAIN, ETIMEDOUT, EINTR, EINVAL}},
    {"ask handles", "topic.h", 0, {0}},
    {"ask handles for their descriptors", "topic.h, shoal_pub_fd", 0, {EINVAL, ECHILD, ESTALE}},
    {"pub_rejoin", "topic.h, shoal_pub_rejoin", CONTRACT_OPENS, {OPENING}},
    {"sub_rejoin", "topic.h, shoal_pub_rejoin", CONTRACT_OPENS, {OPENING}},
    {"wait for existence",
     "object.h, shoal_wait_exists",
     CONTRACT_OPENS | CONTRACT_SIGNALS,
     {EAGAIN, ETIMEDOUT, EINTR, EINVAL}},
    {"pub_close", "topic.h", CONTRACT_CLOSES, {0}},
    {"sub_close", "topic.h", CONTRACT_CLOSES, {0}},
    {"publish",
     "topic.h, shoal_pub_claim",
     CONTRACT_COUNTS,
     {EAGAIN, ETIMEDOUT, EINTR, EMSGSIZE, EBUSY, ESTALE, EBADMSG, ECHILD, ENOMEM}},
    {"claim",
     "topic.h, shoal_pub_claim",
     0,
     {EAGAIN, ETIMEDOUT, EINTR, EMSGSIZE, EBUSY, ESTALE, EBADMSG, ECHILD, ENOMEM, EINVAL}},
    {"drain", "topic.h, shoal_pub_wait_subscribers", 0, {EAGAIN, ETIMEDOUT, EINTR, ESTALE, ECHILD}},
    {"wait for subscribers",
     "topic.h, shoal_pub_wait_subscribers",
     0,
     {EAGAIN, ETIMEDOUT, EINTR, ESTALE, ECHILD}},
    {"interrupt",
     "topic.h, shoal_pub_wait_subscribers",
     0,
     {EAGAIN, ETIMEDOUT, EINTR, ESTALE, ECHILD}},
    {"receive",
     "topic.h, shoal_sub_borrow",
     CONTRACT_COUNTS,
     {EAGAIN, ETIMEDOUT, EINTR, EPIPE, EBADMSG, ESTALE, ECHILD, EBUSY, ENOMEM, EMSGSIZE}},
    {"borrow",
     "topic.h, shoal_sub_borrow",
     0,
     {EAGAIN, ETIMEDOUT, EINTR, EPIPE, EBADMSG, ESTALE, ECHILD, EBUSY, ENOMEM, EINVAL}},
    {"release", "topic.h", 0, {EINVAL, ECHILD}},
    {"repair", "object/object.h", CONTRACT_REPAIRS, {ESTALE, EMFILE}},
    {"wrong: ", "failing_ops.c", CONTRACT_OPENS, {OPENING}},
};

const struct contract *contract_of(const struct op *op)
{
	const struct contract *best = NULL;
	for (size_t i = 0; i < sizeof(contracts) / sizeof(contracts[0]); i++) {
		const struct contract *contract = &contracts[i];
		size_t length = strlen(contract->prefix);
		if (strncmp(op->name, contract->prefix, length) == 0 &&
		    (!best || length > strlen(best->prefix)))
			best = contract;
	}
	if (!best)
		give_up("'%s' has no contract: add a row to failing_contract.c", op->name);
	return best;
}

/* What these mean in error.h is not what the kernel means by them. */
static bool has_our_meaning(int error)
{
	static const int ours[] = {EAGAIN,  ETIMEDOUT,  EINTR,  EPIPE,  ESTALE,
				   EBADMSG, EMSGSIZE,   EUSERS, ECHILD, EBUSY,
				   ENODATA, EPROTOTYPE, EXDEV,  E2BIG,  0};
	for (const int *p = ours; *p; p++)
		if (*p == error)
			return true;
	return false;
}

bool contract_allows(const struct contract *contract, const struct op *op, int result, int error)
{
	if (result == op->expect)
		return true;
	/* Nobody interrupted, and nobody let it wait; a signal is another matter. */
	bool signal = contract->flags & CONTRACT_SIGNALS && error == EINTR;
	if ((result == -EINTR && !signal) || result == -ETIMEDOUT)
		return false;
	for (const int *p = contract->errors; *p; p++)
		if (*p == -result)
			return true;
	return -result == error && !has_our_meaning(error) && contract->errors[0];
}

bool contract_is_silent(int result)
{
	return result == -EAGAIN || result == -ETIMEDOUT || result == -EINTR || result == -EPIPE;
}

static const char whose[] =
    "a descriptor whose file the kernel does not name may be a stranger's by now: it is not closed";
static const char finished_later[] =
    "close returns nothing and is done; who opens the name next finds it removed and unlinks it";
static const char swept_later[] = "the next maker in this directory removes it";
static const char not_robbed[] =
    "who can't be asked about, or can't be locked out, counts as alive until somebody can";
static const char cant_wake[] = "no call that wakes is allowed: it sleeps on, in slices if it "
				"knows that it waits for somebody";

static const char went[] = "the kernel says that it is not there: somebody else removed it";
static const char one_byte[] =
    "a lock of one byte is given back: only a range that must be split can make that fail";

static const struct exception exceptions[] = {
    {"", "stat_fd", BREACH_DESCRIPTOR, true, whose},
    {"", "fstat", BREACH_DESCRIPTOR, true, whose},
    {"pub_close, the last one", "", BREACH_NAME, false, finished_later},
    {"sub_close, the last one", "", BREACH_NAME, false, finished_later},
    {"", "unlink", BREACH_HIDDEN, false, swept_later},
    {"", "fcntl", BREACH_HIDDEN, false, swept_later},
    {"", "lock", BREACH_HIDDEN, false, swept_later},
    {"pub_close after one that was killed", "", BREACH_TOLD, false, not_robbed},
    {"wait for subscribers, one is dead", "", BREACH_RESULT, false, not_robbed},
    {"pub_open, making the topic without O_TMPFILE", "unlock", BREACH_NAME, false, one_byte},
    {"pub_open, making the topic without O_TMPFILE", "fcntl", BREACH_NAME, false, one_byte},
    {"pub_open, making", "stat_fd", BREACH_NAME, true, finished_later},
    {"pub_open, making", "fstat", BREACH_NAME, true, finished_later},
    {"sub_open, a leftover", "open", BREACH_NAME, false, went},
    {"list", "open", BREACH_RESULT, false, went},
    {"list", "getdents", BREACH_RESULT, false, went},
    {"", "futex", BREACH_TOLD, true, cant_wake},
    {NULL, NULL, BREACH_NAME, false, NULL},
};

const struct exception *exception_for(const struct op *op, const struct fault_seen *seen,
				      enum breach breach)
{
	for (const struct exception *e = exceptions; e->prefix; e++)
		if (e->breach == breach && seen->row && (seen->stays || !e->stays) &&
		    strncmp(op->name, e->prefix, strlen(e->prefix)) == 0 &&
		    strncmp(seen->row->name, e->call, strlen(e->call)) == 0)
			return e;
	return NULL;
}
