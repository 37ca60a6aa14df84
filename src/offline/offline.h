/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OFFLINE_OFFLINE_H
#define OFFLINE_OFFLINE_H

#include "base/buf.h"
#include "base/cancel.h"
#include "base/object.h"
#include "store/store_key.h"

/* A copy of what the server has said, sealed in a file, for when it says nothing. It is written by a
 * thread of its own, behind who reads. Thread-safe. */
struct offline;

struct offline_config {
	const char *path;
	const struct store_key *key;
	size_t bytes; /* what the copy may hold; what was written first goes first */
	/* How an object of a kind is made bytes of, and made anew: 0 or -errno. */
	int (*put)(size_t kind, const struct object *object, struct buf *to);
	int (*get)(size_t kind, const char *bytes, size_t len, struct object **out);
	bool (*is_way)(size_t kind); /* such objects lead to others, and go after them */
	struct limit limit;	     /* for opening */
};

/* Opens it, or makes it; one that is damaged, or of another key, is put aside with a warning, and made
 * anew. 0 or -errno with a sentence. */
int offline_open(const struct offline_config *config, struct offline **out, struct err *err);
/* Writes what is left to be written. NULL is fine. */
void offline_close(struct offline *o);

/* For whom it is kept from now on: what was kept for others is not to be had, and what is still to be
 * written for them is. NULL: for nobody, and nothing is kept. 0 or -ENOMEM, and then that too. */
int offline_set_who(struct offline *o, const char *who);

/* The server has just said this: `object`, of which it takes a reference; or (NULL) it refused, with
 * `code` EACCES, which is remembered, or anything else, which has it forgotten. Never waits. */
void offline_keep(struct offline *o, size_t kind, const char *path, struct object *object,
		  int code);

/* What was kept, with its age in ns; -EACCES where that was a refusal, -ENOENT for nothing. May read
 * the disk. */
int offline_recall(struct offline *o, size_t kind, const char *path, struct limit limit,
		   struct object **out, uint64_t *age);

/* All that was kept for who it is goes. Never waits. */
void offline_forget(struct offline *o);

/* A text that is kept for `who`, whoever it is that the rest is kept for. 0, -ENOENT or -errno. */
int offline_put_text(struct offline *o, const char *who, const char *name, const char *text,
		     struct limit limit);
int offline_get_text(struct offline *o, const char *who, const char *name, struct limit limit,
		     char **out);

#endif
