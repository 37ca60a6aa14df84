/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_SEALED_H
#define STORE_SEALED_H

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"

/* Files that only this machine, or who has the key, can read: AES-256-GCM. What a file is about is
 * sealed with it: it opens for the same `about` alone. */

/* The key of "machine" (made of /etc/machine-id: it protects a file that leaves the machine, not one
 * that somebody else on it may read), "file:PATH" (of 16 bytes or more, which not everybody may
 * read) or "systemd-creds". 0 or -errno with a sentence. */
int sealed_key(const char *spec, struct secret **key, struct err *err);

/* In place of what is there, if anything; for its owner alone. 0 or -errno. */
int sealed_write(const char *path, const struct secret *key, const char *about,
		 const struct buf *text);

/* At most `max` bytes of it. 0; -ENOENT; -EBADMSG for one of another key, about something else, or
 * that was changed; -errno. */
int sealed_read(const char *path, const struct secret *key, const char *about, size_t max,
		struct buf *text);

#endif
