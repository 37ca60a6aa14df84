/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_ACL_H
#define KV_ACL_H

#include "base/lock.h"
#include "base/object.h"
#include "vault/client.h"
#include "kv/kv_list.h"
#include "kv/kv_rights.h"

/* All the rules of our token, as sys/internal/ui/resultant-acl gives them. Shared and not changed;
 * begins with a struct object. */
struct acl;

/* From the server. Where it refuses, an ACL that knows nothing. */
int acl_fetch(struct vault *v, struct limit limit, struct acl **out, struct err *err);

/* Its answer, kept for a minute. Thread-safe. */
struct acl_memory {
	struct lock lock; /* guards all below */
	struct acl *acl;
	uint64_t until; /* clock_mono() */
};
void acl_memory_init(struct acl_memory *m);
void acl_memory_fini(struct acl_memory *m);
/* A reference of the caller's. */
int acl_current(struct acl_memory *m, struct vault *v, struct limit limit, struct acl **out,
		struct err *err);
/* What it was last, however long ago; NULL: nobody has asked. A reference of the caller's. */
struct acl *acl_remembered(struct acl_memory *m);

/* From the "data" of its answer; exported for its tests. NULL: no memory. */
struct acl *acl_parse(const cJSON *data);

/* Whether any rule speaks of this API path or of one below it. */
enum kv_reach acl_reach(const struct acl *acl, const char *api_path);

/* Whether it may do any of these with an API path, or with `below` also with one below it; from the
 * rules that we were told, where they leave no doubt. */
enum kv_reach acl_may_write(const struct acl *acl, const char *api_path, unsigned any, bool below);

/* A name that no rule names, to ask for all that are not named. */
#define ACL_PROBE "vaultfs-probe-6c1f2b"

/* The names in a folder that rules name, as a listing; the folder's API path in each of the engine's
 * trees. NULL: no memory. */
struct kv_list *acl_named(const struct acl *acl, const char *const *folders, size_t n);

/* All that it may do with an API path; false where the rules that we were told leave a doubt. */
bool acl_tells(const struct acl *acl, const char *api_path, unsigned *rights);

/* What our token may do with an API path ("secret/data/app/db"): KV_CREATE and the rest of
 * kv/kv_rights.h. From the rules, which are one request a minute for all paths; else from
 * sys/capabilities-self, which the policy `default` allows; where that is refused, all rights are
 * assumed, and the server will say. Asked before it is tried, so that a program hears of it when it
 * opens a file and not when it has closed it. */
int acl_rights(struct acl_memory *m, struct vault *v, const char *api_path, struct limit limit,
	       unsigned *rights, struct err *err);
/* The same of `n` paths, by one request. */
int acl_rights_many(struct vault *v, const char *const *api_paths, size_t n, struct limit limit,
		    unsigned *rights, struct err *err);

/* As kv_ops.rights_in, `folder` being an API path that ends in a slash. */
int acl_rights_in(struct vault *v, const char *folder, const char *const *names, size_t n,
		  struct limit limit, unsigned *own, unsigned *below, struct err *err);

#endif
