/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VAULT_HEALTH_H
#define VAULT_HEALTH_H

#include "vault/client.h"

/* Whether the server knows namespaces: OpenBao and Vault Enterprise do, Vault's community edition
 * takes the header and ignores it. By sys/health. 0 or -errno. */
int health_has_namespaces(struct vault *v, struct limit limit, bool *out, struct err *err);

#endif
