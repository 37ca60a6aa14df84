/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include "base/buf.h"
#include "base/cancel.h"
#include "base/err.h"
#include "base/secret.h"

#include <stdint.h>

/* HTTP requests over connections that are kept open. Any number of callers may wait. */
struct http;

/* Strings are borrowed until http_free(). NULL: not set. */
struct http_config {
	const char *ca_file, *ca_bytes, *ca_path; /* the first that is set wins; bytes: PEM */
	const char *client_cert, *client_cert_bytes, *client_key;
	const struct secret *client_key_bytes;
	const char *server_name; /* for TLS, instead of the address's host */
	bool skip_verify;
	const char *proxy;  /* for all requests; NULL: use HTTPS_PROXY and the like */
	bool direct;	    /* use no proxy at all */
	bool srv_lookup;    /* look up addresses without a port as services */
	struct srv *srv;    /* private */
	size_t connections; /* the most at once */
	size_t max_body;    /* longer answers are refused */
};

/* Why there is no answer. */
enum http_fault {
	HTTP_ANSWERED,
	HTTP_NO_HOST,	 /* the name does not resolve */
	HTTP_NO_CONNECT, /* refused, or no route */
	HTTP_TLS,	 /* handshake or certificate */
	HTTP_TIMEOUT,	 /* the deadline has passed */
	HTTP_BROKEN,	 /* the connection was reset or closed before the end of an answer */
	HTTP_NONSENSE,	 /* the answer is not HTTP */
	HTTP_TOO_LARGE,	 /* longer than max_body */
	HTTP_CANCELLED,
	HTTP_NO_MEMORY,
	HTTP_DOWNGRADE, /* redirected from HTTPS to plain HTTP, which is not followed */
	HTTP_FOREIGN,	/* not from the server itself: set by a caller that knows its answers */
};

struct http_request {
	const char *address; /* "https://host:8200", without a slash at its end; "unix:///path" */
	const char *method;
	const char *path;	    /* percent-encoded, from "/v1/" on, with the query */
	const struct buf *body;	    /* NULL: none */
	const char *content_type;   /* NULL: application/json */
	const struct secret *token; /* NULL or empty: none */
	const char *wire_namespace; /* X-Vault-Namespace; NULL: none */
	bool fresh; /* on a new connection: curl resends a request that met a closed one */
	const char *extra_name, *extra_value; /* of one more header; NULL: none */
	bool harmless; /* changes nothing, though the method is neither GET nor LIST */
	struct limit limit;
};

/* Whether the request changes nothing at the server. */
bool http_reads(const struct http_request *req);

struct http_reply {
	enum http_fault fault;
	char why[256]; /* explains a fault, in curl's words */
	long status;   /* 0: no answer */
	struct buf body;
	uint64_t retry_after; /* ns; 0: the server did not say */
	char *location;	      /* of a redirect; heap, may be NULL */
	bool sent;	      /* the server may have seen the request */
	bool repeated;	      /* a connection broke, and curl has resent the request */
};

void http_reply_fini(struct http_reply *r);
#define _cleanup_reply_ _cleanup_(http_reply_fini)

/* 0, or -EINVAL with a sentence. */
int http_check_address(const char *address, struct err *err);

/* Checks that the files are readable. NULL with `err` set. */
struct http *http_new(const struct http_config *config, struct err *err);

/* No caller may still wait. NULL is fine. */
void http_free(struct http *h);

/* One request, one answer: follows no redirect and retries nothing. Fills `reply`, which the caller
 * frees by http_reply_fini(). */
void http_exchange(struct http *h, const struct http_request *req, struct http_reply *reply);

/* Cancels all reads, those under way and later ones: we are about to stop. Requests that change
 * something are still waited for. NULL is fine. */
void http_drop_reads(struct http *h);

#endif
