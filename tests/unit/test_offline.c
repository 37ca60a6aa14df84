// SPDX-License-Identifier: Apache-2.0
/* The copy for offline use: answers survive a restart with their age, for the identity they were
 * kept for; revoked ones do not; and they survive as bytes. */

#include "unit_support.h"

#include "base/clock.h"
#include "base/codec.h"
#include "offline/offline.h"
#include "offline/record.h"

#include <errno.h>
#include <stdio.h>

TestSuite(offline, .init = support_init, .fini = support_fini, .timeout = 120);

#define KEY    "0123456789abcdef0123456789abcdef"
#define CANARY "canary-71c2"

static int put(size_t kind, const struct object *o, struct buf *to)
{
	return record_put_version(container_of(o, struct kv_version, object), to);
}

static bool is_way(size_t kind)
{
	return kind == 1;
}

static int get(size_t kind, const char *bytes, size_t len, struct object **out)
{
	struct kv_version *v = NULL;
	int r = record_get_version(bytes, len, &v);

	*out = v ? &v->object : NULL;
	return r;
}

static struct offline *opened(const char *key_text, size_t bytes, const char *who)
{
	_cleanup_free_ char *path = support_path("copy");
	static struct store_key key; /* the copy needs it while it is opened */
	struct offline_config c = {.path = path,
				   .key = &key,
				   .bytes = bytes,
				   .put = put,
				   .get = get,
				   .is_way = is_way,
				   .limit = support_limit()};
	struct offline *o = NULL;
	struct err err = {0};

	key = (struct store_key){.kind = STORE_KEY_FILE,
				 .material = secret_new(key_text, strlen(key_text))};
	cr_assert_eq(offline_open(&c, &o, &err), 0, "%s", err_text(&err));
	store_key_fini(&key);
	cr_assert_eq(offline_set_who(o, who), 0);
	return o;
}

static struct kv_version *version_of(const char *json)
{
	_cleanup_json_ cJSON *data = support_parse(json);
	struct kv_version *v = NULL;

	cr_assert_eq(kv_version_parse(data, NULL, &v), 0);
	v->number = 7;
	v->created = 1234567890123456789;
	return v;
}

static void keep(struct offline *o, const char *path, const char *json)
{
	struct kv_version *v = version_of(json);

	offline_keep(o, 0, path, &v->object, 0);
	object_put(v);
}

static int recall(struct offline *o, const char *path, struct kv_version **out)
{
	struct object *object = NULL;
	uint64_t age;
	int r = offline_recall(o, 0, path, support_limit(), &object, &age);

	*out = (struct kv_version *)object;
	if (r == 0)
		cr_assert_lt(age, 100 * NS_PER_SEC);
	return r;
}

static void assert_kept(struct offline *o, const char *path, const char *json)
{
	_cleanup_object_ struct kv_version *v = NULL, *want = version_of(json);

	cr_assert_eq(recall(o, path, &v), 0, "%s", path);
	cr_assert(kv_version_equal(v, want) && kv_version_same(v, want), "%s", path);
}

static void assert_not_kept(struct offline *o, const char *path, int code)
{
	struct kv_version *v = NULL;

	cr_assert_eq(recall(o, path, &v), code, "%s", path);
}

Test(offline, it_is_there_at_once_and_after_a_restart)
{
	static const char json[] = "{\"a\": \"" CANARY "\", \"n\": 1.50, \"o\": {\"x\": [null]}}";
	struct offline *o = opened(KEY, 1 << 20, "me");

	keep(o, "db", json);
	assert_kept(o, "db", json);
	offline_close(o);
	o = opened(KEY, 1 << 20, "me");
	assert_kept(o, "db", json);
	assert_not_kept(o, "d", -ENOENT);
	offline_close(o);
}

Test(offline, nobody_else_is_served)
{
	struct offline *o = opened(KEY, 1 << 20, "me");

	keep(o, "db", "{\"a\": \"1\"}");
	offline_set_who(o, "you");
	assert_not_kept(o, "db", -ENOENT);
	keep(o, "db", "{\"a\": \"2\"}");
	offline_close(o);
	o = opened(KEY, 1 << 20, "me");
	assert_kept(o, "db", "{\"a\": \"1\"}");
	offline_set_who(o, "you");
	assert_kept(o, "db", "{\"a\": \"2\"}");
	offline_close(o);
}

Test(offline, what_is_taken_back_is_gone)
{
	struct offline *o = opened(KEY, 1 << 20, "me");

	keep(o, "refused", "{\"a\": \"1\"}");
	keep(o, "gone", "{\"a\": \"1\"}");
	offline_close(o);
	o = opened(KEY, 1 << 20, "me");
	offline_keep(o, 0, "refused", NULL, EACCES);
	offline_keep(o, 0, "gone", NULL, ENOENT);
	assert_not_kept(o, "refused", -EACCES);
	assert_not_kept(o, "gone", -ENOENT);
	offline_close(o);
	o = opened(KEY, 1 << 20, "me");
	assert_not_kept(o, "refused", -EACCES);
	assert_not_kept(o, "gone", -ENOENT);
	keep(o, "refused", "{\"a\": \"2\"}");
	offline_forget(o);
	assert_not_kept(o, "refused", -ENOENT);
	keep(o, "new", "{\"a\": \"3\"}");
	offline_close(o);
	o = opened(KEY, 1 << 20, "me");
	assert_not_kept(o, "refused", -ENOENT);
	assert_kept(o, "new", "{\"a\": \"3\"}");
	offline_close(o);
}

Test(offline, what_is_still_to_be_written_is_written_for_who_it_was_said_to)
{
	struct offline *o = opened(KEY, 1 << 20, "old");

	keep(o, "forgotten", "{\"a\": \"1\"}");
	offline_close(o);
	o = opened(KEY, 1 << 20, "me");
	keep(o, "mine", "{\"a\": \"1\"}");
	offline_close(o);
	o = opened(KEY, 1 << 20, "old");
	offline_forget(o);
	offline_set_who(o, "me");
	assert_kept(o, "mine", "{\"a\": \"1\"}");
	offline_keep(o, 0, "mine", NULL, EACCES);
	keep(o, "more", "{\"a\": \"2\"}");
	offline_set_who(o, NULL);
	keep(o, "lost", "{\"a\": \"2\"}");
	assert_not_kept(o, "more", -ENOENT);
	offline_set_who(o, "me");
	assert_not_kept(o, "mine", -EACCES);
	assert_kept(o, "more", "{\"a\": \"2\"}");
	assert_not_kept(o, "lost", -ENOENT);
	offline_close(o);
	o = opened(KEY, 1 << 20, "me");
	assert_not_kept(o, "mine", -EACCES);
	assert_kept(o, "more", "{\"a\": \"2\"}");
	offline_set_who(o, "old");
	assert_not_kept(o, "forgotten", -ENOENT);
	offline_close(o);
}

Test(offline, a_version_that_is_not_live_has_no_values)
{
	_cleanup_buf_ struct buf b = {0};
	_cleanup_object_ struct kv_version *v = version_of("{\"a\": \"" CANARY "\"}"), *back = NULL;

	v->state = KV_DELETED;
	cr_assert_eq(record_put_version(v, &b), 0);
	cr_assert_null(memmem(b.data, b.len, CANARY, strlen(CANARY)));
	cr_assert_eq(record_get_version(b.data, b.len, &back), 0);
	cr_assert(back->state == KV_DELETED && back->number == 7 && back->count == 0);
}

Test(offline, it_is_bounded_and_texts_stay)
{
	struct offline *o = opened(KEY, 20000, "me");
	_cleanup_free_ char *text = NULL;
	_cleanup_object_ struct kv_version *v = NULL;
	struct object *way = NULL;
	uint64_t age;
	char path[20], json[2100];

	cr_assert_eq(offline_put_text(o, "me", "secret", "2 secret", support_limit()), 0);
	v = version_of("{\"way\": \"1\"}");
	offline_keep(o, 1, "way", &v->object, 0);
	memset(json, 'x', sizeof(json));
	memcpy(json, "{\"a\": \"", 7);
	strcpy(json + 2000, "\"}");
	for (int i = 0; i < 50; i++) {
		snprintf(path, sizeof(path), "s%d", i);
		keep(o, path, json);
	}
	offline_close(o);
	o = opened(KEY, 20000, "me");
	assert_not_kept(o, "s0", -ENOENT);
	assert_kept(o, "s49", json);
	cr_assert_eq(offline_recall(o, 1, "way", support_limit(), &way, &age), 0);
	object_put(way);
	cr_assert_eq(offline_get_text(o, "me", "secret", support_limit(), &text), 0);
	cr_assert_str_eq(text, "2 secret");
	offline_close(o);
}

Test(offline, another_key_opens_nothing_of_it)
{
	struct offline *o = opened(KEY, 1 << 20, "me");

	keep(o, "db", "{\"a\": \"1\"}");
	offline_close(o);
	o = opened("fedcba9876543210fedcba9876543210", 1 << 20, "me");
	assert_not_kept(o, "db", -ENOENT);
	offline_close(o);
}

Test(offline, every_beginning_of_a_record_is_refused)
{
	_cleanup_object_ struct kv_version *v = version_of("{\"a\": \"1\", \"b\": [2]}");
	_cleanup_buf_ struct buf b = {0};

	cr_assert_eq(record_put_version(v, &b), 0);
	for (size_t n = 0; n < b.len; n++) {
		_cleanup_free_ char *copy = malloc(n ? n : 1);
		struct kv_version *back = NULL;
		struct kv_list *list = NULL;

		memcpy(copy, b.data, n);
		cr_assert_eq(record_get_version(copy, n, &back), -EBADMSG, "%zu", n);
		if (record_get_list(copy, n, &list) == 0)
			object_put(list);
	}
}

Test(offline, lists_and_binary_values_come_back)
{
	_cleanup_json_ cJSON *keys = support_parse("[\"a\", \"a/\", \"b/\", \"c\"]");
	struct kv_change bytes = {
		.name = "bin", .name_len = 3, .binary = true, .text = "\0\xff", .len = 2};
	_cleanup_object_ struct kv_version *none = kv_version_empty(KV_ABSENT, 0), *back = NULL;
	_cleanup_object_ struct kv_version *v = kv_version_apply(none, &bytes, 1, true);
	_cleanup_object_ struct kv_list *list = NULL, *again = NULL;
	_cleanup_buf_ struct buf a = {0}, b = {0};

	cr_assert_eq(kv_list_parse(keys, &list), 0);
	cr_assert_eq(record_put_list(list, &a), 0);
	cr_assert_eq(record_get_list(a.data, a.len, &again), 0);
	cr_assert_eq(again->count, 3);
	cr_assert_eq(kv_list_find(again, "a"), KV_ENTRY_SECRET | KV_ENTRY_FOLDER);
	cr_assert_eq(kv_list_find(again, "c"), KV_ENTRY_SECRET);
	cr_assert_eq(record_put_version(v, &b), 0);
	cr_assert_eq(record_get_version(b.data, b.len, &back), 0);
	cr_assert(kv_version_equal(v, back) && back->fields[0].binary);
	cr_assert(kv_version_marked(back, "bin", 3));
}
