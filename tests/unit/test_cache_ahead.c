// SPDX-License-Identifier: Apache-2.0
/* Prefetching: only unknown objects, a limited number at a time, each once, and only while there is
 * room. */

#include "cache_source.h"

TestSuite(cache_ahead, .fini = support_fini, .timeout = 120);

Test(cache_ahead, it_is_there_when_it_is_asked_for, .init = support_init)
{
	struct source s = {.ttl = 60 * NS_PER_SEC};
	struct cache *c = source_cache(&s);

	cr_assert(cache_ahead(c, DATA, "a"));
	cr_assert_eq(wait_for(c, "a").number, 1);
	cr_assert(cache_ahead(c, DATA, "a"));
	cr_assert_eq(wait_for(c, "a").number, 1, "it was fetched again");
	source_end(&s, c);
	cr_assert_eq(s.calls, 1);
}

Test(cache_ahead, so_many_are_under_way_and_no_more, .init = support_init)
{
	struct source s = {.held = true, .ttl = 60 * NS_PER_SEC};
	struct cache *c = source_cache(&s);
	char path[] = "a";

	for (size_t i = 0; i < SOURCE_AHEAD; i++, path[0]++)
		cr_assert(cache_ahead(c, DATA, path));
	cr_assert_not(cache_ahead(c, DATA, path));
	cr_assert(cache_ahead(c, DATA, "a"), "that is under way already");
	source_release(&s);
	wait_for(c, "a");
	wait_for(c, "b");
	wait_for(c, "c");
	cr_assert(cache_ahead(c, DATA, path));
	source_end(&s, c);
	cr_assert_eq(s.calls, SOURCE_AHEAD + 1);
}

Test(cache_ahead, what_is_out_of_date_is_fetched_anew, .init = support_init)
{
	struct source s = {.ttl = 10 * NS_PER_MS};
	struct cache *c = source_cache(&s);

	wait_for(c, "a");
	support_sleep(20 * NS_PER_MS);
	cr_assert(cache_ahead(c, DATA, "a"));
	source_end(&s, c);
	cr_assert_eq(s.calls, 2);
}

Test(cache_ahead, nothing_is_fetched_that_would_not_stay, .init = support_init)
{
	struct source s = {.ttl = 60 * NS_PER_SEC, .object_bytes = CACHE_BYTES / SOURCE_AHEAD / 3};
	struct cache *c = source_cache(&s);

	wait_for(c, "a");
	cr_assert_not(cache_ahead(c, DATA, "b"));
	source_end(&s, c);
	cr_assert_eq(s.calls, 1);
}
