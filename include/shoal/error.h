/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results. Every function returns >= 0 for success and -errno for failure. Each code has one
 * meaning all over the library:
 *
 *   -EAGAIN           full or empty just now, and timeout_ns was 0
 *   -ETIMEDOUT        the timeout passed
 *   -EINTR            shoal_*_interrupt() was called on this handle
 *   -EPIPE            no peer: every publisher is gone, the last one closed in order, all is read;
 *                     or the other end of the socket is closed
 *   -ESTALE           the object was removed or truncated under us, or our seat was lost
 *   -EBADMSG          shared bytes failed validation: another process wrote nonsense
 *   -ENOTSUP          the object's layout is newer than this library, or has an unknown feature,
 *                     or the file system can't hold one
 *   -EMSGSIZE         the message is larger than the lane's payload area (or than your buffer);
 *                     more than a block may grow to
 *   -ERANGE           a part of memory or of a file that reaches past its end
 *   -ENOSPC           the file system has no room; the detail names the limit and the remedy
 *   -EUSERS           no free seat, lane or subscriber entry; the geometry sets how many there are
 *   -ECHILD           the handle was made before a fork, and in the child it did not rejoin
 *   -EBUSY            the object is in use (remove), or a loan or view is already out
 *   -ENOENT, -EEXIST  no such object; there is one already (SHOAL_EXCLUSIVE)
 *   -EACCES, -EPERM   the kernel refused; the object belongs to another user and SHOAL_FOREIGN
 *                     was not given
 *   -EISDIR, -ELOOP   the path of the object leads to a directory, to a symbolic link
 *   -ENODATA          the file is empty, so it is not an object, and there is nothing to map
 *   -EPROTOTYPE       the object is of another kind than the one asked for
 *   -EXDEV            the file is a copy, or is seen through an overlay: locks on it prove nothing;
 *                     a System V object whose lock file or IPC namespace is not the caller's
 *   -EIDRM            a System V object whose segment was removed (ipcrm)
 *   -EINVAL           an argument is wrong; the detail says which
 *   -E2BIG            the options structure is newer than this library and its tail is not zero
 *   -ENAMETOOLONG     a part of the name is longer than 63 bytes
 *
 * Functions that open, remove, list or look at objects may return any other code that the kernel
 * has for a system call of theirs: -ENFILE, -ENOLCK, -EIO, -EROFS, -EDQUOT... The detail says what
 * was being done. None of these has a second meaning: -EAGAIN, -EINTR and the like are as above.
 */
#ifndef SHOAL_ERROR_H
#define SHOAL_ERROR_H

#include <shoal/version.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Stable, short English text for a result, of either sign: "object was removed" for -ESTALE.
 * Codes that are not in the list above give strerror's text. Static or thread-local text, never
 * NULL; valid until this thread's next call.
 */
SHOAL_API const char *shoal_strerror(int err);

/*
 * This thread's sentence about its last failed call: what failed, on what, and the remedy.
 * "" when nothing has failed yet. Valid until this thread's next call into the library. The
 * results that a program meets in its normal course (-EAGAIN, -ETIMEDOUT, -EINTR, -EPIPE) leave
 * it as it was.
 */
SHOAL_API const char *shoal_error_detail(void);

#ifdef __cplusplus
}
#endif

#endif
