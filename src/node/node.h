/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include "base/lock.h"
#include "node/failures.h"
#include "node/node_type.h"
#include "node/outline.h"
#include "node/quota.h"
#include "node/source.h"
#include "node/tree_config.h"

#include <uthash.h>

/* Nodes: what the kernel holds references to. All of it is guarded by the tree's lock. A node lives
 * while the kernel knows it, while we use it, and while it has children. */

struct tree {
	struct tree_config config;
	int64_t started;     /* clock_wall(), the time of directories without one */
	struct lock lock;    /* guards all below, and all nodes and handles */
	struct cond drained; /* a directory's handles or phase have changed */
	struct node *root;
	struct handle *handles;	  /* that are open */
	struct listing *listings; /* the same of directories */
	unsigned removing;	  /* rows of removals that are on their way */
	unsigned leaving;	  /* handles whose commit is left to their last close */
	struct waitq left;	  /* parked until some of these are committed */
	struct timer lapse;	  /* of those that may not be closed at all */
	struct hidden *hidden;	  /* what was emptied and removed; see dir.h */
	uint64_t hidden_changes;  /* grows with each that comes or goes */
	struct times_row *times;  /* of directories without a node: see dir_times.h */
	struct quota scratch; /* what scratch files hold together; locks of their own, all four */
	struct quota drafts;  /* the same of other files that are being written */
	struct quota made;    /* directories and files that are here alone */
	struct quota listed;  /* entries that open directories hold */
	struct failures failures; /* what .vault/errors tells */
	uint64_t
		rights_after; /* clock_mono() before which no rights are asked for: they were not told */
	struct fixed *fixed; /* with fast_open: contents that are held, the latest first */
	size_t fixed_count, fixed_bytes;
	struct outline_key *digests;	  /* key of the outlines; NULL: changes are not told */
	struct {			  /* how changes are looked for: see watch/ */
		uint64_t interval, every; /* ns: as configured, and as it is; 0: not at all */
		size_t secrets, folders;
	} watching;
};

/* What TREE_METADATA and TREE_STATUS hold. */
struct tree_json {
	struct object object;
	cJSON *json;
};

struct node {
	const struct node_type *type;
	struct node *parent; /* NULL for the root */
	char *name;	     /* in the parent, escaped; "" for the root */
	UT_hash_handle hh;   /* in parent->children, while it is not gone */
	struct node *children;
	struct node *removed;	  /* children that are gone, but still known to somebody */
	struct node *prev, *next; /* in parent->removed, while it is gone */
	uint64_t ino;
	uint64_t lookups;      /* references that the kernel holds */
	unsigned uses;	       /* references that we hold */
	bool gone;	       /* removed: it has no name any more */
	bool local;	       /* made here, and not at the server: lives as long as this is set */
	uid_t maker;	       /* of what is local: on whose account; a file is that user's */
	bool coming;	       /* hidden, until NOTICE_APPEAR is done */
	bool leaving;	       /* not there any more, but for who does NOTICE_LEAVE */
	unsigned cached;       /* handles that read it through the kernel's pages */
	unsigned writers;      /* handles with a draft */
	struct handle *drafts; /* these handles */
	struct fixed *fixed;   /* with fast_open, of a file that the kernel knows */
};

/* Sets up `n`, which the caller has allocated as part of something larger, and hangs it in. The
 * caller has a use of it. 0 or -ENOMEM. */
int node_init_locked(struct node *n, const struct node_type *type, struct node *parent,
		     const char *name, uint64_t ino);

struct node *node_child_locked(const struct node *n, const char *name);
struct node *node_use_locked(struct node *n);

/* May free it, and then what was kept by it alone. */
void node_unuse_locked(struct tree *t, struct node *n);

/* Sets and clears `local`, with the use that goes with it. The first is on the account of `uid`: 0, or
 * -ENOSPC where that one has made too many. */
int node_make_local_locked(struct tree *t, struct node *n, uid_t uid);
void node_unlocal_locked(struct tree *t, struct node *n);

/* Takes its name away: it is removed, but may still be open. */
void node_detach_locked(struct node *n);
/* Of a removed one: it has its name again, which nothing else has there. */
void node_attach_locked(struct node *n);

/* Gives it another place. 0 or -ENOMEM. */
int node_move_locked(struct tree *t, struct node *n, struct node *parent, const char *name);

/* What stat(2) says of any node: type, mode, owner, inode number. */
void node_stat_locked(const struct tree *t, const struct node *n, struct stat *attr);

/* And what follows from size and time, once its type has told these. */
void node_finish_stat_locked(const struct tree *t, struct stat *attr);

/* The inode number of a directory below `path`, of names at the server: the same in every run. */
uint64_t node_dir_ino(const char *path, const char *component);

char *node_path_locked(const struct node *n);

#endif
