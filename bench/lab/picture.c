/* SPDX-License-Identifier: Apache-2.0 */
/* From JSON to a picture, whichever it is; see picture_panel.h. */
#include "picture_panel.h"

#include <errno.h>
#include <string.h>

static int draw_panels(const struct run_document *run, FILE *to, picture_drawing *draw)
{
	struct picture_panels panels;
	int r = picture_panels_make(run, &panels);

	if (r < 0)
		return r;
	r = draw(run, &panels, to);
	picture_panels_free(&panels);
	return r;
}

int picture_make(const json_t *document, FILE *to, picture_drawing *draw, char *why,
		 size_t why_size)
{
	struct run_document run;
	int r = run_document_read(document, &run, why, why_size);

	if (r < 0)
		return r;
	r = draw_panels(&run, to, draw);
	run_document_free(&run);
	if (r < 0) {
		snprintf(why, why_size, "no memory to draw the picture");
	} else if (fflush(to) != 0 || ferror(to)) {
		/* The stream knows that it failed; only a flush that fails says why. */
		r = errno != 0 ? -errno : -EIO;
		snprintf(why, why_size, "writing the picture failed: %s", strerror(-r));
	}
	return r;
}
