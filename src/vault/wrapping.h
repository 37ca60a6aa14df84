/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VAULT_WRAPPING_H
#define VAULT_WRAPPING_H

#include "vault/client.h"

/* Response wrapping: the server keeps an answer, which can be taken out once, by a token of its own
 * (https://developer.hashicorp.com/vault/docs/concepts/response-wrapping). */

/* Whether the text looks like a token: wrapped answers are handed on in that form. */
bool wrapping_is_token(const struct secret *text);

/* The API path whose answer was wrapped; heap. -EKEYREJECTED if the token is used up or expired.
 * Does not use it up. */
int wrapping_lookup(struct vault *v, const struct secret *token, struct limit limit, char **path,
		    struct err *err);

/* The member `name` of the wrapped answer. Never retried: if the answer is lost, nobody can know
 * whether the token is used up. Errors of wrapping_lookup(). */
int wrapping_unwrap(struct vault *v, const struct secret *token, const char *name,
		    struct limit limit, struct secret **out, struct err *err);

#endif
