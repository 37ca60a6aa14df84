// SPDX-License-Identifier: Apache-2.0
/* A change of a secret while others change it too: it is merged with theirs, or is a conflict, and is never
 * written over what it was built on. And with few rights, with refused marks, without an answer. */

#include "fake_kv.h"
#include "unit_support.h"

#include "conf/conf.h"
#include "secrets/kinds.h"
#include "secrets/secrets.h"

#include <stdio.h>

static struct fake_kv fake;
static struct secrets secrets;

static void begin(void)
{
	support_init();
	secrets = (struct secrets){.kv = &fake.kv};
}

static void end(void)
{
	fake_kv_fini(&fake);
	support_fini();
}

TestSuite(secrets, .init = begin, .fini = end, .timeout = 120);

static struct kv_change set(const char *name, const char *text)
{
	return (struct kv_change){
		.name = name, .name_len = strlen(name), .text = text, .len = strlen(text)};
}

static struct kv_change unset(const char *name)
{
	return (struct kv_change){.name = name, .name_len = strlen(name), .remove = true};
}

/* Changes the secret; the version that was made is looked at by the test in the store. */
static int make(const struct secret_change *c, struct secret_outcome *out, struct err *err)
{
	int r = secrets_change(&secrets, "a/b", c, support_limit(), out, err);

	cr_assert_eq(out->made != NULL, r == 0);
	object_put(out->made);
	return r;
}

/* One field that is set to "new", from the version that is there now. */
static int set_one(const char *name, bool blind, struct secret_outcome *out, struct err *err)
{
	_cleanup_object_ struct kv_version *base = fake_kv_latest(&fake);
	struct kv_change field = set(name, "new");

	return make(
		&(struct secret_change){
			.base = base, .fields = &field, .count = 1, .blind = blind, .cas = KV_ANY},
		out, err);
}

static void others_write_b(struct fake_kv *f, unsigned n)
{
	if (n == 1)
		fake_kv_put(f, "{\"a\":\"1\",\"b\":\"theirs\"}");
}

static void others_write_a(struct fake_kv *f, unsigned n)
{
	if (n == 1)
		fake_kv_put(f, "{\"a\":\"theirs\",\"b\":\"2\"}");
}

Test(secrets, a_change_is_one_version_on_top_of_the_one_it_was_made_from)
{
	struct secret_outcome out;

	fake_kv_init(&fake, "{\"a\":\"1\",\"b\":\"2\"}");
	cr_assert_eq(set_one("a", false, &out, NULL), 0);
	cr_assert(fake_kv_holds(&fake, 2, "{\"a\":\"new\",\"b\":\"2\"}"));
	cr_assert(out.before == KV_LIVE && !out.merged && !out.unseen);
	cr_assert_eq(fake.writes, 1);
}

Test(secrets, a_secret_that_was_not_there_is_made)
{
	struct secret_outcome out;

	fake_kv_init(&fake, NULL);
	cr_assert_eq(set_one("a", false, &out, NULL), 0);
	cr_assert(fake_kv_holds(&fake, 1, "{\"a\":\"new\"}"));
	cr_assert_eq(out.before, KV_ABSENT);
}

Test(secrets, other_fields_that_others_write_meanwhile_are_merged)
{
	struct secret_outcome out;

	fake_kv_init(&fake, "{\"a\":\"1\",\"b\":\"2\"}");
	fake.before_write = others_write_b;
	cr_assert_eq(set_one("a", false, &out, NULL), 0);
	cr_assert(fake_kv_holds(&fake, 3, "{\"a\":\"new\",\"b\":\"theirs\"}"));
	cr_assert(out.merged);
	cr_assert(fake.writes == 2 && fake.reads == 1);
}

Test(secrets, a_field_that_the_change_was_built_on_and_others_have_written_is_a_conflict)
{
	struct secret_outcome out;
	struct err err = {0};

	fake_kv_init(&fake, "{\"a\":\"1\",\"b\":\"2\"}");
	fake.before_write = others_write_a;
	cr_assert_eq(set_one("a", false, &out, &err), -EBUSY);
	cr_assert(fake_kv_holds(&fake, 2, "{\"a\":\"theirs\",\"b\":\"2\"}"));
	cr_assert(strstr(err_text(&err), "made from version 1, the latest is 2"), "%s",
		  err_text(&err));
	cr_assert(fake.writes == 1 && !out.overtaken && out.latest == 2);
}

Test(secrets, a_blind_change_goes_over_what_others_wrote_unless_conflicts_are_strict)
{
	struct secret_outcome out;

	fake_kv_init(&fake, "{\"a\":\"1\",\"b\":\"2\"}");
	fake.before_write = others_write_a;
	cr_assert_eq(set_one("a", true, &out, NULL), 0);
	cr_assert(fake_kv_holds(&fake, 3, "{\"a\":\"new\",\"b\":\"2\"}"));
	secrets.strict = true;
	fake.writes = 0;
	cr_assert_eq(set_one("a", true, &out, NULL), -EBUSY);
}

Test(secrets, a_change_of_several_fields_conflicts_in_those_it_is_built_on_alone)
{
	_cleanup_object_ struct kv_version *base = NULL;
	struct kv_change fields[] = {unset("a"), set("b", "1")};
	struct secret_change c = {
		.fields = fields, .count = 2, .blind = true, .built_on = 1, .cas = KV_ANY};
	struct secret_outcome out;

	fake_kv_init(&fake, "{\"a\":\"1\",\"b\":\"2\"}");
	base = c.base = fake_kv_latest(&fake);
	fake.before_write = others_write_a;
	cr_assert_eq(make(&c, &out, NULL), -EBUSY);
	fake_kv_put(&fake, "{\"a\":\"1\",\"b\":\"2\"}");
	fake.before_write = others_write_b;
	fake.writes = 0;
	cr_assert_eq(make(&c, &out, NULL), 0);
	cr_assert(fake_kv_holds(&fake, 5, "{\"b\":\"1\"}"));
}

Test(secrets, a_whole_secret_is_not_written_over_a_version_that_it_was_not_made_from)
{
	_cleanup_object_ struct kv_version *base = NULL;
	struct kv_change field = set("c", "3");
	struct secret_change c = {.fields = &field, .count = 1, .whole = true, .cas = KV_ANY};
	struct secret_outcome out;

	fake_kv_init(&fake, "{\"a\":\"1\"}");
	base = c.base = fake_kv_latest(&fake);
	fake.before_write = others_write_b;
	cr_assert_eq(make(&c, &out, NULL), -EBUSY);
	cr_assert_eq(fake.number, 2);
	c.blind = true;
	cr_assert_eq(make(&c, &out, NULL), 0);
	cr_assert(fake_kv_holds(&fake, 3, "{\"c\":\"3\"}"));
}

Test(secrets, a_change_without_a_base_fits_any_version)
{
	struct kv_change field = set("a", "new");
	struct secret_change c = {.fields = &field, .count = 1, .cas = KV_ANY};
	struct secret_outcome out;

	fake_kv_init(&fake, "{\"a\":\"1\",\"b\":\"2\"}");
	fake.before_write = others_write_a;
	secrets.strict = true;
	cr_assert_eq(make(&c, &out, NULL), 0);
	cr_assert(fake_kv_holds(&fake, 3, "{\"a\":\"new\",\"b\":\"2\"}"));
}

Test(secrets, a_number_that_was_asked_for_is_the_only_one_that_is_written_on)
{
	struct kv_change field = set("a", "new");
	struct secret_change c = {.fields = &field, .count = 1, .cas = 7};
	struct secret_outcome out;

	fake_kv_init(&fake, "{\"a\":\"1\"}");
	cr_assert_eq(make(&c, &out, NULL), -EBUSY);
	cr_assert(fake.writes == 0 && out.latest == 1);
	c.cas = 1;
	fake.before_write = others_write_b;
	cr_assert_eq(make(&c, &out, NULL), -EBUSY);
	cr_assert_eq(fake.writes, 1, "it is not tried again on another version");
	c.cas = 2;
	cr_assert_eq(make(&c, &out, NULL), 0);
	cr_assert(fake_kv_holds(&fake, 3, "{\"a\":\"new\",\"b\":\"theirs\"}"));
}

static void others_always_write(struct fake_kv *f, unsigned n)
{
	char text[40];

	snprintf(text, sizeof(text), "{\"b\":\"%u\"}", n);
	fake_kv_put(f, text);
}

Test(secrets, it_gives_up_when_others_keep_writing_until_its_time_is_over)
{
	struct kv_change field = set("a", "new");
	struct secret_change c = {.fields = &field, .count = 1, .cas = KV_ANY};
	struct limit limit = {.deadline = clock_mono() + 50 * NS_PER_MS};
	struct secret_outcome out;

	fake_kv_init(&fake, "{\"a\":\"1\"}");
	fake.before_write = others_always_write;
	cr_assert_eq(secrets_change(&secrets, "a/b", &c, limit, &out, NULL), -EBUSY);
	cr_assert(out.overtaken && !out.made);
	cr_assert_eq(fake.number, 1 + fake.writes, "nothing of it was written");
}

Test(secrets, a_token_that_may_only_patch_changes_what_one_that_may_update_does)
{
	struct kv_change fields[] = {set("a", "new"), unset("b")};
	struct secret_change c = {.fields = fields, .count = 2, .cas = KV_ANY};
	struct secret_outcome out;

	fake_kv_init(&fake, "{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\"}");
	fake.rights = KV_READ | KV_PATCH;
	cr_assert_eq(make(&c, &out, NULL), 0);
	cr_assert(fake_kv_holds(&fake, 2, "{\"a\":\"new\",\"c\":\"3\"}"));
	c.whole = true;
	c.count = 1;
	cr_assert_eq(make(&c, &out, NULL), 0);
	cr_assert(fake_kv_holds(&fake, 3, "{\"a\":\"new\"}"));
	fake.rights = KV_READ | KV_UPDATE;
	fields[0] = set("a", "newer");
	fake.patches = 0;
	cr_assert_eq(make(&c, &out, NULL), 0);
	cr_assert(fake_kv_holds(&fake, 4, "{\"a\":\"newer\"}"));
	cr_assert_eq(fake.patches, 0, "the version was not refused");
}

Test(secrets, a_patch_after_a_conflict_is_merged_too)
{
	struct secret_outcome out;

	fake_kv_init(&fake, "{\"a\":\"1\",\"b\":\"2\"}");
	fake.rights = KV_READ | KV_PATCH;
	fake.before_write = others_write_b;
	cr_assert_eq(set_one("a", false, &out, NULL), 0);
	cr_assert(fake_kv_holds(&fake, 3, "{\"a\":\"new\",\"b\":\"theirs\"}"));
}

Test(secrets, a_token_that_may_do_neither_hears_of_the_first_refusal)
{
	struct secret_outcome out;
	struct err err = {0};

	fake_kv_init(&fake, "{\"a\":\"1\"}");
	fake.rights = KV_READ;
	cr_assert_eq(set_one("a", false, &out, &err), -EACCES);
	cr_assert_str_eq(err_text(&err), "permission denied");
	cr_assert(fake_kv_holds(&fake, 1, "{\"a\":\"1\"}"));
}

Test(secrets, a_token_that_may_only_create_writes_the_whole_document)
{
	struct kv_change field = set("a", "new");
	struct secret_change c = {.fields = &field, .count = 1, .whole = true, .cas = KV_ANY};
	struct secret_outcome out;

	fake_kv_init(&fake, NULL);
	fake.rights = KV_CREATE;
	cr_assert_eq(make(&c, &out, NULL), 0);
	cr_assert(fake_kv_holds(&fake, 1, "{\"a\":\"new\"}"));
	cr_assert(out.unseen);
	cr_assert_eq(make(&c, &out, NULL), -EACCES, "it is there now");
	c.whole = false;
	cr_assert_eq(make(&c, &out, NULL), -EACCES, "what it would be is not known");
	cr_assert_eq(fake.patches, 0);
}

Test(secrets, the_last_field_goes_with_the_version_that_holds_it)
{
	struct kv_change field = unset("a");
	struct secret_change c = {.fields = &field, .count = 1, .cas = KV_ANY};
	struct secret_outcome out;

	fake_kv_init(&fake, "{\"a\":\"1\"}");
	cr_assert_eq(make(&c, &out, NULL), 0);
	cr_assert(fake.deletes == 1 && fake.writes == 0 && fake.number == 1 && !fake.data);
	fake_kv_put(&fake, "{}");
	cr_assert_eq(make(&(struct secret_change){.cas = KV_ANY}, &out, NULL), 0);
	cr_assert(fake_kv_holds(&fake, 3, "{}"), "nothing was removed");
	fake_kv_put(&fake, "{\"a\":\"1\",\"b\":\"2\"}");
	cr_assert_eq(make(&(struct secret_change){.deletes = true, .cas = KV_ANY}, &out, NULL), 0);
	cr_assert(fake.deletes == 2 && fake.number == 4 && !fake.data);
}

Test(secrets, bytes_that_are_no_text_are_marked_before_they_are_written)
{
	struct kv_change field = {
		.name = "a", .name_len = 1, .text = "\xff\xfe", .len = 2, .binary = true};
	struct secret_change c = {.fields = &field, .count = 1, .cas = KV_ANY};
	_cleanup_object_ struct kv_version *now = NULL;
	struct secret_outcome out;

	fake_kv_init(&fake, "{\"a\":\"1\"}");
	fake.mark_refused = true;
	cr_assert_eq(make(&c, &out, NULL), -EACCES);
	cr_assert(fake.writes == 0 && fake_kv_holds(&fake, 1, "{\"a\":\"1\"}"));
	fake.mark_refused = false;
	cr_assert_eq(make(&c, &out, NULL), 0);
	now = fake_kv_latest(&fake);
	cr_assert(now->fields[0].binary && now->fields[0].len == 2);
}

Test(secrets, a_mark_is_there_again_when_the_text_that_would_need_none_is_refused)
{
	struct kv_change field = set("a", "/v8=");
	struct secret_change c = {.fields = &field, .count = 1, .cas = KV_ANY};
	_cleanup_object_ struct kv_version *now = NULL;
	struct secret_outcome out;

	fake_kv_init(&fake, "{\"a\":\"//4=\"}");
	cJSON_AddItemToObject(fake.custom, "vaultfs.b64.ca978112ca1bbdcafac231b39a23dc4d",
			      cJSON_CreateString("1"));
	fake.rights = KV_READ;
	cr_assert_eq(make(&c, &out, NULL), -EACCES);
	now = fake_kv_latest(&fake);
	cr_assert(now->fields[0].binary, "it reads as the bytes that it was");
}

Test(secrets, what_a_section_forbids_is_not_sent)
{
	static struct conf conf;
	static const char text[] = "[path \"a/*\"]\nmatch.a = ^[0-9]+$\nrequire = b\n";
	_cleanup_free_ char *path = support_file("conf", text, strlen(text));
	struct kv_change field = unset("b");
	struct secret_change c = {.fields = &field, .count = 1, .cas = KV_ANY};
	struct secret_outcome out;

	cr_assert_eq(conf_init(&conf, NULL), 0);
	cr_assert_eq(conf_read_file(&conf, path, NULL), 0);
	secrets.rules = (struct rules){conf.rules, "secret"};
	fake_kv_init(&fake, "{\"a\":\"1\",\"b\":\"2\"}");
	cr_assert_eq(set_one("a", true, &out, NULL), -EINVAL);
	cr_assert(out.forbidden);
	cr_assert_eq(make(&c, &out, NULL), -EINVAL);
	cr_assert(out.forbidden && fake.writes == 0);
	field = set("a", "7");
	cr_assert_eq(make(&c, &out, NULL), 0);
	cr_assert_not(out.forbidden);
	conf_fini(&conf);
}

Test(secrets, a_change_whose_answer_is_lost_is_not_sent_again)
{
	struct secret_outcome out;

	fake_kv_init(&fake, "{\"a\":\"1\"}");
	fake.lost = ETIMEDOUT;
	cr_assert_eq(set_one("a", true, &out, NULL), -ETIMEDOUT);
	cr_assert_eq(fake.writes, 1);
}

struct heard {
	unsigned sent, read, writes_at_sending;
};

static void on_sending(void *arg)
{
	struct heard *h = arg;

	h->sent++;
	h->writes_at_sending = fake.writes;
}

static void on_read(void *arg, struct kv_version *latest, uint64_t mark)
{
	((struct heard *)arg)->read++;
}

Test(secrets, the_listener_hears_of_each_request_before_it_and_of_what_others_made)
{
	static const struct secrets_listener listener = {on_sending, on_read};
	struct secret_outcome out;
	struct heard h = {0};

	secrets.listener = &listener;
	secrets.arg = &h;
	fake_kv_init(&fake, "{\"a\":\"1\",\"b\":\"2\"}");
	fake.before_write = others_write_b;
	cr_assert_eq(set_one("a", false, &out, NULL), 0);
	cr_assert(h.sent == 2 && h.read == 1 && h.writes_at_sending == 1);
}

/* A cache of which nothing is fetched. */
static struct cache *new_cache(void)
{
	static struct cache_kind kinds[TREE_KINDS];
	struct cache_config config = {.kinds = kinds, .kind_count = TREE_KINDS, .bytes = 1 << 20};
	struct cache *c = cache_new(&config, NULL);

	cr_assert_not_null(c);
	return c;
}

static void number_free(struct object *o)
{
	free(container_of(o, struct tree_number, object));
}

static void know_rights(unsigned rights)
{
	struct tree_number *n = calloc(1, sizeof(*n));

	*n = (struct tree_number){.object = {.refs = 1, .size = sizeof(*n), .free = number_free},
				  .number = rights};
	cache_put(secrets.cache, TREE_RIGHTS, "a/b", &n->object, NS_PER_SEC);
}

Test(secrets, rights_that_are_known_choose_the_request)
{
	struct secret_outcome out;

	secrets.cache = new_cache();
	fake_kv_init(&fake, "{\"a\":\"1\",\"b\":\"2\"}");
	know_rights(KV_READ | KV_UPDATE | KV_PATCH);
	cr_assert_eq(set_one("a", false, &out, NULL), 0);
	cr_assert(fake.patches == 1 && fake.writes == 0);
	know_rights(KV_READ | KV_UPDATE);
	cr_assert_eq(set_one("b", false, &out, NULL), 0);
	cr_assert(fake.patches == 1 && fake.writes == 1);
	fake.rights = KV_READ | KV_PATCH;
	cr_assert_eq(set_one("a", false, &out, NULL), -EACCES);
	cr_assert(fake.patches == 1, "it is known to have no patch");
	cache_free(secrets.cache);
}

Test(secrets, a_version_that_is_known_to_have_come_since_is_written_on_at_once)
{
	_cleanup_object_ struct kv_version *base = NULL;
	struct kv_change field = set("a", "new");
	struct secret_change c = {.fields = &field, .count = 1, .cas = KV_ANY};
	struct secret_outcome out;

	secrets.cache = new_cache();
	fake_kv_init(&fake, "{\"a\":\"1\"}");
	base = c.base = fake_kv_latest(&fake);
	fake_kv_put(&fake, "{\"a\":\"1\",\"b\":\"theirs\"}");
	cache_put(secrets.cache, TREE_DATA, "a/b", &fake_kv_latest(&fake)->object, NS_PER_SEC);
	cr_assert_eq(make(&c, &out, NULL), 0);
	cr_assert(fake_kv_holds(&fake, 3, "{\"a\":\"new\",\"b\":\"theirs\"}"));
	cr_assert(out.merged && fake.writes == 1);
	cache_free(secrets.cache);
}

Test(secrets, numbers_are_remembered_as_the_server_spells_them)
{
	struct kv_change field = set("a", "10e1");
	struct secret_change c = {.fields = &field, .count = 1, .cas = KV_ANY};
	struct secret_outcome out;

	secrets.cache = new_cache();
	fake_kv_init(&fake, "{\"b\":\"2\"}");
	fake.doubles = true;
	field.type = KV_NUMBER;
	cr_assert_eq(secrets_change(&secrets, "a/b", &c, support_limit(), &out, NULL), 0);
	cr_assert_str_eq(out.made->fields[0].text, "100");
	object_put(out.made);
	cache_free(secrets.cache);
}

#define WRITERS 4
#define CHANGES 25

static void *write_field(void *arg)
{
	char name[20];
	struct kv_change field;
	struct secret_change c = {.fields = &field, .count = 1, .cas = KV_ANY};

	for (int i = 0; i < CHANGES; i++) {
		struct secret_outcome out;

		snprintf(name, sizeof(name), "%c%d", *(const char *)arg, i);
		field = set(name, "1");
		cr_assert_eq(make(&c, &out, NULL), 0);
	}
	return NULL;
}

Test(secrets, many_who_write_at_once_lose_nothing)
{
	static const char *const names[WRITERS] = {"a", "b", "c", "d"};
	pthread_t threads[WRITERS];

	fake_kv_init(&fake, "{}");
	for (size_t i = 0; i < WRITERS; i++)
		pthread_create(&threads[i], NULL, write_field, (void *)names[i]);
	for (size_t i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(fake.number, 1 + WRITERS * CHANGES);
	cr_assert_eq(cJSON_GetArraySize(fake.data), WRITERS * CHANGES);
}
