/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VAULT_SERVERS_H
#define VAULT_SERVERS_H

#include "http/http.h"
#include "vault/reply.h"

/* The addresses of one cluster: which server is asked, and when none is. The first one that serves
 * is asked until it fails; then the next one, and after a while the first again. */
struct servers;
struct budget;

/* `addresses`: one, or several with commas between them. `redirects`: whether to follow one. Borrows
 * `http`. NULL with `err` set. */
struct servers *servers_new(struct http *http, const char *addresses, bool redirects,
			    struct err *err);
void servers_free(struct servers *s);

/* The server that is asked now. Valid as long as `s` is. */
const char *servers_address(struct servers *s);

/* Calls `report`, without a lock, for each server that fails and is spared from then on. NULL: once
 * this returns, no call is under way or will come. */
void servers_report(struct servers *s, void (*report)(void *arg, const struct err *why), void *arg);

struct servers_ask {
	struct http_request *request; /* its address and limit are set here */
	struct budget *budget;	      /* each attempt takes a place in it */
	const char *path;	      /* in the API: "secret/data/app" */
	unsigned retries;	      /* the most retries, where repeating does no harm */
	/* Whether a successful answer makes sense; if not, fills in reply->why. NULL: do not
	 * check. */
	bool (*sense)(void *arg, struct http_reply *reply);
	void *arg;
	/* Goes through when others are stopped: it paces itself, or must not be lost. */
	bool insists;
};

/* Fills `reply` with the last answer, which the caller frees by http_reply_fini(), and *address
 * with the server that gave it. 0 for any answer. -errno with `err` set if no server was asked: the
 * cause of the outage; -EAGAIN if too much fails; -ETIMEDOUT if the budget has no place in time;
 * -EINTR. */
int servers_ask(struct servers *s, const struct servers_ask *ask, struct http_reply *reply,
		const char **address, struct err *err);

/* One attempt, at this address only, whatever its state; does not change any server's state. Fills
 * `reply` like servers_ask(). 0; or -errno with `err` set if the server was not asked. */
int servers_ask_at(struct servers *s, const struct servers_ask *ask, const char *address,
		   struct http_reply *reply, struct err *err);

/* Whether any server would be asked for a read. */
bool servers_serve(struct servers *s);

/* The number of addresses; the one at `i`, counted from 0, valid as long as `s` is; and whether
 * redirects are followed. */
size_t servers_count(const struct servers *s);
const char *servers_address_at(const struct servers *s, size_t i);
bool servers_redirects(const struct servers *s);

#endif
