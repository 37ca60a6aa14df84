// SPDX-License-Identifier: Apache-2.0
/* "data.json" and "data.env": all of a secret, as one document. A write to the first is parsed,
 * checked against the limits of servers, and replaces the whole secret. */

#include "control/files.h"

#include "base/clock.h"
#include "control/content.h"
#include "edit/change.h"
#include "edit/json_unique.h"
#include "host/process.h"
#include "node/data_env.h"
#include "tree/control_dir.h"
#include "tree/layered.h"

#include <errno.h>

#define ENTRIES_MAX 10000 /* in an object or an array (max_json_object_entry_count) */
#define DEPTH_MAX   300	  /* max_json_depth */

void whole_access_locked(const struct tree *t, const struct node *n, struct access *a)
{
	LOCK_HELD(&t->lock);

	rules_whole_access(&t->config.rules, control_owner(n->parent)->path, a);
}

/* For what changes all of a secret and tells no value of it: who may not write every field may read it,
 * and no more. */
void whole_change_access_locked(const struct tree *t, const struct node *n, struct access *a)
{
	LOCK_HELD(&t->lock);
	struct access whole = *a;

	rule_access(rules_of(&t->config.rules, control_owner(n->parent)->path), a);
	whole_access_locked(t, n, &whole);
	a->mode = (a->mode & ~(mode_t)0222) | (whole.mode & 0222);
}

/* The latest version, the caller's, where it is live. */
static int live_locked(struct tree *t, struct dir *d, const struct ask *ask,
		       struct kv_version **out, struct err *err)
{
	LOCK_HELD(&t->lock);
	uint64_t ttl;
	int r = tree_settle_locked(t, &d->node, ask);

	if (r == 0)
		r = layered_version_locked(t, d, ask, out, &ttl, err);
	if (r == 0 && (*out)->state != KV_LIVE)
		r = err_set(err, ENOENT, "there is no secret, or its latest version is deleted");
	return r;
}

int document_locked(struct tree *t, struct dir *d, const struct ask *ask, struct content *out,
		    struct err *err)
{
	LOCK_HELD(&t->lock);
	_cleanup_object_ struct kv_version *v = NULL;
	_cleanup_json_ cJSON *json = NULL;
	int r = live_locked(t, d, ask, &v, err);

	if (r != 0)
		return r;
	json = kv_version_json(v);
	return json_content(json, out, err);
}

int data_env_locked(struct tree *t, struct dir *d, const struct ask *ask, struct content *out,
		    struct err *err)
{
	LOCK_HELD(&t->lock);
	_cleanup_object_ struct kv_version *v = NULL;
	struct text *x;
	int r = live_locked(t, d, ask, &v, err);

	if (r != 0)
		return r;
	x = text_new();
	if (x)
		data_env_print(v, &x->buf);
	return text_content(x, out, err);
}

int document_there_locked(struct tree *t, struct dir *d, const struct ask *ask, struct err *err)
{
	LOCK_HELD(&t->lock);
	struct content content = {0};
	int r;

	if (clock_mono() < d->document_until && d->document_process == process_of(ask->asker))
		return -ENOENT;
	r = document_locked(t, d, ask, &content, err);
	object_put(content.object);
	return r == -EACCES ? 0 : r; /* who may not read it may still write it */
}

const char *document_writes(const struct node *n, unsigned *any, bool *below)
{
	const struct dir *d = control_owner(n->parent);

	*any = d->shown.told && d->shown.state == KV_LIVE ? KV_UPDATE : KV_CREATE | KV_UPDATE;
	return d->path;
}

static bool document_holds(const struct target *at, const struct kv_version *v)
{
	return v->state == KV_LIVE || change_is_unseen(v);
}

static int document_print(const struct target *at, const struct kv_version *v, struct buf *to)
{
	_cleanup_json_ cJSON *json = NULL;

	if (v->state != KV_LIVE)
		return 0;
	json = kv_version_json(v);
	return control_print_json(json, to);
}

static int document_permit(struct tree *t, const struct target *at, struct kv_version *base,
			   struct err *err)
{
	return layered_permit_document(t, at->dir, base, err);
}

static int check_limits(const cJSON *item, const struct tree_config *config, size_t depth,
			struct err *err)
{
	size_t entries = 0;
	int r = 0;

	if (depth > DEPTH_MAX)
		return err_set(err, E2BIG, "data.json: nested deeper than %d", DEPTH_MAX);
	if (cJSON_IsString(item) && json_string_len(item) > config->max_size)
		return err_set(err, EFBIG, "data.json: a string of %zu bytes is more than max_size",
			       json_string_len(item));
	for (const cJSON *child = item->child; child && r == 0; child = child->next) {
		if (++entries > ENTRIES_MAX)
			return err_set(err, E2BIG, "data.json: more than %d entries in one object",
				       ENTRIES_MAX);
		r = check_limits(child, config, depth + 1, err);
	}
	return r;
}

static int parse_document(struct tree *t, const struct buf *text, struct kv_version **out,
			  struct err *err)
{
	_cleanup_json_ cJSON *json = NULL;
	struct json_where where = {0};
	int r = json_parse(text->data ? text->data : "", text->len, &json, &where);

	if (r == -ENOMEM)
		return err_set(err, ENOMEM, "no memory for a document");
	if (r < 0)
		return err_set(err, EINVAL, "data.json: line %zu, column %zu: %s", where.line,
			       where.column, where.what);
	if (!cJSON_IsObject(json))
		return err_set(err, EINVAL, "data.json: line 1, column 1: not an object");
	r = json_check_unique(json, text->data, text->len, &where);
	if (r < 0)
		return err_set(err, EINVAL, "data.json: line %zu, column %zu: %s", where.line,
			       where.column, where.what);
	r = check_limits(json, &t->config, 0, err);
	if (r < 0)
		return r;
	r = kv_version_parse(json, NULL, out);
	if (r == -ENOMEM)
		return err_set(err, ENOMEM, "no memory for a document");
	return r < 0 ? err_set(err, EINVAL, "data.json: a name is there twice") : 0;
}

static int document_commit(struct tree *t, const struct target *at, struct buf *text,
			   struct commit *c, const struct request *rq, struct kv_version **out)
{
	_cleanup_object_ struct kv_version *doc = NULL;
	int r = parse_document(t, text, &doc, rq->err);

	return r < 0 ? r : commit_whole(t, doc, c, rq, out);
}

const struct written document_written = {
	.max = DOCUMENT_MAX,
	.whole = true,
	.values = true,
	.holds = document_holds,
	.print = document_print,
	.permit = document_permit,
	.commit = document_commit,
};
