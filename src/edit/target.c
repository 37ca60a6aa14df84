// SPDX-License-Identifier: Apache-2.0
/* From bytes to a commit. A field is one change; a document is parsed, checked against what servers
 * take, and replaces all that the secret holds, as an old version does of which the number is
 * written. */

#include "edit/target.h"

#include "conf/conf.h"
#include "edit/change.h"
#include "edit/metadata.h"
#include "edit/value.h"
#include "tree/control.h"
#include "edit/json_unique.h"
#include "tree/history.h"
#include "tree/dir_traits.h"
#include "tree/layered.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define DOCUMENT_MAX (32u << 20) /* the most that a request may be (max_request_size) */
#define NUMBER_MAX   64
#define ENTRIES_MAX  10000 /* in an object or an array (max_json_object_entry_count) */
#define DEPTH_MAX    300   /* max_json_depth */

struct target target_of_locked(struct node *n)
{
	if (node_is_field(n))
		return (struct target){TARGET_FIELD, field_dir(field_of(n)), field_of(n), NULL};
	if (node_is_document(n))
		return (struct target){TARGET_DOCUMENT, control_owner(n), NULL, NULL};
	if (n->type == &metadata_type)
		return (struct target){TARGET_METADATA, control_owner(n), NULL, NULL};
	if (n->type == &version_number_type)
		return (struct target){TARGET_NUMBER, control_owner(n), NULL, NULL};
	if (n->type == &refresh_type)
		return (struct target){TARGET_REFRESH, control_owner(n), NULL, NULL};
	if (n->type == &renew_type)
		return (struct target){TARGET_RENEW, control_owner(n), NULL, NULL};
	return (struct target){TARGET_NONE, NULL, NULL, NULL};
}

bool target_is_order(const struct target *at)
{
	return at->kind == TARGET_REFRESH || at->kind == TARGET_RENEW;
}

int target_obey(struct tree *t, const struct target *at, const struct request *rq)
{
	if (at->kind == TARGET_REFRESH) {
		tree_forget_all(t, 0);
		return 0;
	}
	return t->config.session
		       ? session_renew(t->config.session, rq->ask->asked, rq->limit, rq->err)
		       : err_set(rq->err, EOPNOTSUPP, "there is no token to renew");
}

size_t target_max(const struct tree *t, const struct target *at)
{
	switch (at->kind) {
	case TARGET_DOCUMENT:
	case TARGET_METADATA:
		return DOCUMENT_MAX;
	case TARGET_NUMBER:
		return NUMBER_MAX;
	default:
		return t->config.max_size;
	}
}

bool target_holds(const struct target *at, const struct kv_version *v)
{
	switch (at->kind) {
	case TARGET_FIELD:
		return kv_version_field(v, at->field->raw, at->field->raw_len) != NULL;
	case TARGET_DOCUMENT:
		return v->state == KV_LIVE || change_is_unseen(v);
	case TARGET_NUMBER:
		return v->number > 0;
	default:
		return true;
	}
}

int target_print(const struct target *at, const struct kv_version *v, struct buf *to)
{
	_cleanup_json_ cJSON *json = NULL;
	const struct kv_field *entry;

	if (at->field) {
		entry = kv_version_field(v, at->field->raw, at->field->raw_len);
		if (entry)
			buf_add(to, entry->text, entry->len);
		return buf_status(to);
	}
	if (target_is_order(at) || at->kind == TARGET_METADATA)
		return 0;
	if (at->kind == TARGET_NUMBER) {
		if (v->number > 0)
			buf_printf(to, "%" PRId64 "\n", v->number);
		return buf_status(to);
	}
	if (v->state != KV_LIVE)
		return 0;
	json = kv_version_json(v);
	return control_print_json(json, to);
}

bool target_shows(const struct tree *t, const struct target *at, const struct kv_version *v)
{
	return target_holds(at, v) || (at->field && layered_has(t, at->field));
}

/* NULL where neither has it. */
static const struct kv_field *shown_field(const struct tree *t, const struct target *at,
					  const struct kv_version *v, struct kv_field *room)
{
	const struct kv_field *f = kv_version_field(v, at->field->raw, at->field->raw_len);

	return f || layered_field(t, at->field, -ENOENT, room) == LAYER_NONE ? f : room;
}

bool target_loses(const struct tree *t, const struct target *at, const struct kv_version *v)
{
	struct kv_field room;
	const struct kv_field *f = at->field ? shown_field(t, at, v, &room) : NULL;

	return at->field ? f && f->len > 0 : target_holds(at, v);
}

int target_print_shown(const struct tree *t, const struct target *at, const struct kv_version *v,
		       struct buf *to)
{
	struct kv_field room;
	const struct kv_field *f = at->field ? shown_field(t, at, v, &room) : NULL;

	if (!f)
		return target_print(at, v, to);
	buf_add(to, f->text, f->len);
	return buf_status(to);
}

int target_permit(struct tree *t, const struct target *at, struct kv_version *base, struct err *err)
{
	switch (at->kind) {
	case TARGET_FIELD:
		return layered_permit(t, at->dir, at->field->raw, at->field->raw_len, err);
	case TARGET_DOCUMENT:
		return layered_permit_document(t, at->dir, base, err);
	default:
		return 0;
	}
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

/* Replaces all fields by those of another version. */
static int commit_whole(struct tree *t, const struct kv_version *v, struct commit *c,
			const struct request *rq, struct kv_version **out)
{
	_cleanup_free_ struct kv_change *changes = kv_version_changes(v, c->base);

	if (!changes)
		return err_set(rq->err, ENOMEM, "no memory for a version");
	c->changes = changes;
	c->count = v->count;
	c->whole = true;
	return commit_make(t, c, rq, out);
}

static int commit_document(struct tree *t, struct buf *text, struct commit *c,
			   const struct request *rq, struct kv_version **out)
{
	_cleanup_object_ struct kv_version *doc = NULL;
	int r = parse_document(t, text, &doc, rq->err);

	return r < 0 ? r : commit_whole(t, doc, c, rq, out);
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

/* What is the latest already is not made anew. */
static int commit_number(struct tree *t, struct buf *text, struct commit *c,
			 const struct request *rq, struct kv_version **out)
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

static int commit_field(struct tree *t, struct field *f, struct buf *text, struct commit *c,
			const struct request *rq, struct kv_version **out)
{
	struct kv_change change = {.name = f->raw, .name_len = f->raw_len};
	const struct rule *rule = rules_of_field(&t->config.rules, c->dir->path, f->raw);
	struct tree_config config = t->config;
	int r;

	if (rule && (rule->has & RULE_NEWLINE))
		config.newline_strip = rule->newline == CONF_NEWLINE_STRIP;
	if (rule && (rule->has & RULE_BINARY))
		config.binary_reject = rule->binary == CONF_BINARY_REJECT;
	r = value_from_bytes(&config, text, c->base, dir_traits(t, c->dir), &change, rq->err);

	/* user.vault.type may have been set before there was a value. */
	if (r == 0 && f->node.local && f->type != KV_STRING)
		r = value_as_type(f->type, text, &change, rq->err);
	if (r < 0)
		return r;
	c->changes = &change;
	c->count = 1;
	return commit_make(t, c, rq, out);
}

int target_commit(struct tree *t, const struct target *at, struct buf *text, struct commit *c,
		  const struct request *rq, struct kv_version **out)
{
	int r = buf_status(text);

	c->dir = at->dir;
	if (r < 0)
		return err_set(rq->err, ENOMEM, "no memory for what was written");
	switch (at->kind) {
	case TARGET_FIELD:
		return commit_field(t, at->field, text, c, rq, out);
	case TARGET_DOCUMENT:
		return commit_document(t, text, c, rq, out);
	case TARGET_METADATA:
		r = metadata_commit(t, at->dir, at->seen, text, rq);
		*out = r == 0 ? object_ref(c->base) : NULL;
		return r;
	case TARGET_NUMBER:
		return commit_number(t, text, c, rq, out);
	default:
		r = target_obey(t, at, rq);
		*out = r == 0 ? object_ref(c->base) : NULL;
		return r;
	}
}
