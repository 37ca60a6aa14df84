/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AWS_SERVICE_H
#define AWS_SERVICE_H

#include "aws/aws_credentials.h"

/* Keys from a service. Each returns 0; -ENOENT if there is no such service; or another -errno, with
 * the reason in `why`. */

/* The instance's role, by version 2 of the metadata service
 * (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html).
 * -ENOENT also for an instance without a role; `why` is always set. */
int aws_from_metadata(const struct aws_config *c, struct limit limit, struct aws_keys *out,
		      char *why, size_t room);

/* The role of a container of ECS or EKS
 * (https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html). */
int aws_from_container(const struct aws_config *c, struct limit limit, struct aws_keys *out,
		       char *why, size_t room);

/* The role that STS grants for the JWT in a file
 * (https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html). */
int aws_from_web_identity(const struct aws_config *c, struct limit limit, struct aws_keys *out,
			  char *why, size_t room);

#endif
