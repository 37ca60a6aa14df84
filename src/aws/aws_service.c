// SPDX-License-Identifier: Apache-2.0
/* Asks the services that hand out keys: those of the instance and of the container, and STS. The
 * first two are asked without a proxy, since they belong to this machine. */

#include "aws/aws_service.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/json.h"
#include "http/http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BODY_MAX      (64u << 10)
#define METADATA      "http://169.254.169.254"
#define CONTAINER     "http://169.254.170.2"
#define METADATA_TIME (3 * NS_PER_SEC) /* outside of AWS nothing answers there */
#define ROLES	      "/latest/meta-data/iam/security-credentials/"

/* The metadata service of an instance. */
struct metadata {
	struct http *http;
	const char *address;
};

/* Asks the metadata service; the body is in `reply`. */
static int ask(const struct metadata *from, const char *method, const char *path, const char *name,
	       const char *value, struct limit limit, struct http_reply *reply)
{
	struct http_request req = {.address = from->address,
				   .method = method,
				   .path = path,
				   .extra_name = name,
				   .extra_value = value,
				   .limit = limit};

	http_exchange(from->http, &req, reply);
	if (reply->fault != HTTP_ANSWERED)
		return -EHOSTUNREACH;
	return reply->status == 200 && reply->body.len ? 0 : -EIO;
}

static struct secret *member(const cJSON *json, const char *name)
{
	const char *text = json_get_str(json, name);

	return text ? secret_new(text, strlen(text)) : NULL;
}

static int read_role(const struct metadata *from, const char *token, struct limit limit,
		     struct aws_keys *out)
{
	_cleanup_reply_ struct http_reply roles = {0}, role = {0};
	_cleanup_json_ cJSON *json = NULL;
	_cleanup_free_ char *path = NULL;
	int r = ask(from, "GET", ROLES, "X-aws-ec2-metadata-token", token, limit, &roles);

	if (r < 0)
		return r == -EIO ? -ENOENT : r;
	if (asprintf(&path, ROLES "%.*s", (int)strcspn(roles.body.data, " \r\n"), roles.body.data) <
	    0)
		return -ENOMEM;
	r = ask(from, "GET", path, "X-aws-ec2-metadata-token", token, limit, &role);
	if (r == 0)
		r = json_parse(role.body.data, role.body.len, &json, NULL);
	if (r < 0)
		return r;
	out->id = member(json, "AccessKeyId");
	out->key = member(json, "SecretAccessKey");
	out->session = member(json, "Token");
	return aws_keys_complete(out) ? 0 : -EIO;
}

int aws_from_metadata(const struct aws_config *c, struct limit limit, struct aws_keys *out,
		      char *why, size_t room)
{
	struct metadata from = {.address = c->metadata ? c->metadata : METADATA};
	struct http_config config = {.direct = true, .connections = 1, .max_body = BODY_MAX};
	_cleanup_reply_ struct http_reply reply = {0};
	uint64_t end = clock_mono() + METADATA_TIME;
	struct err err = {0};
	int r;

	from.http = http_new(&config, &err);
	if (!from.http) {
		snprintf(why, room, "%s", err_text(&err));
		return -EINVAL;
	}
	if (limit.deadline > end)
		limit.deadline = end;
	r = ask(&from, "PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds", "300",
		limit, &reply);
	if (r == 0)
		r = read_role(&from, reply.body.data, limit, out);
	if (r == -ENOENT)
		snprintf(why, room, "%s knows of no role of this instance", from.address);
	else if (r == -EHOSTUNREACH)
		snprintf(why, room, "no instance metadata from %s", from.address);
	else if (r < 0)
		snprintf(why, room, "no sense in the instance metadata from %s", from.address);
	http_free(from.http);
	return r;
}

/* One exchange, over a connection of its own. 0; -EHOSTUNREACH, -EIO, with the reason in `why`. */
static int exchange(const struct http_request *req, bool direct, struct http_reply *reply,
		    char *why, size_t room)
{
	struct http_config config = {.direct = direct, .connections = 1, .max_body = BODY_MAX};
	struct err err = {0};
	struct http *http = http_new(&config, &err);

	if (!http) {
		snprintf(why, room, "%s", err_text(&err));
		return -EINVAL;
	}
	http_exchange(http, req, reply);
	http_free(http);
	if (reply->fault != HTTP_ANSWERED) {
		snprintf(why, room, "no answer from %s (%s)", req->address, reply->why);
		return -EHOSTUNREACH;
	}
	if (reply->status != 200)
		snprintf(why, room, "%s answers %ld", req->address, reply->status);
	return reply->status == 200 && reply->body.len ? 0 : -EIO;
}

/* Whether plain HTTP stays on this machine by AWS's rule: loopback, or the addresses of its
 * agents. */
static bool is_local(const char *url)
{
	static const char *const hosts[] = {"127.0.0.1",     "localhost",      "[::1]",
					    "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"};
	const char *host = url + strlen("http://");
	size_t len = strcspn(host, *host == '[' ? "/" : ":/");

	if (*host == '[' && memchr(host, ']', len))
		len = (size_t)((const char *)memchr(host, ']', len) - host) + 1;
	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
		if (strlen(hosts[i]) == len && !memcmp(hosts[i], host, len))
			return true;
	return false;
}

/* The address and the path of the container's service. 0 or -EINVAL with the reason in `why`. */
static int find_container(const struct aws_config *c, char **address, const char **path, char *why,
			  size_t room)
{
	const char *url = c->container_url, *slash;

	if (c->container_path) {
		*address = strdup(CONTAINER);
		*path = c->container_path;
		if (**path == '/')
			return *address ? 0 : -ENOMEM;
		snprintf(why, room, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is no path");
		return -EINVAL;
	}
	if (strncmp(url, "https://", 8) != 0 &&
	    (strncmp(url, "http://", 7) != 0 || !is_local(url))) {
		snprintf(why, room,
			 "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https:// nor of this "
			 "machine");
		return -EINVAL;
	}
	slash = strchr(strstr(url, "://") + 3, '/');
	*address = strndup(url, slash ? (size_t)(slash - url) : strlen(url));
	*path = slash ? slash : "/";
	return *address ? 0 : -ENOMEM;
}

static int container_token(const struct aws_config *c, struct secret **out, char *why, size_t room)
{
	struct err reason = {0};
	int r;

	if (!c->container_token_file) {
		*out = secret_ref(c->container_token);
		return 0;
	}
	r = secret_from_file(c->container_token_file, BODY_MAX, SECRET_WORD, out, &reason);
	if (r < 0)
		snprintf(why, room, "cannot read %s: %s", c->container_token_file,
			 err_text(&reason));
	return r < 0 ? -EINVAL : 0;
}

int aws_from_container(const struct aws_config *c, struct limit limit, struct aws_keys *out,
		       char *why, size_t room)
{
	_cleanup_reply_ struct http_reply reply = {0};
	_cleanup_secret_ struct secret *token = NULL;
	_cleanup_json_ cJSON *json = NULL;
	_cleanup_free_ char *address = NULL;
	struct http_request req = {.method = "GET", .limit = limit};
	int r;

	if (!c->container_path && !c->container_url)
		return -ENOENT;
	r = find_container(c, &address, &req.path, why, room);
	if (r == 0)
		r = container_token(c, &token, why, room);
	if (r < 0)
		return r;
	req.address = address;
	if (token) {
		req.extra_name = "Authorization";
		req.extra_value = token->bytes;
	}
	r = exchange(&req, true, &reply, why, room);
	if (r < 0)
		return r;
	if (json_parse(reply.body.data, reply.body.len, &json, NULL) == 0) {
		out->id = member(json, "AccessKeyId");
		out->key = member(json, "SecretAccessKey");
		out->session = member(json, "Token");
	}
	if (aws_keys_complete(out))
		return 0;
	snprintf(why, room, "there are no keys in the answer from %s", address);
	return -EIO;
}

/* The text of an XML element without children; keys have no entities. NULL: none. */
static struct secret *element(const struct http_reply *reply, const char *name)
{
	char open[40];
	const char *from, *to;

	snprintf(open, sizeof(open), "<%s>", name);
	from = reply->body.data ? strstr(reply->body.data, open) : NULL;
	from = from ? from + strlen(open) : NULL;
	to = from ? strchr(from, '<') : NULL;
	return to && to > from && !memchr(from, '&', (size_t)(to - from))
		       ? secret_new(from, (size_t)(to - from))
		       : NULL;
}

/* A JWT needs no URL encoding; text that does is no JWT. */
static int read_identity(const struct aws_config *c, struct secret **jwt, char *why, size_t room)
{
	struct err reason = {0};
	int r = secret_from_file(c->identity_file, BODY_MAX, SECRET_WORD, jwt, &reason);

	if (r < 0)
		snprintf(why, room, "cannot read %s: %s", c->identity_file, err_text(&reason));
	else if (strspn((*jwt)->bytes, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				       "0123456789-_.=") != (*jwt)->len)
		snprintf(why, room, "%s holds no JWT", c->identity_file);
	else
		return 0;
	return -EINVAL;
}

static int ask_sts(const struct aws_config *c, const struct secret *jwt, struct limit limit,
		   struct http_reply *reply, char *why, size_t room)
{
	_cleanup_free_ char *arn = url_encode_path(c->role_arn), *address = NULL;
	_cleanup_free_ char *session =
		url_encode_path(c->session_name ? c->session_name : "vaultfs");
	_cleanup_secret_ struct secret *words = NULL;
	_cleanup_buf_ struct buf body = {0};
	struct http_request req = {.method = "POST",
				   .path = "/",
				   .body = &body,
				   .content_type = "application/x-www-form-urlencoded",
				   .limit = limit};
	int r;

	if (c->sts)
		address = strndup(c->sts, strlen(c->sts) - (c->sts[strlen(c->sts) - 1] == '/'));
	else if (asprintf(&address, "https://sts%s%s.amazonaws.com%s", c->region ? "." : "",
			  c->region ? c->region : "",
			  c->region && !strncmp(c->region, "cn-", 3) ? ".cn" : "") < 0)
		address = NULL;
	if (!arn || !session || !address)
		return -ENOMEM;
	buf_printf(&body,
		   "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=%s"
		   "&RoleSessionName=%s&WebIdentityToken=",
		   arn, session);
	buf_add(&body, jwt->bytes, jwt->len);
	if (buf_status(&body) < 0)
		return -ENOMEM;
	req.address = address;
	r = exchange(&req, false, reply, why, room);
	words = r == -EIO ? element(reply, "Message") : NULL;
	if (words)
		snprintf(why, room, "%s answers %ld %s", address, reply->status, words->bytes);
	return r;
}

int aws_from_web_identity(const struct aws_config *c, struct limit limit, struct aws_keys *out,
			  char *why, size_t room)
{
	_cleanup_reply_ struct http_reply reply = {0};
	_cleanup_secret_ struct secret *jwt = NULL;
	int r;

	if (!c->identity_file)
		return -ENOENT;
	if (!c->role_arn) {
		snprintf(why, room, "AWS_ROLE_ARN is not set");
		return -EINVAL;
	}
	r = read_identity(c, &jwt, why, room);
	if (r == 0)
		r = ask_sts(c, jwt, limit, &reply, why, room);
	if (r < 0)
		return r;
	out->id = element(&reply, "AccessKeyId");
	out->key = element(&reply, "SecretAccessKey");
	out->session = element(&reply, "SessionToken");
	if (aws_keys_complete(out))
		return 0;
	snprintf(why, room, "there are no keys in the answer of STS");
	return -EIO;
}
