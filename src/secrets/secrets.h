/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SECRETS_SECRETS_H
#define SECRETS_SECRETS_H

#include "cache/cache.h"
#include "kv/kv.h"
#include "rule/rules.h"
#include "secrets/secret_change.h"

/* The one way to change a secret by its path. A mount and each command calls it; no argument says which
 * of them the caller is. */

/* The way up: calls without a lock, from the thread of the change. */
struct secrets_listener {
	/* The change goes to the server now, whatever comes of it. */
	void (*sending)(void *arg);
	/* Somebody else's version was read past the cache; `mark` is of cache_mark() before that. */
	void (*read)(void *arg, struct kv_version *latest, uint64_t mark);
};

/* The secrets of a store. A plain value; all of it is borrowed. */
struct secrets {
	struct kv *kv;
	struct cache *cache; /* what is known already, by secrets/kinds.h; NULL: nothing */
	struct rules rules;  /* what sections of the configuration allow */
	bool strict;	     /* conflict=strict */
	uint64_t timeout;    /* ns for each request; 0: they share the limit of the call */
	const struct secrets_listener *listener; /* NULL: nobody listens */
	void *arg;				 /* its */
};

/* What became of a change. */
struct secret_outcome {
	struct kv_version *made; /* the new latest version; the caller's. NULL: none was made */
	enum kv_state before;	 /* of the version that it followed */
	int64_t latest; /* the number of the latest version that was seen; KV_ANY: none was */
	bool unseen;	/* `made` is not what the secret holds: the token may not read it */
	bool merged;	/* others had written since the base; their fields are in `made` */
	bool forbidden; /* a section of the configuration has refused it, and no server */
	bool overtaken; /* others kept changing the secret until the limit had passed */
};

/* The latest version, from the server itself. The caller's. */
int secrets_look(const struct secrets *s, const char *path, struct limit limit,
		 struct kv_version **out, struct err *err);

/* Makes one version of the secret, on top of the latest, by check-and-set. If others write at the same
 * time, it merges their change with this one and tries again, until the limit has passed. Sets and
 * removes the marks of binary values. Sends a patch where the token may send one and not the whole
 * version. A change that leaves no field, and is not `whole`, deletes the latest version. Waits for the
 * server. 0; -EBUSY where others have changed what this change was built on; -EINVAL where a section of
 * the configuration or the store forbids a value; or what the server says. */
int secrets_change(const struct secrets *s, const char *path, const struct secret_change *c,
		   struct limit limit, struct secret_outcome *out, struct err *err);

/* Whether the configuration and the store allow the change, as far as its base tells: 0; -EINVAL or
 * -EILSEQ, *forbidden where it is the configuration that does not. secrets_change() asks for itself. */
int secrets_check(const struct secrets *s, const char *path, const struct secret_change *c,
		  bool *forbidden, struct err *err);

/* Requests that make no new version: restore a deleted version; remove the content of one for good;
 * remove the secret with all its versions; change its metadata, as kv->ops->change_metadata() does. */
int secrets_undelete(const struct secrets *s, const char *path, int64_t number, struct limit limit,
		     struct err *err);
int secrets_destroy(const struct secrets *s, const char *path, int64_t number, struct limit limit,
		    struct err *err);
int secrets_purge(const struct secrets *s, const char *path, struct limit limit, struct err *err);
int secrets_describe(const struct secrets *s, const char *path, const cJSON *patch,
		     struct limit limit, struct err *err);

#endif
