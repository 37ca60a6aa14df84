/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OFFLINE_OFFLINE_H
#define OFFLINE_OFFLINE_H

#include "base/buf.h"
#include "base/cancel.h"
#include "base/object.h"
#include "store/store_key.h"

/* A copy of the server's answers, sealed in a file, for outages. A thread of its own writes it, so
 * readers do not wait. Thread-safe. */
struct offline;

struct offline_config {
	const char *path;
	const struct store_key *key;
	size_t bytes; /* the most that the copy holds; the oldest goes first */
	/* How to turn an object of a kind into bytes, and back: 0 or -errno. */
	int (*put)(size_t kind, const struct object *object, struct buf *to);
	int (*get)(size_t kind, const char *bytes, size_t len, struct object **out);
	bool (*is_way)(size_t kind); /* such objects lead to others, and are dropped after them */
	struct limit limit;	     /* for opening */
};

/* Opens it, or makes it. A file that is damaged, or has another key, is put aside with a warning,
 * and made anew. 0 or -errno with a sentence. */
int offline_open(const struct offline_config *config, struct offline **out, struct err *err);
/* Writes the remaining rows first. NULL is fine. */
void offline_close(struct offline *o);

/* Sets the identity that the copy is kept for. Rows of other identities cannot be recalled; those
 * still pending are written. NULL: none, and nothing is kept. 0 or -ENOMEM, which has the effect of
 * NULL. */
int offline_set_who(struct offline *o, const char *who);

/* Keeps an answer of the server: `object`, of which it takes a reference. NULL: a refusal; EACCES
 * is remembered, any other `code` removes the row. Never waits. */
void offline_keep(struct offline *o, size_t kind, const char *path, struct object *object,
		  int code);

/* The kept answer, with its age in ns; -EACCES if it was a refusal, -ENOENT if there is none. May
 * read the disk. */
int offline_recall(struct offline *o, size_t kind, const char *path, struct limit limit,
		   struct object **out, uint64_t *age);

/* Drops all rows of the present identity. Never waits. */
void offline_forget(struct offline *o);

/* A text kept for `who`, independent of the present identity. 0, -ENOENT or -errno. */
int offline_put_text(struct offline *o, const char *who, const char *name, const char *text,
		     struct limit limit);
int offline_get_text(struct offline *o, const char *who, const char *name, struct limit limit,
		     char **out);

#endif
