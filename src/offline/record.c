// SPDX-License-Identifier: Apache-2.0
/* Answers as bytes: numbers of eight bytes, strings with their length. We sealed the bytes that we
 * read here, but do not trust them for that. */

#include "offline/record.h"

#include <errno.h>
#include <string.h>

#define COUNT_MAX 1000000

void record_put_number(uint64_t n, struct buf *to)
{
	char bytes[8];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(n >> (8 * i));
	buf_add(to, bytes, sizeof(bytes));
}

void record_put_bytes(const void *bytes, size_t len, struct buf *to)
{
	record_put_number(len, to);
	buf_add(to, bytes, len);
}

uint64_t record_get_number(struct record *r)
{
	uint64_t n = 0;

	if (r->end - r->at < 8)
		r->bad = true;
	if (r->bad)
		return 0;
	for (size_t i = 0; i < 8; i++)
		n |= (uint64_t)(unsigned char)r->at[i] << (8 * i);
	r->at += 8;
	return n;
}

const char *record_get_bytes(struct record *r, size_t *len)
{
	uint64_t n = record_get_number(r);
	const char *bytes = r->at;

	if (r->bad || n > (uint64_t)(r->end - r->at)) {
		r->bad = true;
		*len = 0;
		return NULL;
	}
	*len = (size_t)n;
	r->at += n;
	return bytes;
}

int record_put_version(const struct kv_version *v, struct buf *to)
{
	size_t count = v->state == KV_LIVE ? v->count : 0;

	record_put_number(v->state, to);
	record_put_number((uint64_t)v->number, to);
	record_put_number((uint64_t)v->created, to);
	record_put_number((uint64_t)v->deletion, to);
	record_put_number(count, to);
	for (size_t i = 0; i < count; i++) {
		const struct kv_field *f = &v->fields[i];

		record_put_number((uint64_t)f->type << 1 | f->binary, to);
		record_put_bytes(f->name, f->name_len, to);
		record_put_bytes(f->text, f->len, to);
	}
	return buf_status(to);
}

static bool get_field(struct record *r, struct kv_change *c)
{
	uint64_t flags = record_get_number(r);

	c->name = record_get_bytes(r, &c->name_len);
	c->text = record_get_bytes(r, &c->len);
	c->binary = flags & 1;
	c->type = (enum kv_type)(flags >> 1);
	return !r->bad && flags >> 1 <= KV_ARRAY;
}

int record_get_version(const char *bytes, size_t len, struct kv_version **out)
{
	struct record r = {.at = bytes, .end = bytes + len};
	uint64_t state = record_get_number(&r);
	int64_t number = (int64_t)record_get_number(&r), created = (int64_t)record_get_number(&r),
		deletion = (int64_t)record_get_number(&r);
	uint64_t count = record_get_number(&r);
	_cleanup_object_ struct kv_version *base = NULL;
	_cleanup_free_ struct kv_change *fields = NULL;
	struct kv_version *v;

	if (r.bad || state > KV_DESTROYED || count > COUNT_MAX)
		return -EBADMSG;
	fields = calloc(count + 1, sizeof(*fields));
	base = kv_version_empty((enum kv_state)state, number);
	if (!fields || !base)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		if (!get_field(&r, &fields[i]))
			return -EBADMSG;
	if (r.at != r.end)
		return -EBADMSG;
	v = state == KV_LIVE ? kv_version_apply(base, fields, count, true) : object_ref(base);
	if (!v)
		return -ENOMEM;
	v->created = created;
	v->deletion = deletion;
	*out = v;
	return 0;
}

int record_put_list(const struct kv_list *list, struct buf *to)
{
	record_put_number(list->count, to);
	for (size_t i = 0; i < list->count; i++) {
		record_put_number(list->entries[i].kinds, to);
		record_put_bytes(list->entries[i].name, strlen(list->entries[i].name), to);
	}
	return buf_status(to);
}

static void list_free(struct object *o)
{
	free(container_of(o, struct kv_list, object));
}

int record_get_list(const char *bytes, size_t len, struct kv_list **out)
{
	struct record r = {.at = bytes, .end = bytes + len};
	uint64_t count = record_get_number(&r);
	size_t size =
		sizeof(struct kv_list) + (size_t)count * sizeof(struct kv_entry) + len + count;
	struct kv_list *list;
	char *blob;

	if (r.bad || count > COUNT_MAX)
		return -EBADMSG;
	list = calloc(1, size);
	if (!list)
		return -ENOMEM;
	list->object = (struct object){.refs = 1, .size = size, .free = list_free};
	blob = (char *)&list->entries[count];
	for (size_t i = 0; i < count; i++) {
		unsigned kinds = (unsigned)record_get_number(&r);
		size_t n;
		const char *name = record_get_bytes(&r, &n);

		if (r.bad || memchr(name, '\0', n))
			break;
		list->entries[list->count++] =
			(struct kv_entry){.name = memcpy(blob, name, n), .kinds = kinds};
		blob += n + 1; /* the NUL is there from calloc() */
	}
	if (r.bad || list->count != count || r.at != r.end) {
		free(list);
		return -EBADMSG;
	}
	*out = list;
	return 0;
}
