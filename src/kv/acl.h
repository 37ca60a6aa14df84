/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_ACL_H
#define KV_ACL_H

#include "base/object.h"
#include "vault/client.h"
#include "kv/kv_rights.h"

/* All the rules of our token, as sys/internal/ui/resultant-acl gives them. Shared and not changed;
 * begins with a struct object. */
struct acl;

/* From the server. Where it refuses, an ACL that knows nothing. */
int acl_fetch(struct vault *v, struct limit limit, struct acl **out, struct err *err);

/* Its answer, kept for a minute. Thread-safe. */
struct acl_memory {
	pthread_mutex_t lock; /* guards all below */
	struct acl *acl;
	uint64_t until; /* clock_mono() */
};
void acl_memory_init(struct acl_memory *m);
void acl_memory_fini(struct acl_memory *m);
/* A reference of the caller's. */
int acl_current(struct acl_memory *m, struct vault *v, struct limit limit, struct acl **out,
		struct err *err);

/* From the "data" of its answer; exported for its tests. NULL: no memory. */
struct acl *acl_parse(const cJSON *data);

/* Whether any rule speaks of this API path or of one below it. */
enum kv_reach acl_reach(const struct acl *acl, const char *api_path);

/* What our token may do with an API path ("secret/data/app/db"): KV_CREATE and the rest of
 * kv/kv_rights.h. From sys/capabilities-self, which the policy `default` allows; where that is refused,
 * all rights are assumed, and the server will say. Asked before it is tried, so that a program hears
 * of it when it opens a file and not when it has closed it. */
int acl_rights(struct vault *v, const char *api_path, struct limit limit, unsigned *rights,
	       struct err *err);

#endif
