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
struct notice;
struct tree_control;

struct tree_config {
	struct kv *kv;
	struct session *session; /* NULL: there is no token */
	struct cache *cache;	 /* made with tree_cache_kinds and a struct tree_source */
	struct timers *timers;
	const struct tree_control *control; /* what ".vault" is */
	const struct layers *layers;	    /* NULL: nothing stands beside the server */
	const char *label;  /* of the engine: "secret"; "" where paths name theirs */
	const char *prefix; /* the path in the engine that is the root: "app", or "" */
	struct rules rules; /* per path, before the next four */
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
