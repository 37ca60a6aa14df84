/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_RENEWAL_H
#define AUTH_RENEWAL_H

#include "vault/token.h"

/* When a token is to be renewed, and when it is time for another. A plain value. */
struct renewal {
	uint64_t expires; /* clock_mono(); 0: never, or not known */
	uint64_t next;	  /* clock_mono() of the next step */
	uint64_t grace;	  /* ns before its end at which we look for another */
	uint64_t backoff; /* ns; of renewals that found no server */
	bool renewable, announced, warned;
	uint64_t count; /* of renewals, also of the tokens before */
	int64_t last;	/* clock_wall() of the last one; 0: there was none */
};

enum renewal_verdict {
	RENEWAL_LATER,	 /* step again at `next` */
	RENEWAL_REPLACE, /* it lives, but its end is near */
	RENEWAL_DEAD,
};

/* Of a token that was just had. */
void renewal_begin(struct renewal *r, const struct token_info *info);

/* Whether a token, of which this is told, ends later than is known. */
bool renewal_is_longer(const struct renewal *r, const struct token_info *info);

/* Renews it now, because somebody asks for it. 0, or what the server says, and then nothing has changed:
 * -EKEYEXPIRED for a dead token. Waits for the network, and is subject to its budget of failures. */
int renewal_demand(struct renewal *r, struct vault *v, const struct secret *token,
		   struct limit limit, struct err *err);

/* One step, at or after `next`: renews, if that is due. Waits for the network. */
enum renewal_verdict renewal_step(struct renewal *r, struct vault *v, const struct secret *token,
				  struct limit limit);

#endif
