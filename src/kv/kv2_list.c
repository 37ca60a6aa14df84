// SPDX-License-Identifier: Apache-2.0
/* Listings of KV version 2.
 *
 * Names come in one piece, whatever their number: OpenBao can page, but reads and decrypts all of
 * them for each page. 10,000 names are 160 kB and took 0.03 s to 0.14 s; in pages of 1,000 they
 * took 0.24 s, and the slowest page took longer than the whole at its best. Detailed listings,
 * which only OpenBao has, are far larger and are read secret by secret: they come in pages. */

#include "kv/kv2_list.h"

#include "base/codec.h"
#include "vault/lag.h"
#include "vault/health.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <uthash.h>

#define PAGE 500

enum { NOT_ASKED, NOT_THERE, THERE };

static int no_memory(struct err *err)
{
	return err_set(err, ENOMEM, "no memory for a request");
}

/* If a policy filters names, none may be left, and "keys" is missing. */
static bool holds_names(const cJSON *json)
{
	const cJSON *keys = json_get(json_get(json, "data"), "keys");

	return vault_holds_data(json) && (!keys || kv_list_is(keys));
}

/* LIST of a folder in that tree ("metadata", "detailed-metadata"). */
static int ask(struct kv2_list *l, const char *tree, const char *path, const char *query,
	       const char *address, struct limit limit, struct vault_answer *answer,
	       struct err *err)
{
	_cleanup_free_ char *full = NULL;
	struct vault_call call = {.method = "LIST",
				  .query = query,
				  .holds = holds_names,
				  .address = address,
				  .limit = limit};

	if (!strcmp(tree, "metadata"))
		call.depth = 2; /* the answer, "data": the names are kept as text */
	if (asprintf(&full, "%s/%s/%s%s", l->mount, tree, path, *path ? "/" : "") < 0)
		return no_memory(err);
	call.path = full;
	return vault_call(l->vault, &call, answer, err);
}

struct listing_names {
	struct kv2_list *l;
	const char *path;
	struct kv_list *list; /* the last answer */
};

static int ask_names(void *arg, const char *address, struct limit limit, const char **by,
		     struct err *err)
{
	struct listing_names *x = arg;
	_cleanup_answer_ struct vault_answer answer = {0};
	int r = ask(x->l, "metadata", x->path, NULL, address, limit, &answer, err);

	if (r < 0 && r != -ENOENT)
		return r;
	*by = answer.address;
	object_put(steal(x->list));
	r = kv_list_parse(r == 0 ? json_get(json_get(answer.json, "data"), "keys") : NULL,
			  &x->list);
	if (r == -EIO)
		return err_set(err, EIO, "the answer from %s makes no sense: it is no list", *by);
	return r < 0 ? no_memory(err) : 0;
}

static bool names_are_old(void *arg, uint64_t begun, bool certain)
{
	const struct listing_names *x = arg;

	return !certain && floors_miss(x->l->floors, x->path, x->list);
}

static uint64_t hash_path(const char *path)
{
	unsigned hash;

	HASH_JEN(path, strlen(path), hash);
	return (uint64_t)strlen(path) << 32 | hash;
}

bool kv2_list_emptied(struct kv2_list *l, const char *path)
{
	uint64_t key = hash_path(path);

	return atomic_compare_exchange_strong(&l->had_names[key % KV2_FOLDERS], &key, 0);
}

int kv2_list_names(struct kv2_list *l, const char *path, struct limit limit, struct kv_list **out,
		   struct err *err)
{
	struct listing_names x = {.l = l, .path = path};
	struct lag_read read = {.ask = ask_names, .is_old = names_are_old, .arg = &x};
	int r = lag_read(l->vault, &read, limit, err);
	bool lags = r == -EIO && x.list; /* all servers lag; amended, their names are good */

	if (r == 0 || lags)
		r = floors_amend(l->floors, path, lags, &x.list) < 0 ? no_memory(err) : 0;
	if (r == 0 && x.list->count) {
		uint64_t key = hash_path(path);

		atomic_store(&l->had_names[key % KV2_FOLDERS], key);
	}
	if (r == 0)
		*out = steal(x.list);
	object_put(x.list);
	return r;
}

static int not_there(struct kv2_list *l, struct err *err)
{
	atomic_store(&l->detailed, NOT_THERE);
	return err_set(err, EOPNOTSUPP, "%s has no detailed listings", vault_address(l->vault));
}

/* Asks once: a cluster does not become another product. Vault itself would answer as for an empty
 * folder. */
static int find_out(struct kv2_list *l, struct limit limit, struct err *err)
{
	struct health health;
	int r;

	switch (atomic_load(&l->detailed)) {
	case THERE:
		return 0;
	case NOT_THERE:
		return not_there(l, err);
	}
	r = health_read(l->vault, limit, &health, err);
	if (r < 0)
		return r;
	if (strcmp(health.product, "openbao") != 0)
		return not_there(l, err);
	atomic_store(&l->detailed, THERE);
	return 0;
}

/* "limit=500&after=NAME". Heap; NULL: no memory. */
static char *page_query(const char *size, const char *after)
{
	_cleanup_free_ char *name = after ? url_encode_path(after) : NULL;
	char *query = NULL;

	if (after && !name)
		return NULL;
	return asprintf(&query, "limit=%s%s%s", size, name ? "&after=" : "", name ? name : "") < 0
		       ? NULL
		       : query;
}

static int ask_page(struct kv2_list *l, const char *path, const char *size, const char *after,
		    struct limit limit, struct vault_answer *answer, struct err *err)
{
	_cleanup_free_ char *query = page_query(size, after);

	if (!query)
		return no_memory(err);
	return ask(l, "detailed-metadata", path, query, NULL, limit, answer, err);
}

/* If a policy limits the page size, a larger number is refused; "max" stands for the limit. */
static int ask_first(struct kv2_list *l, const char *path, char size[8], struct limit limit,
		     struct vault_answer *answer, struct err *err)
{
	int r;

	snprintf(size, 8, "%d", PAGE);
	r = ask_page(l, path, size, NULL, limit, answer, err);
	if (r != -EACCES)
		return r;
	vault_answer_fini(answer);
	strcpy(size, "max");
	if (ask_page(l, path, size, NULL, limit, answer, err) == 0)
		return 0;
	return err_set(err, EACCES, "the policy allows no detailed listing of %s/%s", l->mount,
		       path);
}

/* Takes a page; *after becomes its last name, or NULL if it is the last page. */
static int take_page(struct kv_children *c, const struct vault_answer *answer, const char *size,
		     char **after)
{
	const cJSON *data = json_get(answer->json, "data"), *keys = json_get(data, "keys");
	const cJSON *first = keys ? keys->child : NULL, *last = first;
	_cleanup_free_ char *before = steal(*after);
	int count = 0, r;

	for (const cJSON *key = first; key; key = key->next) {
		last = key;
		count++;
	}
	/* A server that ignores `after` would never end. */
	if (before && cJSON_IsString(first) && strcmp(first->valuestring, before) <= 0)
		return 0;
	r = kv_children_add(c, keys, json_get(data, "key_info"));
	if (r < 0 || !last || (strcmp(size, "max") != 0 && count < atoi(size)))
		return r;
	*after = strdup(last->valuestring);
	return *after ? 0 : -ENOMEM;
}

/* For a 404: the folder does not exist, or the server explains in words that it does not know the
 * request. */
static int nothing(struct kv2_list *l, const struct vault_answer *answer, struct err *err)
{
	char words[64];

	reply_words(answer->json, words, sizeof(words));
	return *words ? not_there(l, err) : 0;
}

int kv2_list_children(struct kv2_list *l, const char *path, struct limit limit,
		      struct kv_children **out, struct err *err)
{
	_cleanup_object_ struct kv_children *c = kv_children_new();
	_cleanup_free_ char *after = NULL;
	char size[8];
	int r = c ? find_out(l, limit, err) : no_memory(err);

	for (bool first = true; r == 0 && (first || after); first = false) {
		_cleanup_answer_ struct vault_answer answer = {0};

		r = first ? ask_first(l, path, size, limit, &answer, err)
			  : ask_page(l, path, size, after, limit, &answer, err);
		if (r == -ENOENT) {
			r = first ? nothing(l, &answer, err) : 0;
			break;
		}
		if (r < 0)
			return r;
		r = take_page(c, &answer, size, &after);
		if (r == -EIO)
			err_set(err, EIO, "the answer from %s makes no sense: it is no list",
				vault_address(l->vault));
		else if (r < 0)
			no_memory(err);
	}
	if (r < 0)
		return r;
	kv_children_sort(c);
	*out = steal(c);
	return 0;
}
