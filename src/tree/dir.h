/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TREE_DIR_H
#define TREE_DIR_H

#include "node/dir_times.h"
#include "node/dir_watch.h"
#include "node/node.h"
#include "node/shown.h"
#include "node/walk.h"
#include "tree/removals.h"

/* A directory: a folder of the engine, or a secret, or both, or nothing yet. */
struct dir {
	struct node node;
	struct tree *tree;
	char *path;		  /* in the engine; "" its root */
	unsigned kinds;		  /* KV_ENTRY_*, what the parent's listing said */
	uint64_t kinds_until;	  /* clock_mono() until which that holds */
	uint64_t negatives_until; /* until then the kernel may remember names as absent */
	struct dir_times times;
	struct shown shown;	   /* which version of the secret */
	struct outline *outline;   /* of the version others were told of last; NULL: of none */
	struct timer draining;	   /* ends it; armed, it has a use of the directory */
	struct walk walk;	   /* of who opens its entries */
	bool changing;		   /* a change of the secret is on its way to the server */
	struct waitq changes;	   /* parked until it is not */
	struct armed *armed;	   /* check-and-set numbers that users have set */
	struct removals *removals; /* fields that are gone here, and are being removed */
	uint64_t document_until;   /* clock_mono() until which data.json is not to be seen by */
	pid_t document_process;	   /* this process, that has removed it */
	struct lister lister;	   /* who has listed it last, where there are rules */
	struct kv_list *streamed;  /* the listing that the kernel may have kept, and the version */
	struct kv_version *streamed_version;
	uint64_t streamed_hidden; /* the tree's hidden_changes then */
	struct layer_memo layered_list, layered_version;
	struct dir_watch watch;
	bool renamed; /* a field has come to it with the inode number of another name */
};

/* The number that the next change by that user must find; see edit/change.h. */
struct armed {
	struct armed *next;
	uid_t uid;
	int64_t number;
};

/* What was emptied and then removed with rmdir, by path: hidden until it has a live version, or something
 * in it. One that was live then, and empty, has to have a version later than `number`. */
struct hidden {
	UT_hash_handle hh;
	int64_t number;
	bool was_live;
	char path[];
};

extern const struct node_type dir_type;

static inline struct dir *dir_of(struct node *n)
{
	return container_of(n, struct dir, node);
}

static inline bool node_is_dir(const struct node *n)
{
	return n->type == &dir_type;
}

/* "app/db" below "app". Heap; NULL: no memory. */
char *dir_child_path(const char *path, const char *component);

/* The directory of that name, made if there is no node for it yet; with a use. NULL: no memory. */
struct dir *dir_child_locked(struct tree *t, struct node *parent, const char *name,
			     const char *component);
struct dir *dir_new_root(struct tree *t, const char *path);

/* Somebody has asked for something in it: whose share of the watch it takes. */
void dir_asked_locked(const struct tree *t, struct dir *d, const struct ask *ask);

/* Whether it is worth asking: the parent's listing may have said that it is no secret, no folder. */
bool dir_may_be_secret(const struct dir *d);
bool dir_may_be_folder(const struct dir *d);

/* The entries of its folder, an empty list for one that is known to be no folder; and the secret's
 * latest version, one without fields where it is known to be no secret. As cache_get(). */
int dir_list_locked(struct tree *t, struct dir *d, const struct ask *ask, struct kv_list **out,
		    uint64_t *ttl, struct err *err);
int dir_version_locked(struct tree *t, struct dir *d, const struct ask *ask,
		       struct kv_version **out, uint64_t *ttl, struct err *err);

/* A directory that exists here alone, until node_unlocal_locked(); with a use; on the
 * account of `uid`. 0, -ENOMEM or -ENOSPC. */
int dir_make_local_locked(struct tree *t, struct dir *parent, const char *name, const char *raw,
			  uid_t uid, struct dir **out);

/* A secret was written where there may have been none: it and the folders above it are there now. */
void dir_appeared_locked(struct tree *t, struct dir *d);

/* Its entry has left the server. */
void dir_vanished_locked(struct tree *t, struct dir *d);

/* Whether there is anything in a folder's listing that is not hidden. */
bool dir_has_entries_locked(struct tree *t, const char *path, const struct kv_list *list);

/* rmdir of an emptied secret, of which `latest` is the latest version, and the question whether it still
 * holds. */
int dir_hide_locked(struct tree *t, const char *path, const struct kv_version *latest);
void dir_unhide_locked(struct tree *t, const char *path);
bool dir_hidden_locked(struct tree *t, const char *path);

/* Takes out of `kinds` what is still hidden: a secret until it has a live version again, a folder until
 * there is something in it that is not hidden. 0, PARKED, or -errno as cache_get(). */
int dir_review_hidden_locked(struct tree *t, const char *path, const struct ask *ask,
			     unsigned *kinds, struct err *err);

#endif
