/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_SEALED_H
#define STORE_SEALED_H

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"

/* Files that only this machine, or who has the key, can read: AES-256-GCM. What a file is about is
 * sealed with it: it opens for the same `about` alone. */

/* The keys of one file. */
struct sealed_keys {
	struct secret *key;
	/* Earlier releases sealed with it: of the machine, without a salt. NULL unless the salt was made
	 * just now, so that such a file is read once and no longer. */
	struct secret *unsalted;
	bool no_salt; /* the salt can be neither read nor made: a failure that costs the file alone */
};

/* The key of "machine" (made of /etc/machine-id and of FILE.salt, a file of mode 0600 that is made here:
 * it protects a file that leaves the machine without its salt), "file:PATH" (of 16 bytes or more, which
 * not everybody may read) or "systemd-creds". 0 or -errno with a sentence; sealed_keys_fini() in any
 * case. */
int sealed_keys_take(const char *spec, const char *file, struct sealed_keys *keys, struct err *err);
void sealed_keys_fini(struct sealed_keys *keys);

/* In place of what is there, if anything; for its owner alone. 0 or -errno. */
int sealed_write(const char *path, const struct secret *key, const char *about,
		 const struct buf *text);

/* At most `max` bytes of it. 0; -ENOENT; -EBADMSG for one of another key, about something else, or
 * that was changed; -EPERM for one that others could have written; -errno. */
int sealed_read(const char *path, const struct secret *key, const char *about, size_t max,
		struct buf *text, struct err *err);

#endif
