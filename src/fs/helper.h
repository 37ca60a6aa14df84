/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FS_HELPER_H
#define FS_HELPER_H

#include "fs/guard.h"

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

/* What it does with a file ("/db/password", below the mount). */
enum helper_act {
	HELPER_STAT,   /* has the kernel ask for its attributes */
	HELPER_TOUCH,  /* opens it for writing, cuts it to the size that it has, closes it */
	HELPER_MAKE,   /* makes a file of that name */
	HELPER_MKDIR,  /* or a directory */
	HELPER_UNLINK, /* removes the file, */
	HELPER_RMDIR,  /* the directory */
	HELPER_DROP,   /* has the kernel look the name up anew; see notify.c */
};

/* Waits until it is done, at most `timeout` ns: 0; -ETIMEDOUT; or why it could not be done. One caller
 * at a time; NULL is fine, and does nothing. */
int helper_do(struct helper *h, enum helper_act act, const char *path, uint64_t timeout);

/* Whether a request comes from the helper. NULL is fine. */
bool helper_is(const struct helper *h, pid_t pid);

/* All processes that a mount has beside it. */
struct helpers {
	struct helper *helper; /* NULL: none */
	struct helper *namer;  /* another, for names: it may have to wait for a directory */
	struct guard *guard;
};

/* As helper_new(). 0, or -errno with `err` set and what was started left to helpers_end(). */
int helpers_start(struct helpers *h, struct err *err);
void helpers_mounted(const struct helpers *h, const char *dir);

/* After the session with the kernel. */
void helpers_end(struct helpers *h);

#endif
