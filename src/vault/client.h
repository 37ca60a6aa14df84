/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VAULT_CLIENT_H
#define VAULT_CLIENT_H

#include "base/cancel.h"
#include "base/json.h"
#include "base/secret.h"
#include "vault/reply.h"

/* The server, as one function: a path and a body go out, JSON comes back or an errno. Knows the
 * headers that the server wants, and how to go on when a token has died; knows no engine. */
struct vault;
struct servers;
struct budget;

/* A source of tokens, such as the session above. */
struct vault_tokens {
	/* The current token; the caller puts the reference. 0, -EKEYEXPIRED or -EKEYREJECTED. */
	int (*get)(void *arg, struct limit limit, struct secret **out, struct err *err);
	/* The server rejects this token, surely if `certain`. 0 if get() has a new one, -EACCES if
	 * the token turns out to be good, or the error of replacing it. */
	int (*rejected)(void *arg, const struct secret *token, bool certain, struct limit limit,
			struct err *err);
	void *arg;
};

/* Borrows all three until vault_free(). `wire_namespace` may be NULL. */
struct vault *vault_new(struct servers *servers, struct budget *budget, const char *wire_namespace,
			unsigned retries, struct err *err);
void vault_free(struct vault *v);

/* Call it before the first call that is not anonymous. */
void vault_set_tokens(struct vault *v, const struct vault_tokens *tokens);
const char *vault_address(const struct vault *v);
struct servers *vault_servers(const struct vault *v);
/* Whether a read would be sent now: no breaker stops it. */
bool vault_serves(const struct vault *v);
size_t vault_address_count(const struct vault *v);

struct vault_call {
	const char *method;
	const char *path;	    /* after "/v1/", not encoded */
	const char *query;	    /* NULL, or without the "?" */
	const cJSON *body;	    /* NULL: none */
	const char *wrap_ttl;	    /* wrap the answer for so long; NULL: do not */
	const struct secret *token; /* replaces the session's; for a login set `anonymous` */
	unsigned depth; /* of json_parse_shallow(), for the answer; 0: parse all of it */
	bool anonymous;
	bool plain;    /* no namespace: the path belongs to the server as a whole */
	bool once;     /* do not retry: somebody waits who wants to know */
	bool single;   /* once, on a new connection, since curl may resend on an old one */
	bool harmless; /* changes nothing, though it is a POST */
	bool insists;  /* goes through even if the server is spared. So does a call with its own
			* token or none: the session paces itself */
	bool paced;    /* not even then: anybody may cause it, as often as he likes */
	/* Whether a successful answer, in JSON, holds the requested data; else it is EIO, and
	 * counts as a failure. NULL: a read's answer must have "data" or "auth". */
	bool (*holds)(const cJSON *json);
	const char *address; /* ask this server, once, in any state; NULL: any that serves */
	struct limit limit;
};

struct vault_answer {
	cJSON *json; /* NULL: the body was empty */
	long status;
	bool unsent;	     /* no server has seen the request */
	bool in_doubt;	     /* it failed, but the server may have acted on it */
	bool repeated;	     /* see http_reply */
	bool foreign;	     /* not from the server: a gateway's answer, or nonsense */
	const char *address; /* of the server that answered; valid as long as call and client */
	enum reply_token about;
};

static inline void vault_answer_fini(struct vault_answer *a)
{
	cJSON_Delete(a->json);
	a->json = NULL;
}
#define _cleanup_answer_ _cleanup_(vault_answer_fini)

/* For vault_call.holds: nearly all answers have "data". */
static inline bool vault_holds_data(const cJSON *json)
{
	return cJSON_IsObject(json_get(json, "data"));
}

/* 0 or -errno. The answer's JSON is set in both cases if the server sent any: a 404 may describe a
 * deleted version. A dead token is replaced, and the call repeated once. */
int vault_call(struct vault *v, const struct vault_call *call, struct vault_answer *answer,
	       struct err *err);

#endif
