/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_RIGHTS_H
#define KV_RIGHTS_H

#include <stdbool.h>
#include <stddef.h>

enum {		       /* what holds for a path, whatever is there */
       KV_FLAT = 1,    /* There is one content and no history: numbers of versions are made up
			* here, and what needs history or custom metadata is -EOPNOTSUPP. */
       KV_ROOT = 2,    /* an engine's root, which is no secret and has no fields */
       KV_OUTSIDE = 4, /* above the engines: a folder in which nothing can be made */
       KV_FLOATS = 8,  /* Numbers are kept as 64-bit floating point, and come back in Go's spelling:
			* see kv_number_kept(). */
};

enum { /* what a token may do with a path */
       KV_CREATE = 1,
       KV_READ = 2,
       KV_UPDATE = 4,
       KV_DELETE = 8,
       KV_LIST = 16,
       KV_PATCH = 32,
};

/* Whether it may do anything with a path, or with one below it. */
enum kv_reach { KV_REACH_NO, KV_REACH_YES, KV_REACH_UNKNOWN };

struct kv;
struct kv_list;
struct limit;
struct err;

/* What a store knows of our rights. */
struct kv_rights_ops {
	/* From memory, as far as the last reach() has learnt: whether we may do `any` of these with
	 * the secret's data, with `below` also with that of a secret below it; and the names in a
	 * folder of which we know by our rights to something there or below (the caller's; NULL:
	 * nothing was learnt yet). */
	enum kv_reach (*may_write)(struct kv *kv, const char *path, unsigned any, bool below);
	struct kv_list *(*named)(struct kv *kv, const char *path);

	/* The rights to `n` secrets of a folder, and to others below each of them, by one request. */
	int (*rights_in)(struct kv *kv, const char *folder, const char *const *names, size_t n,
			 struct limit limit, unsigned *own, unsigned *below, struct err *err);
};

#endif
