/* SPDX-License-Identifier: Apache-2.0 */
#include "well_formed.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define DEPTH_MOST      64
#define ATTRIBUTES_MOST 32

/* A part of the text. */
struct span {
	const char *text;
	size_t bytes;
};

struct parser {
	const char *at;
	const char *end;
	struct span open[DEPTH_MOST];
	size_t depth;
	const char *wrong;
};

static bool wrong(struct parser *p, const char *what)
{
	if (p->wrong == NULL)
		p->wrong = what;
	return false;
}

static bool starts(const struct parser *p, const char *word)
{
	return (size_t)(p->end - p->at) >= strlen(word) && memcmp(p->at, word, strlen(word)) == 0;
}

static bool take(struct parser *p, const char *word)
{
	if (!starts(p, word))
		return false;
	p->at += strlen(word);
	return true;
}

static void skip_space(struct parser *p)
{
	while (p->at < p->end && isspace((unsigned char)*p->at))
		p->at++;
}

static bool same(struct span a, struct span b)
{
	return a.bytes == b.bytes && memcmp(a.text, b.text, a.bytes) == 0;
}

static bool name(struct parser *p, struct span *ret)
{
	const char *from = p->at;

	while (p->at < p->end && (isalnum((unsigned char)*p->at) || strchr("-_:", *p->at)) &&
	       *p->at != '\0')
		p->at++;
	*ret = (struct span){from, (size_t)(p->at - from)};
	if (ret->bytes == 0 || !isalpha((unsigned char)from[0]))
		return wrong(p, "a name is wanted");
	return true;
}

static bool entity(struct parser *p)
{
	static const char *const known[] = {"&lt;", "&gt;", "&amp;", "&quot;", "&apos;"};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (take(p, known[i]))
			return true;
	}
	if (take(p, "&#")) {
		const char *digits = p->at;

		p->at += *p->at == 'x';
		while (p->at < p->end && isxdigit((unsigned char)*p->at))
			p->at++;
		if (p->at > digits && take(p, ";"))
			return true;
	}
	return wrong(p, "an entity that XML does not know, or a bare '&'");
}

/* One character: UTF-8, and allowed in XML. */
static bool character(struct parser *p)
{
	static const unsigned long least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char first = (unsigned char)*p->at;
	size_t bytes = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	unsigned long c = bytes == 1 ? first : first & (0x7ful >> bytes);

	if ((first >= 0x80 && first < 0xc2) || first > 0xf4 || bytes > (size_t)(p->end - p->at))
		return wrong(p, "not UTF-8");
	for (size_t i = 1; i < bytes; i++) {
		if (((unsigned char)p->at[i] & 0xc0) != 0x80)
			return wrong(p, "not UTF-8");
		c = c << 6 | ((unsigned char)p->at[i] & 0x3f);
	}
	if (c < least[bytes] || (c < 0x20 && c != '\n' && c != '\t') || c > 0x10ffff ||
	    (c >= 0xd800 && c < 0xe000) || c == 0xfffe || c == 0xffff)
		return wrong(p, "a character that XML forbids");
	p->at += bytes;
	return true;
}

static bool value(struct parser *p)
{
	if (!take(p, "\""))
		return wrong(p, "an attribute's value is not in quotes");
	while (p->at < p->end && *p->at != '"') {
		if (*p->at == '<')
			return wrong(p, "'<' in an attribute");
		if (!(*p->at == '&' ? entity(p) : character(p)))
			return false;
	}
	return take(p, "\"") || wrong(p, "a value that does not end");
}

/* Until the tag's end, and not past it. */
static bool attributes(struct parser *p)
{
	struct span names[ATTRIBUTES_MOST];

	for (size_t count = 0; count < ATTRIBUTES_MOST; count++) {
		const char *before = p->at;

		skip_space(p);
		if (starts(p, ">") || starts(p, "/>"))
			return true;
		if (p->at == before)
			return wrong(p, "no space before an attribute");
		if (!name(p, &names[count]))
			return false;
		for (size_t i = 0; i < count; i++) {
			if (same(names[i], names[count]))
				return wrong(p, "an attribute twice");
		}
		if (!take(p, "="))
			return wrong(p, "an attribute without a value");
		if (!value(p))
			return false;
	}
	return wrong(p, "too many attributes");
}

static bool tag(struct parser *p)
{
	struct span element;

	if (take(p, "</")) {
		if (!name(p, &element))
			return false;
		if (p->depth == 0 || !same(p->open[p->depth - 1], element))
			return wrong(p, "an end tag of another element");
		p->depth--;
		return take(p, ">") || wrong(p, "an end tag that does not end");
	}
	p->at++;
	if (!name(p, &element) || !attributes(p))
		return false;
	if (take(p, "/>"))
		return true;
	if (p->depth == DEPTH_MOST)
		return wrong(p, "too deep");
	p->open[p->depth++] = element;
	return take(p, ">") || wrong(p, "a tag that does not end");
}

static void document(struct parser *p)
{
	bool had_root = false;

	if (take(p, "<!DOCTYPE html>"))
		skip_space(p);
	while (p->at < p->end) {
		if (*p->at == '<' && p->depth == 0 && had_root)
			wrong(p, "two roots");
		had_root |= *p->at == '<';
		if (p->wrong != NULL)
			return;
		if (p->depth == 0 && *p->at != '<' && !isspace((unsigned char)*p->at)) {
			wrong(p, "text outside of the root");
			return;
		}
		if (!(*p->at == '<' ? tag(p) : *p->at == '&' ? entity(p) : character(p)))
			return;
	}
	if (p->depth > 0 || !had_root)
		wrong(p, "an element that does not end");
}

const char *well_formed(const char *text, size_t bytes, size_t *ret_at)
{
	struct parser parser = {.at = text, .end = text + bytes};

	document(&parser);
	*ret_at = (size_t)(parser.at - text);
	return parser.wrong;
}
