// SPDX-License-Identifier: Apache-2.0
/* Versions of secrets, as blocks.
 *
 *      +------------+----------------------+-------+----------------------------+
 *      | kv_version | fields[0 .. count-1] | marks | names and texts, NUL-ended |
 *      +------------+----------------------+-------+----------------------------+
 *
 * It is one allocation, so a version is locked, counted and wiped as a whole. A field is found by
 * bisection. */

#include "kv/kv_version.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/secmem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void version_free(struct object *o)
{
	secmem_free(container_of(o, struct kv_version, object));
}

static int compare_names(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int c = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return c ? c : (a_len > b_len) - (a_len < b_len);
}

static int compare_fields(const void *a, const void *b)
{
	const struct kv_field *x = a, *y = b;

	return compare_names(x->name, x->name_len, y->name, y->name_len);
}

/* Room for `count` fields, `marks`, and `bytes` of names and texts, which start at *blob. */
static struct kv_version *version_new(size_t count, size_t marks, size_t bytes, char **blob)
{
	size_t size = sizeof(struct kv_version) + count * sizeof(struct kv_field) +
		      marks * sizeof(struct kv_mark) + bytes;
	struct kv_version *v = secmem_alloc(size);

	if (!v)
		return NULL;
	memset(v, 0, sizeof(*v));
	v->object = (struct object){.refs = 1, .size = size, .free = version_free};
	v->marks = (struct kv_mark *)&v->fields[count];
	*blob = (char *)&v->marks[marks];
	return v;
}

static const char *const type_names[] = {
	[KV_STRING] = "string", [KV_NUMBER] = "number", [KV_TRUE] = "boolean",
	[KV_FALSE] = "boolean", [KV_NULL] = "null",	[KV_OBJECT] = "object",
	[KV_ARRAY] = "array",
};

const char *kv_type_name(enum kv_type type)
{
	return type_names[type];
}

int kv_type_parse(const char *name, size_t len, enum kv_type *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(type_names); i++) {
		if (strlen(type_names[i]) == len && !memcmp(type_names[i], name, len)) {
			*type = (enum kv_type)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int compare_marks(const void *a, const void *b)
{
	const struct kv_mark *x = a, *y = b;

	return strcmp(x->hash, y->hash);
}

bool kv_version_marked(const struct kv_version *v, const char *name, size_t len)
{
	struct kv_mark key;

	if (!v->mark_count)
		return false;
	key = kv_mark_of(name, len);
	return bsearch(&key, v->marks, v->mark_count, sizeof(key), compare_marks) != NULL;
}

static bool is_mark(const cJSON *item)
{
	size_t prefix = strlen(KV_MARK_PREFIX);

	return item->string && !strncmp(item->string, KV_MARK_PREFIX, prefix) &&
	       strlen(item->string) == prefix + sizeof(struct kv_mark) - 1;
}

static size_t count_marks(const cJSON *custom)
{
	size_t n = 0;

	for (const cJSON *item = custom ? custom->child : NULL; item; item = item->next)
		n += is_mark(item);
	return n;
}

static void take_marks(struct kv_version *v, const cJSON *custom)
{
	for (const cJSON *item = custom ? custom->child : NULL; item; item = item->next)
		if (is_mark(item))
			strcpy(v->marks[v->mark_count++].hash,
			       item->string + strlen(KV_MARK_PREFIX));
	qsort(v->marks, v->mark_count, sizeof(v->marks[0]), compare_marks);
}

/* The type of a value that is kept as text. */
static enum kv_type raw_type(const char *text)
{
	switch (*text) {
	case '{':
		return KV_OBJECT;
	case '[':
		return KV_ARRAY;
	case 't':
		return KV_TRUE;
	case 'f':
		return KV_FALSE;
	case 'n':
		return KV_NULL;
	default:
		return *text == '"' ? KV_STRING : KV_NUMBER;
	}
}

static enum kv_type type_of(const cJSON *item)
{
	if (cJSON_IsRaw(item))
		return raw_type(item->valuestring);
	if (cJSON_IsString(item))
		return KV_STRING;
	if (cJSON_IsTrue(item))
		return KV_TRUE;
	if (cJSON_IsFalse(item))
		return KV_FALSE;
	if (cJSON_IsObject(item))
		return KV_OBJECT;
	if (cJSON_IsArray(item))
		return KV_ARRAY;
	return KV_NULL;
}

/* Prints the values that are not strings, one after the other, each ended by a NUL. */
static int print_others(const cJSON *data, struct buf *texts)
{
	for (const cJSON *item = data ? data->child : NULL; item; item = item->next) {
		if (cJSON_IsString(item))
			continue;
		if (json_print(item, false, texts) < 0)
			return -ENOMEM;
		buf_add(texts, "", 1);
	}
	return buf_status(texts);
}

/* If the field is marked, decodes its text in place, at `at`; the result is shorter. */
static void read_marked(const struct kv_version *v, struct kv_field *f, char *at)
{
	char *bytes;
	size_t n;

	if (!kv_version_marked(v, f->name, f->name_len))
		return;
	bytes = secmem_alloc(f->len + 1);
	if (bytes && kv_mark_decode(at, f->len, bytes, &n)) {
		memcpy(at, bytes, n);
		at[n] = '\0';
		f->len = n;
		f->binary = true;
	}
	secmem_free(bytes);
}

static void add_field(struct kv_version *v, char **blob, const cJSON *item, const char **other)
{
	struct kv_field *f = &v->fields[v->count++];

	*f = (struct kv_field){.type = type_of(item), .name_len = json_key_len(item)};
	f->name = *blob;
	json_key_copy(item, *blob);
	(*blob)[f->name_len] = '\0';
	*blob += f->name_len + 1;
	f->text = *blob;
	if (f->type == KV_STRING) {
		f->len = json_string_len(item);
		json_string_copy(item, *blob);
		read_marked(v, f, *blob);
	} else {
		f->len = strlen(*other);
		memcpy(*blob, *other, f->len);
		*other += f->len + 1;
	}
	(*blob)[f->len] = '\0';
	*blob += f->len + 1;
}

static int64_t parse_time(const cJSON *metadata, const char *name)
{
	int64_t t = clock_parse_rfc3339(json_get_str(metadata, name));

	return t == INT64_MIN ? 0 : t;
}

static int parse_metadata(struct kv_version *v, const cJSON *metadata, bool have_data)
{
	v->number = json_get_int(metadata, "version", -1);
	v->created = parse_time(metadata, "created_time");
	v->deletion = parse_time(metadata, "deletion_time");
	if (v->number < 0)
		return -EIO;
	if (json_get_bool(metadata, "destroyed"))
		v->state = KV_DESTROYED;
	else if (have_data)
		v->state = KV_LIVE; /* a deletion_time in the future is no deletion yet */
	else
		v->state = v->number > 0 ? KV_DELETED : KV_ABSENT;
	return 0;
}

static bool has_duplicates(const struct kv_version *v)
{
	for (size_t i = 1; i < v->count; i++)
		if (compare_fields(&v->fields[i - 1], &v->fields[i]) == 0)
			return true;
	return false;
}

/* Finds the custom metadata. If it was kept as text, *opened is its tree, the caller's. */
static int open_custom(const cJSON *metadata, cJSON **opened, const cJSON **custom)
{
	_cleanup_buf_ struct buf text = {0};
	int r = 0;

	*custom = json_get(metadata, "custom_metadata");
	if (cJSON_IsRaw(*custom)) {
		r = json_print(*custom, false, &text);
		if (r == 0)
			r = json_parse(text.data, text.len, opened, NULL);
		*custom = *opened;
	}
	return r == -EINVAL ? -EIO : r;
}

int kv_version_parse(const cJSON *data, const cJSON *metadata, struct kv_version **out)
{
	_cleanup_object_ struct kv_version *v = NULL;
	_cleanup_buf_ struct buf others = {0};
	_cleanup_json_ cJSON *opened = NULL;
	const cJSON *custom;
	const char *other;
	size_t count = 0, bytes;
	char *blob;
	int r;

	if (cJSON_IsNull(data))
		data = NULL;
	if ((data && !cJSON_IsObject(data)) || (metadata && !cJSON_IsObject(metadata)))
		return -EIO;
	if (json_get_bool(metadata, "destroyed"))
		data = NULL;
	r = open_custom(metadata, &opened, &custom);
	if (r < 0)
		return r;
	if (print_others(data, &others) < 0)
		return -ENOMEM;
	bytes = others.len;
	for (const cJSON *item = data ? data->child : NULL; item; item = item->next) {
		count++;
		bytes += json_key_len(item) + 1;
		if (cJSON_IsString(item))
			bytes += json_string_len(item) + 1;
	}
	v = version_new(count, count_marks(custom), bytes, &blob);
	if (!v)
		return -ENOMEM;
	take_marks(v, custom);
	other = others.data;
	for (const cJSON *item = data ? data->child : NULL; item; item = item->next)
		add_field(v, &blob, item, &other);
	qsort(v->fields, v->count, sizeof(v->fields[0]), compare_fields);
	v->state = data ? KV_LIVE : KV_ABSENT;
	if (has_duplicates(v) || (metadata && parse_metadata(v, metadata, data != NULL) < 0))
		return -EIO;
	*out = steal(v);
	return 0;
}

static int compare_changes(const void *a, const void *b)
{
	const struct kv_change *x = *(const struct kv_change *const *)a;
	const struct kv_change *y = *(const struct kv_change *const *)b;
	int c = compare_names(x->name, x->name_len, y->name, y->name_len);

	return c ? c : (x > y) - (x < y);
}

/* Sorts the changes by name; the last of several to one field wins. *n becomes their number. NULL:
 * no memory. */
static const struct kv_change **order_changes(const struct kv_change *changes, size_t *n)
{
	const struct kv_change **order = calloc(*n + 1, sizeof(const struct kv_change *));
	size_t left = 0;

	for (size_t i = 0; order && i < *n; i++)
		order[i] = &changes[i];
	if (order)
		qsort(order, *n, sizeof(const struct kv_change *), compare_changes);
	for (size_t i = 0; order && i < *n; i++)
		if (i + 1 == *n || compare_names(order[i]->name, order[i]->name_len,
						 order[i + 1]->name, order[i + 1]->name_len))
			order[left++] = order[i];
	*n = left;
	return order;
}

static bool is_changed(const struct kv_change *const *order, size_t n, const struct kv_field *f)
{
	size_t low = 0;

	while (low < n) {
		size_t mid = low + (n - low) / 2;
		int c = compare_names(order[mid]->name, order[mid]->name_len, f->name, f->name_len);

		if (!c)
			return true;
		if (c < 0)
			low = mid + 1;
		else
			n = mid;
	}
	return false;
}

int kv_change_read(struct kv_change *c, const struct kv_version *base)
{
	const struct kv_field *f = kv_version_field(base, c->name, c->name_len);
	_cleanup_buf_ struct buf text = {0};

	if (!c->stored || c->type != KV_STRING || !f || !f->binary)
		return 0;
	base64_encode(f->text, f->len, &text);
	if (buf_status(&text) < 0)
		return -ENOMEM;
	if (text.len == c->len && !memcmp(text.data, c->text, c->len)) {
		c->binary = true;
		c->text = f->text;
		c->len = f->len;
	}
	c->stored = false;
	return 0;
}

struct kv_change *kv_version_changes(const struct kv_version *v, const struct kv_version *base)
{
	_cleanup_free_ struct kv_change *changes = calloc(v->count + 1, sizeof(*changes));

	for (size_t i = 0; changes && i < v->count; i++) {
		const struct kv_field *f = &v->fields[i];

		changes[i] = (struct kv_change){.name = f->name,
						.name_len = f->name_len,
						.type = f->type,
						.binary = f->binary,
						.stored = !f->binary,
						.text = f->text,
						.len = f->len};
		if (kv_change_read(&changes[i], base) < 0)
			return NULL;
	}
	return steal(changes);
}

static void put_field(struct kv_version *v, char **blob, const struct kv_field *from)
{
	struct kv_field *f = &v->fields[v->count++];

	*f = *from;
	f->name = memcpy(*blob, from->name, from->name_len);
	(*blob)[from->name_len] = '\0';
	*blob += from->name_len + 1;
	f->text = *blob;
	if (from->len)
		memcpy(*blob, from->text, from->len);
	(*blob)[from->len] = '\0';
	*blob += from->len + 1;
}

/* Whether the field's mark would misread the new text. */
static bool is_misled(const struct kv_version *base, const struct kv_change *c)
{
	return !c->remove && c->type == KV_STRING && !c->binary &&
	       kv_version_marked(base, c->name, c->name_len) && kv_mark_misleads(c->text, c->len);
}

/* The marks of `base`, plus those that the changes need, minus those that would mislead. */
static void apply_marks(struct kv_version *v, const struct kv_version *base,
			const struct kv_change *const *changes, size_t n)
{
	memcpy(v->marks, base->marks, base->mark_count * sizeof(v->marks[0]));
	v->mark_count = base->mark_count;
	for (size_t j = 0; j < n; j++) {
		struct kv_mark m;

		if (!is_misled(base, changes[j]))
			continue;
		m = kv_mark_of(changes[j]->name, changes[j]->name_len);
		for (size_t i = 0; i < v->mark_count; i++)
			if (!strcmp(m.hash, v->marks[i].hash))
				v->marks[i--] = v->marks[--v->mark_count];
	}
	for (size_t j = 0; j < n; j++)
		if (changes[j]->binary &&
		    !kv_version_marked(base, changes[j]->name, changes[j]->name_len))
			v->marks[v->mark_count++] =
				kv_mark_of(changes[j]->name, changes[j]->name_len);
	qsort(v->marks, v->mark_count, sizeof(v->marks[0]), compare_marks);
}

static void put_change(struct kv_version *v, char **blob, const struct kv_change *c)
{
	struct kv_field from = {.name = c->name,
				.name_len = c->name_len,
				.text = c->text,
				.len = c->len,
				.type = c->type,
				.binary = c->binary};

	put_field(v, blob, &from);
}

struct kv_version *kv_version_apply(const struct kv_version *base, const struct kv_change *changes,
				    size_t n, bool whole)
{
	size_t bytes = 0, kept = whole ? 0 : base->count, left = n;
	_cleanup_free_ const struct kv_change **order = order_changes(changes, &left);
	struct kv_version *v;
	char *blob;

	if (!order)
		return NULL;
	for (size_t i = 0; i < kept; i++)
		bytes += base->fields[i].name_len + base->fields[i].len + 2;
	for (size_t i = 0; i < left; i++)
		bytes += order[i]->name_len + order[i]->len + 2;
	v = version_new(kept + left, base->mark_count + left, bytes, &blob);
	if (!v)
		return NULL;
	v->state = KV_LIVE;
	v->number = base->number;
	v->era = base->era;
	apply_marks(v, base, order, left);
	for (size_t i = 0; i < kept; i++)
		if (!is_changed(order, left, &base->fields[i]))
			put_field(v, &blob, &base->fields[i]);
	for (size_t i = 0; i < left; i++)
		if (!order[i]->remove)
			put_change(v, &blob, order[i]);
	qsort(v->fields, v->count, sizeof(v->fields[0]), compare_fields);
	return v;
}

struct kv_version *kv_version_marks(const cJSON *metadata)
{
	const cJSON *custom = json_get(metadata, "custom_metadata");
	char *blob;
	struct kv_version *v = version_new(0, count_marks(custom), 0, &blob);

	if (v)
		take_marks(v, custom);
	return v;
}

struct kv_version *kv_version_empty(enum kv_state state, int64_t number)
{
	char *blob;
	struct kv_version *v = version_new(0, 0, 0, &blob);

	if (v) {
		v->state = state;
		v->number = number;
	}
	return v;
}

int kv_version_from_metadata(const cJSON *metadata, int64_t number, struct kv_version **out)
{
	char name[24];
	const cJSON *row;

	snprintf(name, sizeof(name), "%lld", (long long)number);
	row = json_get(json_get(metadata, "versions"), name);
	if (!cJSON_IsObject(row))
		return -ENOENT;
	*out = kv_version_empty(KV_LIVE, number);
	if (!*out)
		return -ENOMEM;
	(*out)->created = parse_time(row, "created_time");
	(*out)->deletion = parse_time(row, "deletion_time");
	if (json_get_bool(row, "destroyed"))
		(*out)->state = KV_DESTROYED;
	else if ((*out)->deletion && (*out)->deletion <= clock_wall())
		(*out)->state = KV_DELETED; /* if it is in the future, it can still be read */
	return 0;
}

const struct kv_field *kv_version_field(const struct kv_version *v, const char *name, size_t len)
{
	struct kv_field key = {.name = name, .name_len = len};

	return bsearch(&key, v->fields, v->count, sizeof(v->fields[0]), compare_fields);
}

cJSON *kv_field_json(const struct kv_field *f)
{
	_cleanup_buf_ struct buf text = {0};

	if (f->type != KV_STRING)
		return json_new_raw(f->text, f->len);
	if (!f->binary)
		return json_new_string(f->text, f->len);
	base64_encode(f->text, f->len, &text);
	return buf_status(&text) < 0 ? NULL : json_new_string(text.data, text.len);
}

cJSON *kv_version_json(const struct kv_version *v)
{
	_cleanup_json_ cJSON *object = cJSON_CreateObject();

	for (size_t i = 0; object && i < v->count; i++)
		if (json_add(object, v->fields[i].name, v->fields[i].name_len,
			     kv_field_json(&v->fields[i])) < 0)
			return NULL;
	return steal(object);
}

static int print_member(const struct kv_field *f, struct buf *to)
{
	_cleanup_json_ cJSON *name = json_new_string(f->name, f->name_len);
	_cleanup_json_ cJSON *value = kv_field_json(f);

	if (!name || !value || json_print(name, false, to) < 0)
		return -ENOMEM;
	buf_add_str(to, ":");
	return json_print(value, false, to);
}

cJSON *kv_version_raw(const struct kv_version *v)
{
	_cleanup_buf_ struct buf text = {0};

	buf_add_str(&text, "{");
	for (size_t i = 0; i < v->count; i++) {
		if (i)
			buf_add_str(&text, ",");
		if (print_member(&v->fields[i], &text) < 0)
			return NULL;
	}
	buf_add_str(&text, "}");
	return buf_status(&text) < 0 ? NULL : json_new_raw(text.data, text.len);
}

bool kv_version_same(const struct kv_version *a, const struct kv_version *b)
{
	return a->number == b->number && a->state == b->state && a->created == b->created;
}

bool kv_field_equal(const struct kv_field *a, const struct kv_field *b)
{
	if (!a || !b)
		return a == b;
	return a->type == b->type && a->len == b->len && !memcmp(a->text, b->text, a->len);
}

bool kv_version_equal(const struct kv_version *a, const struct kv_version *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (a->fields[i].name_len != b->fields[i].name_len ||
		    memcmp(a->fields[i].name, b->fields[i].name, a->fields[i].name_len) != 0 ||
		    !kv_field_equal(&a->fields[i], &b->fields[i]))
			return false;
	return true;
}
