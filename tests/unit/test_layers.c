// SPDX-License-Identifier: Apache-2.0
/* Layers: names of variables, rows of maps and defaults, and what is laid over what the server says.
 * The environment itself is tested in tests/system, since it can be taken once. */

#include "unit_support.h"

#include "layer/layers.h"
#include "layer/rows.h"

#include <errno.h>
#include <stdio.h>

TestSuite(layers, .init = support_init, .fini = support_fini, .timeout = 120);

static struct layers *some_layers(enum layer_mode mode, const char *env, const char *map,
				  const char *defaults)
{
	_cleanup_free_ char *env_file = support_file("env", env, strlen(env));
	_cleanup_free_ char *map_file = support_file("map", map, strlen(map));
	_cleanup_free_ char *defaults_file = support_file("defaults", defaults, strlen(defaults));
	struct layers_config config = {
		.mode = mode, .env_file = env_file, .env_map = map_file, .defaults = defaults_file};
	struct layers *l = NULL;
	struct err err = {0};

	cr_assert_eq(layers_new(&config, &l, &err), 0, "%s", err_text(&err));
	cr_assert_eq(layers_set_root(l, "app"), 0);
	return l;
}

static void assert_field(const struct layers *l, const char *path, const char *name,
			 enum layer_origin origin, const char *text)
{
	struct kv_field f = {0};

	cr_assert_eq(layers_field(l, path, name, strlen(name), &f), origin, "%s %s", path, name);
	if (origin)
		cr_assert_str_eq(f.text, text);
}

static struct kv_version *version_of(const char *json)
{
	_cleanup_json_ cJSON *data = support_parse(json);
	struct kv_version *v = NULL;

	cr_assert_eq(kv_version_parse(data, NULL, &v), 0);
	return v;
}

static void assert_shown(const struct layers *l, const char *path, const char *server,
			 const char *shown)
{
	struct layer_memo memo = {0};
	_cleanup_object_ struct kv_version *v = layers_version(l, path, version_of(server), &memo);
	_cleanup_json_ cJSON *json = kv_version_json(v), *want = support_parse(shown);

	cr_assert(support_same(json, want), "%s", shown);
	layer_memo_fini(&memo);
}

static const char env[] = "DB_URL=u\nDB_X_Y=xy\nMAPPED=m\nTOP=t\nA__B=ab\nDB_EMPTY=\n";
static const char map[] = "{\"db/mapped\": \"MAPPED\", \"db/unset\": \"NOT_SET\", "
			  "\"far/off/x\": \"TOP\", \"gone/x\": \"NOT_SET\"}";
static const char defaults[] = "{\"db\": {\"port\": 5432, \"url\": \"d\", \"mapped\": \"d\"}, "
			       "\"low/est/x\": true}";

Test(layers, a_name_is_a_variable_in_capitals)
{
	struct layers *l = some_layers(LAYER_FALLBACK, env, map, defaults);

	assert_field(l, "app/db", "url", LAYER_ENV, "u");
	assert_field(l, "app/db", "Url", LAYER_ENV, "u");
	assert_field(l, "app/db/x", "y", LAYER_ENV, "xy");
	assert_field(l, "app/db", "x-y", LAYER_ENV, "xy");
	assert_field(l, "app", "top", LAYER_ENV, "t");
	assert_field(l, "app", "a__b", LAYER_ENV, "ab");
	assert_field(l, "app", "a\xc3\xa4_b", LAYER_ENV, "ab");
	assert_field(l, "app/db", "empty", LAYER_ENV, "");
	assert_field(l, "app/db", "mapped", LAYER_ENV, "m");
	assert_field(l, "app/db", "unset", LAYER_NONE, NULL);
	assert_field(l, "app/db", "port", LAYER_DEFAULT, "5432");
	assert_field(l, "app/low/est", "x", LAYER_DEFAULT, "true");
	assert_field(l, "app/db", "nothing", LAYER_NONE, NULL);
	cr_assert_eq(layers_field(NULL, "app", "x", 1, NULL), LAYER_NONE);
	layers_free(l);
}

Test(layers, what_something_is_below_is_a_directory)
{
	static const char *const yes[] = {"app",	 "app/db",  "app/db/x",	  "app/far",
					  "app/far/off", "app/low", "app/low/est"};
	static const char *const no[] = {"app/d",   "app/db/url",    "app/gone", "app/lo",
					 "app/top", "app/low/est/x", "app/fa",	 "app/db/x/y"};
	struct layers *l = some_layers(LAYER_FALLBACK, env, map, defaults);

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		cr_assert(layers_directory(l, yes[i]), "%s", yes[i]);
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		cr_assert(!layers_directory(l, no[i]), "%s", no[i]);
	layers_free(l);
}

Test(layers, fallback_adds_what_the_server_has_not)
{
	struct layers *l = some_layers(LAYER_FALLBACK, env, map, defaults);
	bool listed;

	assert_shown(l, "app/db", "{\"url\": \"s\", \"mapped\": \"s\"}",
		     "{\"mapped\": \"s\", \"port\": 5432, \"url\": \"s\"}");
	assert_shown(l, "app/db", "{}", "{\"mapped\": \"m\", \"port\": 5432, \"url\": \"u\"}");
	assert_shown(l, "app/else", "{\"a\": \"s\"}", "{\"a\": \"s\"}");
	cr_assert(!layers_first(l, "app/db", "url", 3, &listed));
	layers_free(l);
}

Test(layers, override_puts_the_environment_first)
{
	struct layers *l = some_layers(LAYER_OVERRIDE, env, map, defaults);
	bool listed;

	assert_shown(l, "app/db", "{\"url\": \"s\", \"mapped\": \"s\", \"port\": 1}",
		     "{\"mapped\": \"m\", \"port\": 1, \"url\": \"u\"}");
	cr_assert(layers_first(l, "app/db", "url", 3, &listed) && !listed);
	cr_assert(layers_first(l, "app/db", "mapped", 6, &listed) && listed);
	cr_assert(!layers_first(l, "app/db", "port", 4, &listed));
	layers_free(l);
}

Test(layers, folders_get_the_rows_below_them)
{
	struct layers *l = some_layers(LAYER_FALLBACK, env, map, defaults);
	_cleanup_json_ cJSON *keys = support_parse("[\"db\", \"else\", \"low/\"]");
	struct layer_memo memo = {0};
	struct kv_list *server = NULL;
	_cleanup_object_ struct kv_list *list = NULL, *again = NULL;

	cr_assert_eq(kv_list_parse(keys, &server), 0);
	again = object_ref(server);
	list = layers_list(l, "app", server, &memo);
	cr_assert_eq(list->count, 4);
	cr_assert_eq(kv_list_find(list, "db"), KV_ENTRY_SECRET | LAYER_ENTRY);
	cr_assert_eq(kv_list_find(list, "else"), KV_ENTRY_SECRET);
	cr_assert_eq(kv_list_find(list, "low"), KV_ENTRY_FOLDER | LAYER_ENTRY);
	cr_assert_eq(kv_list_find(list, "far"), LAYER_ENTRY);
	object_put(list);
	list = layers_list(l, "app", object_ref(again), &memo);
	cr_assert_eq(memo.shown, &list->object, "it is made once");
	object_put(list);
	layer_memo_fini(&memo);
	list = layers_list(l, "app/else", object_ref(again), &memo);
	cr_assert_eq(list, again, "nothing is added to it");
	layer_memo_fini(&memo);
	layers_free(l);
}

Test(layers, a_value_that_is_no_text_is_binary)
{
	struct layers *l = some_layers(LAYER_ONLY, "A=\xff\xfe\n", "{}", "{}");
	struct kv_field f;

	cr_assert_eq(layers_field(l, "app", "a", 1, &f), LAYER_ENV);
	cr_assert(f.binary && f.type == KV_STRING && f.len == 2);
	layers_free(l);
}

Test(layers, errors_say_what_was_looked_for)
{
	struct layers *l = some_layers(LAYER_FALLBACK, env, map, defaults);
	struct err err = {0};

	err_set(&err, EHOSTUNREACH, "cannot reach it");
	layers_explain(l, "app/db", "host", 4, &err);
	cr_assert_str_eq(err_text(&err), "db/host: there is no variable DB_HOST, and of the "
					 "server: cannot reach it");
	err_set(&err, EHOSTUNREACH, "cannot reach it");
	layers_explain(l, "app/db", "unset", 5, &err);
	cr_assert_not_null(strstr(err_text(&err), "NOT_SET"));
	layers_free(l);
}

Test(layers, without_anything_beside_the_server_there_are_none)
{
	struct layers *l = (void *)1;

	cr_assert_eq(layers_new(&(struct layers_config){.mode = LAYER_OFF}, &l, NULL), 0);
	cr_assert_null(l);
}
