/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What somebody else's program does with an installed Shoal. It is compiled as C and as C++, so
 * it is written in what both understand.
 */
#include <errno.h>
#include <shoal/shoal.h>
#include <stdio.h>
#include <string.h>

static int fail(const char *what, int err)
{
	fprintf(stderr, "%s: %s: %s\n", what, shoal_strerror(err), shoal_error_detail());
	return 1;
}

int main(void)
{
	static const char name[] = "install-test/hello";
	shoal_pub *pub = NULL;
	shoal_sub *sub = NULL;
	char text[16];
	struct shoal_view view;
	int r;

	if (strcmp(shoal_version(), SHOAL_VERSION_STRING) != 0)
		return fail("header and library differ", -EINVAL);
	r = shoal_pub_open(&pub, name, SHOAL_CREATE, NULL);
	if (r < 0)
		return fail("shoal_pub_open", r);
	r = shoal_sub_open(&sub, name, SHOAL_FROM_OLDEST, NULL);
	if (r < 0)
		return fail("shoal_sub_open", r);
	r = shoal_pub_publish(pub, "hello", 6, 0);
	if (r < 0)
		return fail("shoal_pub_publish", r);
	r = shoal_sub_receive(sub, text, sizeof text, 0, &view);
	if (r < 0)
		return fail("shoal_sub_receive", r);
	if (view.bytes != 6 || strcmp(text, "hello") != 0)
		return fail("another message", -EINVAL);
	shoal_sub_close(sub);
	shoal_pub_close(pub);
	return 0;
}
