/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VAULT_SERVERS_H
#define VAULT_SERVERS_H

#include "http/http.h"
#include "vault/reply.h"

/* The addresses of one cluster: which of them is asked, and when none is. The first one that serves is,
 * until it fails; then the next, and after a while the first again. */
struct servers;
struct budget;

/* `addresses`: one, or several with commas between them. `redirects`: whether one is followed. Borrows
 * `http`. NULL with `err` set. */
struct servers *servers_new(struct http *http, const char *addresses, bool redirects,
			    struct err *err);
void servers_free(struct servers *s);

/* The one that is asked now. Valid as long as `s` is. */
const char *servers_address(struct servers *s);

/* `report` is called, without a lock, for each server that fails and is spared from then on. NULL: nobody
 * is told, once this has returned. */
void servers_report(struct servers *s, void (*report)(void *arg, const struct err *why), void *arg);

struct servers_ask {
	struct http_request *request; /* its address and limit are set here */
	struct budget *budget;	      /* of which each attempt takes a place */
	const char *path;	      /* what it asks for, in the API: "secret/data/app" */
	unsigned retries;	      /* how often it is made again, where that does no harm */
	/* Whether an answer of success makes sense; else it fills in reply->why. NULL: it is not looked
	 * at. */
	bool (*sense)(void *arg, struct http_reply *reply);
	void *arg;
	/* Goes through where others are stopped: it has a pace of its own, or may not be lost. */
	bool insists;
};

/* Fills `reply` with the last answer, which is the caller's to http_reply_fini(), and *address with who
 * gave it. 0, whatever the answer is; or -errno with `err` set where none was asked: the cause of the
 * outage, -EAGAIN where too much fails, -ETIMEDOUT where the budget has no place in time, -EINTR. */
int servers_ask(struct servers *s, const struct servers_ask *ask, struct http_reply *reply,
		const char **address, struct err *err);

/* One attempt, at that address and no other, whatever is known of it; nothing is learnt of any server by
 * it. Fills `reply`, as servers_ask(). 0; or -errno with `err` set where it was not asked. */
int servers_ask_at(struct servers *s, const struct servers_ask *ask, const char *address,
		   struct http_reply *reply, struct err *err);

/* Whether there is one that is asked for what reads. */
bool servers_serve(struct servers *s);

/* How many addresses there are, and the one at `i`, counted from 0. Valid as long as `s` is. Whether
 * redirects are followed. */
size_t servers_count(const struct servers *s);
const char *servers_address_at(const struct servers *s, size_t i);
bool servers_redirects(const struct servers *s);

#endif
