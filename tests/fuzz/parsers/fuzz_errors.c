// SPDX-License-Identifier: Apache-2.0
/* A refusal of the server on its way to .vault/errors: one line, of which nothing moves the cursor. The
 * first byte is the status; the first line is the path, the rest the body. */

#include "fuzz.h"

#include "base/visible.h"
#include "node/failures.h"
#include "vault/reply.h"

static void keep(const char *path, const struct err *err)
{
	_cleanup_buf_ struct buf shown = {0};
	struct failures f = {0};

	for (int i = 0; i < 2; i++)
		failures_add(&f, &(struct failure){.path = (char *)path, .uid = (uid_t)i}, err);
	failures_print(&f, NULL, NULL, &shown);
	for (const char *l = shown.data; f.kept; f.kept--) {
		size_t n = strcspn(l, "\n");

		fuzz_check(l[n] == '\n' && visible_len(l, n) == n);
		l += n + 1;
		fuzz_check(f.kept > 1 || !*l);
		free(f.rows[f.kept - 1].path);
		free(f.rows[f.kept - 1].text);
	}
}

int fuzz_one(const char *text, size_t len)
{
	static const long statuses[] = {200, 204, 307, 400, 403, 404, 405, 412,
					413, 429, 472, 473, 500, 502, 503, 504};
	struct http_request req = {.method = "GET", .path = "/v1/x", .address = "https://a"};
	_cleanup_reply_ struct http_reply reply = {0};
	_cleanup_free_ char *path = NULL;
	struct err err = {0};
	size_t line = len ? strcspn(text + 1, "\n") : 0;

	if (len < line + 2)
		return 0;
	path = strndup(text + 1, line);
	reply.status = statuses[(unsigned char)text[0] % ARRAY_SIZE(statuses)];
	buf_add(&reply.body, text + line + 2, len - line - 2);
	reply_is_foreign(&req, &reply);
	reply_transient(&req, &reply);
	reply_token(&reply);
	reply_blame(&reply);
	if (reply_verdict(&reply, req.address, &err) < 0)
		keep(path, &err);
	return 0;
}
