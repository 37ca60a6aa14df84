/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SECRETS_SEND_H
#define SECRETS_SEND_H

#include "secrets/secrets.h"

/* Writes the version that `onto` becomes by the change, where it is still the latest; the `first` time
 * by a patch, where the token is known to be allowed that. 0 with the version in *out, the caller's;
 * -EBUSY where it is not the latest. */
int send_change(const struct secrets *s, const char *path, const struct secret_change *c,
		const struct kv_version *onto, bool first, struct limit limit,
		struct kv_version **out, struct err *err);

#endif
