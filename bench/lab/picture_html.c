/* SPDX-License-Identifier: Apache-2.0 */
/* The page; see picture.h. */
#include "picture.h"

#include "picture_panel.h"

/* ---- above the panels ---------------------------------------------------------------------- */

/* The policy has the reader's browser hold the page to its word: nothing is loaded or run. */
static void write_head(FILE *to, const struct run_document *run)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
	      "<meta http-equiv=\"Content-Security-Policy\" "
	      "content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n"
	      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
	      "<meta name=\"color-scheme\" content=\"light dark\"/>\n<title>shoal bench: ",
	      to);
	picture_escaped(to, run_short(run->machine.cpu, 80).text);
	fprintf(to, "</title>\n<style>\n%s%s</style>\n</head>\n<body>\n", picture_style_page,
		picture_style_panel);
}

static void write_facts(FILE *to, const struct run_document *run)
{
	struct picture_fact facts[PICTURE_FACTS];

	picture_facts(run, facts);
	fputs("<h1>shoal bench: latency and throughput</h1>\n<dl>\n", to);
	for (size_t i = 0; i < PICTURE_FACTS; i++) {
		fprintf(to, "<dt>%s</dt><dd>", facts[i].name);
		picture_escaped(to, facts[i].text);
		fputs("</dd>\n", to);
	}
	fputs("</dl>\n", to);
	if (picture_needs_warning(run))
		fprintf(to, "<p class=\"alert\">%s</p>\n", picture_warning);
	fputs("<div class=\"how\">\n", to);
	for (size_t i = 0; i < PICTURE_HOW; i++)
		fprintf(to, "<p>%s</p>\n", picture_how[i]);
	fputs("</div>\n", to);
}

/* ---- panels ------------------------------------------------------------------------------- */

static int write_pair(FILE *to, const struct picture_panel *panels, size_t count)
{
	int r = 0;

	fputs("<div class=\"pair\">\n", to);
	for (size_t i = 0; i < count && r == 0; i++) {
		fputs("<figure>\n", to);
		r = picture_panel_draw(to, &panels[i], 0, 0);
		fputs("</figure>\n", to);
	}
	fputs("</div>\n", to);
	return r;
}

static int write_panels(FILE *to, const struct picture_panels *panels)
{
	const struct picture_panel *all = panels->panels;
	int r = 0;

	if (panels->count == 0)
		fputs("<p>Nothing was measured: the document has no result with figures.</p>\n",
		      to);
	for (size_t i = 0; i < panels->count && r == 0;) {
		enum run_job job = all[i].members[0]->job;
		size_t count = 1;

		if (i == 0 || all[i - 1].members[0]->job != job)
			fprintf(to, "<h2>%s</h2>\n<p>%s</p>\n", run_job_name(job),
				picture_reading(job));
		while (i + count < panels->count && picture_are_beside(&all[i], &all[i + count]))
			count++;
		r = write_pair(to, &all[i], count);
		i += count;
	}
	return r;
}

/* ---- what was not there -------------------------------------------------------------------- */

static void write_missing(FILE *to, const struct run_document *run)
{
	size_t count = 0;

	for (size_t i = 0; i < run->count; i++) {
		const struct run_result *result = &run->results[i];

		if (result->unavailable == NULL)
			continue;
		if (count++ == 0)
			fputs("<h2>Not here</h2>\n<ul>\n", to);
		fputs("<li><strong>", to);
		picture_escaped(to, result->transport);
		fprintf(to, "</strong>, %s: ", run_title(result).text);
		picture_escaped(to, result->unavailable);
		fputs("</li>\n", to);
	}
	if (count > 0)
		fputs("</ul>\n", to);
}

/* Nobody should take a figure for that of one message when it was many. */
static void write_pieces(FILE *to, const struct run_document *run)
{
	size_t count = 0;

	for (size_t i = 0; i < run->count; i++) {
		const struct run_result *result = &run->results[i];

		if (result->unavailable != NULL || !run_has(result->piece_bytes))
			continue;
		if (count++ == 0)
			fputs("<h2>In pieces</h2>\n<p>These take no message so large; each went as "
			      "several.</p>\n<ul>\n",
			      to);
		fputs("<li><strong>", to);
		picture_escaped(to, result->transport);
		fprintf(to, "</strong>, %s: pieces of %s</li>\n", run_title(result).text,
			run_size(result->piece_bytes).text);
	}
	if (count > 0)
		fputs("</ul>\n", to);
}

/* There the latency is that of a queue which grows as long as one measures. */
static void write_behind(FILE *to, const struct run_document *run)
{
	size_t count = 0;

	for (size_t i = 0; i < run->count; i++) {
		const struct run_result *result = &run->results[i];

		if (!run_fell_behind(result))
			continue;
		if (count++ == 0)
			fputs("<h2>Rate not reached</h2>\n<p>More was due than goes through; the "
			      "times are those of a queue that grew meanwhile.</p>\n<ul>\n",
			      to);
		fputs("<li><strong>", to);
		picture_escaped(to, result->transport);
		fprintf(to, "</strong>, %s: %s</li>\n", run_title(result).text,
			run_rate(result->msgs_per_s).text);
	}
	if (count > 0)
		fputs("</ul>\n", to);
}

/* ---- tables ------------------------------------------------------------------------------- */

static void write_cell(FILE *to, const char *text)
{
	fprintf(to, "<td>%s</td>", text);
}

static void write_key(FILE *to, const struct run_result *result)
{
	fprintf(to, "<tr%s><th scope=\"row\" class=\"l\">",
		picture_is_shoal(result) ? " class=\"own\"" : "");
	picture_escaped(to, result->transport);
	fprintf(to, "</th><td class=\"l\">%s</td>", run_title(result).text);
}

static void write_spread(FILE *to, const struct run_result *result)
{
	if (run_has(result->low) && run_has(result->high))
		fprintf(to, "<td>%s to %s</td>", run_ratio(result->low).text,
			run_ratio(result->high).text);
	else
		write_cell(to, "-");
}

static void write_row(FILE *to, const struct run_result *result)
{
	write_key(to, result);
	write_cell(to, run_time(result->p50_ns, RUN_MICRO).text);
	write_cell(to, run_time(result->p99_ns, RUN_MICRO).text);
	write_cell(to, run_time(result->p999_ns, RUN_MICRO).text);
	write_cell(to, run_time(result->max_ns, RUN_MICRO).text);
	write_cell(to, run_rate(result->msgs_per_s).text);
	write_cell(to, run_bytes(result->bytes_per_s).text);
	fputs("<td>", to);
	picture_escaped(to, result->limit != NULL ? result->limit : "-");
	fputs("</td>", to);
	write_cell(to, run_ratio(result->ratio).text);
	write_spread(to, result);
	write_cell(to, run_count(result->messages).text);
	write_cell(to, run_has(result->cpu_s) ? run_ratio(result->cpu_s).text : "-");
	write_cell(to, run_time(result->cpu_ns_per_message, RUN_MICRO).text);
	write_cell(to, run_count(result->switches).text);
	write_cell(to, run_count(result->starts).text);
	write_cell(to, run_count(result->near).text);
	fputs("</tr>\n", to);
}

static void write_figures(FILE *to, const struct run_document *run)
{
	static const char *const headings[] = {
	    "median", "99 %", "99.9 %", "most",     "messages", "bytes",  "limit", "\303\227 limit",
	    "spread", "sent", "CPU s",  "CPU each", "switches", "starts", "near"};

	fputs(
	    "<h2>All figures</h2>\n<p>\303\227 limit: the median, or the messages a second, as a "
	    "multiple of the limit's; spread: its quartiles over the starts. A percentile is given "
	    "where at least ten messages lie beyond it. Sent: so many messages went through in all "
	    "starts; CPU seconds, CPU time of each message and context switches are those of both "
	    "processes. Near: the starts in which the two processors shared a cache.</p>\n<div "
	    "class=\"wide\">\n<table>\n"
	    "<thead><tr><th scope=\"col\" class=\"l\">transport</th>"
	    "<th scope=\"col\" class=\"l\">what</th>",
	    to);
	for (size_t i = 0; i < sizeof headings / sizeof *headings; i++)
		fprintf(to, "<th scope=\"col\">%s</th>", headings[i]);
	fputs("</tr></thead>\n<tbody>\n", to);
	for (size_t i = 0; i < run->count; i++) {
		if (run->results[i].unavailable == NULL)
			write_row(to, &run->results[i]);
	}
	fputs("</tbody>\n</table>\n</div>\n", to);
}

static void write_points(FILE *to, const struct run_document *run)
{
	fputs("<h2>All percentiles</h2>\n<div class=\"wide\">\n<table>\n"
	      "<thead><tr><th scope=\"col\" class=\"l\">transport</th>"
	      "<th scope=\"col\" class=\"l\">what</th>"
	      "<th scope=\"col\" class=\"l\">took at most</th></tr></thead>\n<tbody>\n",
	      to);
	for (size_t i = 0; i < run->count; i++) {
		const struct run_result *result = &run->results[i];

		if (result->point_count == 0)
			continue;
		write_key(to, result);
		fputs("<td class=\"l\">", to);
		for (size_t k = 0; k < result->point_count; k++)
			fprintf(to, "%s%.8g %%: %s", k > 0 ? "; " : "", result->points[k].percent,
				run_time(result->points[k].ns, RUN_MICRO).text);
		fputs("</td></tr>\n", to);
	}
	fputs("</tbody>\n</table>\n</div>\n", to);
}

static int write_page(const struct run_document *run, const struct picture_panels *panels, FILE *to)
{
	int r;

	write_head(to, run);
	write_facts(to, run);
	r = write_panels(to, panels);
	write_missing(to, run);
	write_pieces(to, run);
	write_behind(to, run);
	write_figures(to, run);
	write_points(to, run);
	fputs("</body>\n</html>\n", to);
	return r;
}

int picture_html(const json_t *document, FILE *to, char *why, size_t why_size)
{
	return picture_make(document, to, write_page, why, why_size);
}
