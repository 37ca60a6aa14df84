// SPDX-License-Identifier: Apache-2.0
/* The cache while no server answers: what it has is served until max_stale has passed since it was
 * fresh, and said to be stale; what it has not fails with the cause; and it finds out by itself when
 * the server is back; a server that cannot answer in time is not asked. */

#include "cache_source.h"

TestSuite(cache_outage, .fini = support_fini, .timeout = 120);

static const int outages[] = {EHOSTUNREACH, ETIMEDOUT, EIO, EAGAIN};

Test(cache_outage, what_was_read_is_served_on_and_said_to_be_stale, .init = support_init)
{
	for (size_t i = 0; i < ARRAY_SIZE(outages); i++) {
		struct source s = {.max_stale = 3600 * NS_PER_SEC};
		struct cache *c = source_cache(&s);
		struct got first = wait_for(c, "a"), got;

		s.fails = outages[i];
		support_sleep(NS_PER_MS);
		got = wait_for(c, "a");
		cr_assert_eq(got.r, 0, "%s", err_name(outages[i]));
		cr_assert_eq(got.number, 1);
		cr_assert(got.note.stale);
		cr_assert_eq(got.note.fetched, first.note.fetched);
		source_end(&s, c);
	}
}

Test(cache_outage, what_is_fresh_is_not_stale, .init = support_init)
{
	struct source s = {.max_stale = 3600 * NS_PER_SEC, .ttl = 60 * NS_PER_SEC};
	struct cache *c = source_cache(&s);
	struct got got;

	wait_for(c, "a");
	s.fails = EIO;
	got = wait_for(c, "a");
	cr_assert_eq(got.number, 1);
	cr_assert_not(got.note.stale);
	cr_assert_eq(s.calls, 1);
	source_end(&s, c);
}

Test(cache_outage, it_is_served_until_max_stale_and_not_after, .init = support_init)
{
	struct source s = {.max_stale = 300 * NS_PER_MS};
	struct cache *c = source_cache(&s);
	struct got got = wait_for(c, "a");
	uint64_t end = got.note.fresh + s.max_stale;

	s.fails = EHOSTUNREACH;
	got = wait_for(c, "a");
	if (clock_mono() < end)
		cr_assert_eq(got.number, 1);
	support_sleep(end - clock_mono() < s.max_stale ? end - clock_mono() : 0);
	got = wait_for(c, "a");
	cr_assert_eq(got.r, -EHOSTUNREACH);
	cr_assert_str_eq(got.err.text, "the source says no");
	source_end(&s, c);
}

Test(cache_outage, without_max_stale_nothing_is_served, .init = support_init)
{
	struct source s = {0};
	struct cache *c = source_cache(&s);

	cr_assert_eq(wait_for(c, "a").number, 1);
	s.fails = EHOSTUNREACH;
	cr_assert_eq(wait_for(c, "a").r, -EHOSTUNREACH);
	source_end(&s, c);
}

Test(cache_outage, what_was_never_read_fails_with_the_cause, .init = support_init)
{
	struct source s = {.max_stale = 3600 * NS_PER_SEC, .fails = EAGAIN};
	struct cache *c = source_cache(&s);
	struct got got = wait_for(c, "a");

	cr_assert_eq(got.r, -EAGAIN);
	cr_assert_str_eq(got.err.text, "the source says no");
	cr_assert_null(cache_peek(c, DATA, "a"));
	s.fails = 0;
	cr_assert_eq(wait_for(c, "a").number, 2, "an outage was remembered like a refusal");
	source_end(&s, c);
}

/* So that a dead server costs one wait and not one each. */
Test(cache_outage, readers_do_not_wait_for_a_dead_server_again, .init = support_init)
{
	struct source s = {.max_stale = 3600 * NS_PER_SEC};
	struct cache *c = source_cache(&s);
	struct ask ask = ask_now(NULL);
	uint64_t failed;

	wait_for(c, "a");
	s.fails = EHOSTUNREACH;
	failed = clock_mono();
	wait_for(c, "a");
	cr_assert_eq(s.calls, 2);
	for (int i = 0; i < 20; i++) {
		ask = ask_now(NULL);
		cr_assert_eq(get(c, "a", &ask).number, 1, "memory alone does not answer");
	}
	if (clock_mono() < failed + NS_PER_SEC) /* the next attempt is not due yet */
		cr_assert_eq(s.calls, 2, "attempts are not spaced out");
	source_end(&s, c);
}

/* The first pause is between 1 and 1.5 s. */
Test(cache_outage, it_finds_out_by_itself_that_the_server_is_back, .init = support_init)
{
	struct source s = {.max_stale = 3600 * NS_PER_SEC};
	struct cache *c = source_cache(&s);
	struct got got;

	wait_for(c, "a");
	s.fails = EHOSTUNREACH;
	wait_for(c, "a");
	s.fails = 0;
	s.ttl = 60 * NS_PER_SEC;
	support_sleep(1500 * NS_PER_MS + NS_PER_MS);
	got = wait_for(c, "a");
	cr_assert_eq(got.number, 1, "the reader waits for the attempt");
	cr_assert(got.note.stale);
	cr_assert(tally_reaches(&s.entered, 3), "no attempt was made");
	while (wait_for(c, "a").note.stale)
		support_sleep(NS_PER_MS);
	cr_assert_eq(wait_for(c, "a").number, 3);
	source_end(&s, c);
}

Test(cache_outage, a_refusal_after_an_outage_takes_the_value_away, .init = support_init)
{
	struct source s = {.max_stale = 3600 * NS_PER_SEC};
	struct cache *c = source_cache(&s);

	wait_for(c, "a");
	s.fails = EHOSTUNREACH;
	cr_assert_eq(wait_for(c, "a").number, 1);
	s.fails = EACCES;
	support_sleep(1500 * NS_PER_MS + NS_PER_MS);
	wait_for(c, "a"); /* starts the attempt that is refused */
	cr_assert(tally_reaches(&s.entered, 3));
	for (int i = 0; i < 5000 && peek(c, "a"); i++)
		support_sleep(NS_PER_MS);
	cr_assert_eq(peek(c, "a"), 0);
	cr_assert_eq(wait_for(c, "a").r, -EACCES);
	source_end(&s, c);
}

Test(cache_outage, what_is_dropped_is_not_served, .init = support_init)
{
	struct source s = {.max_stale = 3600 * NS_PER_SEC};
	struct cache *c = source_cache(&s);

	wait_for(c, "a");
	s.fails = EHOSTUNREACH;
	cr_assert_eq(wait_for(c, "a").number, 1);
	cache_drop(c, DATA, "a");
	cr_assert_eq(wait_for(c, "a").r, -EHOSTUNREACH);
	source_end(&s, c);
}

/* base/wait.h: "what is older is no answer, fresh or not". */
Test(cache_outage, what_is_older_than_since_is_no_answer, .init = support_init)
{
	struct source s = {.max_stale = 3600 * NS_PER_SEC, .ttl = 60 * NS_PER_SEC};
	struct cache *c = source_cache(&s);

	wait_for(c, "a");
	s.fails = EHOSTUNREACH;
	cr_assert_eq(wait_since(c, "a", clock_mono()).r, -EHOSTUNREACH);
	source_end(&s, c);
}

Test(cache_outage, who_has_no_time_left_does_not_trouble_the_server, .init = support_init)
{
	struct source s = {.ttl = 60 * NS_PER_SEC};
	struct cache *c = source_cache(&s);
	struct parked p;
	struct ask ask;

	parked_init(&p);
	ask = ask_now(&p.waiter);
	ask.deadline = ask.asked + NS_PER_MS;
	cr_assert_eq(get(c, "a", &ask).r, PARKED);
	cr_assert(tally_reaches(&p.ready, 1));
	cr_assert_eq(get(c, "a", &ask).r, -ETIMEDOUT);
	source_end(&s, c);
	cr_assert_eq(s.calls, 0);
}

/* While the server is known to be away, requests fail without waiting. */
Test(cache_outage, who_wants_newer_does_not_wait_for_a_dead_server_again, .init = support_init)
{
	struct source s = {.max_stale = 3600 * NS_PER_SEC};
	struct cache *c = source_cache(&s);
	struct ask ask;
	uint64_t failed;

	wait_for(c, "a");
	s.fails = EHOSTUNREACH;
	failed = clock_mono();
	wait_for(c, "a");
	for (int i = 0; i < 20; i++) {
		ask = ask_now(NULL);
		ask.since = ask.asked;
		cr_assert_eq(get(c, "a", &ask).r, -EHOSTUNREACH);
		cr_assert_eq(wait_for(c, "a").number, 1, "the value is gone");
	}
	if (clock_mono() < failed + NS_PER_SEC) /* the next attempt is not due yet */
		cr_assert_eq(s.calls, 2, "attempts are not spaced out");
	source_end(&s, c);
}

Test(cache_outage, who_wants_newer_finds_out_too_that_the_server_is_back, .init = support_init)
{
	struct source s = {.max_stale = 3600 * NS_PER_SEC};
	struct cache *c = source_cache(&s);

	wait_for(c, "a");
	s.fails = EHOSTUNREACH;
	wait_for(c, "a");
	s.fails = 0;
	s.ttl = 60 * NS_PER_SEC;
	support_sleep(1500 * NS_PER_MS + NS_PER_MS);
	for (int i = 0; i < 5000 && wait_since(c, "a", clock_mono() - NS_PER_SEC).r != 0; i++)
		support_sleep(NS_PER_MS);
	cr_assert_eq(wait_for(c, "a").number, 3);
	source_end(&s, c);
}

/* A refusal is the server's word too: where a folder may not be listed, what is below it is still found. */
Test(cache_outage, a_refusal_from_before_it_goes_on_being_told, .init = support_init)
{
	struct source s = {.max_stale = 3600 * NS_PER_SEC, .fails = EACCES};
	struct cache *c = source_cache(&s);

	cr_assert_eq(wait_for(c, "a").r, -EACCES);
	support_sleep(REFUSAL_TTL + NS_PER_MS);
	s.fails = EHOSTUNREACH;
	cr_assert_eq(wait_for(c, "a").r, -EACCES);
	cr_assert_eq(s.calls, 2, "the server was not asked again");
	cr_assert_eq(wait_for(c, "a").r, -EACCES);
	s.fails = 0;
	s.ttl = 60 * NS_PER_SEC;
	support_sleep(1500 * NS_PER_MS + NS_PER_MS);
	cr_assert_eq(wait_for(c, "a").r, -EACCES); /* starts the attempt that is answered */
	while (wait_for(c, "a").r)
		support_sleep(NS_PER_MS);
	source_end(&s, c);
}

Test(cache_outage, a_refusal_is_told_until_max_stale_and_not_after, .init = support_init)
{
	struct source s = {.fails = EACCES};
	struct cache *c = source_cache(&s);

	cr_assert_eq(wait_for(c, "a").r, -EACCES);
	support_sleep(REFUSAL_TTL + NS_PER_MS);
	s.fails = EHOSTUNREACH;
	cr_assert_eq(wait_for(c, "a").r, -EHOSTUNREACH);
	source_end(&s, c);
}

/* A tenth of the timeout, and not the whole. */
Test(cache_outage, while_an_answer_takes_long_what_is_old_is_served, .init = support_init)
{
	struct source s = {
		.max_stale = 3600 * NS_PER_SEC, .timeout = 600 * NS_PER_SEC, .patient = true};
	struct cache *c = source_cache(&s);
	struct ask ask;
	struct got got;

	wait_for(c, "a");
	s.held = true;
	got = wait_for(c, "a");
	cr_assert_eq(got.number, 1);
	cr_assert(got.note.stale);
	ask = ask_now(NULL);
	cr_assert_eq(get(c, "a", &ask).number, 1, "the next waits too");
	cr_assert_eq(s.calls, 2, "it is asked for twice at once");
	source_release(&s);
	s.ttl = 60 * NS_PER_SEC;
	while (wait_for(c, "a").number == 1)
		support_sleep(NS_PER_MS);
	source_end(&s, c);
}

Test(cache_outage, what_is_too_old_is_waited_for_however_long_it_takes, .init = support_init)
{
	struct source s = {.max_stale = 3600 * NS_PER_SEC, .timeout = NS_PER_SEC, .patient = true};
	struct cache *c = source_cache(&s);
	struct parked p;
	struct ask ask;

	wait_for(c, "a");
	s.held = true;
	parked_init(&p);
	ask = ask_now(&p.waiter);
	ask.since = ask.asked;
	cr_assert_eq(get(c, "a", &ask).r, PARKED);
	cr_assert(tally_reaches(&p.ready, 1));
	cr_assert_eq(get(c, "a", &ask).r, PARKED, "what is old was taken for new");
	source_release(&s);
	cr_assert(tally_reaches(&p.ready, 2));
	cr_assert_eq(get(c, "a", &ask).number, 2);
	source_end(&s, c);
}

Test(cache_outage, without_max_stale_the_answer_is_waited_for, .init = support_init)
{
	struct source s = {.timeout = NS_PER_SEC, .patient = true};
	struct cache *c = source_cache(&s);
	struct parked p;
	struct ask ask;

	wait_for(c, "a");
	s.held = true;
	parked_init(&p);
	ask = ask_now(&p.waiter);
	cr_assert_eq(get(c, "a", &ask).r, PARKED);
	support_sleep(300 * NS_PER_MS);
	cr_assert_eq(tally_count(&p.ready), 0, "it is told to ask again, and nothing has come");
	source_release(&s);
	cr_assert(tally_reaches(&p.ready, 1));
	cr_assert_eq(get(c, "a", &ask).number, 2);
	source_end(&s, c);
}

/* Otherwise a caller that asks, infers and asks again would loop for ever. */
Test(cache_outage, what_is_inferred_takes_no_place_of_a_newer_answer, .init = support_init)
{
	struct source s = {0}; /* nothing is served past its time */
	struct cache *c = source_cache(&s);
	uint64_t until = clock_mono();

	cache_infer(c, DATA, "a", source_object(&s, 70), until);
	wait_for(c, "a");
	cache_infer(c, DATA, "a", source_object(&s, 71), until);
	cr_assert_eq(peek(c, "a"), 1);
	source_end(&s, c);
}

Test(cache_outage, what_is_inferred_serves_in_an_outage_alone, .init = support_init)
{
	struct source s = {.max_stale = 3600 * NS_PER_SEC, .ttl = 60 * NS_PER_SEC};
	struct cache *c = source_cache(&s);
	struct got got;

	cache_infer(c, DATA, "a", source_object(&s, 70), clock_mono());
	cr_assert_eq(wait_for(c, "a").number, 1, "the server is not asked");
	cache_infer(c, DATA, "a", source_object(&s, 71), clock_mono());
	cr_assert_eq(wait_for(c, "a").number, 1, "it takes the place of the server's word");
	cache_infer(c, DATA, "b", source_object(&s, 72), clock_mono());
	s.fails = EHOSTUNREACH;
	got = wait_for(c, "b");
	cr_assert_eq(got.number, 72);
	cr_assert(got.note.stale);
	source_end(&s, c);
}
