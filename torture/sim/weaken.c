/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The test of this layer itself: mistakes planted in the library as it runs, each of which some
 * scenario must find. A mistake is a function and what in it is not done as written: a fence or a
 * membarrier left out, an order weakened to relaxed, a store that never happens.
 */
#include "weaken.h"

#include "machine.h"

enum { SITES_MAX = 16 };

struct weakness weakness;
static const void *sites[SITES_MAX]; /* of that kind in that function, as they were met */
static uint32_t site_count;

static bool is_inside(const void *site)
{
	for (uint32_t i = 0; i < weakness.ranges; i++)
		if (site > weakness.from[i] && site <= weakness.to[i])
			return true;
	return false;
}

static bool is_nth(const void *site)
{
	uint32_t i = 0;
	while (i < site_count && sites[i] != site)
		i++;
	if (i == site_count && site_count < SITES_MAX)
		sites[site_count++] = site;
	return weakness.nth == EACH || weakness.nth == i;
}

bool weak_here(const void *site)
{
	if (!is_inside(site) || !is_nth(site))
		return false;
	weakness.met++;
	return true;
}

static bool plant(const struct mistake *mistake)
{
	site_count = 0;
	weakness.met = 0;
	weakness.nth = mistake->nth;
	weakness.ranges = symbol_ranges(mistake->function, weakness.from, weakness.to, RANGES_MAX);
	return weakness.ranges > 0;
}

static bool is_found(const struct mistake *mistake, const struct scenario *scenario, uint64_t seed,
		     struct totals *totals)
{
	if (strncmp(scenario->name, mistake->where, strlen(mistake->where)) != 0)
		return false;
	weakness.kinds = 0;
	machine_begin(scenario);
	if (machine.failed)
		return false;
	weakness.kinds = mistake->kinds;
	uint64_t most = mistake->most ? mistake->most : 20000;
	struct scenario changed = *scenario;
	if (mistake->bounds.preemptions)
		changed.small = mistake->bounds;
	explore_all(&changed, most, totals);
	if (totals->violations == 0)
		explore_random(scenario, most, seed, totals);
	return totals->violations > 0;
}

static bool seek(const struct mistake *mistake, uint64_t seed)
{
	struct totals totals = {0};
	bool found = false;
	if (!plant(mistake)) {
		printf("there is no function %s in this program\n", mistake->function);
		return false;
	}
	for (size_t g = 0; groups[g] && !found; g++)
		for (size_t i = 0; i < groups[g]->count && !found; i++)
			found = is_found(mistake, &groups[g]->scenarios[i], seed, &totals);
	weakness.kinds = 0;
	if (found)
		printf("found: %s\n    by schedule %llu, %s@%s: %s\n", mistake->what,
		       (unsigned long long)totals.schedules, machine.scenario->name,
		       explore_current(), machine.why);
	else
		printf("NOT FOUND: %s (%s), in %llu schedules, %llu times in effect\n",
		       mistake->what, mistake->function, (unsigned long long)totals.schedules,
		       (unsigned long long)weakness.met);
	return found;
}

uint64_t weaken_all(const char *only, uint64_t seed)
{
	uint64_t missed = 0;
	explore_quiet = true;
	for (size_t i = 0; i < mistake_count; i++)
		if (strstr(mistakes[i].what, only))
			missed += !seek(&mistakes[i], seed);
	explore_quiet = false;
	return missed;
}
