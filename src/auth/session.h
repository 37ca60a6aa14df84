/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_SESSION_H
#define AUTH_SESSION_H

#include "auth/method.h"
#include "base/pool.h"
#include "base/timer.h"
#include "store/token_cache.h"

/* Our identity at the server: one token at a time. It is renewed, and replaced when it dies or when
 * its file holds another one. */
struct session;

struct session_config {
	struct vault *vault;
	const struct auth_method *method;
	const struct auth_config *auth;
	struct timers *timers;
	struct pool *pool;
	const struct token_cache *cache; /* NULL: tokens end with us, as borrowed ones do */
	uint64_t timeout;		 /* ns, for one call about a token */
	/* The token is dead and no login replaced it: forget what was read under it. Called without
	 * any lock, from any thread, as are the next two. */
	void (*dead)(void *arg);
	/* A token of another identity may have replaced it: ask again for what was read under the
	 * old one. */
	void (*replaced)(void *arg);
	/* The server has answered at last: see session_persist(). */
	void (*arrived)(void *arg);
	void *arg;
};

/* Borrows everything that the config points to. NULL: no memory. */
struct session *session_new(const struct session_config *config, struct err *err);

/* Uses the cached token, or logs in; then starts renewing. 0, or the error of the method's login. */
int session_start(struct session *s, struct err *err);

/* The server did not answer session_start(), as `why` says: retries, with pauses of some seconds;
 * meanwhile requests get that error. Calls session_config.arrived when there is a token at last. */
void session_persist(struct session *s, const struct err *why);

/* Ends the renewals. Call it before the pool ends; NULL is fine. */
void session_stop(struct session *s);

/* Revokes the token if we obtained it by a login. Call it after session_stop(); NULL is fine. */
void session_revoke(struct session *s);
void session_free(struct session *s);

/* For vault_set_tokens(). */
struct vault_tokens session_tokens(struct session *s);

/* Renews the token, unless somebody else has done so since `asked` (clock_mono()); replaces a dead
 * one by a login. 0, or the server's error, or -ETIMEDOUT. */
int session_renew(struct session *s, uint64_t asked, struct limit limit, struct err *err);

/* Facts about the token that anybody may know. */
struct session_told {
	const char *method;
	bool alive, renewable;
	uint64_t ttl; /* ns that are left by our clock; 0: for ever */
	uint64_t logins, renewals;
	int64_t last_renewal; /* clock_wall(); 0: there was none */
};
void session_tell(struct session *s, struct session_told *out);

/* Reads a borrowed token anew: for SIGHUP. Waits for the network. */
void session_reload(struct session *s);

#endif
