/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FS_HELPER_H
#define FS_HELPER_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A process of ours that acts on our own mount, as the daemon itself must not: it would wait for
 * itself, and after a crash nobody could ever end it. It holds no secret, and ends when we do. */
struct helper;

/* Forks it: before there are threads, before the mount, and after secret memory is locked (which
 * keeps it from children). NULL with `err` set. */
struct helper *helper_new(struct err *err);

/* Ends it and waits for that. NULL is fine. */
void helper_free(struct helper *h);

/* Where the mount is, once it is mounted. */
void helper_set_root(struct helper *h, const char *dir);

/* Has the kernel ask for the attributes of a file ("/db/password", below the mount). Waits until it
 * has, at most `timeout` ns. False where it has not. One caller at a time; NULL is fine. */
bool helper_stat(struct helper *h, const char *path, uint64_t timeout);

/* Whether a request comes from the helper. NULL is fine. */
bool helper_is(const struct helper *h, pid_t pid);

#endif
