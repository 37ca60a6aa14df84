/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VAULT_CLIENT_H
#define VAULT_CLIENT_H

#include "base/cancel.h"
#include "base/json.h"
#include "base/secret.h"
#include "vault/reply.h"

/* The server, as one function: a path and a body go out, JSON comes back or an errno. Knows how to
 * name itself to the server and what to do when a token has died; knows no engine. */
struct vault;
struct servers;
struct budget;

/* Where tokens come from; the session, above, is one. */
struct vault_tokens {
	/* The token of now, as a reference of the caller's. 0, -EKEYEXPIRED or -EKEYREJECTED. */
	int (*get)(void *arg, struct limit limit, struct secret **out, struct err *err);
	/* The server does not take this one (`certain`), or may not. 0 where a new one is to be had
	 * from get(), -EACCES where the token turns out to be good, or what became of it. */
	int (*rejected)(void *arg, const struct secret *token, bool certain, struct limit limit,
			struct err *err);
	void *arg;
};

/* Borrows all three until vault_free(). `wire_namespace` may be NULL. */
struct vault *vault_new(struct servers *servers, struct budget *budget, const char *wire_namespace,
			unsigned retries, struct err *err);
void vault_free(struct vault *v);

/* To be called before the first call that is not anonymous. */
void vault_set_tokens(struct vault *v, const struct vault_tokens *tokens);
const char *vault_address(const struct vault *v);
struct servers *vault_servers(const struct vault *v);
/* Whether a read would be sent, and not be spared. */
bool vault_serves(const struct vault *v);
size_t vault_address_count(const struct vault *v);

struct vault_call {
	const char *method;
	const char *path;	    /* after "/v1/", as it is: encoded here */
	const char *query;	    /* NULL, or without the "?" */
	const cJSON *body;	    /* NULL: none */
	const char *wrap_ttl;	    /* the answer is to be wrapped for so long; NULL: it is not */
	const struct secret *token; /* in place of the session's; for a login `anonymous` */
	unsigned depth; /* json_parse_shallow()'s, of the answer; 0: it is a tree throughout */
	bool anonymous;
	bool plain;    /* without the namespace: what belongs to the server as a whole */
	bool once;     /* do not try again: somebody waits who wants to know */
	bool single;   /* once, and by no connection on which curl might send it once more */
	bool harmless; /* changes nothing, though it is a POST */
	bool insists;  /* goes through also while the server is spared; so does what has a token of
			* its own, or none: the session paces itself */
	bool paced;    /* not even then: whoever likes may cause it, as often as he likes */
	/* Whether an answer of success, in JSON, holds what is asked for. NULL: that of a read has
	 * "data" or "auth". One that does not is EIO, and counted among the failures. */
	bool (*holds)(const cJSON *json);
	const char *address; /* asked there, once, whatever is known of it; NULL: where it serves */
	struct limit limit;
};

struct vault_answer {
	cJSON *json; /* NULL where the body was empty */
	long status;
	bool unsent;	     /* no server has seen it */
	bool in_doubt;	     /* where it failed: the server may have acted on it all the same */
	bool repeated;	     /* see http_reply */
	bool foreign;	     /* somebody in between has answered, or nonsense has come */
	const char *address; /* who answered; valid as long as the call's own, and the client */
	enum reply_token about;
};

static inline void vault_answer_fini(struct vault_answer *a)
{
	cJSON_Delete(a->json);
	a->json = NULL;
}
#define _cleanup_answer_ _cleanup_(vault_answer_fini)

/* For vault_call.holds: the "data" that nearly all answers have. */
static inline bool vault_holds_data(const cJSON *json)
{
	return cJSON_IsObject(json_get(json, "data"));
}

/* 0 or -errno. The answer's JSON is there in both cases, where the server sent any: a 404 may tell
 * of a deleted version. A token that has died is replaced, and the call made once more. */
int vault_call(struct vault *v, const struct vault_call *call, struct vault_answer *answer,
	       struct err *err);

#endif
