/* SPDX-License-Identifier: Apache-2.0 */
#include "machine.h"

#include "pin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

struct times {
	double all;
	double idle;
	double steal;
};

static struct times times_began;
static int64_t began_ns;

/* user nice system idle iowait irq softirq steal */
#define TIMES 8

static struct times times_now(void)
{
	struct times times = {0};
	FILE *file = fopen("/proc/stat", "re");
	char line[256];
	char *rest = line;

	if (file == NULL)
		return times;
	if (fgets(line, sizeof line, file) != NULL && strncmp(line, "cpu ", 4) == 0) {
		rest += 4;
		for (int i = 0; i < TIMES; i++) {
			double t = (double)strtoull(rest, &rest, 10);

			times.all += t;
			times.idle += i == 3 || i == 4 ? t : 0.0;
			times.steal += i == 7 ? t : 0.0;
		}
	}
	fclose(file);
	return times;
}

/* Of the first processor: the others are taken to be like it. */
static void read_processor(struct bench_machine *machine)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char line[4096]; /* the flags are long */

	snprintf(machine->processor, sizeof machine->processor, "unknown processor");
	while (file != NULL && fgets(line, sizeof line, file) != NULL && line[0] != '\n') {
		const char *colon = strchr(line, ':');

		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "model name", 10) == 0 && colon != NULL)
			snprintf(machine->processor, sizeof machine->processor, "%s", colon + 2);
		if (strncmp(line, "flags", 5) == 0 && strstr(line, " hypervisor") != NULL)
			machine->hypervisor = true;
	}
	if (file != NULL)
		fclose(file);
}

/* What decides the clock's speed, where the kernel tells. */
static void read_governor(struct bench_machine *machine)
{
	char path[96];
	FILE *file;

	snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor",
		 machine->cores[0]);
	file = fopen(path, "re");
	if (file == NULL || fgets(machine->governor, sizeof machine->governor, file) == NULL)
		snprintf(machine->governor, sizeof machine->governor, "unknown");
	machine->governor[strcspn(machine->governor, "\n")] = '\0';
	if (file != NULL)
		fclose(file);
}

void bench_machine_begin(struct bench_machine *machine)
{
	const struct timespec nap = {.tv_nsec = 300000000};
	struct times before = times_now();
	struct utsname names;

	read_processor(machine);
	read_governor(machine);
	uname(&names);
	snprintf(machine->kernel, sizeof machine->kernel, "%s %s", names.sysname, names.release);
	machine->processors = (int)sysconf(_SC_NPROCESSORS_ONLN);
	nanosleep(&nap, NULL);
	times_began = times_now();
	if (times_began.all > before.all)
		machine->busy = 1.0 -
				(times_began.idle - before.idle) / (times_began.all - before.all);
	began_ns = bench_now_ns();
}

void bench_machine_end(struct bench_machine *machine)
{
	struct times now = times_now();

	machine->took_s = (double)(bench_now_ns() - began_ns) / 1e9;
	if (now.all > times_began.all)
		machine->stolen = (now.steal - times_began.steal) / (now.all - times_began.all);
}
