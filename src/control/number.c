// SPDX-License-Identifier: Apache-2.0
/* "version": the number of the latest. The number of an old one that is written there makes a new version
 * with what the old one held. */

#include "control/files.h"

#include "control/content.h"
#include "control/history.h"
#include "edit/commit.h"
#include "tree/control_dir.h"
#include "tree/dir_traits.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define NUMBER_MAX 64

int number_locked(struct tree *t, struct dir *d, const struct ask *ask, struct content *out,
		  struct err *err)
{
	LOCK_HELD(&t->lock);
	_cleanup_object_ struct kv_version *v = NULL;
	struct text *x;
	uint64_t ttl;
	int r = tree_settle_locked(t, &d->node, ask);

	if (dir_traits(t, d) & KV_FLAT)
		return err_set(err, EOPNOTSUPP, "the engine keeps no versions");
	if (r == 0)
		r = dir_version_locked(t, d, ask, &v, &ttl, err);
	if (r != 0)
		return r;
	if (v->number < 1)
		return err_set(err, ENOENT, "there is no secret");
	x = text_new();
	if (x)
		buf_printf(&x->buf, "%" PRId64 "\n", v->number);
	return text_content(x, out, err);
}

const char *number_writes(const struct node *n, unsigned *any, bool *below)
{
	*any = KV_UPDATE | KV_PATCH;
	return control_owner(n->parent)->path;
}

static bool number_holds(const struct target *at, const struct kv_version *v)
{
	return v->number > 0;
}

static int number_print(const struct target *at, const struct kv_version *v, struct buf *to)
{
	if (v->number > 0)
		buf_printf(to, "%" PRId64 "\n", v->number);
	return buf_status(to);
}

/* "7", with white space around it. */
static int parse_number(const struct buf *text, int64_t *number)
{
	static const char blanks[] = " \t\r\n";
	char copy[NUMBER_MAX + 1], *start, *end;

	if (!text->len || text->len > NUMBER_MAX || memchr(text->data, '\0', text->len))
		return -EINVAL;
	memcpy(copy, text->data, text->len);
	copy[text->len] = '\0';
	start = copy + strspn(copy, blanks);
	end = start + strcspn(start, blanks);
	if (end[strspn(end, blanks)])
		return -EINVAL;
	*end = '\0';
	return history_parse_number(start, number);
}

static int read_past(struct tree *t, struct dir *d, int64_t number, const struct request *rq,
		     struct kv_version **out)
{
	struct kv *kv = t->config.kv;
	int r;

	if (!kv->ops->read_version)
		return err_set(rq->err, EOPNOTSUPP, "this engine keeps no versions");
	r = kv->ops->read_version(kv, d->path, number, rq->limit, out, rq->err);
	if (r < 0)
		return r;
	switch ((*out)->state) {
	case KV_LIVE:
		return 0;
	case KV_ABSENT:
		return err_set(rq->err, ENOENT, "there is no version %" PRId64, number);
	default:
		return err_set(rq->err, EINVAL, "version %" PRId64 " is %s, and cannot be taken",
			       number, (*out)->state == KV_DELETED ? "deleted" : "destroyed");
	}
}

/* The latest version is not written again. */
static int number_commit(struct tree *t, const struct target *at, struct buf *text,
			 struct commit *c, const struct request *rq, struct kv_version **out)
{
	_cleanup_object_ struct kv_version *past = NULL;
	int64_t number;
	int r = parse_number(text, &number);

	if (r < 0)
		return err_set(rq->err, EINVAL, "not a version's number");
	r = read_past(t, c->dir, number, rq, &past);
	if (r == 0 && number == c->base->number) {
		r = commit_read_latest(t, c->dir, rq, SHOWN_FOREIGN, out);
		if (r < 0 || (*out)->number == number)
			return r;
		object_put(steal(*out));
	}
	return r < 0 ? r : commit_whole(t, past, c, rq, out);
}

const struct written number_written = {
	.max = NUMBER_MAX,
	.holds = number_holds,
	.print = number_print,
	.commit = number_commit,
};
