/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_RIGHTS_H
#define KV_RIGHTS_H

#include <stdbool.h>
#include <stddef.h>

enum {		       /* traits of a path, whether a secret is there or not */
       KV_FLAT = 1,    /* One content and no history: version numbers are made up here, and anything
			* that needs history or custom metadata is -EOPNOTSUPP. */
       KV_ROOT = 2,    /* an engine's root, which is no secret and has no fields */
       KV_OUTSIDE = 4, /* above the engines: a folder in which nothing can be made */
       KV_FLOATS = 8,  /* Numbers are stored as 64-bit floating point, and come back in Go's format:
			* see kv_number_kept(). */
};

enum { /* rights of a token to a path */
       KV_CREATE = 1,
       KV_READ = 2,
       KV_UPDATE = 4,
       KV_DELETE = 8,
       KV_LIST = 16,
       KV_PATCH = 32,
};

/* Whether it has any right to a path, or to one below it. */
enum kv_reach { KV_REACH_NO, KV_REACH_YES, KV_REACH_UNKNOWN };

struct kv;
struct kv_list;
struct limit;
struct err;

/* A store's knowledge of our rights. */
struct kv_rights_ops {
	/* From memory, as learnt by the last reach(): whether we have `any` of these rights to the
	 * secret's data, with `below` also to that of a secret below it. And the names in a folder
	 * that our rights mention, or something below them (the caller's; NULL: nothing learnt
	 * yet). */
	enum kv_reach (*may_write)(struct kv *kv, const char *path, unsigned any, bool below);
	struct kv_list *(*named)(struct kv *kv, const char *path);

	/* The rights to `n` secrets of a folder, and to paths below each, by one request. */
	int (*rights_in)(struct kv *kv, const char *folder, const char *const *names, size_t n,
			 struct limit limit, unsigned *own, unsigned *below, struct err *err);
};

#endif
