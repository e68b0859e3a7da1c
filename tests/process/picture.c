/* SPDX-License-Identifier: Apache-2.0 */
#include "picture.h"

#include "base/checksum.h"
#include "support.h"

#include <fcntl.h>

struct picture look(const char *path)
{
	struct picture picture = {0};
	static unsigned char bytes[1 << 16];
	CHECKF(lstat(path, &picture.st) == 0, "%s: %s", path, strerror(errno));
	if (!S_ISREG(picture.st.st_mode))
		return picture;
	/* O_NOATIME: our own reading is no change. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOATIME);
	CHECKF(fd >= 0, "%s: %s", path, strerror(errno));
	ssize_t n;
	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		picture.hash = mix(picture.hash ^ checksum(bytes, (size_t)n));
	CHECK(n == 0);
	close(fd);
	return picture;
}

void check_unchanged(const char *path, const struct picture *before)
{
	struct picture now = look(path);
	CHECKF(now.hash == before->hash, "%s: its bytes were changed", path);
	CHECKF(now.st.st_ino == before->st.st_ino && now.st.st_mode == before->st.st_mode &&
		   now.st.st_uid == before->st.st_uid && now.st.st_size == before->st.st_size &&
		   now.st.st_blocks == before->st.st_blocks &&
		   now.st.st_nlink == before->st.st_nlink,
	       "%s: its inode was changed", path);
	CHECKF(now.st.st_mtim.tv_sec == before->st.st_mtim.tv_sec &&
		   now.st.st_mtim.tv_nsec == before->st.st_mtim.tv_nsec,
	       "%s: its time was changed", path);
}
