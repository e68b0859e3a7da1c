/* SPDX-License-Identifier: Apache-2.0 */
/* All panels in one SVG; see picture.h. */
#include "picture.h"

#include "picture_panel.h"

#include <stdlib.h>
#include <string.h>

enum {
	MARGIN = 24,
	GAP = 36,
	LINE = 17,
	HEAD = 48,
	LETTER = 7 /* so wide is a letter at most, in the mean over a line of text */
};

/* How far down and across the picture we are. */
struct sheet {
	FILE *to;
	double y;
	double width;
};

/* ---- text that fills lines ---------------------------------------------------------------- */

/* So much of `text` as goes on a line of so many characters: whole words, but for one that is
 * longer than a line. */
static size_t line_bytes(const char *text, size_t characters)
{
	size_t last_space = 0;
	size_t count = 0;
	size_t at = 0;
	size_t bytes;

	for (; text[at] != '\0'; at += bytes, count++) {
		if (count == characters)
			return last_space > 0 ? last_space : at;
		run_character(text + at, &bytes);
		if (text[at] == ' ')
			last_space = at;
	}
	return at;
}

/* With `to` NULL it only moves on: the height of a picture stands in front of it. */
static void paragraph(struct sheet *sheet, const char *class, double indent, const char *text)
{
	size_t characters = (size_t)((sheet->width - 2 * MARGIN - indent) / LETTER);

	while (*text != '\0') {
		size_t bytes = line_bytes(text, characters);

		if (sheet->to != NULL)
			picture_text(sheet->to, MARGIN + indent, sheet->y, class, "%.*s",
				     (int)bytes, text);
		sheet->y += LINE;
		text += bytes;
		text += *text == ' ';
	}
}

/* ---- the parts ---------------------------------------------------------------------------- */

static void draw_head(struct sheet *sheet, const struct run_document *run)
{
	struct picture_fact facts[PICTURE_FACTS];

	picture_facts(run, facts);
	if (sheet->to != NULL)
		picture_text(sheet->to, MARGIN, 38, "heading", "shoal bench");
	sheet->y = HEAD + 14;
	for (size_t i = 0; i < PICTURE_FACTS; i++) {
		if (sheet->to != NULL)
			picture_text(sheet->to, MARGIN, sheet->y, "quiet", "%s", facts[i].name);
		paragraph(sheet, "", 80, facts[i].text);
	}
	if (picture_needs_warning(run))
		paragraph(sheet, "warning", 0, picture_warning);
	sheet->y += GAP / 2.0;
}

static int draw_panels(struct sheet *sheet, const struct picture_panels *panels)
{
	int r = 0;

	for (size_t i = 0; i < panels->count && r == 0;) {
		double x = MARGIN;
		double height = 0;
		size_t first = i;

		for (; i < panels->count &&
		       picture_are_beside(&panels->panels[first], &panels->panels[i]);
		     i++) {
			height = fmax(height, picture_panel_height(&panels->panels[i]));
			if (sheet->to != NULL && r == 0)
				r = picture_panel_draw(sheet->to, &panels->panels[i], x, sheet->y);
			x += PANEL_WIDTH + GAP;
		}
		sheet->y += height + GAP;
	}
	return r;
}

/* Nobody should take a transport for slow, or for forgotten, that was not there; nor a figure for
 * that of one message when it was many. */
static void draw_remarks(struct sheet *sheet, const struct run_document *run)
{
	for (size_t i = 0; i < run->count; i++) {
		const struct run_result *result = &run->results[i];
		struct run_text name = run_short(result->transport, 24);
		char text[512];

		if (result->unavailable != NULL)
			snprintf(text, sizeof text, "Not here: %s (%s): %s", name.text,
				 run_title(result).text, run_short(result->unavailable, 120).text);
		else if (run_has(result->piece_bytes))
			snprintf(text, sizeof text, "In pieces of %s: %s (%s)",
				 run_size(result->piece_bytes).text, name.text,
				 run_title(result).text);
		else if (run_fell_behind(result))
			snprintf(text, sizeof text, "Rate not reached: %s (%s): %s", name.text,
				 run_title(result).text, run_rate(result->msgs_per_s).text);
		else
			continue;
		paragraph(sheet, "quiet", 0, text);
	}
}

static void draw_foot(struct sheet *sheet, const struct run_document *run)
{
	draw_remarks(sheet, run);
	for (size_t i = 0; i < PICTURE_HOW; i++)
		paragraph(sheet, "quiet", 0, picture_how[i]);
	sheet->y += MARGIN - LINE;
}

static int draw(struct sheet *sheet, const struct run_document *run,
		const struct picture_panels *panels)
{
	int r;

	sheet->y = 0;
	draw_head(sheet, run);
	r = draw_panels(sheet, panels);
	draw_foot(sheet, run);
	return r;
}

/* Two columns when any panel has one to stand beside. */
static double sheet_width(const struct picture_panels *panels)
{
	for (size_t i = 1; i < panels->count; i++) {
		if (picture_are_beside(&panels->panels[i - 1], &panels->panels[i]))
			return 2 * MARGIN + 2 * PANEL_WIDTH + GAP;
	}
	return 2 * MARGIN + PANEL_WIDTH;
}

static int draw_svg(const struct run_document *run, const struct picture_panels *panels, FILE *to)
{
	struct sheet sheet = {.width = sheet_width(panels)};
	int r;

	draw(&sheet, run, panels);
	fprintf(to,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
		"viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-labelledby=\"t0 d0\">\n"
		"<title id=\"t0\">shoal bench: latency and throughput</title>\n<desc id=\"d0\">",
		sheet.width, sheet.y, sheet.width, sheet.y);
	picture_escaped(to, run_short(run->machine.cpu, 80).text);
	fprintf(to,
		". %zu panels: latency percentiles as curves, throughput as bars.</desc>\n"
		"<style>\n%s</style>\n"
		"<rect class=\"ground\" width=\"100%%\" height=\"100%%\"/>\n",
		panels->count, picture_style_panel);
	sheet.to = to;
	r = draw(&sheet, run, panels);
	fputs("</svg>\n", to);
	return r;
}

int picture_svg(const json_t *document, FILE *to, char *why, size_t why_size)
{
	return picture_make(document, to, draw_svg, why, why_size);
}
