/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shoal-bench-block: is a block as fast as the bare calls? Each figure comes from several fresh
 * processes; in each, the block and the bare calls take turns.
 */
#include "pin.h"
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <shoal/shoal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_BYTES   ((size_t)256 << 20)
#define LIFE_BYTES   ((size_t)1 << 20)
#define RANDOM_BYTES ((size_t)1 << 30)
#define STARTS_MAX   32

/* What a worker measured, in the memory that it shares with the driver. */
struct control {
	double block, bare;
	int core;
	uint32_t repeats;
	char directory[256]; /* of the files of the backend "file" */
	char error[BENCH_DIE_BYTES];
};

/* ---- memory ------------------------------------------------------------------------------ */

static const char *shm_directory(void)
{
	const char *directory = getenv("SHOAL_DIR");

	return directory && *directory ? directory : "/dev/shm";
}

static void must(bool good, const char *what)
{
	if (!good)
		bench_die("%s: %s (%s)", what, strerror(errno), shoal_error_detail());
}

static int bare_make(const char *directory, size_t bytes, char path[512])
{
	snprintf(path, 512, "%s/bench-bare-%d", directory, (int)getpid());
	int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	must(fd >= 0, path);
	if (ftruncate(fd, (off_t)bytes) < 0 || fallocate(fd, 0, 0, (off_t)bytes) < 0) {
		unlink(path);
		must(false, "fallocate");
	}
	return fd;
}

static void *bare_map(int fd, size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	must(p != MAP_FAILED, "mmap");
	return p;
}

static void *bare_memory(const char *directory, size_t bytes)
{
	char path[512];
	int fd = bare_make(directory, bytes, path);

	unlink(path);
	void *p = bare_map(fd, bytes);
	close(fd);
	return p;
}

static void block_name(char name[512], bool file, const struct control *control)
{
	if (file)
		snprintf(name, 512, "file:%s/bench-block-%d", control->directory, (int)getpid());
	else
		snprintf(name, 512, "bench-block-%d", (int)getpid());
}

static shoal_block *block_make(const char *name, size_t bytes, unsigned flags)
{
	struct shoal_block_options options = {.size = sizeof options, .bytes = bytes};
	shoal_block *block = NULL;

	must(shoal_block_open(&block, name, SHOAL_CREATE | flags, &options) >= 0,
	     "shoal_block_open");
	return block;
}

/* ---- copy -------------------------------------------------------------------------------- */

/* Bytes a second, from one half to the other. */
static double copy(uint8_t *memory)
{
	const size_t half = COPY_BYTES / 2;
	int64_t start_ns = bench_now_ns();

	memcpy(memory + half, memory, half);
	__asm__ volatile("" ::"r"(memory) : "memory");
	return (double)half * 1e9 / (double)(bench_now_ns() - start_ns);
}

static void measure_copy(struct control *control, bool file)
{
	double block_rates[64], bare_rates[64];
	char name[512];

	block_name(name, file, control);
	shoal_block *block = block_make(name, COPY_BYTES, 0);
	shoal_remove(name, SHOAL_FORCE); /* whatever happens, nothing stays */
	uint8_t *mine = shoal_block_data(block);
	uint8_t *bare = bare_memory(file ? control->directory : shm_directory(), COPY_BYTES);
	memset(mine, 1, COPY_BYTES);
	memset(bare, 1, COPY_BYTES);
	for (uint32_t i = 0; i < control->repeats; i++) {
		/* Each is the first as often as the other. */
		if (i % 2 == 0)
			block_rates[i] = copy(mine);
		bare_rates[i] = copy(bare);
		if (i % 2 != 0)
			block_rates[i] = copy(mine);
	}
	control->block = bench_median(block_rates, control->repeats);
	control->bare = bench_median(bare_rates, control->repeats);
	munmap(bare, COPY_BYTES);
	shoal_block_close(block);
}

static void copy_posix(struct control *control)
{
	measure_copy(control, false);
}

static void copy_file(struct control *control)
{
	measure_copy(control, true);
}

/* ---- make, open, close ------------------------------------------------------------------- */

static double life_block(const char *name)
{
	int64_t start_ns = bench_now_ns();
	shoal_block *one = block_make(name, LIFE_BYTES, 0);
	shoal_block *two = NULL;

	must(shoal_block_open(&two, name, 0, NULL) == 0, "shoal_block_open");
	shoal_block_close(two);
	if (strncmp(name, "file:", 5) == 0)
		must(shoal_remove(name, SHOAL_FORCE) == 0, "shoal_remove");
	shoal_block_close(one);
	return (double)(bench_now_ns() - start_ns);
}

static double life_bare(const char *directory)
{
	char path[512];
	struct stat st;
	int64_t start_ns = bench_now_ns();
	int one = bare_make(directory, LIFE_BYTES, path);
	void *first = bare_map(one, LIFE_BYTES);

	close(one);
	int two = open(path, O_RDWR | O_CLOEXEC);
	must(two >= 0 && fstat(two, &st) == 0, "open");
	void *second = bare_map(two, (size_t)st.st_size);
	close(two);
	munmap(second, LIFE_BYTES);
	unlink(path);
	munmap(first, LIFE_BYTES);
	return (double)(bench_now_ns() - start_ns);
}

static void measure_life(struct control *control, bool file)
{
	enum { TIMES = 200 };
	double block[TIMES], bare[TIMES];
	char name[512];

	block_name(name, file, control);
	for (int i = 0; i < TIMES; i++) {
		block[i] = life_block(name);
		bare[i] = life_bare(file ? control->directory : shm_directory());
	}
	control->block = bench_median(block, TIMES);
	control->bare = bench_median(bare, TIMES);
}

static void life_posix(struct control *control)
{
	measure_life(control, false);
}

static void life_file(struct control *control)
{
	measure_life(control, true);
}

/* ---- random access ----------------------------------------------------------------------- */

/* ns an access; each address depends on what was read. */
static double chase(const uint8_t *memory)
{
	const uint64_t count = 2000000;
	uint64_t at = 88172645463325252u;
	int64_t start_ns = bench_now_ns();

	for (uint64_t i = 0; i < count; i++) {
		at ^= at << 13;
		at ^= at >> 7;
		at ^= at << 17;
		at += memory[at % RANDOM_BYTES]; /* all are zero, which nobody here knows */
	}
	__asm__ volatile("" ::"r"(at));
	return (double)(bench_now_ns() - start_ns) / (double)count;
}

static void random_access(struct control *control)
{
	double huge[64], small[64];
	struct shoal_memory memory;
	char name[512];

	block_name(name, false, control);
	shoal_block *block = block_make(name, RANDOM_BYTES, SHOAL_HUGE | SHOAL_POPULATE);
	shoal_remove(name, SHOAL_FORCE); /* whatever happens, nothing stays */
	must(shoal_block_memory(block, &memory) == 0, "shoal_block_memory");
	if (!(memory.had & SHOAL_HUGE))
		bench_die("no huge pages were to be had: %llu of %llu bytes",
			  (unsigned long long)memory.huge_bytes, (unsigned long long)memory.bytes);
	char second[520];
	snprintf(second, sizeof second, "%s-small", name);
	shoal_block *other = block_make(second, RANDOM_BYTES, SHOAL_POPULATE);
	shoal_remove(second, SHOAL_FORCE);
	for (uint32_t i = 0; i < control->repeats; i++) {
		huge[i] = chase(shoal_block_data(block));
		small[i] = chase(shoal_block_data(other));
	}
	control->block = bench_median(huge, control->repeats);
	control->bare = bench_median(small, control->repeats);
	shoal_block_close(other);
	shoal_block_close(block);
}

/* ---- the driver -------------------------------------------------------------------------- */

static const struct figure {
	const char *name, *title, *reference;
	enum bench_unit unit;
	enum bench_goal goal;
	double bound;
	void (*run)(struct control *control);
} figures[] = {
    {"copy-posix", "copy within 256 MiB, posix", "bare mmap", UNIT_BYTES, GOAL_LEAST, 0.95,
     copy_posix},
    {"copy-file", "copy within 256 MiB, file", "bare mmap", UNIT_BYTES, GOAL_LEAST, 0.95,
     copy_file},
    {"life-posix", "make, open, close 1 MiB, posix", "bare calls", UNIT_US, GOAL_MOST, 2.0,
     life_posix},
    {"life-file", "make, open, close 1 MiB, file", "bare calls", UNIT_US, GOAL_MOST, 2.0,
     life_file},
    {"random", "random byte of 1 GiB, huge pages", "pages of 4 KiB", UNIT_NS, GOAL_NONE, 0,
     random_access},
};
#define FIGURES (sizeof figures / sizeof figures[0])

static char errors[FIGURES][BENCH_DIE_BYTES];

static struct bench_row run_figure(const struct figure *figure, int fd, struct control *control,
				   uint32_t starts)
{
	struct bench_row row = {
	    .name = figure->name,
	    .title = figure->title,
	    .reference_name = figure->reference,
	    .unit = figure->unit,
	    .goal = figure->goal,
	    .bound = figure->bound,
	};
	double values[STARTS_MAX], bare[STARTS_MAX], ratios[STARTS_MAX];

	for (uint32_t i = 0; i < starts; i++) {
		pid_t pid = bench_start(fd, figure->name, 0);
		control->error[0] = '\0';
		if (!bench_watch(&pid, 1, (int64_t)120 * 1000000000, NULL)) {
			char *error = errors[figure - figures];
			snprintf(error, BENCH_DIE_BYTES, "%s",
				 control->error[0] ? control->error : "it did not end");
			row.error = error;
			return row;
		}
		values[i] = control->block;
		bare[i] = control->bare;
		ratios[i] = control->block / control->bare;
	}
	row.value = bench_median(values, starts);
	row.reference = bench_median(bare, starts);
	row.ratio = bench_median(ratios, starts);
	row.low = bench_quantile(ratios, starts, 0.25);
	row.high = bench_quantile(ratios, starts, 0.75);
	return row;
}

static int worker(char **arguments)
{
	struct control *control =
	    bench_memory_map((int)strtol(arguments[2], NULL, 10), sizeof(struct control));

	bench_die_text = control->error;
	bench_pin(control->core);
	for (size_t i = 0; i < FIGURES; i++)
		if (strcmp(figures[i].name, arguments[3]) == 0)
			figures[i].run(control);
	return 0;
}

static int usage(FILE *to, int code)
{
	fprintf(
	    to,
	    "usage: shoal-bench-block [--quick] [--only NAME] [--json] [--directory DIR]\n\n"
	    "Measures blocks against the bare calls in the same processes. About a "
	    "minute; nothing\nelse should run meanwhile.\n\n"
	    "  --quick          fewer process starts\n"
	    "  --only NAME      the figures whose name begins with NAME, of:\n                  ");
	for (size_t i = 0; i < FIGURES; i++)
		fprintf(to, " %s", figures[i].name);
	fprintf(to, "\n  --json           one JSON object instead of the table\n"
		    "  --directory DIR  where the files of file: lie (/var/tmp)\n\n"
		    "exit status: 0 all goals met, 1 some not, 2 usage, 3 a measurement failed\n");
	return code;
}

static struct {
	bool quick, json;
	const char *only, *directory;
} call = {.only = "", .directory = "/var/tmp"};

static bool parse(int count, char **arguments)
{
	static const struct option options[] = {
	    {"quick", no_argument, NULL, 'q'}, {"only", required_argument, NULL, 'o'},
	    {"json", no_argument, NULL, 'j'},  {"directory", required_argument, NULL, 'd'},
	    {"help", no_argument, NULL, 'h'},  {NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(count, arguments, "", options, NULL)) != -1) {
		switch (option) {
		case 'q':
			call.quick = true;
			break;
		case 'j':
			call.json = true;
			break;
		case 'o':
			call.only = optarg;
			break;
		case 'd':
			call.directory = optarg;
			break;
		case 'h':
			exit(usage(stdout, 0));
		default:
			return false;
		}
	}
	return optind == count && strlen(call.directory) < sizeof(((struct control *)0)->directory);
}

int main(int count, char **arguments)
{
	struct bench_machine machine = {.starts = 12, .repeats = 9};
	struct bench_row rows[FIGURES];
	size_t done = 0;
	int code = 0;

	if (count == 5 && strcmp(arguments[1], "--worker") == 0)
		return worker(arguments);
	if (!parse(count, arguments))
		return usage(stderr, 2);
	if (call.quick)
		machine.starts = 3;
	int fd = bench_memory_make(sizeof(struct control));
	struct control *control = bench_memory_map(fd, sizeof *control);
	if (bench_cores(machine.cores) < 1)
		bench_die("no processor to be had");
	control->core = machine.cores[0];
	control->repeats = machine.repeats;
	snprintf(control->directory, sizeof control->directory, "%s", call.directory);
	bench_machine_begin(&machine);
	if (!call.json)
		bench_report_head(&machine);
	for (size_t i = 0; i < FIGURES; i++) {
		if (strncmp(figures[i].name, call.only, strlen(call.only)) != 0)
			continue;
		rows[done] = run_figure(&figures[i], fd, control, machine.starts);
		if (!call.json)
			bench_report_row(&rows[done]);
		if (rows[done].error)
			code = 3;
		else if (!bench_row_met(&rows[done]) && code == 0)
			code = 1;
		done++;
	}
	bench_machine_end(&machine);
	if (call.json)
		bench_report_json(&machine, rows, done);
	else
		bench_report_foot(&machine, rows, done);
	return code;
}
