// SPDX-License-Identifier: Apache-2.0
/* The cache, over a source that counts its calls and can be held. One fetch serves all requests; an
 * object is fresh for its ttl and must be newer than `since`; refusals are remembered, briefly. An
 * earlier fetch does not undo a put, an amendment or a drop; an older object does not replace a
 * newer one; the cache keeps to its bytes. Outages are in test_cache_outage.c. */

#include "cache_source.h"

TestSuite(cache, .fini = support_fini, .timeout = 120);

Test(cache, fifty_who_ask_together_make_one_fetch, .init = support_init)
{
	struct source s = {.held = true};
	struct cache *c = source_cache(&s);
	struct parked parked[50];
	struct ask asks[50];

	for (size_t i = 0; i < 50; i++) {
		parked_init(&parked[i]);
		asks[i] = ask_now(&parked[i].waiter);
		cr_assert_eq(get(c, "a", &asks[i]).r, PARKED);
	}
	source_release(&s);
	for (size_t i = 0; i < 50; i++) {
		cr_assert(tally_reaches(&parked[i].ready, 1));
		cr_assert_eq(get(c, "a", &asks[i]).number, 1);
	}
	source_end(&s, c);
	cr_assert_eq(s.calls, 1);
	for (size_t i = 0; i < 50; i++)
		cr_assert_eq(tally_count(&parked[i].ready), 1, "%zu was called twice", i);
}

Test(cache, other_paths_and_kinds_are_fetched_for_themselves, .init = support_init)
{
	struct source s = {.ttl = 60 * NS_PER_SEC};
	struct cache *c = source_cache(&s);

	cr_assert_eq(wait_for(c, "a").number, 1);
	cr_assert_eq(wait_for(c, "b").number, 2);
	cr_assert_eq(wait_for(c, "").number, 3);
	cr_assert_eq(wait_for_kind(c, OTHER, "a").number, 4);
	cr_assert_eq(wait_for(c, "a").number, 1);
	source_end(&s, c);
}

Test(cache, who_waits_gets_the_answer_though_the_ttl_is_nothing, .init = support_init)
{
	struct source s = {.ttl = 0};
	struct cache *c = source_cache(&s);

	cr_assert_eq(wait_for(c, "a").number, 1);
	cr_assert_eq(wait_for(c, "a").number, 2, "a later request is no part of it");
	source_end(&s, c);
}

Test(cache, what_was_read_past_it_is_no_news_when_something_has_happened_since,
     .init = support_init)
{
	struct source s = {.ttl = 60 * NS_PER_SEC};
	struct cache *c = source_cache(&s);
	uint64_t mark = cache_mark(c);

	cr_assert(cache_learn(c, DATA, "a", source_object(&s, 100), 60 * NS_PER_SEC, mark));
	cr_assert_eq(wait_for(c, "a").number, 100);
	cr_assert_not(cache_learn(c, DATA, "a", source_object(&s, 101), 60 * NS_PER_SEC, mark));
	cr_assert_eq(wait_for(c, "a").number, 100);
	cr_assert(
		cache_learn(c, DATA, "a", source_object(&s, 102), 60 * NS_PER_SEC, cache_mark(c)));
	mark = cache_mark(c);
	cache_drop(c, DATA, "a");
	cr_assert_not(cache_learn(c, DATA, "a", source_object(&s, 103), 60 * NS_PER_SEC, mark));
	cr_assert(cache_learn(c, DATA, "a", source_object(&s, 104), 60 * NS_PER_SEC, UINT64_MAX));
	cr_assert_eq(wait_for(c, "a").number, 104);
	source_end(&s, c);
}

Test(cache, it_is_fresh_for_the_ttl_and_no_longer, .init = support_init)
{
	struct source s = {.ttl = 60 * NS_PER_SEC};
	struct cache *c = source_cache(&s);

	cr_assert_eq(wait_for(c, "a").number, 1);
	for (int i = 0; i < 10; i++)
		cr_assert_eq(wait_for(c, "a").number, 1);
	s.ttl = 30 * NS_PER_MS;
	cr_assert_eq(wait_for(c, "b").number, 2);
	support_sleep(40 * NS_PER_MS);
	cr_assert_eq(wait_for(c, "b").number, 3);
	source_end(&s, c);
}

Test(cache, the_note_says_since_when_and_until_when, .init = support_init)
{
	struct source s = {.ttl = 60 * NS_PER_SEC};
	struct cache *c = source_cache(&s);
	uint64_t before = clock_mono();
	struct got got = wait_for(c, "a");

	cr_assert_geq(got.note.fetched, before);
	cr_assert_leq(got.note.fetched, clock_mono());
	cr_assert_eq(got.note.fresh, got.note.fetched + s.ttl);
	cr_assert_not(got.note.stale);
	source_end(&s, c);
}

Test(cache, what_is_older_than_since_is_no_answer, .init = support_init)
{
	struct source s = {.ttl = 60 * NS_PER_SEC};
	struct cache *c = source_cache(&s);
	struct got first = wait_for(c, "a");

	cr_assert_eq(wait_since(c, "a", first.note.fetched).number, 1);
	cr_assert_eq(wait_since(c, "a", first.note.fetched + 1).number, 2);
	cr_assert_eq(wait_for(c, "a").number, 2);
	source_end(&s, c);
}

Test(cache, a_refusal_is_remembered_for_its_own_time_only, .init = support_init)
{
	struct source s = {.ttl = 60 * NS_PER_SEC, .fails = ENOENT};
	struct cache *c = source_cache(&s);
	struct got got = wait_for(c, "a");

	cr_assert_eq(got.r, -ENOENT);
	cr_assert_str_eq(got.err.text, "the source says no");
	cr_assert_eq(wait_for(c, "a").r, -ENOENT);
	cr_assert_str_eq(wait_for(c, "a").err.text, "the source says no");
	cr_assert_eq(s.calls, 1, "the refusal was not remembered");
	support_sleep(REFUSAL_TTL + NS_PER_MS);
	s.fails = 0;
	cr_assert_eq(wait_for(c, "a").number, 2);
	source_end(&s, c);
}

Test(cache, a_refusal_takes_the_value_away_at_once, .init = support_init)
{
	struct source s = {.ttl = 60 * NS_PER_SEC};
	struct cache *c = source_cache(&s);

	cr_assert_eq(wait_for(c, "a").number, 1);
	s.fails = EACCES;
	cr_assert_eq(wait_since(c, "a", clock_mono()).r, -EACCES);
	cr_assert_null(cache_peek(c, DATA, "a"));
	cr_assert_eq(wait_for(c, "a").r, -EACCES);
	source_end(&s, c);
}

/* A dead token says nothing of the path: the next request may find another token. */
Test(cache, what_says_nothing_of_the_path_is_not_remembered, .init = support_init)
{
	static const int codes[] = {EKEYEXPIRED, EKEYREJECTED, ENOMEM, EINTR};

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		struct source s = {.ttl = 60 * NS_PER_SEC, .fails = codes[i]};
		struct cache *c = source_cache(&s);

		cr_assert_eq(wait_for(c, "a").r, -codes[i]);
		cr_assert_eq(wait_for(c, "a").r, -codes[i]);
		cr_assert_eq(s.calls, 2, "%s was remembered", err_name(codes[i]));
		source_end(&s, c);
	}
}

/* Starts a fetch of "a" that is held at the source; the request waits for it. */
static void begin(struct source *s, struct cache *c, struct parked *p, struct ask *ask)
{
	parked_init(p);
	*ask = ask_now(&p->waiter);
	cr_assert_eq(get(c, "a", ask).r, PARKED);
	cr_assert(tally_reaches(&s->entered, 1));
}

Test(cache, what_was_put_during_a_fetch_is_the_answer, .init = support_init)
{
	struct source s = {.held = true, .ttl = 60 * NS_PER_SEC};
	struct cache *c = source_cache(&s);
	struct parked p;
	struct ask ask;

	begin(&s, c, &p, &ask);
	cache_put(c, DATA, "a", source_object(&s, 100), 60 * NS_PER_SEC);
	cr_assert_eq(wait_for(c, "a").number, 100);
	source_release(&s);
	cr_assert(tally_reaches(&p.ready, 1));
	cr_assert_eq(get(c, "a", &ask).number, 100, "the fetch from before was believed");
	source_end(&s, c);
	cr_assert_eq(s.calls, 1);
}

Test(cache, a_refusal_from_before_a_put_is_not_believed, .init = support_init)
{
	struct source s = {.held = true, .fails = ENOENT};
	struct cache *c = source_cache(&s);
	struct parked p;
	struct ask ask;

	begin(&s, c, &p, &ask);
	cache_put(c, DATA, "a", source_object(&s, 100), 60 * NS_PER_SEC);
	source_release(&s);
	cr_assert(tally_reaches(&p.ready, 1));
	cr_assert_eq(get(c, "a", &ask).number, 100);
	source_end(&s, c);
}

static void assert_dropped_amid_fetch(void (*drop)(struct cache *c))
{
	struct source s = {.held = true, .ttl = 60 * NS_PER_SEC};
	struct cache *c = source_cache(&s);
	struct parked p;
	struct ask ask;

	begin(&s, c, &p, &ask);
	drop(c);
	source_release(&s);
	cr_assert(tally_reaches(&p.ready, 1));
	cr_assert_eq(get(c, "a", &ask).r, PARKED, "the fetch from before was believed");
	cr_assert(tally_reaches(&p.ready, 2));
	cr_assert_eq(get(c, "a", &ask).number, 2);
	source_end(&s, c);
	cr_assert_eq(s.calls, 2);
}

static void drop_one(struct cache *c)
{
	cache_drop(c, DATA, "a");
}

Test(cache, what_was_dropped_during_a_fetch_is_fetched_anew, .init = support_init)
{
	assert_dropped_amid_fetch(drop_one);
	assert_dropped_amid_fetch(cache_drop_all);
}

static void put_and_drop(struct cache *c)
{
	struct object *o = cache_peek(c, DATA, "b");

	cache_put(c, DATA, "a", o, 60 * NS_PER_SEC);
	cache_drop(c, DATA, "a");
}

Test(cache, what_was_put_and_dropped_during_a_fetch_is_gone, .init = support_init)
{
	struct source s = {.ttl = 60 * NS_PER_SEC};
	struct cache *c = source_cache(&s);
	struct parked p;
	struct ask ask;

	cr_assert_eq(wait_for(c, "b").number, 1);
	s.entered.count = 0;
	s.held = true;
	begin(&s, c, &p, &ask);
	put_and_drop(c);
	source_release(&s);
	cr_assert(tally_reaches(&p.ready, 1));
	cr_assert_eq(get(c, "a", &ask).r, PARKED);
	cr_assert(tally_reaches(&p.ready, 2));
	cr_assert_eq(get(c, "a", &ask).number, 3);
	source_end(&s, c);
}

Test(cache, drop_forgets, .init = support_init)
{
	struct source s = {.ttl = 60 * NS_PER_SEC};
	struct cache *c = source_cache(&s);

	wait_for(c, "a");
	wait_for(c, "b");
	wait_for_kind(c, OTHER, "a");
	cache_drop(c, DATA, "a");
	cache_drop(c, DATA, "not there");
	cr_assert_null(cache_peek(c, DATA, "a"));
	cr_assert_eq(wait_for(c, "b").number, 2);
	cr_assert_eq(wait_for_kind(c, OTHER, "a").number, 3);
	cr_assert_eq(wait_for(c, "a").number, 4);
	cache_drop_all(c);
	cr_assert_eq(cache_bytes(c), 0);
	cr_assert_eq(s.alive, 0, "what was dropped is not freed");
	cr_assert_eq(wait_for(c, "b").number, 5);
	source_end(&s, c);
}

Test(cache, drop_forgets_refusals_too, .init = support_init)
{
	struct source s = {.ttl = 60 * NS_PER_SEC, .fails = ENOENT};
	struct cache *c = source_cache(&s);

	cr_assert_eq(wait_for(c, "a").r, -ENOENT);
	s.fails = 0;
	cache_drop(c, DATA, "a");
	cr_assert_eq(wait_for(c, "a").number, 2);
	source_end(&s, c);
}

Test(cache, put_is_an_answer_for_its_ttl, .init = support_init)
{
	struct source s = {.ttl = 60 * NS_PER_SEC};
	struct cache *c = source_cache(&s);

	cache_put(c, DATA, "a", source_object(&s, 100), 60 * NS_PER_SEC);
	cr_assert_eq(wait_for(c, "a").number, 100);
	cache_put(c, DATA, "a", source_object(&s, 101), 0);
	cr_assert_eq(s.calls, 0);
	cr_assert_eq(peek(c, "a"), 101);
	source_end(&s, c);
}

Test(cache, put_ends_a_refusal, .init = support_init)
{
	struct source s = {.fails = ENOENT};
	struct cache *c = source_cache(&s);

	cr_assert_eq(wait_for(c, "a").r, -ENOENT);
	cache_put(c, DATA, "a", source_object(&s, 100), 60 * NS_PER_SEC);
	cr_assert_eq(wait_for(c, "a").number, 100);
	source_end(&s, c);
}

Test(cache, amend_replaces_and_keeps_the_freshness, .init = support_init)
{
	struct source s = {.ttl = 60 * NS_PER_SEC};
	struct cache *c = source_cache(&s);
	struct got before = wait_for(c, "a"), after;

	support_sleep(NS_PER_MS);
	cache_amend(c, DATA, "a", source_object(&s, 100));
	after = wait_for(c, "a");
	cr_assert_eq(after.number, 100);
	cr_assert_eq(after.note.fetched, before.note.fetched);
	cr_assert_eq(after.note.fresh, before.note.fresh);
	source_end(&s, c);
}

Test(cache, amend_of_nothing_is_nothing, .init = support_init)
{
	struct source s = {.fails = ENOENT};
	struct cache *c = source_cache(&s);

	cache_amend(c, DATA, "a", source_object(&s, 100));
	cr_assert_null(cache_peek(c, DATA, "a"));
	cr_assert_eq(cache_bytes(c), 0);
	cr_assert_eq(wait_for(c, "a").r, -ENOENT);
	cache_amend(c, DATA, "a", source_object(&s, 101));
	cr_assert_null(cache_peek(c, DATA, "a"));
	cr_assert_eq(s.alive, 0, "what was not taken is not freed");
	source_end(&s, c);
}

Test(cache, what_was_amended_during_a_fetch_stays, .init = support_init)
{
	struct source s = {.ttl = 60 * NS_PER_SEC};
	struct cache *c = source_cache(&s);
	struct parked p;
	struct ask ask;

	cr_assert_eq(wait_for(c, "a").number, 1);
	s.entered.count = 0;
	s.held = true;
	parked_init(&p);
	ask = ask_now(&p.waiter);
	ask.since = ask.asked;
	cr_assert_eq(get(c, "a", &ask).r, PARKED);
	cr_assert(tally_reaches(&s.entered, 1));
	cache_amend(c, DATA, "a", source_object(&s, 100));
	source_release(&s);
	cr_assert(tally_reaches(&p.ready, 1));
	cr_assert_eq(peek(c, "a"), 100, "the fetch from before was believed");
	source_end(&s, c);
}

Test(cache, older_does_not_replace_newer, .init = support_init)
{
	struct source s = {.ttl = 0, .compares = true, .next = 5};
	struct cache *c = source_cache(&s);

	cr_assert_eq(wait_for(c, "a").number, 5);
	s.next = 3; /* a standby that lags behind */
	cr_assert_eq(wait_for(c, "a").number, 5);
	cache_put(c, DATA, "a", source_object(&s, 4), 60 * NS_PER_SEC);
	cr_assert_eq(peek(c, "a"), 5);
	cache_put(c, DATA, "a", source_object(&s, 6), 60 * NS_PER_SEC);
	cr_assert_eq(peek(c, "a"), 6);
	cr_assert_eq(s.alive, 1, "what was not taken is not freed");
	s.next = 7;
	cr_assert_eq(wait_since(c, "a", clock_mono()).number, 7);
	source_end(&s, c);
}

Test(cache, a_newer_one_that_lagged_is_asked_for_again_soon, .init = support_init)
{
	struct source s = {.ttl = 3600 * NS_PER_SEC, .compares = true, .next = 5};
	struct cache *c = source_cache(&s);
	struct got got;

	wait_for(c, "a");
	s.next = 3;
	got = wait_since(c, "a", clock_mono());
	cr_assert_eq(got.number, 5);
	cr_assert_leq(got.note.fresh, got.note.fetched + 10 * NS_PER_SEC);
	source_end(&s, c);
}

Test(cache, memory_alone_is_asked_without_a_waiter, .init = support_init)
{
	struct source s = {.ttl = 60 * NS_PER_SEC};
	struct cache *c = source_cache(&s);
	struct ask ask = ask_now(NULL);

	cr_assert_eq(get(c, "a", &ask).r, PARKED);
	cr_assert_eq(wait_for(c, "b").number, 1);
	cr_assert_eq(get(c, "b", &ask).number, 1);
	source_end(&s, c);
	cr_assert_eq(s.calls, 1, "a fetch was made for nobody");
}

Test(cache, peek_answers_however_old, .init = support_init)
{
	struct source s = {.ttl = 0};
	struct cache *c = source_cache(&s);

	cr_assert_null(cache_peek(c, DATA, "a"));
	wait_for(c, "a");
	support_sleep(NS_PER_MS);
	cr_assert_eq(peek(c, "a"), 1);
	cr_assert_null(cache_peek(c, OTHER, "a"));
	cr_assert_eq(s.calls, 1);
	source_end(&s, c);
}

Test(cache, it_keeps_to_its_bytes_and_to_what_was_used_last, .init = support_init)
{
	struct source s = {.object_bytes = 1000};
	struct cache *c = source_cache(&s);
	char path[16];

	for (unsigned i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), "p%u", i);
		cache_put(c, DATA, path, source_object(&s, i), 60 * NS_PER_SEC);
		cr_assert_leq(cache_bytes(c), CACHE_BYTES);
		cr_assert_eq(wait_for(c, "p0").number, 0, "what is in use was thrown out");
	}
	cr_assert_eq(peek(c, "p999"), 999);
	cr_assert_eq(peek(c, "p990"), 990);
	cr_assert_null(cache_peek(c, DATA, "p1"));
	cr_assert_null(cache_peek(c, DATA, "p500"));
	cr_assert_gt(cache_bytes(c), CACHE_BYTES - 3000, "more was thrown out than had to be");
	source_end(&s, c);
}

Test(cache, fetches_keep_to_the_bytes_too, .init = support_init)
{
	struct source s = {.object_bytes = 1000, .ttl = 60 * NS_PER_SEC};
	struct cache *c = source_cache(&s);
	char path[16];

	for (unsigned i = 0; i < 200; i++) {
		snprintf(path, sizeof(path), "p%u", i);
		cr_assert_eq(wait_for(c, path).r, 0);
		cr_assert_leq(cache_bytes(c), CACHE_BYTES);
	}
	source_end(&s, c);
}

Test(cache, refusals_keep_to_the_bytes_too, .init = support_init)
{
	struct source s = {.fails = ENOENT};
	struct cache *c = source_cache(&s);
	char path[16];

	for (unsigned i = 0; i < 500; i++) {
		snprintf(path, sizeof(path), "p%u", i);
		cr_assert_eq(wait_for(c, path).r, -ENOENT);
		cr_assert_leq(cache_bytes(c), CACHE_BYTES);
	}
	source_end(&s, c);
}

/* Imitates a program that looks for names in a directory which we have not read. */
Test(cache, questions_without_a_waiter_keep_to_the_bytes_too, .init = support_init)
{
	struct source s = {0};
	struct cache *c = source_cache(&s);
	struct ask ask = ask_now(NULL);
	char path[16];

	for (unsigned i = 0; i < 500; i++) {
		snprintf(path, sizeof(path), "p%u", i);
		cr_assert_eq(get(c, path, &ask).r, PARKED);
		cr_assert_leq(cache_bytes(c), CACHE_BYTES, "after %u questions", i + 1);
	}
	source_end(&s, c);
}

Test(cache, what_is_larger_than_all_of_it_is_served_still, .init = support_init)
{
	struct source s = {.object_bytes = 2 * CACHE_BYTES, .ttl = 60 * NS_PER_SEC};
	struct cache *c = source_cache(&s);

	cr_assert_eq(wait_for(c, "a").number, 1);
	cr_assert_eq(wait_for(c, "b").number, 2);
	cr_assert_leq(s.alive, 1, "both are kept");
	source_end(&s, c);
}

Test(cache, what_is_in_flight_is_not_thrown_out, .init = support_init)
{
	struct source s = {.held = true, .ttl = 60 * NS_PER_SEC, .object_bytes = 1000};
	struct cache *c = source_cache(&s);
	struct parked p;
	struct ask ask;
	char path[16];

	begin(&s, c, &p, &ask);
	for (unsigned i = 0; i < 300; i++) {
		snprintf(path, sizeof(path), "p%u", i);
		cache_put(c, DATA, path, source_object(&s, i), 60 * NS_PER_SEC);
	}
	source_release(&s);
	cr_assert(tally_reaches(&p.ready, 1));
	cr_assert_eq(get(c, "a", &ask).number, 1);
	source_end(&s, c);
	cr_assert_eq(s.calls, 1);
}

Test(cache, who_holds_an_object_keeps_it, .init = support_init)
{
	struct source s = {.ttl = 60 * NS_PER_SEC};
	struct cache *c = source_cache(&s);
	struct object *o;

	wait_for(c, "a");
	o = cache_peek(c, DATA, "a");
	cache_drop_all(c);
	cr_assert_eq(s.alive, 1);
	cr_assert_eq(number_of(o), 1);
	object_put(o);
	cr_assert_eq(s.alive, 0);
	source_end(&s, c);
}

Test(cache, too_long_a_path_is_refused, .init = support_init)
{
	struct source s = {.ttl = 60 * NS_PER_SEC};
	struct cache *c = source_cache(&s);
	char path[CACHE_PATH_MAX + 2];
	struct got got;

	memset(path, 'x', sizeof(path));
	path[CACHE_PATH_MAX] = '\0';
	cr_assert_eq(wait_for(c, path).number, 1);
	path[CACHE_PATH_MAX] = 'x';
	path[CACHE_PATH_MAX + 1] = '\0';
	got = wait_for(c, path);
	cr_assert_eq(got.r, -ENAMETOOLONG);
	cr_assert_not_null(strstr(got.err.text, "4001"), "%s", got.err.text);
	cr_assert_null(cache_peek(c, DATA, path));
	cache_put(c, DATA, path, source_object(&s, 5), 0);
	cache_drop(c, DATA, path);
	cr_assert_eq(s.alive, 1);
	source_end(&s, c);
}

static void *hammer(void *arg)
{
	struct source *s = arg;
	unsigned seed = (unsigned)(uintptr_t)pthread_self();
	char path[8];

	for (int i = 0; i < 500; i++) {
		snprintf(path, sizeof(path), "%d", rand_r(&seed) % 20);
		switch (rand_r(&seed) % 6) {
		case 0:
			cache_put(s->cache, DATA, path, source_object(s, 1000), NS_PER_SEC);
			break;
		case 1:
			cache_drop(s->cache, DATA, path);
			break;
		case 2:
			cache_amend(s->cache, DATA, path, source_object(s, 2000));
			break;
		default:
			if (wait_for(s->cache, path).r != 0)
				return NULL;
		}
	}
	return arg;
}

Test(cache, threads_do_not_get_in_each_others_way, .init = support_init)
{
	struct source s = {.object_bytes = 4000};
	struct cache *c = source_cache(&s);
	pthread_t threads[4];
	void *good;

	for (size_t i = 0; i < 4; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, hammer, &s), 0);
	for (size_t i = 0; i < 4; i++) {
		pthread_join(threads[i], &good);
		cr_assert_not_null(good);
	}
	cr_assert_leq(cache_bytes(c), CACHE_BYTES);
	source_end(&s, c);
}
