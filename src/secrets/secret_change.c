// SPDX-License-Identifier: Apache-2.0
/* A change against a version that it was not made from: three versions, field by field. A field that
 * somebody else has changed is a conflict only if the change was built on the old value. */

#include "secrets/secret_change.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

int change_check_merge(const struct secret_change *c, const struct kv_version *latest, bool strict,
		       struct err *err)
{
	if (c->cas != KV_ANY && !change_is_unseen(latest) && latest->number != c->cas)
		return err_set(err, EBUSY,
			       "check-and-set: the latest version is %" PRId64 ", not %" PRId64,
			       latest->number, c->cas);
	if (!c->base)
		return 0;
	if ((c->whole || c->deletes) && (!c->blind || strict) && !kv_version_same(c->base, latest))
		return err_set(err, EBUSY,
			       "the secret was changed meanwhile: the change was made from version "
			       "%" PRId64 ", the latest is %" PRId64,
			       c->base->number, latest->number);
	for (size_t i = 0; i < c->count && !c->whole; i++) {
		const struct kv_change *field = &c->fields[i];

		if (kv_field_equal(kv_version_field(c->base, field->name, field->name_len),
				   kv_version_field(latest, field->name, field->name_len)))
			continue;
		if (!c->blind || i < c->built_on || strict)
			return err_set(err, EBUSY,
				       "the field was changed meanwhile: the change was made from "
				       "version %" PRId64 ", the latest is %" PRId64,
				       c->base->number, latest->number);
	}
	return 0;
}

struct kv_change *change_between(const struct kv_version *from, const struct kv_version *to,
				 size_t *count)
{
	size_t before = from ? from->count : 0;
	struct kv_change *changes = calloc(before + to->count + 1, sizeof(*changes));

	*count = 0;
	for (size_t i = 0; changes && i < to->count; i++) {
		const struct kv_field *f = &to->fields[i];
		const struct kv_field *old =
			from ? kv_version_field(from, f->name, f->name_len) : NULL;

		if (old && kv_field_equal(old, f) && old->binary == f->binary)
			continue;
		changes[(*count)++] = (struct kv_change){.name = f->name,
							 .name_len = f->name_len,
							 .type = f->type,
							 .binary = f->binary,
							 .text = f->text,
							 .len = f->len};
	}
	for (size_t i = 0; changes && i < before; i++) {
		const struct kv_field *f = &from->fields[i];

		if (!kv_version_field(to, f->name, f->name_len))
			changes[(*count)++] = (struct kv_change){
				.name = f->name, .name_len = f->name_len, .remove = true};
	}
	return changes;
}

bool change_empties(const struct secret_change *c, const struct kv_version *next)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->fields[i].remove)
			return next->count == 0 && !c->whole;
	return false;
}

bool change_is_respelt(const struct secret_change *c)
{
	for (size_t i = 0; i < c->count; i++)
		if (!c->fields[i].remove &&
		    (c->fields[i].type == KV_NUMBER || c->fields[i].type == KV_ARRAY ||
		     c->fields[i].type == KV_OBJECT))
			return true;
	return false;
}
