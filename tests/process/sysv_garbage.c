/* SPDX-License-Identifier: Apache-2.0 */
/* A System V object's lock file, and its part of the segment's header, with a stranger's bytes in
 * them: whoever opens, lists or removes it gets an error, and nobody else's segment is touched. */
#include "base/checksum.h"
#include "segment/sysv.h"
#include "sysv_support.h"

#include <fcntl.h>
#include <sys/shm.h>
#include <sys/stat.h>

#define NAME "sysv:g/garbage"

static int bait;   /* a segment that is none of Shoal's, of the same size */
static int victim; /* the object's */
static uint64_t the_size;
static char path[SEGMENT_PATH_BYTES];

static void make_victim(void)
{
	struct shoal_topic_options o = options();
	struct shoal_sysv_stat stat = {.size = sizeof(stat)};
	o.lanes = 1;
	o.slots = 2;
	o.payload_bytes = 4096;
	CHECK_R(0, shoal_topic_create(NAME, 0, &o));
	CHECK_R(0, shoal_sysv_stat(NAME, &stat));
	victim = stat.id;
	the_size = stat.bytes;
	CHECK(sysv_path(path, stat.key, 0, SYSV_MADE));
}

static struct sysv_record read_record(void)
{
	struct sysv_record record;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && read(fd, &record, sizeof(record)) == sizeof(record));
	close(fd);
	return record;
}

static void write_record(const struct sysv_record *record, size_t bytes)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	CHECK(fd >= 0 && write(fd, record, bytes) == (ssize_t)bytes);
	close(fd);
}

/* All that can be done with it, and that it harms nobody. Returns what opening it gave. */
static int suffer(const char *what, size_t at)
{
	struct shoal_object *objects;
	struct shoal_sysv_stat stat = {.size = sizeof(stat)};
	struct shmid_ds ds;
	shoal_pub *pub;
	size_t count;
	CHECK_R(0, shoal_list("sysv:", &objects, &count));
	shoal_list_free(objects);
	shoal_sysv_stat(NAME, &stat);
	int r = open_small(&pub, NAME, 0);
	if (r >= 0)
		shoal_pub_close(pub);
	CHECKF(r == 0 || shoal_error_detail()[0], "%s %zu: %d without a word", what, at, r);
	shoal_remove(NAME, SHOAL_FORCE);
	CHECKF(shmctl(bait, IPC_STAT, &ds) == 0, "%s %zu: a stranger's segment is gone", what, at);
	CHECKF(!(ds.shm_perm.mode & SHM_DEST), "%s %zu", what, at);
	return r;
}

/* What damage leaves is for people: the next one starts anew. */
static void clean_up(void)
{
	unlink(path);
	shmctl(victim, IPC_RMID, NULL);
	CHECK(segment_count() == 1);
}

static void begin(void)
{
	make_victim();
	shoal_remove(NAME, 0);
	bait = shmget(IPC_PRIVATE, the_size, 0600);
	CHECK(bait >= 0);
}

static void end(void)
{
	CHECK(shmctl(bait, IPC_RMID, NULL) == 0);
	check_nothing_left("garbage");
}

static void each_byte(void)
{
	begin();
	for (size_t i = 0; i < sizeof(struct sysv_record); i++) {
		make_victim();
		struct sysv_record record = read_record();
		((uint8_t *)&record)[i] ^= (uint8_t)(1u << i % 8);
		write_record(&record, sizeof(record));
		int r = suffer("byte", i);
		CHECKF(r == -EBADMSG || r == -ENOTSUP, "byte %zu: %d", i, r);
		clean_up();
	}
	end();
}

static void each_length(void)
{
	begin();
	for (size_t i = 0; i < sizeof(struct sysv_record); i += 37) {
		make_victim();
		struct sysv_record record = read_record();
		write_record(&record, i);
		CHECK(suffer("length", i) == -EBADMSG);
		clean_up();
	}
	end();
}

/* One who knows the format: the checksum is right. */
static void lie(size_t number, struct sysv_record *record)
{
	static const int64_t ids[] = {-1, -2, INT32_MAX, (int64_t)1 << 32, INT64_MIN};
	switch (number) {
	case 0:
		record->id = bait;
		break;
	case 1:
		record->key++;
		break;
	case 2:
		record->form = SYSV_ID;
		break;
	case 3:
		record->form = SYSV_PRIVATE;
		record->key = 0;
		record->id = bait;
		break;
	case 4:
		record->bytes++;
		break;
	case 5:
		record->instance[1] ^= 1;
		break;
	case 6:
		record->boot_id[3] ^= 1;
		break;
	case 7:
		record->ipc_namespace++;
		break;
	case 8:
		record->token = 1;
		break;
	case 9:
		memset(record->text, 'x', sizeof(record->text));
		break;
	case 10:
		record->text[0] = '\033';
		break;
	case 11:
		record->text[0] = '\0';
		break;
	case 12:
		snprintf(record->text, sizeof(record->text), "another");
		break;
	default:
		record->id = ids[(number - 13) % 5];
	}
}

static void lies(void)
{
	begin();
	for (size_t i = 0; i < 18; i++) {
		make_victim();
		struct sysv_record record = read_record();
		lie(i, &record);
		record.checksum = checksum(&record, offsetof(struct sysv_record, checksum));
		write_record(&record, sizeof(record));
		int r = suffer("lie", i);
		CHECKF(r < 0, "lie %zu is believed", i);
		clean_up();
	}
	end();
}

static void the_headers_part(void)
{
	begin();
	for (size_t i = 0; i < sizeof(struct segment_sysv); i++) {
		make_victim();
		uint8_t *base = shmat(victim, NULL, 0);
		CHECK(base != (void *)-1); /* NOLINT(performance-no-int-to-ptr): shmat's own */
		base[offsetof(struct segment_header, sysv) + i] ^= 0x10;
		CHECK(shmdt(base) == 0);
		CHECK(suffer("header", i) == -EBADMSG);
		clean_up();
	}
	end();
}

int main(int argc, char **argv)
{
	static const struct test tests[] = {
	    {"each_byte", each_byte},
	    {"each_length", each_length},
	    {"lies", lies},
	    {"the_headers_part", the_headers_part},
	};
	own_ipc_namespace();
	return RUN_TESTS(argc, argv, tests);
}
