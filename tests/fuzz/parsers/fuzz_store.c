// SPDX-License-Identifier: Apache-2.0
/* A store of which bytes were changed, three bytes of the input a change: it is refused, or says what it
 * said before. */

#include "fuzz.h"

#include "base/clock.h"
#include "store/local.h"

static struct local *opened(const char *path, bool create)
{
	struct store_key key = {.kind = STORE_KEY_FILE,
				.material = secret_new("0123456789abcdef", 16)};
	struct local_config c = {.file = path, .key = &key, .create = create, .verify = true};
	struct local *l = NULL;
	struct err err = {0};

	c.limit.deadline = clock_mono() + 5 * NS_PER_SEC;
	local_open(&c, &l, &err);
	store_key_fini(&key);
	return l;
}

static bool says(struct local *l, struct buf *to)
{
	struct limit limit = {.deadline = clock_mono() + 5 * NS_PER_SEC};
	_cleanup_json_ cJSON *all = NULL;
	struct err err = {0};

	return local_export(l, limit, &all, &err) == 0 && json_print(all, false, to) == 0;
}

/* The file of a store, and what it says. */
static void made(struct buf *file, struct buf *said)
{
	static const char text[] = "{\"user\":\"u\",\"password\":\"p\"}";
	struct limit limit = {.deadline = clock_mono() + 60 * NS_PER_SEC};
	_cleanup_free_ char *path = fuzz_path("made");
	_cleanup_json_ cJSON *data = NULL;
	struct local *l = opened(path, true);
	int64_t number, created;
	struct err err = {0};

	fuzz_check(l && json_parse(text, strlen(text), &data, NULL) == 0);
	for (int i = 0; i < 4; i++)
		fuzz_check(local_write(l, i < 2 ? "app/db" : "other", data, LOCAL_ANY, limit,
				       &number, &created, &err) == 0);
	fuzz_check(local_do(l, "app/db", 1, LOCAL_DELETE, limit, &err) == 0 && says(l, said));
	local_close(l);
	fuzz_load(path, file);
}

int fuzz_one(const char *text, size_t len)
{
	static struct buf file, said;
	_cleanup_free_ char *path = fuzz_path("store");
	_cleanup_buf_ struct buf changed = {0}, now = {0};
	struct local *l;

	if (!file.len)
		made(&file, &said);
	buf_add(&changed, file.data, file.len);
	for (size_t i = 0; i + 2 < len; i += 3) {
		size_t at = (size_t)(unsigned char)text[i] << 8 | (unsigned char)text[i + 1];

		changed.data[at % changed.len] ^= text[i + 2];
	}
	fuzz_save(path, &changed);
	l = opened(path, false);
	if (l && says(l, &now))
		fuzz_check(now.len == said.len && !memcmp(now.data, said.data, now.len));
	local_close(l);
	return 0;
}
