/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AWS_CREDENTIALS_H
#define AWS_CREDENTIALS_H

#include "aws/aws_sign.h"
#include "base/cancel.h"

/* Strings and secrets are borrowed; NULL: not set. */
struct aws_config {
	struct secret *id, *key, *session; /* from the environment */
	const char *file;		   /* of credentials; NULL: read none */
	const char *profile;		   /* in the file; NULL: "default" */
	const char *metadata;		   /* address of the instance metadata; NULL: AWS's own */
	const char *identity_file, *role_arn, *session_name; /* of a web identity */
	const char *sts;				     /* NULL: AWS's own */
	const char *container_path, *container_url;	     /* the first that is set wins */
	struct secret *container_token;
	const char *container_token_file; /* wins over container_token */
	const char *region;
	const char *server_id;
};

/* Looks for keys in the environment, the web identity, the file, the container and the instance
 * metadata, in this order and anew each time. -EKEYREJECTED if there are none, with a sentence that
 * says why. */
int aws_credentials_get(const struct aws_config *c, struct limit limit, struct aws_keys *out,
			struct err *err);

#endif
