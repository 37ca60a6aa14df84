/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_RENEWAL_H
#define AUTH_RENEWAL_H

#include "vault/token.h"

/* When to renew a token, and when to replace it. A plain value. */
struct renewal {
	uint64_t expires; /* clock_mono(); 0: never, or unknown */
	uint64_t next;	  /* clock_mono() of the next step */
	uint64_t grace;	  /* ns before its end at which we look for a replacement */
	uint64_t backoff; /* ns; while the server is unreachable */
	bool renewable, announced, warned;
	uint64_t count; /* of renewals, including earlier tokens' */
	int64_t last;	/* clock_wall() of the last one; 0: there was none */
};

enum renewal_verdict {
	RENEWAL_LATER,	 /* step again at `next` */
	RENEWAL_REPLACE, /* it lives, but will end soon */
	RENEWAL_DEAD,
};

/* For a new token. */
void renewal_begin(struct renewal *r, const struct token_info *info);

/* Whether `info` gives the token a later end than `r` does. */
bool renewal_is_longer(const struct renewal *r, const struct token_info *info);

/* Renews it now, on a user's request. 0, or the server's error, which changes nothing: -EKEYEXPIRED
 * for a dead token. Waits for the network, within its budget of failures. */
int renewal_demand(struct renewal *r, struct vault *v, const struct secret *token,
		   struct limit limit, struct err *err);

/* One step, at or after `next`: renews if that is due. Waits for the network. */
enum renewal_verdict renewal_step(struct renewal *r, struct vault *v, const struct secret *token,
				  struct limit limit);

#endif
