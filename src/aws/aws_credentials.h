/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AWS_CREDENTIALS_H
#define AWS_CREDENTIALS_H

#include "aws/aws_sign.h"
#include "base/cancel.h"

/* Strings and secrets are borrowed; NULL where nothing is set. */
struct aws_config {
	struct secret *id, *key, *session; /* the environment's */
	const char *file;		   /* of credentials; NULL: none is looked for */
	const char *profile;		   /* in it; NULL: "default" */
	const char *metadata;		   /* the address of the instance's; NULL: AWS's own */
	const char *identity_file, *role_arn, *session_name; /* of a web identity */
	const char *sts;				     /* NULL: AWS's own */
	const char *container_path, *container_url;	     /* the first that is set counts */
	struct secret *container_token;
	const char *container_token_file; /* in its place */
	const char *region;
	const char *server_id;
};

/* Looks for keys in the environment, by the web identity, in the file, the container, the metadata of
 * the instance, in this order and anew each time. -EKEYREJECTED where there are none, with a sentence
 * that says why. */
int aws_credentials_get(const struct aws_config *c, struct limit limit, struct aws_keys *out,
			struct err *err);

#endif
