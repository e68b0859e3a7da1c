/* SPDX-License-Identifier: Apache-2.0 */
/* System V shared memory: keys, ids, modes and attachments. */
#include "trap.h"

#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>

#define KEY    ((key_t)0x7a9)
#define BY_KEY "sysv:key=0x7a9"

static int segment_new(key_t key, size_t bytes, int mode)
{
	int id = shmget(key, bytes, IPC_CREAT | IPC_EXCL | mode);
	CHECKF(id >= 0, "%s", strerror(errno));
	return id;
}

static char *attach(int id, int flags)
{
	char *p = shmat(id, NULL, flags);
	CHECKF(p != (void *)-1, "%s", strerror(errno));
	return p;
}

static struct shmid_ds state_of(int id)
{
	struct shmid_ds state;
	CHECKF(shmctl(id, IPC_STAT, &state) == 0, "%s", strerror(errno));
	return state;
}

static struct shoal_topic_options small(void)
{
	struct shoal_topic_options o = options();
	o.lanes = 1;
	o.slots = 16;
	o.payload_bytes = 4096;
	return o;
}

static struct shoal_sysv_stat stat_of(const char *name)
{
	struct shoal_sysv_stat stat = {.size = sizeof(stat)};
	CHECK_R(0, shoal_sysv_stat(name, &stat));
	return stat;
}

/* ---- keys -------------------------------------------------------------------------------- */

/* On /dev/shm, which is a tmpfs of our own. */
static void make_named(const char *path)
{
	int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	CHECKF(fd >= 0, "%s: %s", path, strerror(errno));
	close(fd);
}

static ino_t inode_of(const char *path)
{
	struct stat st;
	CHECK(stat(path, &st) == 0);
	return st.st_ino;
}

/* A second file whose inode has the same 16 low bits, which is all that ftok takes of it. */
static void make_twin(const char *path, const char *twin)
{
	enum { MANY = 1 << 21 };
	make_named(path);
	for (int i = 0; i < MANY; i++) {
		make_named(twin);
		if ((inode_of(twin) & 0xffff) == (inode_of(path) & 0xffff))
			return;
		CHECK(unlink(twin) == 0);
	}
	CHECKF(false, "no inode of the same 16 bits");
}

#define FIRST  "/dev/shm/first"
#define SECOND "/dev/shm/second"

static void ftok_collides_bare(void)
{
	make_twin(FIRST, SECOND);
	CHECK(inode_of(FIRST) != inode_of(SECOND));
	key_t key = ftok(FIRST, 'A');
	CHECK(key != -1 && key == ftok(SECOND, 'A'));
	CHECK(key == ftok(FIRST, 'A' + 256)); /* of the second argument it takes 8 bits */
	/* So two programs have one memory, and nobody says so. */
	char *p = attach(shmget(ftok(FIRST, 'A'), 100, IPC_CREAT | 0600), 0);
	char *q = attach(shmget(ftok(SECOND, 'A'), 100, IPC_CREAT | 0600), 0);
	strcpy(p, "mine");
	CHECK(strcmp(q, "mine") == 0);
	CHECK(shmdt(p) == 0 && shmdt(q) == 0);
}

/* All of the inode, the device and the number: three objects. And a key that is somebody else's is
 * not taken for one's own. */
static void ftok_collides_shoal(void)
{
	static const char *const names[] = {"sysv:path=" FIRST ",proj=65",
					    "sysv:path=" SECOND ",proj=65",
					    "sysv:path=" FIRST ",proj=321"};
	struct shoal_topic_options o = small();
	shoal_pub *pubs[3];
	make_twin(FIRST, SECOND);
	for (int i = 0; i < 3; i++)
		CHECK_R(1, shoal_pub_open(&pubs[i], names[i], SHOAL_CREATE | SHOAL_EXCLUSIVE, &o));
	for (int i = 0; i < 3; i++)
		CHECK(shoal_pub_sysv_id(pubs[i]) != shoal_pub_sysv_id(pubs[(i + 1) % 3]));
	for (int i = 0; i < 3; i++)
		shoal_pub_close(pubs[i]);
	segment_new(KEY, 100, 0600);
	CHECK_SAYS(-EEXIST, "0x000007a9", shoal_topic_create(BY_KEY, 0, &o));
}

static void ftok_of_a_file_made_anew_bare(void)
{
	make_named(FIRST);
	key_t key = ftok(FIRST, 'A');
	segment_new(key, 100, 0600);
	CHECK(unlink(FIRST) == 0);
	make_named(SECOND); /* so that the inode is another one */
	make_named(FIRST);
	/* The same path, another key: server and client don't meet any more. */
	CHECK(ftok(FIRST, 'A') != -1 && ftok(FIRST, 'A') != key);
	CHECK_ERRNO(ENOENT, shmget(ftok(FIRST, 'A'), 100, 0600) >= 0);
}

/* By its name it needs no file. By a file that is another one now it is not found, and is still
 * there in the list. */
static void ftok_of_a_file_made_anew_shoal(void)
{
	static const char by_path[] = "sysv:path=" FIRST ",proj=65";
	struct shoal_topic_options o = small();
	struct shoal_object *objects;
	size_t count;
	make_named(FIRST);
	CHECK_R(0, shoal_topic_create(by_path, 0, &o));
	CHECK_R(0, shoal_topic_create("sysv:trap", 0, &o));
	CHECK(unlink(FIRST) == 0);
	make_named(SECOND);
	make_named(FIRST);
	CHECK_R(0, shoal_topic_audit("sysv:trap", 0));
	CHECK_SAYS(-ENOENT, FIRST, shoal_topic_audit(by_path, 0));
	CHECK_R(0, shoal_list("sysv:", &objects, &count));
	CHECKF(count == 2, "%zu are listed", count);
	for (size_t i = 0; i < count; i++)
		CHECK_R(0, shoal_remove(objects[i].name, 0));
	shoal_list_free(objects);
}

static void ftok_that_failed_is_a_key_bare(void)
{
	key_t key = ftok("/no/such/file", 'A');
	CHECK(key == -1);
	int id = shmget(key, 100, IPC_CREAT | 0600);
	CHECKF(id >= 0, "%s", strerror(errno));
	CHECK((uint32_t)state_of(id).shm_perm.__key == 0xffffffffu);
	/* As does everybody else whose ftok fails. */
	CHECK(id == shmget(ftok("/neither/this", 'B'), 100, IPC_CREAT | 0600));
}

static void ftok_that_failed_is_a_key_shoal(void)
{
	struct shoal_topic_options o = small();
	CHECK_SAYS(-ENOENT, "/no/such/file",
		   shoal_topic_create("sysv:path=/no/such/file,proj=65", 0, &o));
	CHECK_SAYS(-EINVAL, "ftok", shoal_topic_create("sysv:key=0xffffffff", 0, &o));
}

static void key_comes_back_after_removal_bare(void)
{
	int old_id = segment_new(KEY, 100, 0600);
	char *old = attach(old_id, 0);
	CHECK(shmctl(old_id, IPC_RMID, NULL) == 0); /* as ipcrm does */
	CHECK(state_of(old_id).shm_perm.mode & SHM_DEST);
	int new_id = segment_new(KEY, 100, 0600); /* IPC_EXCL, and it succeeds */
	char *new = attach(new_id, 0);
	strcpy(old, "to all");
	CHECKF(new_id != old_id && new[0] == '\0', "one memory, not two");
	CHECK(shmdt(old) == 0 && shmdt(new) == 0);
	CHECK_ERRNO(EINVAL, shmctl(old_id, IPC_STAT, &(struct shmid_ds){0}) == 0);
}

/* Who is in it is told, also when it went by ipcrm. */
static void key_comes_back_after_removal_shoal(void)
{
	struct shoal_topic_options o = small();
	shoal_pub *pub, *second;
	for (int by_ipcrm = 0; by_ipcrm < 2; by_ipcrm++) {
		CHECK_R(1, shoal_pub_open(&pub, BY_KEY, SHOAL_CREATE, &o));
		CHECK_R(-EBUSY, shoal_remove(BY_KEY, 0));
		if (by_ipcrm)
			CHECK(shmctl(shoal_pub_sysv_id(pub), IPC_RMID, NULL) == 0);
		else
			CHECK_R(0, shoal_remove(BY_KEY, SHOAL_FORCE));
		CHECK_R(1, shoal_pub_open(&second, BY_KEY, SHOAL_CREATE, &o));
		CHECK_SAYS(-ESTALE, "removed", shoal_pub_publish(pub, "x", 1, BOUND));
		shoal_pub_close(second);
		shoal_pub_close(pub);
	}
}

/* ---- who may ----------------------------------------------------------------------------- */

static void make_without_mode(void *context)
{
	(void)context;
	become_nobody();
	int id = shmget(KEY, 100, IPC_CREAT);
	CHECKF(id >= 0, "%s", strerror(errno));

	CHECK_ERRNO(EACCES, shmat(id, NULL, 0) != (void *)-1);
	CHECK_ERRNO(EACCES, shmat(id, NULL, SHM_RDONLY) != (void *)-1);
	CHECK_ERRNO(EACCES, shmget(KEY, 100, 0600) >= 0);
}

static void no_mode_bits_bare(void)
{
	reap_ok(spawn(make_without_mode, NULL));
	CHECK((state_of(shmget(KEY, 0, 0)).shm_perm.mode & 0777) == 0);
}

static void make_with_default_mode(void *context)
{
	struct shoal_topic_options o = small();
	shoal_pub *pub;
	shoal_sub *sub;
	(void)context;
	become_nobody();
	CHECK_R(1, shoal_pub_open(&pub, BY_KEY, SHOAL_CREATE, &o));
	CHECK_R(0, shoal_sub_open(&sub, BY_KEY, 0, NULL));
	unsigned mode = stat_of(BY_KEY).mode;
	CHECKF(mode == 0600, "mode %o", mode);
	shoal_sub_close(sub);
	shoal_pub_close(pub);
}

static void no_mode_bits_shoal(void)
{
	reap_ok(spawn(make_with_default_mode, NULL));
}

/* ---- attachments ------------------------------------------------------------------------- */

static void shmdt_of_another_address_bare(void)
{
	int id = segment_new(KEY, 2 * PAGE, 0600);
	char *p = attach(id, 0);
	CHECK_ERRNO(EINVAL, shmdt(p + 100) == 0);
	CHECK_ERRNO(EINVAL, shmdt(p + PAGE) == 0);
	CHECKF(state_of(id).shm_nattch == 1, "it is detached");
	CHECK(shmdt(p) == 0);
	CHECK_ERRNO(EINVAL, shmdt(p) == 0);
}

/* A handle is closed: there is no address to get wrong. */
static void shmdt_of_another_address_shoal(void)
{
	struct shoal_topic_options o = small();
	shoal_pub *pub;
	CHECK_R(1, shoal_pub_open(&pub, BY_KEY, SHOAL_CREATE | SHOAL_KEEP, &o));
	CHECK(stat_of(BY_KEY).attached == 1);
	shoal_pub_close(pub);
	CHECKF(stat_of(BY_KEY).attached == 0, "it is attached");
	CHECK_R(0, shoal_remove(BY_KEY, 0));
}

static void attach_and_end(void *context)
{
	(void)context;
	strcpy(attach(segment_new(KEY, 100, 0600), 0), "secret");
}

static void survives_the_last_detach_bare(void)
{
	reap_ok(spawn(attach_and_end, NULL));
	int id = shmget(KEY, 0, 0);
	CHECKF(id >= 0 && state_of(id).shm_nattch == 0, "it went with its processes");
	char *p = attach(id, 0);
	CHECK(strcmp(p, "secret") == 0);
	CHECK(shmdt(p) == 0);
}

static void publish_and_stay(void *context)
{
	struct signals *signals = context;
	struct shoal_topic_options o = small();
	shoal_pub *pub;
	CHECK_R(1, shoal_pub_open(&pub, BY_KEY, SHOAL_CREATE, &o));
	CHECK_R(0, shoal_pub_publish(pub, "secret", 7, BOUND));
	atomic_store(&signals->result, shoal_pub_sysv_id(pub));
	stay(signals);
}

static void survives_the_last_detach_shoal(void)
{
	struct signals *signals = shared_memory(sizeof(*signals));
	struct shoal_topic_options o = small();
	struct shoal_object *objects;
	shoal_sub *sub;
	size_t count;
	char c[8];
	CHECK_R(1, shoal_sub_open(&sub, BY_KEY, SHOAL_CREATE, &o));
	int id = shoal_sub_sysv_id(sub);
	shoal_sub_close(sub);
	CHECK_ERRNO(EINVAL, shmctl(id, IPC_STAT, &(struct shmid_ds){0}) == 0); /* gone */
	pid_t pid = spawn(publish_and_stay, signals);
	await_step(signals, 1);
	reap_killed(pid);
	CHECK_R(0, shoal_list("sysv:", &objects, &count));
	CHECK(count == 1 && objects[0].health == SHOAL_LEFTOVER);
	shoal_list_free(objects);
	CHECK_R(1, shoal_sub_open(&sub, BY_KEY, SHOAL_CREATE | SHOAL_FROM_OLDEST, &o));
	CHECK_R(-EAGAIN, shoal_sub_receive(sub, c, sizeof(c), 0, NULL));
	CHECK_ERRNO(EINVAL, shmctl(signals->result, IPC_STAT, &(struct shmid_ds){0}) == 0);
	shoal_sub_close(sub);
	shared_free(signals, sizeof(*signals));
}

int main(int argc, char **argv)
{
	static const struct trap traps[] = {
	    TRAP(ftok_collides),
	    TRAP(ftok_of_a_file_made_anew),
	    TRAP(ftok_that_failed_is_a_key),
	    TRAP(key_comes_back_after_removal),
	    TRAP(no_mode_bits),
	    TRAP(shmdt_of_another_address),
	    TRAP(survives_the_last_detach),
	};
	return RUN_TRAPS(argc, argv, traps);
}
