/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What survives what: the table in docs/moving-from.md, as far as it can be tried. Each cell is
 * tried by a process that makes an object, puts something into it, and ends in one of three ways;
 * then another one looks. What comes out is printed as a row of that table, and survival.sh
 * compares them.
 */
#include "traps/trap.h"

#include <sys/socket.h>

#define TEXT "kept?"

/* ---- endings ----------------------------------------------------------------------------- */

enum ending { CLOSES, ENDS, IS_KILLED, ENDINGS };

struct case_of {
	struct signals *signals;
	const char *name;
	unsigned flags;
	int sockets[2]; /* of what has no name: it is handed on before the end */
	bool handed_on;
	enum ending ending;
};

static struct shoal_topic_options small(void)
{
	struct shoal_topic_options o = options();
	o.lanes = 1;
	o.slots = 16;
	o.payload_bytes = 4096;
	return o;
}

static void make_and_end(void *context)
{
	const struct case_of *this = context;
	struct shoal_topic_options o = small();
	shoal_pub *pub;
	CHECK_R(1, shoal_pub_open(&pub, this->name, SHOAL_CREATE | this->flags, &o));
	CHECK_R(0, shoal_pub_publish(pub, TEXT, sizeof(TEXT), BOUND));
	this->signals->result = shoal_pub_fd(pub);
	if (this->handed_on)
		CHECK_R(0, shoal_object_send(this->sockets[1], shoal_pub_fd(pub), BOUND));
	if (this->ending == CLOSES)
		shoal_pub_close(pub);
	if (this->ending != ENDS)
		stay(this->signals);
}

/* ---- what is left ------------------------------------------------------------------------ */

/* "stays": with what was in it. "left over": it is there, and nobody gets it any more. */
static const char *what_is_left(const char *name)
{
	struct shoal_topic_stat *stat;
	shoal_sub *sub;
	char text[sizeof(TEXT)];
	int r = shoal_topic_stat(name, 0, &stat);
	if (r == -ENOENT)
		return "gone";
	CHECK_R(0, r);
	bool leftover = stat->object.health == SHOAL_LEFTOVER;
	shoal_topic_stat_free(stat);
	r = shoal_sub_open(&sub, name, SHOAL_FROM_OLDEST, NULL);
	if (leftover) {
		CHECK_R(-ENOENT, r);
		return "left over";
	}
	CHECK_R(0, r);
	CHECK_R(0, shoal_sub_receive(sub, text, sizeof(text), 0, NULL));
	CHECK(strcmp(text, TEXT) == 0);
	shoal_sub_close(sub);
	CHECK_R(0, shoal_remove(name, 0));
	return "stays";
}

/* Closed, and the process lives; ended; or killed. Runs `look` then. */
static const char *try_ending(struct case_of *this, const char *(*look)(struct case_of *this))
{
	this->signals = shared_memory(sizeof(*this->signals));
	pid_t pid = spawn(make_and_end, this);
	if (this->ending == ENDS)
		reap_ok(pid);
	else
		await_step(this->signals, 1);
	if (this->ending == IS_KILLED)
		reap_killed(pid);
	this->signals->value = (uint64_t)pid;
	const char *left = look(this);
	if (this->ending == CLOSES)
		reap_killed(pid);
	shared_free(this->signals, sizeof(*this->signals));
	return left;
}

static const char *look_by_name(struct case_of *this)
{
	return what_is_left(this->name);
}

/* Nobody else was given it, so its maker's is the only descriptor there may be. */
static const char *look_at_its_maker(struct case_of *this)
{
	struct shoal_topic_stat *stat;
	char name[64];
	snprintf(name, sizeof(name), "memfd:pid=%u,fd=%d", (unsigned)this->signals->value,
		 this->signals->result);
	int r = shoal_topic_stat(name, 0, &stat);
	CHECKF(r == (this->ending == CLOSES ? -EBADF : -ESRCH), "%s; %s", shoal_strerror(r),
	       shoal_error_detail());
	return "gone";
}

static const char *look_by_descriptor(struct case_of *this)
{
	char name[32];
	int fd;
	CHECK_R(0, shoal_object_receive(this->sockets[0], BOUND, &fd));
	snprintf(name, sizeof(name), "memfd:fd=%d", fd);
	const char *left = what_is_left(name);
	close(fd);
	return left;
}

/* ---- the table --------------------------------------------------------------------------- */

static void try_backend(const char *title, struct case_of this,
			const char *(*look)(struct case_of *this))
{
	printf("row: | %s |", title);
	for (this.ending = CLOSES; this.ending < ENDINGS; this.ending++)
		printf(" %s |", try_ending(&this, look));
	printf("\n");
}

static void try_all(void)
{
	struct case_of posix = {.name = "survival"}, sysv = {.name = "sysv:survival"}, file = {0},
		       memory = {.name = "memfd:survival"};
	char path[600];
	try_backend("`posix:`", posix, look_by_name);
	posix.flags = SHOAL_KEEP;
	try_backend("`posix:` with `SHOAL_KEEP`", posix, look_by_name);
	snprintf(path, sizeof(path), "file:%s/survival", objects_directory());
	file.name = path;
	try_backend("`file:`", file, look_by_name);
	try_backend("`sysv:`", sysv, look_by_name);
	sysv.flags = SHOAL_KEEP;
	try_backend("`sysv:` with `SHOAL_KEEP`", sysv, look_by_name);
	try_backend("`memfd:`, `anon:`", memory, look_at_its_maker);
	memory.handed_on = true;
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, memory.sockets) == 0);
	try_backend("the same, and another process has a descriptor of it", memory,
		    look_by_descriptor);
	close(memory.sockets[0]);
	close(memory.sockets[1]);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	return run_apart("survival", try_all);
}
