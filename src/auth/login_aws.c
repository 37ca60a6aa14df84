// SPDX-License-Identifier: Apache-2.0
/* AWS IAM (https://developer.hashicorp.com/vault/api-docs/auth/aws): we sign a request that asks
 * AWS who we are, and the server sends it. The secret key stays here. A reader of the signed
 * request can ask for our identity for fifteen minutes, and no more; so the server may demand a
 * header of its own in it (aws_server_id). */

#include "auth/method.h"

#include "base/clock.h"
#include "base/codec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BODY	    "Action=GetCallerIdentity&Version=2011-06-15"
#define HEADERS_MAX 6

/* Without a region the global endpoint is used, as in the official client. */
struct endpoint {
	const char *region;
	char host[128];
	char url[144];
};

static void endpoint_init(struct endpoint *e, const char *region)
{
	e->region = region ? region : "us-east-1";
	if (region)
		snprintf(e->host, sizeof(e->host), "sts.%s.amazonaws.com%s", region,
			 !strncmp(region, "cn-", 3) ? ".cn" : "");
	else
		snprintf(e->host, sizeof(e->host), "sts.amazonaws.com");
	snprintf(e->url, sizeof(e->url), "https://%s/", e->host);
}

static int add_base64(cJSON *body, const char *name, const char *bytes, size_t len)
{
	_cleanup_buf_ struct buf text = {0};

	base64_encode(bytes, len, &text);
	return buf_status(&text) < 0 ? -ENOMEM : auth_add(body, name, text.data);
}

static int add_header(cJSON *headers, const char *name, const char *value)
{
	cJSON *values = cJSON_CreateArray();

	if (!values || !cJSON_AddItemToArray(values, json_new_string(value, strlen(value)))) {
		cJSON_Delete(values);
		return -ENOMEM;
	}
	return json_add(headers, name, strlen(name), values);
}

/* The headers of the signed request, as JSON in base64. */
static int add_headers(cJSON *body, const struct aws_request *req, const struct aws_keys *keys)
{
	_cleanup_buf_ struct buf authorization = {0}, text = {0};
	_cleanup_json_ cJSON *headers = cJSON_CreateObject();
	int r = aws_sign(req, keys, &authorization);

	for (size_t i = 0; r == 0 && i < req->header_count; i++)
		r = add_header(headers, req->headers[i].name, req->headers[i].value);
	if (r == 0)
		r = add_header(headers, "authorization", authorization.data);
	if (r == 0)
		r = json_print(headers, false, &text);
	return r < 0 ? r : add_base64(body, "iam_request_headers", text.data, text.len);
}

static int fill(cJSON *body, const struct auth_config *c, const struct aws_keys *keys)
{
	time_t now = (time_t)(clock_wall() / (int64_t)NS_PER_SEC);
	struct aws_header headers[HEADERS_MAX];
	struct endpoint endpoint;
	char date[20], length[8];
	struct tm tm;
	size_t n = 0;
	struct aws_request req = {
		.method = "POST", .body = BODY, .service = "sts", .date = date, .headers = headers};

	endpoint_init(&endpoint, c->aws.region);
	gmtime_r(&now, &tm);
	strftime(date, sizeof(date), "%Y%m%dT%H%M%SZ", &tm);
	snprintf(length, sizeof(length), "%zu", strlen(BODY));
	headers[n++] = (struct aws_header){"content-length", length};
	headers[n++] = (struct aws_header){"content-type",
					   "application/x-www-form-urlencoded; charset=utf-8"};
	headers[n++] = (struct aws_header){"host", endpoint.host};
	headers[n++] = (struct aws_header){"x-amz-date", date};
	if (keys->session)
		headers[n++] = (struct aws_header){"x-amz-security-token", keys->session->bytes};
	if (c->aws.server_id)
		headers[n++] = (struct aws_header){"x-vault-aws-iam-server-id", c->aws.server_id};
	req.region = endpoint.region;
	req.header_count = n;
	if (auth_add(body, "role", c->role) < 0 ||
	    auth_add(body, "iam_http_request_method", "POST") < 0 ||
	    add_base64(body, "iam_request_url", endpoint.url, strlen(endpoint.url)) < 0 ||
	    add_base64(body, "iam_request_body", BODY, strlen(BODY)) < 0)
		return -ENOMEM;
	return add_headers(body, &req, keys);
}

static int aws_check(const struct auth_config *c, struct err *err)
{
	if (c->aws.region &&
	    strspn(c->aws.region, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(c->aws.region))
		return err_set(err, EINVAL, "aws_region=%s: not a region, as eu-central-1 is one",
			       c->aws.region);
	if (!c->aws.id != !c->aws.key)
		return err_set(err, EINVAL,
			       "auth=aws: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are to be "
			       "set both, or none");
	return 0;
}

static int aws_login(struct vault *v, const struct auth_config *c, struct limit limit,
		     struct secret **token, struct token_info *info, struct err *err)
{
	_cleanup_aws_keys_ struct aws_keys keys = {0};
	_cleanup_json_ cJSON *body = cJSON_CreateObject();
	_cleanup_free_ char *path = auth_path(c, "aws", "login");
	char what[160] = "the AWS identity, for the role of its name,";
	int r = aws_credentials_get(&c->aws, limit, &keys, err);

	if (r < 0)
		return r;
	if (!path || fill(body, c, &keys) < 0)
		return err_set(err, ENOMEM, "no memory for a login");
	if (c->role)
		snprintf(what, sizeof(what), "role %s or the AWS identity", c->role);
	return token_login(v, path, body, what, limit, token, info, err);
}

const struct auth_method auth_aws = {
	.name = "aws",
	.check = aws_check,
	.login = aws_login,
};
