/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VAULT_WRAPPING_H
#define VAULT_WRAPPING_H

#include "vault/client.h"

/* Response wrapping: an answer that is kept at the server, to be taken out once, by a token of its own
 * (https://developer.hashicorp.com/vault/docs/concepts/response-wrapping). */

/* Whether it looks like a token, which is what a wrapped answer is handed on as. */
bool wrapping_is_token(const struct secret *text);

/* The API path of which the answer was wrapped; heap. -EKEYREJECTED where the token is used up or
 * expired. Does not use it up. */
int wrapping_lookup(struct vault *v, const struct secret *token, struct limit limit, char **path,
		    struct err *err);

/* The member `name` of what was wrapped. Asked for once, whatever happens: whether the token is used up
 * by an answer that was lost, nobody can know. Errors as above. */
int wrapping_unwrap(struct vault *v, const struct secret *token, const char *name,
		    struct limit limit, struct secret **out, struct err *err);

#endif
