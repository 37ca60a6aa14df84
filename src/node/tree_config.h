/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_TREE_CONFIG_H
#define NODE_TREE_CONFIG_H

#include "auth/session.h"
#include "base/timer.h"
#include "base/wait.h"
#include "cache/cache.h"
#include "kv/kv.h"
#include "layer/layers.h"
#include "rule/rules.h"

#include <sys/stat.h>

struct tree;
struct node;
struct event;

/* What those are told who have asked the kernel to be told of changes (inotify(7)): the kernel tells
 * them only of what is done to a file, so it is done, by a process of ours. */
enum notice_act {
	NOTICE_QUIET,  /* nothing, or the kernel has done so itself */
	NOTICE_TOUCH,  /* it has other content */
	NOTICE_APPEAR, /* the name has come: tree_appear(); until then it is hidden */
	NOTICE_LEAVE,  /* it is going: tree_leave() */
	NOTICE_PROBE,  /* nothing: the kernel is to let go of what it keeps of it for nobody */
};

/* Files of which the kernel's copy is out of date. */
struct notice {
	struct notice *next; /* the receiver's */
	struct node *dir;
	struct event *event; /* what has happened, to be told when all is in place; NULL: nothing */
	size_t count;
	struct notice_item {
		struct node *node; /* NULL: the kernel knows the name alone */
		char *name;	   /* in dir */
		char *path;	   /* below the mount's root */
		bool gone;	   /* it has no content any more */
		bool kept;	   /* its pages are right: another has the name now */
		enum notice_act act;
	} items[];
};

struct tree_config {
	struct kv *kv;
	struct session *session; /* NULL: there is no token */
	struct cache *cache;	 /* made with tree_cache_kinds and a struct tree_source */
	struct timers *timers;
	const struct layers *layers; /* NULL: nothing stands beside the server */
	const char *label;	     /* of the engine: "secret"; "" where paths name theirs */
	const char *prefix;	     /* the path in the engine that is the root: "app", or "" */
	struct rules rules;	     /* per path, before the next four */
	uid_t uid;
	gid_t gid;
	mode_t mode, dir_mode;
	bool read_only, purge, strict;
	bool shared; /* others than the user that has mounted it may come in */
	bool newline_strip, binary_reject;
	bool fast_open;	       /* opens do not reach us: see node/fixed.h */
	const char *scratch;   /* patterns of names of scratch files, parted by ':' */
	size_t scratch_max;    /* bytes in all scratch files */
	uint64_t unlink_grace; /* ns */
	struct pool *pool;
	uint64_t ttl, negative_ttl, timeout; /* ns */
	size_t ahead;	   /* how many of a walk are asked for before they are opened */
	size_t max_size;   /* of a value, in bytes */
	struct feed *feed; /* what .vault/events reads; see event/feed.h */
	/* The way up: called with the tree's lock held, must not block. */
	void (*changed)(void *arg, struct notice *notice);
	void *arg;
};

#endif
