/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_STANDBY_H
#define CLI_STANDBY_H

#include "cli/credentials.h"
#include "offline/offline.h"
#include "kv/kv_engine.h"

/* What a mount knows while no server answers: the copy for offline use, and who it was kept for. All
 * zero where there is none. */
struct standby {
	struct offline *offline; /* NULL: there is none */
	struct store_key key;
};

/* Before the first fork: reads the key, where a copy is configured. 0 or -errno with a sentence. */
int standby_take_key(struct standby *s, const struct conf *c, struct err *err);

/* With threads: opens the copy, where one is configured, for who we are. */
int standby_open(struct standby *s, const struct conf *c, const struct credentials *creds,
		 struct err *err);
void standby_close(struct standby *s);

/* The engine that SOURCE is in has been found; from now on its secrets are kept. */
int standby_engine_found(struct standby *s, const struct conf *c, const struct credentials *creds,
			 const struct mount_info *engine, struct err *err);

/* Opens the engine of SOURCE as it was found last; where that is not known, as the configuration has
 * it, or where the environment may stand in, as one of version 2 in the first part of SOURCE. Else
 * `err` stays, with a word more; -errno. */
int standby_engine(struct standby *s, const struct conf *c, const struct credentials *creds,
		   struct vault *v, struct kv_engine *engine, struct err *err);

/* With no server what is written in the engine's place is a name alone. */
int standby_engine_none(const char *source, struct kv_engine *engine, struct err *err);

/* A server answers at last: whether the engine is the one that was taken for granted. */
void standby_check_engine(const struct conf *c, struct vault *v, const struct mount_info *engine);

/* We are somebody else now, perhaps: nothing is kept until it is known who, which may read a file and
 * write another. What was asked for before is not to be kept after standby_token_replaced(). */
void standby_nobody(struct standby *s);
void standby_token_replaced(struct standby *s, const struct conf *c,
			    const struct credentials *creds, const struct mount_info *engine);

/* Whether a mount may begin without a server. */
static inline bool standby_may_wait(const struct standby *s, const struct conf *c)
{
	return s->offline || c->env == CONF_ENV_FALLBACK || c->env == CONF_ENV_OVERRIDE;
}

#endif
