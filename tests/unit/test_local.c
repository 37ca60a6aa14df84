// SPDX-License-Identifier: Apache-2.0
/* Embedded stores: paths that none has are not changed through the engine, and found where they are. */

#include "unit_support.h"

#include "kv/kv_local.h"
#include "store/local.h"

#include <errno.h>
#include <stdlib.h>

TestSuite(local, .init = support_init, .fini = support_fini, .timeout = 60);

#define KEY "0123456789abcdef0123456789abcdef"

static int opened(bool create, bool verify, struct local **l, struct err *err)
{
	_cleanup_store_key_ struct store_key key = {.kind = STORE_KEY_FILE,
						    .material = secret_new(KEY, strlen(KEY))};
	_cleanup_free_ char *path = support_path("store.db");
	struct local_config c = {.file = path,
				 .key = &key,
				 .create = create,
				 .verify = verify,
				 .limit = support_limit()};

	return local_open(&c, l, err);
}

static void put(const char *path)
{
	_cleanup_json_ cJSON *data = support_parse("{\"x\": \"1\"}");
	struct local *l = NULL;
	int64_t number, created;

	cr_assert_eq(opened(true, false, &l, NULL), 0);
	cr_assert_eq(
		local_write(l, path, data, LOCAL_ANY, support_limit(), &number, &created, NULL), 0);
	local_close(l);
}

static void assert_unchanged(struct kv *kv, const char *path)
{
	_cleanup_object_ struct kv_version *next = kv_version_empty(KV_LIVE, 0);
	_cleanup_json_ cJSON *patch = support_parse("{\"max_versions\": 1}");
	struct kv_remark mark = {kv_mark_of("x", 1), true};
	struct limit limit = support_limit();
	const struct kv_ops *ops = kv->ops;

	cr_assert_eq(ops->write(kv, path, next, 0, limit, NULL), -EINVAL, "%s", path);
	cr_assert_eq(ops->patch(kv, path, NULL, 0, next, 0, limit, NULL), -EINVAL, "%s", path);
	cr_assert_eq(ops->mark(kv, path, &mark, 1, 0, limit, NULL), -EINVAL, "%s", path);
	cr_assert_eq(ops->delete_version(kv, path, 1, limit, NULL), -EINVAL, "%s", path);
	cr_assert_eq(ops->undelete_version(kv, path, 1, limit, NULL), -EINVAL, "%s", path);
	cr_assert_eq(ops->destroy_version(kv, path, 1, limit, NULL), -EINVAL, "%s", path);
	cr_assert_eq(ops->purge(kv, path, limit, NULL), -EINVAL, "%s", path);
	cr_assert_eq(ops->change_metadata(kv, path, patch, limit, NULL), -EINVAL, "%s", path);
}

Test(local, paths_with_names_that_none_has_are_not_changed)
{
	static const char *const bad[] = {"", "/a", "a/", "a//b", ".", "a/..", "../a", "a/.vault"};
	struct local *l = NULL;
	struct kv *kv;

	cr_assert_eq(opened(true, false, &l, NULL), 0);
	kv = kv_local_new(l);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_unchanged(kv, bad[i]);
	kv_free(kv);
}

/* One change of any kind. */
static void change(struct local *l, unsigned *seed)
{
	static const char *const paths[] = {"a", "a/b", "a/b/c", "d", "e/f"};
	const char *path = paths[rand_r(seed) % ARRAY_SIZE(paths)];
	_cleanup_json_ cJSON *data = support_parse("{\"x\": \"1\"}"),
			     *patch = support_parse("{\"max_versions\": 2}");
	int64_t number, created, some = 1 + rand_r(seed) % 4;
	struct limit limit = support_limit();
	int r = 0;

	switch (rand_r(seed) % 8) {
	case 0:
		r = local_purge(l, path, limit, NULL);
		break;
	case 1:
		r = local_change_metadata(l, path, patch, limit, NULL);
		break;
	case 2:
	case 3:
	case 4:
		r = local_do(l, path, some, (enum local_deed)(rand_r(seed) % 3), limit, NULL);
		break;
	default:
		r = local_write(l, path, data, LOCAL_ANY, limit, &number, &created, NULL);
	}
	cr_assert(r == 0 || r == -ENOENT, "%d", r);
}

Test(local, every_kind_of_change_leaves_a_store_whole)
{
	unsigned seed = 7;

	for (int i = 0; i < 60; i++) {
		struct local *l = NULL;
		struct err err = {0};

		cr_assert_eq(opened(true, true, &l, &err), 0, "%d: %s", i, err_text(&err));
		for (int k = 0; k < 5; k++)
			change(l, &seed);
		local_close(l);
	}
}

Test(local, a_secret_without_a_name_is_damage)
{
	struct local *l = NULL;
	struct err err = {0};

	put("a/b");
	cr_assert_eq(opened(false, true, &l, &err), 0, "%s", err_text(&err));
	local_close(l);
	put("/x");
	cr_assert_eq(opened(false, true, &l, &err), -EIO);
	cr_assert(strstr(err.text, "has no name"), "%s", err.text);
}
