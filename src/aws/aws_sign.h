/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AWS_SIGN_H
#define AWS_SIGN_H

#include "base/buf.h"
#include "base/secret.h"

/* AWS Signature Version 4 ("Create a signed AWS API request" in the IAM User Guide), for a request
 * for "/" without a query: a login needs no other. */

struct aws_keys {
	struct secret *id, *key;
	struct secret *session; /* NULL: keys of a user, not of a session */
};
void aws_keys_fini(struct aws_keys *k);
static inline bool aws_keys_complete(const struct aws_keys *k)
{
	return k->id && k->key;
}
#define _cleanup_aws_keys_ _cleanup_(aws_keys_fini)

struct aws_header {
	const char *name;  /* in lower case */
	const char *value; /* without blanks at its ends, or two in a row */
};

struct aws_request {
	const char *method, *body;
	const char *region, *service;
	const char *date; /* "20150830T123600Z", which is also a header */
	const struct aws_header *headers;
	size_t header_count; /* sorted by name; all are signed */
};

/* Appends the value of the header Authorization. 0 or -ENOMEM. */
int aws_sign(const struct aws_request *req, const struct aws_keys *keys, struct buf *to);

#endif
