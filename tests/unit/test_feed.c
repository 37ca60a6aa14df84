// SPDX-License-Identifier: Apache-2.0
/* Lines for readers: from when, in what order, how much, and what is lost. */

#include "event/feed.h"
#include "unit_support.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(feed, .init = support_init, .fini = support_fini, .timeout = 120);

static void add(struct feed *f, int64_t version)
{
	struct event *e = event_new(EVENT_CHANGED, "/db", "app/db", version, false);

	event_add_field(e, "password");
	feed_add(f, e);
	event_free(e);
}

static int64_t version_in(const struct buf *line)
{
	const char *at = strstr(line->data, "\"version\":");

	return at ? strtoll(at + strlen("\"version\":"), NULL, 10) : -1;
}

Test(feed, a_reader_gets_what_comes_after_it_was_opened)
{
	struct feed *f = feed_new();
	struct feed_reader *r;
	struct ask ask = {0};
	struct buf out = {0};

	add(f, 1);
	r = feed_open(f, &(struct feed_filter){0});
	cr_assert_eq(feed_read(r, 4096, &ask, &out), PARKED);
	add(f, 2);
	cr_assert_eq(feed_read(r, 4096, &ask, &out), 0);
	cr_assert_eq(version_in(&out), 2);
	cr_assert_eq(out.data[out.len - 1], '\n');
	cr_assert_eq(feed_read(r, 4096, &ask, &out), PARKED);
	buf_fini(&out);
	feed_close(r);
	feed_free(f);
}

Test(feed, a_line_that_does_not_fit_comes_in_parts)
{
	struct feed *f = feed_new();
	struct feed_reader *r = feed_open(f, &(struct feed_filter){0});
	struct ask ask = {0};
	struct buf whole = {0};

	add(f, 7);
	for (;;) {
		struct buf part = {0};

		if (feed_read(r, 5, &ask, &part) == PARKED)
			break;
		cr_assert_leq(part.len, 5);
		buf_add(&whole, part.data, part.len);
		buf_fini(&part);
	}
	cr_assert_eq(version_in(&whole), 7);
	cr_assert(strchr(whole.data, '\n') == whole.data + whole.len - 1);
	buf_fini(&whole);
	feed_close(r);
	feed_free(f);
}

Test(feed, who_is_too_slow_is_told_how_much_is_lost)
{
	struct feed *f = feed_new();
	struct feed_reader *r = feed_open(f, &(struct feed_filter){0});
	struct ask ask = {0};
	struct buf out = {0};

	for (int64_t n = 1; n <= 1030; n++)
		add(f, n);
	cr_assert_eq(feed_read(r, 80, &ask, &out), 0);
	cr_assert(strstr(out.data, "\"kind\":\"lost\""));
	cr_assert(strstr(out.data, "\"count\":6"));
	buf_fini(&out);
	out = (struct buf){0};
	cr_assert_eq(feed_read(r, 200, &ask, &out), 0);
	cr_assert_eq(version_in(&out), 7);
	buf_fini(&out);
	feed_close(r);
	feed_free(f);
}

static void count(void *arg)
{
	++*(int *)arg;
}

Test(feed, a_waker_is_called_once_or_dropped)
{
	struct feed *f = feed_new();
	struct feed_reader *r = feed_open(f, &(struct feed_filter){0});
	int woken = 0, dropped = 0;
	struct feed_waker wake = {.wake = count, .arg = &woken};
	struct feed_waker drop = {.wake = count, .drop = count, .arg = &dropped};

	cr_assert_not(feed_poll(r, &drop));
	cr_assert_not(feed_poll(r, &wake));
	cr_assert_eq(dropped, 1);
	add(f, 1);
	add(f, 2);
	cr_assert_eq(woken, 1);
	cr_assert(feed_poll(r, &drop));
	cr_assert_eq(dropped, 2);
	feed_close(r);
	feed_free(f);
}

Test(feed, nobody_waits_after_its_end)
{
	struct feed *f = feed_new();
	struct feed_reader *r = feed_open(f, &(struct feed_filter){0});
	struct ask ask = {0};
	struct buf out = {0};

	feed_end(f);
	cr_assert_lt(feed_read(r, 10, &ask, &out), 0);
	feed_close(r);
	feed_free(f);
}

static enum feed_view view_of(void *arg, const char *secret)
{
	return !strcmp(secret, "closed") ? FEED_NOTHING
	       : !strcmp(secret, "bare") ? FEED_BARE
					 : FEED_ALL;
}

static void add_named(struct feed *f, const char *secret)
{
	struct event *e = event_new(EVENT_CHANGED, "/p", secret, 1, false);

	event_add_field(e, "password");
	feed_add(f, e);
	event_free(e);
}

Test(feed, a_reader_is_not_told_what_its_filter_hides)
{
	struct feed *f = feed_new();
	struct feed_reader *r = feed_open(f, &(struct feed_filter){.view = view_of});
	struct feed_waker wake = {.wake = count, .arg = &(unsigned){0}};
	struct ask ask = {0};
	_cleanup_buf_ struct buf out = {0};

	cr_assert_not(feed_poll(r, &wake));
	add_named(f, "closed");
	cr_assert_eq(*(unsigned *)wake.arg, 0, "it was woken for nothing");
	cr_assert_not(feed_poll(r, &wake));
	cr_assert_eq(feed_read(r, 4096, &ask, &out), PARKED);
	add_named(f, "bare");
	cr_assert_eq(*(unsigned *)wake.arg, 1);
	cr_assert_eq(feed_read(r, 4096, &ask, &out), 0);
	cr_assert_null(strstr(out.data, "password"));
	buf_fini(&out);
	out = (struct buf){0};
	for (size_t i = 0; i < 2000; i++)
		add_named(f, "closed");
	cr_assert_eq(feed_read(r, 4096, &ask, &out), PARKED, "what is hidden counts as lost");
	add_named(f, "open");
	cr_assert_eq(feed_read(r, 4096, &ask, &out), 0);
	cr_assert_not_null(strstr(out.data, "password"));
	feed_close(r);
	feed_free(f);
}
