// SPDX-License-Identifier: Apache-2.0
/* A local store behind the mount's back: requests as JSON lines on stdin, answers on stdout, in the shape
 * of a server's API. The tests of the servers run on a local store by it, and it is the second process on
 * the same file. Its values are those of tests: they stand in its memory as they are. */

#include "base/clock.h"
#include "store/local.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct request {
	struct local *store;
	const char *method, *tree, *path;
	int64_t number;
	const cJSON *body;
	struct limit limit;
};

static cJSON *number_of(int64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)n);
	return cJSON_CreateRaw(text);
}

static int do_get(const struct request *q, cJSON **out, struct err *err)
{
	cJSON *data = NULL, *metadata = NULL;
	int r = local_read(q->store, q->path, q->number, q->limit, &data, &metadata, err);

	if (r < 0)
		return r;
	if (!data) {
		cJSON_Delete(metadata);
		return -ENOENT;
	}
	*out = cJSON_CreateObject();
	cJSON_AddItemToObject(*out, "data", data);
	cJSON_AddItemToObject(*out, "metadata", metadata);
	return 0;
}

static int do_put(const struct request *q, cJSON **out, struct err *err)
{
	int64_t number, created;
	int r = local_write(q->store, q->path, json_get(q->body, "data"),
			    json_get_int(json_get(q->body, "options"), "cas", LOCAL_ANY), q->limit,
			    &number, &created, err);

	if (r < 0)
		return r;
	*out = cJSON_CreateObject();
	cJSON_AddItemToObject(*out, "version", number_of(number));
	return 0;
}

static int latest(const struct request *q, int64_t *number, struct err *err)
{
	cJSON *doc = NULL;
	int r = local_metadata(q->store, q->path, q->limit, &doc, err);

	*number = json_get_int(doc, "current_version", 0);
	cJSON_Delete(doc);
	return r;
}

static int do_data(const struct request *q, cJSON **out, struct err *err)
{
	int64_t number;
	int r;

	if (!strcmp(q->method, "GET"))
		return do_get(q, out, err);
	if (!strcmp(q->method, "POST"))
		return do_put(q, out, err);
	r = latest(q, &number, err);
	return r < 0 ? r : local_do(q->store, q->path, number, LOCAL_DELETE, q->limit, err);
}

/* A POST replaces the custom metadata: what is not in it goes. */
static int replace_metadata(const struct request *q, struct err *err)
{
	cJSON *patch = cJSON_Duplicate(q->body, true), *doc = NULL;
	cJSON *custom = json_get(patch, "custom_metadata");
	int r;

	if (custom && local_metadata(q->store, q->path, q->limit, &doc, NULL) == 0) {
		const cJSON *old = json_get(doc, "custom_metadata");

		for (const cJSON *item = old ? old->child : NULL; item; item = item->next)
			if (!json_get(custom, item->string))
				cJSON_AddNullToObject(custom, item->string);
	}
	r = local_change_metadata(q->store, q->path, patch, q->limit, err);
	cJSON_Delete(patch);
	cJSON_Delete(doc);
	return r;
}

static int do_metadata(const struct request *q, cJSON **out, struct err *err)
{
	cJSON *keys = NULL;
	int r;

	if (!strcmp(q->method, "GET"))
		return local_metadata(q->store, q->path, q->limit, out, err);
	if (!strcmp(q->method, "POST"))
		return replace_metadata(q, err);
	if (!strcmp(q->method, "PATCH"))
		return local_change_metadata(q->store, q->path, q->body, q->limit, err);
	if (!strcmp(q->method, "DELETE"))
		return local_purge(q->store, q->path, q->limit, err);
	r = local_list(q->store, q->path, q->limit, &keys, err);
	if (r < 0)
		return r;
	*out = cJSON_CreateObject();
	cJSON_AddItemToObject(*out, "keys", keys);
	return 0;
}

static int do_versions(const struct request *q, enum local_deed deed, struct err *err)
{
	const cJSON *versions = json_get(q->body, "versions");
	int r = 0;

	for (const cJSON *v = versions ? versions->child : NULL; r == 0 && v; v = v->next)
		r = local_do(q->store, q->path, atoll(v->valuestring), deed, q->limit, err);
	return r;
}

static int act(const struct request *q, cJSON **out, struct err *err)
{
	if (!strcmp(q->tree, "data"))
		return do_data(q, out, err);
	if (!strcmp(q->tree, "metadata"))
		return do_metadata(q, out, err);
	if (!strcmp(q->tree, "delete"))
		return do_versions(q, LOCAL_DELETE, err);
	if (!strcmp(q->tree, "undelete"))
		return do_versions(q, LOCAL_UNDELETE, err);
	return strcmp(q->tree, "destroy") ? -EINVAL : do_versions(q, LOCAL_DESTROY, err);
}

static int status_of(int r)
{
	if (r == -ENOENT)
		return 404;
	return r == 0 ? 200 : r == -EINVAL || r == -EBUSY ? 400 : 500;
}

static const char *text_of(const cJSON *json, const char *name)
{
	const char *text = json_get_str(json, name);

	return text ? text : "";
}

static void answer(struct local *store, const char *line)
{
	cJSON *json = NULL, *reply = cJSON_CreateObject(), *out = NULL;
	struct err err = {0};
	struct buf text = {0};
	int r = json_parse(line, strlen(line), &json, NULL);

	if (r == 0) {
		struct request q = {.store = store,
				    .method = text_of(json, "method"),
				    .tree = text_of(json, "tree"),
				    .path = text_of(json, "path"),
				    .number = json_get_int(json, "number", 0),
				    .body = json_get(json, "body"),
				    .limit = {.deadline = clock_mono() + 30 * NS_PER_SEC}};

		r = act(&q, &out, &err);
	}
	cJSON_AddItemToObject(reply, "status", number_of(status_of(r)));
	if (r < 0)
		cJSON_AddStringToObject(reply, "error", err_text(&err));
	else if (out)
		cJSON_AddItemToObject(reply, "data", out);
	json_print(reply, false, &text);
	puts(text.data);
	fflush(stdout);
	buf_fini(&text);
	cJSON_Delete(reply);
	cJSON_Delete(json);
}

int main(int argc, char **argv)
{
	struct store_key key = {0};
	struct local_config c = {
		.key = &key, .create = true, .limit = {.deadline = clock_mono() + 30 * NS_PER_SEC}};
	struct local *store = NULL;
	struct err err = {0};
	char *line = NULL;
	size_t room = 0;

	json_init();
	if (argc != 3 || store_key_read("key", argv[2], &key, &err) < 0) {
		fprintf(stderr, "local_api FILE KEY: %s\n", err_text(&err));
		return 1;
	}
	c.file = argv[1];
	if (local_open(&c, &store, &err) < 0) {
		fprintf(stderr, "local_api: %s\n", err_text(&err));
		return 1;
	}
	while (getline(&line, &room, stdin) > 0)
		answer(store, line);
	free(line);
	local_close(store);
	store_key_fini(&key);
	return 0;
}
