// SPDX-License-Identifier: Apache-2.0
/* Where AWS's own tools look for keys: the environment, the shared credentials file
 * (https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html), and the metadata service of the
 * instance, version 2
 * (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html).
 *
 * The file is not read with inih, which ends a line after 200 bytes and leaves it on the stack: a
 * session's token is longer, and a secret. */

#include "auth/aws_credentials.h"

#include "base/clock.h"
#include "base/json.h"
#include "http/http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FILE_MAX      (64u << 10)
#define METADATA      "http://169.254.169.254"
#define METADATA_TIME (3 * NS_PER_SEC) /* outside of AWS nobody answers there */
#define ROLES	      "/latest/meta-data/iam/security-credentials/"

static void trim(const char **s, size_t *len)
{
	while (*len && strchr(" \t\r", **s))
		(*s)++, (*len)--;
	while (*len && strchr(" \t\r", (*s)[*len - 1]))
		(*len)--;
}

static bool is(const char *s, size_t len, const char *word)
{
	return len == strlen(word) && !memcmp(s, word, len);
}

/* One line of the file; true while they are the profile's. */
static bool take_line(const char *line, size_t len, const char *profile, bool ours,
		      struct aws_keys *out)
{
	const char *eq, *value;
	size_t value_len;
	struct secret **to = NULL;

	trim(&line, &len);
	if (len > 1 && *line == '[' && line[len - 1] == ']')
		return is(line + 1, len - 2, profile);
	eq = memchr(line, '=', len);
	if (!ours || !eq || *line == '#' || *line == ';')
		return ours;
	value = eq + 1;
	value_len = len - (size_t)(value - line);
	len = (size_t)(eq - line);
	trim(&line, &len);
	trim(&value, &value_len);
	if (is(line, len, "aws_access_key_id"))
		to = &out->id;
	else if (is(line, len, "aws_secret_access_key"))
		to = &out->key;
	else if (is(line, len, "aws_session_token"))
		to = &out->session;
	if (to && value_len) {
		secret_put(*to);
		*to = secret_new(value, value_len);
	}
	return true;
}

static bool are_complete(const struct aws_keys *k)
{
	return k->id && k->key;
}

/* 0 also where the file has none. */
static int from_file(const struct aws_config *c, struct aws_keys *out, struct err *err)
{
	_cleanup_secret_ struct secret *text = NULL;
	const char *profile = c->profile ? c->profile : "default";
	bool ours = false;
	int r = c->file ? secret_from_file(c->file, FILE_MAX, &text) : -ENOENT;

	if (r == -ENOENT || r == -ENODATA || r == -ENOTDIR)
		return 0;
	if (r < 0)
		return err_set(err, EKEYREJECTED, "cannot read AWS credentials from %s: %s",
			       c->file, strerror(-r));
	for (const char *line = text->bytes; *line;) {
		size_t len = strcspn(line, "\n");

		ours = take_line(line, len, profile, ours, out);
		line += len + (line[len] == '\n');
	}
	if (!are_complete(out))
		aws_keys_fini(out);
	return 0;
}

/* Where an instance asks what it is. */
struct metadata {
	struct http *http;
	const char *address;
};

/* Of the instance's metadata: a body, in `reply`. */
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
	return are_complete(out) ? 0 : -EIO;
}

static int from_metadata(const struct aws_config *c, struct limit limit, struct aws_keys *out,
			 char *why, size_t room)
{
	struct metadata from = {.address = c->metadata ? c->metadata : METADATA};
	struct http_config config = {.direct = true, .connections = 1, .max_body = FILE_MAX};
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

int aws_credentials_get(const struct aws_config *c, struct limit limit, struct aws_keys *out,
			struct err *err)
{
	char why[200] = "";
	int r;

	*out = (struct aws_keys){0};
	if (c->id && c->key) {
		*out = (struct aws_keys){.id = secret_ref(c->id),
					 .key = secret_ref(c->key),
					 .session = secret_ref(c->session)};
		return 0;
	}
	r = from_file(c, out, err);
	if (r < 0 || are_complete(out))
		return r;
	if (from_metadata(c, limit, out, why, sizeof(why)) == 0)
		return 0;
	aws_keys_fini(out);
	return err_set(err, EKEYREJECTED,
		       "no AWS credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not "
		       "set, profile %s is not in %s, and %s",
		       c->profile ? c->profile : "default",
		       c->file ? c->file : "~/.aws/credentials", why);
}
