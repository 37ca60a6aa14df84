// SPDX-License-Identifier: Apache-2.0
/* From bytes to a commit. How each kind of file is written is a row: that of a field is here, the others
 * stand with their files in control/. */

#include "edit/target.h"

#include "conf/conf.h"
#include "edit/value.h"
#include "tree/control_dir.h"
#include "tree/dir_traits.h"
#include "tree/layered.h"

#include <errno.h>

static bool field_holds(const struct target *at, const struct kv_version *v)
{
	return kv_version_field(v, at->field->raw, at->field->raw_len) != NULL;
}

static int field_print(const struct target *at, const struct kv_version *v, struct buf *to)
{
	const struct kv_field *entry = kv_version_field(v, at->field->raw, at->field->raw_len);

	if (entry)
		buf_add(to, entry->text, entry->len);
	return buf_status(to);
}

static int field_permit(struct tree *t, const struct target *at, struct kv_version *base,
			struct err *err)
{
	return layered_permit(t, at->dir, at->field->raw, at->field->raw_len, err);
}

static int field_commit(struct tree *t, const struct target *at, struct buf *text, struct commit *c,
			const struct request *rq, struct kv_version **out)
{
	struct field *f = at->field;
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

static const struct written field_written = {
	.values = true,
	.holds = field_holds,
	.print = field_print,
	.permit = field_permit,
	.commit = field_commit,
};

struct target target_of_locked(struct node *n)
{
	LOCK_HELD_NAMED(LOCK_TREE);

	if (node_is_field(n))
		return (struct target){&field_written, field_dir(field_of(n)), field_of(n), NULL};
	if (n->type->written)
		return (struct target){n->type->written, control_owner(n), NULL, NULL};
	return (struct target){NULL, NULL, NULL, NULL};
}

size_t target_max(const struct tree *t, const struct target *at)
{
	return at->kind->max ? at->kind->max : t->config.max_size;
}

bool target_holds(const struct target *at, const struct kv_version *v)
{
	return !at->kind->holds || at->kind->holds(at, v);
}

int target_print(const struct target *at, const struct kv_version *v, struct buf *to)
{
	return at->kind->print ? at->kind->print(at, v, to) : 0;
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
	return at->kind->permit ? at->kind->permit(t, at, base, err) : 0;
}

int target_commit(struct tree *t, const struct target *at, struct buf *text, struct commit *c,
		  const struct request *rq, struct kv_version **out)
{
	int r;

	c->dir = at->dir;
	if (buf_status(text) < 0)
		return err_set(rq->err, ENOMEM, "no memory for what was written");
	if (!at->kind->obey)
		return at->kind->commit(t, at, text, c, rq, out);
	r = at->kind->obey(t, rq);
	*out = r == 0 ? object_ref(c->base) : NULL;
	return r;
}
