/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_SESSION_H
#define AUTH_SESSION_H

#include "auth/method.h"
#include "base/pool.h"
#include "base/timer.h"
#include "store/token_cache.h"

/* Who we are to the server: one token at a time, that is renewed, and replaced when it dies, or when
 * there is another in the file that it is from. */
struct session;

struct session_config {
	struct vault *vault;
	const struct auth_method *method;
	const struct auth_config *auth;
	struct timers *timers;
	struct pool *pool;
	const struct token_cache *cache; /* NULL: tokens end with us, as borrowed ones do */
	uint64_t timeout;		 /* ns, for one call about a token */
	/* The token is dead and no login replaced it: what was read under it must go. Without any
	 * lock, from any thread. */
	void (*dead)(void *arg);
	/* A token of somebody else may have taken its place: what was read under the old one must be
	 * asked for anew. As above. */
	void (*replaced)(void *arg);
	/* The server has answered at last: see session_persist(). As above. */
	void (*arrived)(void *arg);
	void *arg;
};

/* Borrows all that the config points to. NULL: no memory. */
struct session *session_new(const struct session_config *config, struct err *err);

/* Takes up the token of the cache, or logs in; and starts to renew. 0, or what the method's login
 * says. */
int session_start(struct session *s, struct err *err);

/* The server did not answer session_start(), as `why` says: goes on to try, with pauses of some
 * seconds, and meanwhile has who asks hear of that. When there is a token at last, session_config.arrived
 * is called. */
void session_persist(struct session *s, const struct err *why);

/* Ends the renewals. To be called before the pool ends; NULL is fine. */
void session_stop(struct session *s);

/* Has the server forget the token, if we have logged in for it. After session_stop(); NULL is fine. */
void session_revoke(struct session *s);
void session_free(struct session *s);

/* For vault_set_tokens(). */
struct vault_tokens session_tokens(struct session *s);

/* Renews the token, unless somebody else has since `asked` (clock_mono()); one that is dead is
 * replaced by a login. 0, or why not: what the server says of it, -ETIMEDOUT. */
int session_renew(struct session *s, uint64_t asked, struct limit limit, struct err *err);

/* What the session knows of its token, and nobody gains anything by. */
struct session_told {
	const char *method;
	bool alive, renewable;
	uint64_t ttl; /* ns that are left by our clock; 0 for ever */
	uint64_t logins, renewals;
	int64_t last_renewal; /* clock_wall(); 0: there was none */
};
void session_tell(struct session *s, struct session_told *out);

/* Reads a token anew where one has come: for SIGHUP. Waits for the network. */
void session_reload(struct session *s);

#endif
