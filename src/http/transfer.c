// SPDX-License-Identifier: Apache-2.0
/* A request as curl's options, and curl's result as a reply.
 *
 * curl follows no redirects: it would carry the token to any host, and to plain HTTP. Only HTTP and HTTPS
 * are allowed, TLS is 1.2 or later, and paths are sent unchanged. */

#include "http/transfer.h"

#include "base/clock.h"
#include "http/ca_folder.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Bounds how long a moved name is unreachable. Connections are kept, so names are seldom looked
 * up. */
#define DNS_SECONDS 5L

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	struct buf *body = &t->reply->body;

	if (body->len + size * n > t->max_body) {
		t->reply->fault = HTTP_TOO_LARGE;
		return CURL_WRITEFUNC_ERROR;
	}
	buf_add(body, bytes, size * n);
	if (buf_status(body) < 0) {
		t->reply->fault = HTTP_NO_MEMORY;
		return CURL_WRITEFUNC_ERROR;
	}
	return size * n;
}

/* curl itself resends a request that met a closed connection, on another connection. */
static int on_attempt(void *arg, char *ip, char *local_ip, int port, int local_port)
{
	struct transfer *t = arg;

	t->attempts++;
	return CURL_PREREQFUNC_OK;
}

/* Wherever the value comes from, it must be one line: a line break would begin another header. */
static bool is_one_line(const char *value)
{
	for (; *value; value++)
		if ((unsigned char)*value < ' ' || *value == 0x7f)
			return false;
	return true;
}

static int add_header(struct transfer *t, const char *name, const char *value)
{
	_cleanup_buf_ struct buf line = {0};
	struct curl_slist *list;

	if (!is_one_line(value) || !is_one_line(name)) {
		snprintf(t->reply->why, sizeof(t->reply->why),
			 "nothing was sent: %.60s would hold a control character", name);
		return -EINVAL;
	}
	buf_printf(&line, "%s: %s", name, value);
	if (buf_status(&line) < 0)
		return -ENOMEM;
	list = curl_slist_append(t->headers, line.data);
	if (!list)
		return -ENOMEM;
	t->headers = list;
	return 0;
}

static int set_headers(struct transfer *t, const struct http_request *req)
{
	int r = add_header(t, "X-Vault-Request", "true");

	if (r == 0 && req->token && req->token->len)
		r = add_header(t, "X-Vault-Token", req->token->bytes);
	if (r == 0 && req->wire_namespace)
		r = add_header(t, "X-Vault-Namespace", req->wire_namespace);
	if (r == 0 && req->extra_name)
		r = add_header(t, req->extra_name, req->extra_value);
	if (r == 0 && req->body)
		r = add_header(t, "Content-Type",
			       req->content_type ? req->content_type : "application/json");
	/* A body of over a megabyte would wait a second for the server's "100 Continue". */
	if (r == 0)
		r = add_header(t, "Expect", "");
	return r;
}

static int set_where(struct transfer *t, const struct http_config *config,
		     const struct http_request *req)
{
	int r = route_init(&t->route, t->easy, config, req);

	if (r == 0 && t->route.host_header[0])
		r = add_header(t, "Host", t->route.host_header);
	return r;
}

static struct curl_blob blob(const char *bytes, size_t len)
{
	return (struct curl_blob){.data = (void *)bytes, .len = len, .flags = CURL_BLOB_NOCOPY};
}

/* Runs for each connection, so that changes of the folder take effect. libcurl may share the
 * context's store between connections: so we replace it and never add to it. */
static CURLcode on_tls(CURL *easy, void *ctx, void *arg)
{
	struct transfer *t = arg;
	X509_STORE *store = ca_folder_read(t->ca_path, &t->ca_error);

	if (!store)
		return CURLE_SSL_CACERT_BADFILE;
	SSL_CTX_set_cert_store(ctx, store);
	return CURLE_OK;
}

/* Once any authority is named, the system's are not trusted, as in the official client. */
static void set_trust(struct transfer *t, CURL *e, const struct http_config *c)
{
	bool bytes = c->ca_bytes && !c->ca_file;

	if (!c->ca_file && !c->ca_bytes && !c->ca_path)
		return;
	curl_easy_setopt(e, CURLOPT_CAINFO, c->ca_file);
	curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
	if (c->ca_path && !c->ca_file && !bytes) {
		t->ca_path = c->ca_path;
		curl_easy_setopt(e, CURLOPT_SSL_CTX_DATA, t);
		/* A libcurl without OpenSSL reads such folders in its own way. */
		if (curl_easy_setopt(e, CURLOPT_SSL_CTX_FUNCTION, on_tls) != CURLE_OK)
			curl_easy_setopt(e, CURLOPT_CAPATH, c->ca_path);
	}
	if (bytes) {
		struct curl_blob ca = blob(c->ca_bytes, strlen(c->ca_bytes));

		curl_easy_setopt(e, CURLOPT_CAINFO_BLOB, &ca);
	}
}

static void set_certificate(CURL *e, const struct http_config *c)
{
	if (c->client_cert) {
		curl_easy_setopt(e, CURLOPT_SSLCERT, c->client_cert);
	} else if (c->client_cert_bytes) {
		struct curl_blob cert = blob(c->client_cert_bytes, strlen(c->client_cert_bytes));

		curl_easy_setopt(e, CURLOPT_SSLCERT_BLOB, &cert);
	}
	if (c->client_key) {
		curl_easy_setopt(e, CURLOPT_SSLKEY, c->client_key);
	} else if (c->client_key_bytes) {
		struct curl_blob key = blob(c->client_key_bytes->bytes, c->client_key_bytes->len);

		curl_easy_setopt(e, CURLOPT_SSLKEY_BLOB, &key);
	}
}

static void set_tls(struct transfer *t, CURL *e, const struct http_config *c)
{
	curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	set_trust(t, e, c);
	set_certificate(e, c);
	/* Each connection reads its files anew and uses their present content: certificates are
	 * replaced while we run, and connections are few. */
	curl_easy_setopt(e, CURLOPT_SSL_SESSIONID_CACHE, 0L);
#if LIBCURL_VERSION_NUM >= 0x075700
	curl_easy_setopt(e, CURLOPT_CA_CACHE_TIMEOUT, 0L);
#endif
	if (c->skip_verify) {
		curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
	}
}

/* Programs that we start must not inherit the socket. */
static curl_socket_t on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

int transfer_init(struct transfer *t, CURL *easy, const struct http_config *config,
		  const struct http_request *req, struct http_reply *reply)
{
	uint64_t now = clock_mono(), end = req->limit.deadline;
	long left_ms = end > now ? (long)((end - now) / NS_PER_MS) + 1 : 1;
	CURL *e = easy;
	int r;

	*t = (struct transfer){.easy = easy, .reply = reply, .max_body = config->max_body};
	r = set_headers(t, req);
	if (r == 0)
		r = set_where(t, config, req);
	if (r < 0)
		return r;
	curl_easy_setopt(e, CURLOPT_PRIVATE, t);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->error);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(e, CURLOPT_PIPEWAIT, 1L);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_socket);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, left_ms);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, left_ms);
	curl_easy_setopt(e, CURLOPT_DNS_CACHE_TIMEOUT, DNS_SECONDS);
#if LIBCURL_VERSION_NUM >= 0x075700
	/* Otherwise the end of a transfer, and with it all others, waits for the thread that looks
	 * up its name: for as long as an unresponsive DNS server is asked. */
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
#endif
	curl_easy_setopt(e, CURLOPT_USERAGENT, "vaultfs");
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->headers);
	curl_easy_setopt(e, CURLOPT_CONNECT_TO, t->route.connect_to);
	curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, req->method);
	if (req->body) {
		curl_easy_setopt(e, CURLOPT_POST, 1L);
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, req->body->data);
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body->len);
	}
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_attempt);
	curl_easy_setopt(e, CURLOPT_PREREQDATA, t);
	if (req->fresh)
		curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
	set_tls(t, e, config);
	return 0;
}

static enum http_fault fault_of(CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return HTTP_ANSWERED;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return HTTP_NO_HOST;
	case CURLE_COULDNT_CONNECT:
	case CURLE_PROXY:
		return HTTP_NO_CONNECT;
	case CURLE_OPERATION_TIMEDOUT:
		return HTTP_TIMEOUT;
	case CURLE_OUT_OF_MEMORY:
		return HTTP_NO_MEMORY;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
	case CURLE_SSL_INVALIDCERTSTATUS:
	case CURLE_USE_SSL_FAILED:
		return HTTP_TLS;
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return HTTP_BROKEN;
	default:
		return HTTP_NONSENSE;
	}
}

static uint64_t retry_after(CURL *easy)
{
	curl_off_t seconds = 0;

	curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds);
	if (seconds <= 0)
		return 0;
	return (uint64_t)(seconds > 3600 ? 3600 : seconds) * NS_PER_SEC;
}

void transfer_result(struct transfer *t, CURLcode code)
{
	struct http_reply *reply = t->reply;
	struct curl_header *location;
	curl_off_t begun = 0;

	curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &begun);
	reply->sent = begun > 0;
	reply->repeated = t->attempts > 1;
	if (code != CURLE_OK) {
		if (reply->fault == HTTP_ANSWERED)
			reply->fault = fault_of(code);
		snprintf(reply->why, sizeof(reply->why), "%s",
			 t->ca_error.code ? err_text(&t->ca_error)
			 : t->error[0]	  ? t->error
					  : curl_easy_strerror(code));
		return;
	}
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &reply->status);
	reply->retry_after = retry_after(t->easy);
	if (curl_easy_header(t->easy, "Location", 0, CURLH_HEADER, -1, &location) == CURLHE_OK)
		reply->location = strdup(location->value);
}

void transfer_fini(struct transfer *t)
{
	curl_slist_free_all(t->headers);
	route_fini(&t->route);
}
