// SPDX-License-Identifier: Apache-2.0
/* Whose entries go when the cache is full: those of the uid that has most. */

#include "unit_support.h"

#include "cache_source.h"

#include <stdio.h>

TestSuite(cache_share, .fini = support_fini, .timeout = 120);

static bool has(struct cache *c, const char *path)
{
	struct object *o = cache_peek(c, DATA, path);

	object_put(o);
	return o != NULL;
}

static void use(struct source *s, struct cache *c, uid_t uid, char letter, unsigned i)
{
	struct ask ask = ask_now(NULL);
	char path[16];

	snprintf(path, sizeof(path), "%c%u", letter, i);
	if (!has(c, path))
		cache_put(c, DATA, path, source_object(s, i), 60 * NS_PER_SEC);
	ask.asker = 1;
	ask.uid = uid;
	cr_assert_eq(get(c, path, &ask).r, 0);
}

static unsigned left(struct cache *c, char letter, unsigned count)
{
	unsigned n = 0;
	char path[16];

	for (unsigned i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%c%u", letter, i);
		n += has(c, path);
	}
	return n;
}

Test(cache_share, what_one_uid_asks_for_does_not_push_out_what_another_has, .init = support_init)
{
	struct source s = {.object_bytes = 100};
	struct cache *c = source_cache(&s);

	for (unsigned i = 0; i < 5; i++)
		use(&s, c, 1, 'v', i);
	for (unsigned i = 0; i < 2000; i++)
		use(&s, c, 2, 'n', i);
	cr_assert_leq(cache_bytes(c), CACHE_BYTES);
	cr_assert_eq(left(c, 'v', 5), 5);
	source_end(&s, c);
}

Test(cache_share, nor_by_asking_for_the_same_first, .init = support_init)
{
	struct source s = {.object_bytes = 100};
	struct cache *c = source_cache(&s);

	for (unsigned i = 0; i < 5; i++)
		use(&s, c, 2, 'v', i);
	for (unsigned i = 0; i < 5; i++)
		use(&s, c, 1, 'v', i);
	for (unsigned i = 0; i < 2000; i++)
		use(&s, c, 2, 'n', i);
	cr_assert_eq(left(c, 'v', 5), 5);
	source_end(&s, c);
}

Test(cache_share, a_uid_alone_has_all_of_it, .init = support_init)
{
	struct source s = {.object_bytes = 100};
	struct cache *c = source_cache(&s);

	for (unsigned i = 0; i < 2000; i++)
		use(&s, c, 2, 'n', i);
	cr_assert_gt(cache_bytes(c), CACHE_BYTES - 1000);
	source_end(&s, c);
}
