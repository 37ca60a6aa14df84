/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TREE_FIELD_H
#define TREE_FIELD_H

#include "base/clock.h"
#include "tree/dir.h"

/* Who has opened a file is taken to be reading it for so long: a program may be kept from its last
 * read(2) on a busy machine. Nobody waits for who holds it open for longer. */
#define READING_TIME NS_PER_SEC

/* A field of a secret, as a file. */
struct field {
	struct node node;
	char *raw; /* its name at the server, `raw_len` bytes */
	size_t raw_len;
	size_t size;	    /* as told last; what fstat(2) says once it is removed */
	unsigned readers;   /* handles that read it */
	uint64_t opened;    /* the latest of them: clock_mono() */
	struct node *moved; /* the scratch file to whose name it was moved, and that hides it */
	enum kv_type type;  /* while it is local: of what will be written */
	int spoilt;	    /* while it is local: errno that a write of it has failed with */
	struct kv_field layered; /* what a layer beside the server holds, while that is shown */
};

extern const struct node_type field_type;

static inline struct field *field_of(struct node *n)
{
	return container_of(n, struct field, node);
}

/* Until when (clock_mono()) somebody may be reading it. */
static inline uint64_t field_read_until_locked(const struct field *f)
{
	LOCK_HELD_NAMED(LOCK_TREE);

	return f->opened + READING_TIME;
}

static inline bool node_is_field(const struct node *n)
{
	return n->type == &field_type;
}

static inline struct dir *field_dir(struct field *f)
{
	return dir_of(f->node.parent);
}

/* The inode number of a field, the same in every run. */
uint64_t field_ino(const struct dir *d, const char *raw, size_t raw_len);
/* The one that a node made now has: another where a field that was renamed has taken that one along. */
uint64_t field_ino_now_locked(const struct dir *d, const char *raw, size_t raw_len);

/* The field of that name, made where there is no node for it yet; the caller has a use of it. `raw`
 * is its name unescaped. NULL: no memory. */
struct field *field_child_locked(struct tree *t, struct dir *d, const char *name, const char *raw,
				 size_t raw_len);

/* The node that is meant by `n`: itself, unless it is a field that was removed. That may still be
 * reached without its name, by a bind mount of the file or a descriptor of /proc; where a field of that
 * name has been made since, it is that one again, or leads to it while others have it open. `out` is with
 * a use for the caller, NULL on failure. 0, PARKED, -ENOENT, or -errno as cache_get(). */
int field_find_again_locked(struct tree *t, struct node *n, const struct ask *ask,
			    struct node **out, struct err *err);

/* The same, and itself too where nothing else has its place. 0 or PARKED. */
int field_stand_in_locked(struct tree *t, struct node *n, const struct ask *ask, struct node **out);

/* It is there again, or for other reasons than it was told to be: who is to show it coming or
 * leaving finds that done. */
static inline void field_stay_locked(struct field *f)
{
	LOCK_HELD_NAMED(LOCK_TREE);

	f->node.coming = f->node.leaving = false;
}

/* With fast_open: it is of this version, which is the one shown, and stays that. 0 or -ENOMEM. */
int field_fix_locked(struct tree *t, struct field *f, struct kv_version *v);

/* Gives it another name, in this or another secret. 0 or -ENOMEM. */
int field_rename_locked(struct tree *t, struct field *f, struct dir *to, const char *name,
			const char *raw, size_t raw_len);

#endif
