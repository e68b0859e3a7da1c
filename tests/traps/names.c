/* SPDX-License-Identifier: Apache-2.0 */
/* Names: who finds what, who makes it, who may, and how long it stays. */
#include "trap.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define SHM  "/trap"
#define NAME "trap"

static int shm_new(size_t bytes)
{
	int fd = shm_open(SHM, O_CREAT | O_EXCL | O_RDWR, 0600);
	CHECKF(fd >= 0, "%s", strerror(errno));
	CHECK(ftruncate(fd, (off_t)bytes) == 0);
	return fd;
}

static struct shoal_topic_options small(void)
{
	struct shoal_topic_options o = options();
	o.lanes = 2;
	o.slots = 16;
	o.payload_bytes = 4096;
	return o;
}

/* ---- two creators at once ---------------------------------------------------------------- */

/* What each of them does, and what neither can know: whether it was the first. */
static char *open_or_make(int *ret_fd)
{
	*ret_fd = shm_open(SHM, O_CREAT | O_RDWR, 0600);
	CHECK(*ret_fd >= 0 && ftruncate(*ret_fd, PAGE) == 0);
	char *p = map_shared(*ret_fd, PAGE);
	memset(p, 0, PAGE); /* "initialize" */
	return p;
}

static void two_creators_bare(void)
{
	int first_fd, second_fd;
	char *first = open_or_make(&first_fd);
	strcpy(first, "work");
	char *second = open_or_make(&second_fd);
	CHECKF(first[0] == '\0', "the second creator left the first one's data alone");
	unmap(first, PAGE);
	unmap(second, PAGE);
	close(first_fd);
	close(second_fd);
}

enum { RACES = 300 };

struct race {
	_Atomic uint64_t arrived;
	_Atomic int result[2];
};

static void meet(struct race *race, uint64_t target)
{
	atomic_fetch_add(&race->arrived, 1);
	WAIT_FOR(atomic_load(&race->arrived) >= target);
}

/* Both open at once; then the message of one must come to the other, whoever made it. */
static void create_at_once(struct race *race, int me)
{
	struct shoal_topic_options o = small();
	uint64_t met = 0;
	for (int i = 0; i < RACES; i++) {
		shoal_pub *pub = NULL;
		shoal_sub *sub = NULL;
		int got = -1;
		meet(race, met += 2);
		int r = me ? shoal_pub_open(&pub, NAME, SHOAL_CREATE, &o)
			   : shoal_sub_open(&sub, NAME, SHOAL_CREATE | SHOAL_FOLLOW, &o);
		atomic_store(&race->result[me], r);
		meet(race, met += 2);
		CHECKF(race->result[0] + race->result[1] == 1, "%d and %d: not one maker",
		       race->result[0], race->result[1]);
		if (me)
			CHECK_R(0, shoal_pub_publish(pub, &i, sizeof(i), BOUND));
		else
			CHECK_R(0, shoal_sub_receive(sub, &got, sizeof(got), BOUND, NULL));
		CHECK(me || got == i);
		meet(race, met += 2);
		shoal_pub_close(pub);
		shoal_sub_close(sub);
	}
}

static void other_creator(void *context)
{
	create_at_once(context, 1);
}

static void two_creators_shoal(void)
{
	struct race *race = shared_memory(sizeof(*race));
	pid_t pid = spawn(other_creator, race);
	create_at_once(race, 0);
	reap_ok(pid);
	shared_free(race, sizeof(*race));
}

/* ---- removed while others have it -------------------------------------------------------- */

static void unlinked_while_mapped_bare(void)
{
	int old_fd = shm_new(PAGE);
	char *old = map_shared(old_fd, PAGE);
	CHECK(shm_unlink(SHM) == 0); /* nobody is asked, nobody is told */
	int new_fd = shm_new(PAGE);
	char *new = map_shared(new_fd, PAGE);
	strcpy(old, "to all");
	CHECKF(new[0] == '\0', "one memory, not two");
	strcpy(new, "to others");
	CHECKF(strcmp(old, "to all") == 0, "one memory, not two");
	unmap(old, PAGE);
	unmap(new, PAGE);
	close(old_fd);
	close(new_fd);
}

static void unlinked_while_mapped_shoal(void)
{
	struct shoal_topic_options o = small();
	shoal_pub *pub, *second;
	CHECK_R(1, shoal_pub_open(&pub, NAME, SHOAL_CREATE, &o));
	char me[32];
	snprintf(me, sizeof(me), "process %d", (int)getpid());
	CHECK_SAYS(-EBUSY, me, shoal_remove(NAME, 0));
	CHECK_R(0, shoal_pub_publish(pub, "x", 1, BOUND));
	CHECK_R(0, shoal_remove(NAME, SHOAL_FORCE));
	CHECK_R(1, shoal_pub_open(&second, NAME, SHOAL_CREATE, &o));
	CHECK_SAYS(-ESTALE, NAME, shoal_pub_publish(pub, "x", 1, BOUND));
	shoal_pub_close(second);
	shoal_pub_close(pub);
}

/* ---- what a name may be ------------------------------------------------------------------ */

static void leading_slash_bare(void)
{
	int fd = shm_new(PAGE);
	close(fd);
	CHECK_ERRNO(EEXIST, shm_open("trap", O_CREAT | O_EXCL | O_RDWR, 0600) >= 0);
	CHECK_ERRNO(EEXIST, shm_open("//trap", O_CREAT | O_EXCL | O_RDWR, 0600) >= 0);
	CHECK_ERRNO(EINVAL, shm_open("/trap/set", O_CREAT | O_EXCL | O_RDWR, 0600) >= 0);
	CHECK_ERRNO(EINVAL, shm_open("/", O_CREAT | O_EXCL | O_RDWR, 0600) >= 0);
	CHECK(shm_unlink("///trap") == 0);
}

static void leading_slash_shoal(void)
{
	struct shoal_topic_options o = small();
	CHECK_R(0, shoal_topic_create("trap", SHOAL_EXCLUSIVE, &o));
	CHECK_SAYS(-EINVAL, "GROUP/NAME", shoal_topic_create("/trap", 0, &o));
	CHECK_SAYS(-EINVAL, "GROUP/NAME", shoal_topic_create("//trap", 0, &o));
	CHECK_R(0, shoal_topic_create("trap/set", SHOAL_EXCLUSIVE, &o));
	CHECK_R(0, shoal_remove("trap/set", 0));
	CHECK_R(0, shoal_remove("trap", 0));
}

static void name_too_long_bare(void)
{
	char name[300];
	memset(name, 'n', sizeof(name));
	name[0] = '/';
	name[256] = '\0'; /* 255 after the slash, and the limit is the file system's */
	int fd = shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
	CHECKF(fd >= 0, "%s", strerror(errno));
	close(fd);
	CHECK(shm_unlink(name) == 0);
	name[256] = 'n';
	name[257] = '\0';
	CHECK_ERRNO(ENAMETOOLONG, shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600) >= 0);
}

static void name_too_long_shoal(void)
{
	struct shoal_topic_options o = small();
	char name[129];
	memset(name, 'n', sizeof(name));
	name[63] = '/';
	name[127] = '\0';
	CHECK_R(0, shoal_topic_create(name, SHOAL_EXCLUSIVE, &o)); /* a group of 63, and 63 */
	CHECK_R(0, shoal_remove(name, 0));
	name[127] = 'n';
	name[128] = '\0';
	CHECK_SAYS(-ENAMETOOLONG, "63", shoal_topic_create(name, 0, &o));
	CHECK_SAYS(-ENAMETOOLONG, "63", shoal_topic_create(name + 64, 0, &o));
}

/* ---- who may ----------------------------------------------------------------------------- */

static unsigned mode_of(const char *path)
{
	struct stat st;
	CHECKF(stat(path, &st) == 0, "%s: %s", path, strerror(errno));
	return st.st_mode & 07777;
}

static void umask_bare(void)
{
	umask(077);
	int fd = shm_open(SHM, O_CREAT | O_EXCL | O_RDWR, 0666);
	CHECK(fd >= 0);
	unsigned mode = mode_of("/dev/shm" SHM);
	CHECKF(mode == 0600, "0666 was asked for and is %o", mode);
	close(fd);
}

static void umask_shoal(void)
{
	struct shoal_topic_options o = small();
	char path[512];
	umask(077);
	o.mode = 0666;
	CHECK_R(0, shoal_topic_create(NAME, 0, &o));
	snprintf(path, sizeof(path), "%s/shoal:" NAME, objects_directory());
	unsigned mode = mode_of(path);
	CHECKF(mode == 0666, "0666 was asked for and is %o", mode);
	CHECK_R(0, shoal_remove(NAME, 0));
	umask(0);
	o.mode = 0; /* the default */
	CHECK_R(0, shoal_topic_create(NAME, 0, &o));
	mode = mode_of(path);
	CHECKF(mode == 0600, "%o without being asked", mode);
	CHECK_R(0, shoal_remove(NAME, 0));
}

/* ---- what stays -------------------------------------------------------------------------- */

static void make_and_end(void *context)
{
	(void)context;
	int fd = shm_new(PAGE);
	strcpy(map_shared(fd, PAGE), "secret");
}

static void make_and_stay(void *context)
{
	make_and_end(NULL);
	stay(context);
}

static void check_survived(void)
{
	int fd = shm_open(SHM, O_RDWR, 0);
	CHECKF(fd >= 0, "it went with its processes");
	char *p = map_shared(fd, PAGE);
	CHECK(strcmp(p, "secret") == 0);
	unmap(p, PAGE);
	close(fd);
	CHECK(shm_unlink(SHM) == 0);
}

static void survives_its_processes_bare(void)
{
	struct signals *signals = shared_memory(sizeof(*signals));
	reap_ok(spawn(make_and_end, NULL));
	check_survived();
	pid_t pid = spawn(make_and_stay, signals);
	await_step(signals, 1);
	reap_killed(pid);
	check_survived();
	shared_free(signals, sizeof(*signals));
}

static void publish_and_stay(void *context)
{
	struct shoal_topic_options o = small();
	shoal_pub *pub;
	CHECK_R(1, shoal_pub_open(&pub, NAME, SHOAL_CREATE, &o));
	CHECK_R(0, shoal_pub_publish(pub, "secret", 7, BOUND));
	stay(context);
}

static void survives_its_processes_shoal(void)
{
	struct signals *signals = shared_memory(sizeof(*signals));
	struct shoal_topic_options o = small();
	struct shoal_object *objects;
	shoal_sub *sub;
	size_t count;
	char c[8];
	CHECK_R(1, shoal_sub_open(&sub, NAME, SHOAL_CREATE, &o));
	shoal_sub_close(sub);
	CHECKF(directory_is_empty(), "the last one left, and it is still there");
	pid_t pid = spawn(publish_and_stay, signals);
	await_step(signals, 1);
	reap_killed(pid);
	CHECK_R(0, shoal_list(NULL, &objects, &count));
	CHECK(count == 1 && objects[0].health == SHOAL_LEFTOVER);
	shoal_list_free(objects);
	/* The next one meets nobody, so what is left is gone: a new object, without old secrets. */
	CHECK_R(1, shoal_sub_open(&sub, NAME, SHOAL_CREATE | SHOAL_FROM_OLDEST, &o));
	CHECK_R(-EAGAIN, shoal_sub_receive(sub, c, sizeof(c), 0, NULL));
	shoal_sub_close(sub);
	shared_free(signals, sizeof(*signals));
}

int main(int argc, char **argv)
{
	static const struct trap traps[] = {
	    TRAP(two_creators),  TRAP(unlinked_while_mapped),
	    TRAP(leading_slash), TRAP(name_too_long),
	    TRAP(umask),         TRAP(survives_its_processes),
	};
	return RUN_TRAPS(argc, argv, traps);
}
