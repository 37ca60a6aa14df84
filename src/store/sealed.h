/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_SEALED_H
#define STORE_SEALED_H

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"

/* Files that only this machine, or a holder of the key, can read: AES-256-GCM. A file is sealed
 * about a text, and opens only for the same text. */

/* The keys of one file. */
struct sealed_keys {
	struct secret *key;
	/* The key of earlier releases: the machine's, without a salt. NULL unless the salt was made
	 * just now, so that an old file is read once and never again. */
	struct secret *unsalted;
	bool no_salt; /* the salt can be neither read nor made: the failure costs only this file */
};

/* Takes the key named by `spec`. "machine" uses /etc/machine-id and FILE.salt, a file of mode 0600
 * that is made here: it protects a file that leaves the machine without its salt. "file:PATH" needs
 * 16 bytes or more that not everybody may read. The last is "systemd-creds". 0 or -errno with a
 * sentence; sealed_keys_fini() in any case. */
int sealed_keys_take(const char *spec, const char *file, struct sealed_keys *keys, struct err *err);
void sealed_keys_fini(struct sealed_keys *keys);

/* Replaces the file, if any; only its owner may read it. 0 or -errno. */
int sealed_write(const char *path, const struct secret *key, const char *about,
		 const struct buf *text);

/* Reads at most `max` bytes. 0; -ENOENT; -EBADMSG if the key or `about` differs or the file was
 * changed; -EPERM if others could have written it; -errno. */
int sealed_read(const char *path, const struct secret *key, const char *about, size_t max,
		struct buf *text, struct err *err);

#endif
