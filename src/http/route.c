// SPDX-License-Identifier: Apache-2.0
/* Where curl connects, and which name it uses there.
 *
 * "unix:///run/agent.sock" is plain HTTP to that socket, with the host "localhost". A configured
 * proxy gets all requests. HTTP_PROXY and HTTPS_PROXY get those that NO_PROXY does not exempt and
 * that leave this machine: the rules of Go's net/http, and so of the official clients. */

#include "http/route.h"

#include "http/srv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#define UNIX_PREFIX "unix://"

static const char *socket_of(const char *address)
{
	size_t len = strlen(UNIX_PREFIX);

	return strncmp(address, UNIX_PREFIX, len) == 0 ? address + len : NULL;
}

static bool is_url(const char *text, const char *const *schemes)
{
	CURLU *url = curl_url();
	bool valid = url && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK;

	curl_url_cleanup(url);
	for (; valid && *schemes; schemes++)
		if (!strncasecmp(text, *schemes, strlen(*schemes)))
			return true;
	return false;
}

int http_check_address(const char *address, struct err *err)
{
	static const char *const schemes[] = {"http://", "https://", NULL};
	const char *path = socket_of(address);

	if (path && (*path != '/' || strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path)))
		return err_set(err, EINVAL,
			       "%s is not an address: write unix:///PATH, not too long", address);
	if (!path && !is_url(address, schemes))
		return err_set(
			err, EINVAL,
			"%s is not an address: write https://HOST:PORT (VAULT_ADDR or addr=)",
			address);
	return 0;
}

int route_check_proxy(const char *proxy, struct err *err)
{
	static const char *const schemes[] = {"http://", "https://", "socks5://", "socks5h://",
					      NULL};

	/* It may hold a password: do not print it. */
	return is_url(proxy, schemes)
		       ? 0
		       : err_set(err, EINVAL,
				 "the proxy is no URL: write http://HOST:PORT (proxy= or "
				 "VAULT_PROXY_ADDR)");
}

/* curl takes the name for TLS from the URL. So the URL gets the name, the connection gets the
 * address, and the Host header stays as it would have been. */
static int set_server_name(struct route *r, const char *name, CURLU *url)
{
	char to[512], *host = NULL, *port = NULL;
	int result = -ENOMEM;

	if (curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	    curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK) {
		snprintf(to, sizeof(to), "%s:%s:%s:%s", name, port, host, port);
		snprintf(r->host_header, sizeof(r->host_header), "%s:%s", host, port);
		r->connect_to = curl_slist_append(NULL, to);
		if (r->connect_to && curl_url_set(url, CURLUPART_HOST, name, 0) == CURLUE_OK)
			result = 0;
	}
	curl_free(host);
	curl_free(port);
	return result;
}

/* The URL is unchanged unless TLS needs another name. */
static int set_url(struct route *r, CURL *easy, const struct http_config *c, const char *address,
		   const char *path)
{
	_cleanup_buf_ struct buf b = {0};
	CURLU *url;
	int result = -ENOMEM;

	buf_add_str(&b, address);
	buf_add_str(&b, path);
	if (buf_status(&b) < 0)
		return -ENOMEM;
	if (!c->server_name || strncasecmp(address, "https:", 6) != 0)
		return curl_easy_setopt(easy, CURLOPT_URL, b.data) == CURLE_OK ? 0 : -ENOMEM;
	url = curl_url();
	if (url && curl_url_set(url, CURLUPART_URL, b.data, CURLU_PATH_AS_IS) == CURLUE_OK) {
		char *text = NULL;

		result = set_server_name(r, c->server_name, url);
		if (result == 0 && (curl_url_get(url, CURLUPART_URL, &text, 0) != CURLUE_OK ||
				    curl_easy_setopt(easy, CURLOPT_URL, text) != CURLE_OK))
			result = -ENOMEM;
		curl_free(text);
	}
	curl_url_cleanup(url);
	return result;
}

static bool is_loopback(const char *address)
{
	const char *host = strstr(address, "://");

	host = host ? host + 3 : address;
	return !strncmp(host, "127.", 4) || !strncmp(host, "[::1]", 5) ||
	       (!strncmp(host, "localhost", 9) && (!host[9] || strchr(":/", host[9])));
}

/* curl itself honours https_proxy, HTTPS_PROXY, http_proxy and NO_PROXY. It ignores HTTP_PROXY
 * because under CGI a client may set it; Go ignores it only there. */
static void set_proxy(CURL *easy, const struct http_config *c, const char *address)
{
	const char *upper = getenv("HTTP_PROXY");

	if (c->direct) {
		curl_easy_setopt(easy, CURLOPT_PROXY, "");
	} else if (c->proxy) {
		curl_easy_setopt(easy, CURLOPT_PROXY, c->proxy);
		curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
	} else if (is_loopback(address)) {
		curl_easy_setopt(easy, CURLOPT_PROXY, "");
	} else if (upper && !strncasecmp(address, "http:", 5) && !getenv("http_proxy") &&
		   !getenv("REQUEST_METHOD")) {
		curl_easy_setopt(easy, CURLOPT_PROXY, upper);
	}
}

/* The address of the service of that name; "" if there is none or the address has a port: as the
 * official client does it (api/client.go, after draft-andrews-http-srv). The Host header keeps the
 * original name; TLS uses the target's. */
static void find_service(struct route *r, const struct http_config *c,
			 const struct http_request *req, char *to, size_t room)
{
	char *host = NULL, *port = NULL, *scheme = NULL;
	struct srv_target target;
	CURLU *url = curl_url();

	*to = '\0';
	if (url && curl_url_set(url, CURLUPART_URL, req->address, 0) == CURLUE_OK &&
	    curl_url_get(url, CURLUPART_PORT, &port, 0) == CURLUE_NO_PORT &&
	    curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	    curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	    srv_find(c->srv, host, req->limit.deadline, &target)) {
		snprintf(to, room, "%s://%s:%u", scheme, target.host, target.port);
		snprintf(r->host_header, sizeof(r->host_header), "%s", host);
	}
	curl_free(host);
	curl_free(port);
	curl_free(scheme);
	curl_url_cleanup(url);
}

int route_init(struct route *r, CURL *easy, const struct http_config *config,
	       const struct http_request *req)
{
	const char *socket = socket_of(req->address);
	char service[SRV_NAME_MAX + 20] = "";

	*r = (struct route){0};
	if (!socket) {
		set_proxy(easy, config, req->address);
		if (config->srv)
			find_service(r, config, req, service, sizeof(service));
		return set_url(r, easy, config, *service ? service : req->address, req->path);
	}
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	if (curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, socket) != CURLE_OK)
		return -ENOMEM;
	return set_url(r, easy, config, "http://localhost", req->path);
}

void route_fini(struct route *r)
{
	curl_slist_free_all(r->connect_to);
}
