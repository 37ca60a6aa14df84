/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include "base/buf.h"
#include "base/cancel.h"
#include "base/err.h"
#include "base/secret.h"

#include <stdint.h>

/* HTTP requests, over connections that are kept. Callers wait, any number of them. */
struct http;

/* Strings are borrowed until http_free(). NULL where nothing is set. */
struct http_config {
	const char *ca_file, *ca_bytes, *ca_path; /* the first that is set counts; bytes: PEM */
	const char *client_cert, *client_cert_bytes, *client_key;
	const struct secret *client_key_bytes;
	const char *server_name; /* in place of the address's host, in TLS */
	bool skip_verify;
	const char *proxy;  /* for all; NULL: as HTTPS_PROXY and the like have it */
	bool direct;	    /* past any proxy */
	bool srv_lookup;    /* addresses without a port are looked up as services */
	struct srv *srv;    /* private */
	size_t connections; /* at most so many at once */
	size_t max_body;    /* a longer answer is refused */
};

/* What came back instead of an answer. */
enum http_fault {
	HTTP_ANSWERED,
	HTTP_NO_HOST,	 /* the name does not resolve */
	HTTP_NO_CONNECT, /* refused, or no route */
	HTTP_TLS,	 /* handshake or certificate */
	HTTP_TIMEOUT,	 /* the deadline has passed */
	HTTP_BROKEN,	 /* the connection was reset or closed before the end of an answer */
	HTTP_NONSENSE,	 /* an answer that is no HTTP */
	HTTP_TOO_LARGE,	 /* longer than max_body */
	HTTP_CANCELLED,
	HTTP_NO_MEMORY,
	HTTP_DOWNGRADE, /* redirected from HTTPS to plain HTTP, which is not followed */
	HTTP_FOREIGN,	/* not from the server itself: set by the caller, who knows its answers */
};

struct http_request {
	const char *address; /* "https://host:8200", without a slash at its end; "unix:///path" */
	const char *method;
	const char *path;	    /* percent-encoded, from "/v1/" on, with the query */
	const struct buf *body;	    /* NULL: none */
	const char *content_type;   /* NULL: application/json */
	const struct secret *token; /* NULL or empty: none */
	const char *wire_namespace; /* X-Vault-Namespace; NULL: none */
	bool fresh; /* on a connection of its own: curl sends what met a closed one once more */
	const char *extra_name, *extra_value; /* of one more header; NULL: none */
	bool harmless; /* changes nothing, though the method is neither GET nor LIST */
	struct limit limit;
};

/* Whether it changes nothing at the server. */
bool http_reads(const struct http_request *req);

struct http_reply {
	enum http_fault fault;
	char why[256]; /* of a fault, in curl's words */
	long status;   /* 0 where there is no answer */
	struct buf body;
	uint64_t retry_after; /* ns; 0 where the server did not say */
	char *location;	      /* of a redirect; heap, may be NULL */
	bool sent;	      /* the server may have seen the request */
	bool repeated;	      /* a connection broke, and curl has sent it once more */
};

void http_reply_fini(struct http_reply *r);
#define _cleanup_reply_ _cleanup_(http_reply_fini)

/* 0, or -EINVAL with a sentence. */
int http_check_address(const char *address, struct err *err);

/* Checks that the files are readable. NULL with `err` set. */
struct http *http_new(const struct http_config *config, struct err *err);

/* Nobody may be waiting. NULL is fine. */
void http_free(struct http *h);

/* One request, one answer; no redirect is followed and nothing is tried again. Fills `reply`, which
 * is the caller's to http_reply_fini(). */
void http_exchange(struct http *h, const struct http_request *req, struct http_reply *reply);

/* Ends all reads that are under way, and those to come, as cancelled: we are about to stop. What
 * changes something is still waited for. NULL is fine. */
void http_drop_reads(struct http *h);

#endif
