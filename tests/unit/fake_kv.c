// SPDX-License-Identifier: Apache-2.0
/* A store for tests, in memory. It is as strict as a server: check-and-set holds, and what the token may
 * not do is refused. */

#include "fake_kv.h"

#include "unit_support.h"

#include <inttypes.h>
#include <stdio.h>

static struct fake_kv *self(struct kv *kv)
{
	return container_of(kv, struct fake_kv, kv);
}

static int refuse(struct err *err)
{
	return err_set(err, EACCES, "permission denied");
}

static struct kv_version *latest_locked(struct fake_kv *f)
{
	_cleanup_json_ cJSON *metadata = NULL;
	struct kv_version *v = NULL;
	char text[80];

	snprintf(text, sizeof(text),
		 "{\"version\":%" PRId64 ",\"created_time\":\"2026-01-01T00:00:%02dZ\"}", f->number,
		 (int)(f->number % 60));
	metadata = support_parse(text);
	cJSON_AddItemToObject(metadata, "custom_metadata", cJSON_Duplicate(f->custom, true));
	cr_assert_eq(kv_version_parse(f->data, metadata, &v), 0);
	return v;
}

struct kv_version *fake_kv_latest(struct fake_kv *f)
{
	LOCK_SCOPE(&f->lock);

	return latest_locked(f);
}

static int fake_read(struct kv *kv, const char *path, struct limit limit, struct kv_version **out,
		     struct err *err)
{
	struct fake_kv *f = self(kv);
	LOCK_SCOPE(&f->lock);

	f->reads++;
	if (!(f->rights & KV_READ))
		return refuse(err);
	*out = latest_locked(f);
	return 0;
}

/* Numbers as a server that keeps doubles spells them; none becomes longer by that. */
static void spell_anew(cJSON *item)
{
	if (json_is_number(item)) {
		size_t room = strlen(item->valuestring) + 1;
		double d = strtod(item->valuestring, NULL);

		cr_assert((size_t)snprintf(item->valuestring, room, "%.17g", d) < room);
	}
	for (cJSON *child = item->child; child; child = child->next)
		spell_anew(child);
}

static int write_locked(struct fake_kv *f, cJSON *data, unsigned right, struct kv_version *next,
			int64_t cas, struct err *err)
{
	if (!(f->rights & right)) {
		cJSON_Delete(data);
		return refuse(err);
	}
	if (cas != KV_ANY && cas != f->number) {
		cJSON_Delete(data);
		return err_set(err, EBUSY, "check-and-set parameter did not match");
	}
	cJSON_Delete(f->data);
	f->data = data;
	if (f->doubles)
		spell_anew(f->data);
	next->number = ++f->number;
	return f->lost ? err_set(err, f->lost, "the answer was lost") : 0;
}

static int fake_write(struct kv *kv, const char *path, struct kv_version *next, int64_t cas,
		      struct limit limit, struct err *err)
{
	struct fake_kv *f = self(kv);

	if (f->before_write)
		f->before_write(f, f->writes + f->patches + 1);
	LOCK_SCOPE(&f->lock);
	f->writes++;
	return write_locked(f, kv_version_json(next), f->number ? KV_UPDATE : KV_CREATE, next, cas,
			    err);
}

static int fake_patch(struct kv *kv, const char *path, const struct kv_change *changes,
		      size_t count, struct kv_version *next, int64_t cas, struct limit limit,
		      struct err *err)
{
	struct fake_kv *f = self(kv);
	_cleanup_object_ struct kv_version *now = NULL, *made = NULL;

	if (f->before_write)
		f->before_write(f, f->writes + f->patches + 1);
	LOCK_SCOPE(&f->lock);
	f->patches++;
	if (!f->data)
		return err_set(err, ENOENT, "there is nothing to patch");
	now = latest_locked(f);
	made = kv_version_apply(now, changes, count, false);
	return write_locked(f, kv_version_json(made), KV_PATCH, next, cas, err);
}

static int fake_mark(struct kv *kv, const char *path, const struct kv_remark *marks, size_t n,
		     int64_t number, struct limit limit, struct err *err)
{
	struct fake_kv *f = self(kv);
	_cleanup_json_ cJSON *patch = kv_mark_patch(marks, n);
	LOCK_SCOPE(&f->lock);

	f->marks++;
	if (f->mark_refused)
		return refuse(err);
	for (cJSON *item = json_get(patch, "custom_metadata")->child; item; item = item->next) {
		cJSON_DeleteItemFromObjectCaseSensitive(f->custom, item->string);
		if (!cJSON_IsNull(item))
			cJSON_AddItemToObject(f->custom, item->string, cJSON_Duplicate(item, true));
	}
	return 0;
}

static int fake_delete(struct kv *kv, const char *path, int64_t number, struct limit limit,
		       struct err *err)
{
	struct fake_kv *f = self(kv);
	LOCK_SCOPE(&f->lock);

	f->deletes++;
	if (number == f->number) {
		cJSON_Delete(f->data);
		f->data = NULL;
	}
	return 0;
}

static int fake_metadata(struct kv *kv, const char *path, struct limit limit, cJSON **out,
			 struct err *err)
{
	struct fake_kv *f = self(kv);
	char text[60];
	LOCK_SCOPE(&f->lock);

	if (f->mark_refused)
		return refuse(err);
	snprintf(text, sizeof(text), "{\"current_version\":%" PRId64 "}", f->number);
	*out = support_parse(text);
	cJSON_AddItemToObject(*out, "custom_metadata", cJSON_Duplicate(f->custom, true));
	return 0;
}

static const struct kv_ops ops = {
	.read = fake_read,
	.write = fake_write,
	.patch = fake_patch,
	.mark = fake_mark,
	.delete_version = fake_delete,
	.metadata = fake_metadata,
};

void fake_kv_init(struct fake_kv *f, const char *data)
{
	*f = (struct fake_kv){.kv.ops = &ops,
			      .lock = LOCK_INITIALIZER(LOCK_KV1),
			      .rights = KV_CREATE | KV_READ | KV_UPDATE | KV_PATCH | KV_DELETE,
			      .custom = cJSON_CreateObject()};
	if (data)
		fake_kv_put(f, data);
}

void fake_kv_fini(struct fake_kv *f)
{
	cJSON_Delete(f->data);
	cJSON_Delete(f->custom);
}

void fake_kv_put(struct fake_kv *f, const char *data)
{
	LOCK_SCOPE(&f->lock);

	cJSON_Delete(f->data);
	f->data = support_parse(data);
	f->number++;
}

bool fake_kv_holds(struct fake_kv *f, int64_t number, const char *data)
{
	_cleanup_json_ cJSON *expected = support_parse(data);
	LOCK_SCOPE(&f->lock);

	return f->number == number && f->data && cJSON_Compare(f->data, expected, true);
}
