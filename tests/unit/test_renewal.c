// SPDX-License-Identifier: Apache-2.0
/* When a token is renewed: at about two thirds of its life and within the hour; one that cannot be
 * renewed is replaced in the last tenth of it; one that never expires is left alone. Steps that ask
 * the server are tested in tests/system: here there is none to ask. */

#include "unit_support.h"

#include "auth/renewal.h"
#include "base/log.h"

TestSuite(renewal, .fini = support_fini, .timeout = 120);

#define HOUR (3600 * NS_PER_SEC)

/* A renewal of such a token, and that its next step is between `from` and `to` from now. */
static struct renewal begin(uint64_t ttl, bool renewable, uint64_t from, uint64_t to)
{
	const struct token_info info = {.ttl = ttl, .known = true, .renewable = renewable};
	uint64_t before = clock_mono(), after;
	struct renewal r;

	renewal_begin(&r, &info);
	after = clock_mono();
	cr_assert_geq(r.next, before + from, "%f s too early",
		      (double)(before + from - r.next) / (double)NS_PER_SEC);
	cr_assert_leq(r.next, after + to, "%f s too late",
		      (double)(r.next - after - to) / (double)NS_PER_SEC);
	return r;
}

Test(renewal, a_token_is_renewed_at_about_two_thirds_of_its_life)
{
	static const uint64_t lives[] = {10, 60, 600, 3600, 5000};

	for (size_t i = 0; i < ARRAY_SIZE(lives); i++) {
		uint64_t ttl = lives[i] * NS_PER_SEC;

		for (int n = 0; n < 50; n++)
			begin(ttl, true, ttl * 6 / 10, ttl * 2 / 3);
	}
}

Test(renewal, a_long_life_is_renewed_within_the_hour)
{
	for (int n = 0; n < 50; n++) {
		begin(24 * HOUR, true, HOUR * 9 / 10, HOUR);
		begin(8760 * HOUR, true, HOUR * 9 / 10, HOUR);
	}
}

Test(renewal, a_token_is_longer_where_it_ends_later_than_is_known)
{
	const struct token_info life = {.ttl = 60 * NS_PER_SEC}, more = {.ttl = 90 * NS_PER_SEC},
				same = {.ttl = 60 * NS_PER_SEC}, never = {0};
	struct renewal r = {0};

	renewal_begin(&r, &life);
	cr_assert(renewal_is_longer(&r, &more));
	cr_assert_not(renewal_is_longer(&r, &same));
	cr_assert(renewal_is_longer(&r, &never));
	renewal_begin(&r, &never);
	cr_assert_not(renewal_is_longer(&r, &never));
	cr_assert_not(renewal_is_longer(&r, &more), "nothing ends later than never");
}

Test(renewal, mounts_do_not_renew_as_one)
{
	uint64_t low = UINT64_MAX, high = 0;

	for (int n = 0; n < 200; n++) {
		struct renewal r = begin(3600 * NS_PER_SEC, true, 0, HOUR);
		uint64_t pause = r.next - r.expires;

		low = pause < low ? pause : low;
		high = pause > high ? pause : high;
	}
	cr_assert_gt(high - low, 10 * NS_PER_SEC);
}

Test(renewal, a_token_that_never_expires_is_left_alone)
{
	struct renewal r = begin(0, false, HOUR * 9 / 10, HOUR);

	cr_assert_eq(r.expires, 0);
	cr_assert_not(r.renewable);
	cr_assert_eq(renewal_step(&r, NULL, NULL, support_limit()), RENEWAL_LATER);
	cr_assert_gt(r.next, clock_mono() + HOUR / 2);
	r = begin(0, true, HOUR * 9 / 10, HOUR);
	cr_assert_not(r.renewable, "there is nothing to renew");
}

Test(renewal, what_cannot_be_renewed_is_looked_at_before_its_last_tenth)
{
	static const uint64_t lives[] = {10, 60, 600, 3600};

	for (size_t i = 0; i < ARRAY_SIZE(lives); i++) {
		uint64_t ttl = lives[i] * NS_PER_SEC;

		begin(ttl, false, ttl * 8 / 10, ttl * 9 / 10);
	}
}

Test(renewal, the_next_step_is_never_at_once)
{
	begin(1, true, NS_PER_SEC / 10, NS_PER_SEC);
	begin(1, false, NS_PER_SEC / 10, NS_PER_SEC);
}

/* Without a request, and with one warning. */
Test(renewal, the_end_of_what_cannot_be_renewed_asks_for_another_token)
{
	struct renewal r = begin(10 * NS_PER_SEC, false, 8 * NS_PER_SEC, 9 * NS_PER_SEC);
	_cleanup_free_ char *said = NULL;
	const char *first;

	r.expires = clock_mono() + 2 * NS_PER_SEC; /* 8 s later */
	support_capture();
	cr_assert_eq(renewal_step(&r, NULL, NULL, support_limit()), RENEWAL_REPLACE);
	cr_assert_eq(renewal_step(&r, NULL, NULL, support_limit()), RENEWAL_REPLACE);
	said = support_captured();
	cr_assert_geq(r.next, r.expires, "the next look is at its end");
	first = strstr(said, " warning ");
	cr_assert_not_null(first, "nobody was warned: %s", said);
	cr_assert_null(strstr(first + 1, " warning "), "warned twice: %s", said);
}

/* A day of it, in which it is looked at every hour. */
Test(renewal, a_long_life_that_cannot_be_renewed_is_not_replaced_before_its_end_is_near)
{
	struct renewal r = begin(24 * HOUR, false, HOUR * 9 / 10, HOUR);

	for (uint64_t left = 23 * HOUR; left > 5 * HOUR; left -= HOUR) {
		r.expires = clock_mono() + left;
		cr_assert_eq(renewal_step(&r, NULL, NULL, support_limit()), RENEWAL_LATER);
		cr_assert_leq(r.next, clock_mono() + HOUR);
		cr_assert_geq(r.next, clock_mono() + HOUR / 2);
	}
	cr_assert_not(r.warned);
	r.expires = clock_mono() + 2 * HOUR;
	cr_assert_eq(renewal_step(&r, NULL, NULL, support_limit()), RENEWAL_REPLACE);
}
