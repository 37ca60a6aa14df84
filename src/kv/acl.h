/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_ACL_H
#define KV_ACL_H

#include "base/lock.h"
#include "base/object.h"
#include "vault/client.h"
#include "kv/kv_list.h"
#include "kv/kv_rights.h"

/* All rules of our token, from sys/internal/ui/resultant-acl. Shared and immutable; begins with a
 * struct object. */
struct acl;

/* Asks the server. If it refuses, the ACL knows nothing. */
int acl_fetch(struct vault *v, struct limit limit, struct acl **out, struct err *err);

/* The last answer, kept for a minute. Thread-safe. */
struct acl_memory {
	struct lock lock; /* guards all below */
	struct acl *acl;
	uint64_t until; /* clock_mono() */
};
void acl_memory_init(struct acl_memory *m);
void acl_memory_fini(struct acl_memory *m);
/* The caller puts the reference. */
int acl_current(struct acl_memory *m, struct vault *v, struct limit limit, struct acl **out,
		struct err *err);
/* The last answer, however old; NULL: none yet. The caller puts the reference. */
struct acl *acl_remembered(struct acl_memory *m);

/* Parses the "data" of the answer; exported for tests. NULL: no memory. */
struct acl *acl_parse(const cJSON *data);

/* Whether any rule mentions this API path or one below it. */
enum kv_reach acl_reach(const struct acl *acl, const char *api_path);

/* Whether it allows any of these rights for an API path, or with `below` also for one below it;
 * KV_REACH_UNKNOWN if the known rules leave doubt. */
enum kv_reach acl_may_write(const struct acl *acl, const char *api_path, unsigned any, bool below);

/* A name that no rule mentions, to ask for the rights to all such names. */
#define ACL_PROBE "vaultfs-probe-6c1f2b"

/* The names in a folder that rules mention, as a listing. `folders`: its API path in each of the
 * engine's trees. NULL: no memory. */
struct kv_list *acl_named(const struct acl *acl, const char *const *folders, size_t n);

/* All rights to an API path; false if the known rules leave doubt. */
bool acl_tells(const struct acl *acl, const char *api_path, unsigned *rights);

/* The rights of our token to an API path ("secret/data/app/db"): KV_CREATE and the rest of
 * kv/kv_rights.h. They come from the rules, one request a minute for all paths; else from
 * sys/capabilities-self, which the policy `default` allows. If that is refused, all rights are
 * assumed: the server will decide. Rights are checked in advance, so that a program gets the error
 * when it opens a file, not after it has closed it. */
int acl_rights(struct acl_memory *m, struct vault *v, const char *api_path, struct limit limit,
	       unsigned *rights, struct err *err);
/* The rights to `n` paths, by one request. */
int acl_rights_many(struct vault *v, const char *const *api_paths, size_t n, struct limit limit,
		    unsigned *rights, struct err *err);

/* Implements kv_rights_ops.rights_in; `folder` is an API path that ends in a slash. */
int acl_rights_in(struct vault *v, const char *folder, const char *const *names, size_t n,
		  struct limit limit, unsigned *own, unsigned *below, struct err *err);

#endif
