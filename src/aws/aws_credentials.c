// SPDX-License-Identifier: Apache-2.0
/* Looks for keys where AWS's own tools do, and in their order: the environment, a web identity, the
 * shared credentials file (https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html), the
 * container, the instance. If a source is set up and fails, the search ends: nobody may become
 * somebody else by accident.
 *
 * The file is not read with inih, which cuts a line after 200 bytes and leaves it on the stack: a
 * session's token is longer, and a secret. */

#include "aws/aws_credentials.h"

#include "aws/aws_service.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FILE_MAX (64u << 10)

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

/* Takes one line of the file; true while it is in the profile's section. */
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

/* 0 even if the file has none. */
static int from_file(const struct aws_config *c, struct aws_keys *out, struct err *err)
{
	_cleanup_secret_ struct secret *text = NULL;
	const char *profile = c->profile ? c->profile : "default";
	bool ours = false;
	struct err why = {0};
	int r = c->file ? secret_from_file(c->file, FILE_MAX, SECRET_WORD, &text, &why) : -ENOENT;

	if (r == -ENOENT || r == -ENODATA || r == -ENOTDIR)
		return 0;
	if (r < 0)
		return err_set(err, EKEYREJECTED, "cannot read AWS credentials from %s: %s",
			       c->file, err_text(&why));
	for (const char *line = text->bytes; *line;) {
		size_t len = strcspn(line, "\n");

		ours = take_line(line, len, profile, ours, out);
		line += len + (line[len] == '\n');
	}
	if (!aws_keys_complete(out))
		aws_keys_fini(out);
	return 0;
}

static int give_up(struct aws_keys *out, struct err *err, const char *from, const char *why)
{
	aws_keys_fini(out);
	return err_set(err, EKEYREJECTED, "no AWS credentials %s: %s", from, why);
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
	r = aws_from_web_identity(c, limit, out, why, sizeof(why));
	if (r == -ENOENT)
		r = from_file(c, out, err);
	else if (r < 0)
		return give_up(out, err, "by the web identity", why);
	if (r < 0 || aws_keys_complete(out))
		return r;
	r = aws_from_container(c, limit, out, why, sizeof(why));
	if (r < 0 && r != -ENOENT)
		return give_up(out, err, "from the container", why);
	if (r == 0 || aws_from_metadata(c, limit, out, why, sizeof(why)) == 0)
		return 0;
	aws_keys_fini(out);
	return err_set(err, EKEYREJECTED,
		       "no AWS credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not "
		       "set, profile %s is not in %s, and %s",
		       c->profile ? c->profile : "default",
		       c->file ? c->file : "~/.aws/credentials", why);
}
