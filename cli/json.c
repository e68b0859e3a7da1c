/* SPDX-License-Identifier: Apache-2.0 */
/* JSON of messages and of text; see json.h. */
#include "json.h"

#include <stdlib.h>
#include <string.h>

json_t *json_text(const char *text)
{
	json_t *string = json_string(text);
	char *copy;

	if (string)
		return string;
	copy = strdup(text);
	if (!copy)
		return NULL;
	for (char *c = copy; *c; c++) {
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	}
	string = json_string(copy);
	free(copy);
	return string;
}

json_t *json_u64(uint64_t value)
{
	/* JSON integers of jansson are signed; a count gets nowhere near the difference. */
	return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

static char *base64(const unsigned char *data, size_t bytes)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *text = malloc((bytes + 2) / 3 * 4 + 1);
	char *out = text;

	if (!text)
		return NULL;
	for (size_t i = 0; i < bytes; i += 3) {
		size_t left = bytes - i;
		uint32_t group = (uint32_t)data[i] << 16;
		if (left > 1)
			group |= (uint32_t)data[i + 1] << 8;
		if (left > 2)
			group |= data[i + 2];
		*out++ = digits[group >> 18];
		*out++ = digits[group >> 12 & 63];
		*out++ = left > 1 ? digits[group >> 6 & 63] : '=';
		*out++ = left > 2 ? digits[group & 63] : '=';
	}
	*out = '\0';
	return text;
}

/* The message's bytes: "payload" when they are UTF-8, else "payload_base64". */
static int set_payload(json_t *object, const void *data, size_t bytes)
{
	json_t *text = json_stringn(data, bytes);
	char *encoded;
	int r;

	if (text)
		return json_object_set_new(object, "payload", text);
	encoded = base64(data, bytes);
	if (!encoded)
		return -1;
	r = json_object_set_new(object, "payload_base64", json_string(encoded));
	free(encoded);
	return r;
}

char *json_message(const struct shoal_view *view, int64_t time_ns, size_t *ret_bytes)
{
	json_t *object = json_pack("{s:I, s:I, s:I, s:I}", "lane", (json_int_t)view->lane,
				   "sequence", (json_int_t)view->sequence, "time_ns",
				   (json_int_t)time_ns, "lost", (json_int_t)view->lost);
	char *line = NULL;

	if (object && set_payload(object, view->data, view->bytes) == 0)
		line = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	if (line)
		*ret_bytes = strlen(line);
	return line;
}
