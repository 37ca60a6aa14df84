/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SECRETS_SEND_H
#define SECRETS_SEND_H

#include "secrets/secrets.h"

/* A change on its way. */
struct sending {
	const struct secrets *s;
	const char *path;
	const struct secret_change *c;
	struct limit limit; /* of the whole call */
	bool unseen;	    /* the token may not read what is there */
	unsigned attempt;   /* 1: the first */
};

/* The time for one request. */
struct limit sending_limit(const struct secrets *s, struct limit limit);

/* What `onto` becomes by the change. The caller's; NULL: no memory. */
struct kv_version *sending_apply(const struct secret_change *c, const struct kv_version *onto);

/* Writes that, where `onto` is still the latest. Fills in out->made or out->forbidden. -EBUSY where it is
 * not the latest. */
int sending_try(const struct sending *a, const struct kv_version *onto, struct secret_outcome *out,
		struct err *err);

#endif
