/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_STANDBY_H
#define CLI_STANDBY_H

#include "cli/credentials.h"
#include "offline/offline.h"
#include "kv/kv_engine.h"

/* The state of a mount while no server answers: the copy for offline use and its key. All zero if there
 * is none. */
struct standby {
	struct offline *offline; /* NULL: there is none */
	struct store_key key;
};

/* Call it before the first fork. Reads the key if a copy is configured. 0 or -errno with a
 * sentence. */
int standby_take_key(struct standby *s, const struct conf *c, struct err *err);

/* Call it when there are threads. Opens the copy, if one is configured, for our identity. */
int standby_open(struct standby *s, const struct conf *c, const struct credentials *creds,
		 struct err *err);
void standby_close(struct standby *s);

/* The engine of SOURCE has been found: from now on its secrets are kept. */
int standby_engine_found(struct standby *s, const struct conf *c, const struct credentials *creds,
			 const struct mount_info *engine, struct err *err);

/* Opens the engine of SOURCE as it was last found. If that is unknown, takes the configured one;
 * or, if the environment may provide values, one of version 2 at the first part of SOURCE.
 * Otherwise adds to the sentence in `err`; -errno. */
int standby_engine(struct standby *s, const struct conf *c, const struct credentials *creds,
		   struct vault *v, struct kv_engine *engine, struct err *err);

/* Without a server, the engine is only a name. */
int standby_engine_none(const char *source, struct kv_engine *engine, struct err *err);

/* A server answers at last: checks that the engine is the one that we assumed. */
void standby_check_engine(const struct conf *c, struct vault *v, const struct mount_info *engine);

/* Our identity may have changed: nothing is kept until it is known, since one identity may read a
 * file and another write it. Answers to earlier requests must not be kept after
 * standby_token_replaced(). */
void standby_nobody(struct standby *s);
void standby_token_replaced(struct standby *s, const struct conf *c,
			    const struct credentials *creds, const struct mount_info *engine);

/* Whether a mount may begin without a server. */
static inline bool standby_may_wait(const struct standby *s, const struct conf *c)
{
	return s->offline || c->env == CONF_ENV_FALLBACK || c->env == CONF_ENV_OVERRIDE;
}

#endif
