// SPDX-License-Identifier: Apache-2.0
/* Folders with the state of their secrets, from OpenBao's detailed listing: a flat array of names,
 * in which `a` and `a/` are two rows, and metadata by name. If both exist, it has the secret's
 * metadata under `a/` too: we use only names without a slash. */

#include "kv/kv_children.h"

#include "kv/kv_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void children_free(struct object *o)
{
	struct kv_children *c = container_of(o, struct kv_children, object);

	for (size_t i = 0; i < c->count; i++)
		free(c->children[i].name);
	free(c->children);
	free(c);
}

struct kv_children *kv_children_new(void)
{
	struct kv_children *c = calloc(1, sizeof(*c));

	if (c)
		c->object = (struct object){.refs = 1, .size = sizeof(*c), .free = children_free};
	return c;
}

int kv_child_describe(struct kv_child *child, const cJSON *metadata)
{
	_cleanup_object_ struct kv_version *v = NULL;
	int r;

	child->number = json_get_int(metadata, "current_version", -1);
	if (child->number < 0)
		return -EIO;
	child->state = KV_ABSENT;
	if (!child->number)
		return 0;
	r = kv_version_from_metadata(metadata, child->number, &v);
	if (r == -ENOENT)
		child->state = KV_DESTROYED;
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	child->state = v->state;
	child->created = v->created;
	child->deletion = v->deletion;
	return 0;
}

static int append(struct kv_children *c, const struct kv_child *child)
{
	struct kv_child *all;

	if (c->count == c->room) {
		size_t room = c->room ? c->room * 2 : 64;

		all = realloc(c->children, room * sizeof(*all));
		if (!all)
			return -ENOMEM;
		c->children = all;
		c->room = room;
	}
	c->children[c->count++] = *child;
	c->object.size += sizeof(*child) + strlen(child->name) + 1;
	return 0;
}

static int add_row(struct kv_children *c, const cJSON *key, const cJSON *info)
{
	struct kv_child child = {0};
	unsigned kind = kv_list_row(key, &child.name);
	int r = 0;

	if (!kind)
		return 0;
	if (!child.name)
		return -ENOMEM;
	child.kinds = kind;
	if (kind == KV_ENTRY_SECRET)
		r = kv_child_describe(&child, json_get(info, key->valuestring));
	if (r == 0)
		r = append(c, &child);
	if (r < 0)
		free(child.name);
	return r;
}

int kv_children_add(struct kv_children *c, const cJSON *keys, const cJSON *info)
{
	int r = cJSON_IsArray(keys) && cJSON_IsObject(info) ? 0 : -EIO;

	for (const cJSON *key = r == 0 ? keys->child : NULL; key && r == 0; key = key->next)
		r = cJSON_IsString(key) ? add_row(c, key, info) : -EIO;
	return r;
}

/* Sorts a secret before the folder of the same name. */
static int compare(const void *a, const void *b)
{
	const struct kv_child *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : (int)x->kinds - (int)y->kinds;
}

void kv_children_sort(struct kv_children *c)
{
	size_t kept = 0;

	if (c->count)
		qsort(c->children, c->count, sizeof(c->children[0]), compare);
	for (size_t i = 0; i < c->count; i++) {
		struct kv_child *last = kept ? &c->children[kept - 1] : NULL;

		if (last && !strcmp(last->name, c->children[i].name)) {
			last->kinds |= c->children[i].kinds;
			free(c->children[i].name);
		} else {
			c->children[kept++] = c->children[i];
		}
	}
	c->count = kept;
}

const struct kv_child *kv_children_find(const struct kv_children *c, const char *name)
{
	size_t low = 0, high = c->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(c->children[middle].name, name);

		if (order == 0)
			return &c->children[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}
