// SPDX-License-Identifier: Apache-2.0
/* Points of time as servers write them (RFC 3339) and spans of it as people do, both ways; and that
 * jitter stays within its bounds. */

#include "unit_support.h"

#include "base/clock.h"

TestSuite(clock, .fini = support_fini, .timeout = 120);

#define S INT64_C(1000000000)

Test(clock, times_in_utc_and_with_an_offset)
{
	static const struct {
		const char *text;
		int64_t ns;
	} rows[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"2024-02-29T12:34:56Z", 1709210096 * S},
		{"2024-02-29T12:34:56z", 1709210096 * S},
		{"2024-02-29T12:34:56.5Z", 1709210096 * S + 500000000},
		{"2024-02-29T12:34:56.000000001Z", 1709210096 * S + 1},
		{"2024-02-29T12:34:56.123456789Z", 1709210096 * S + 123456789},
		{"2024-02-29T12:34:56.1234567891234Z", 1709210096 * S + 123456789},
		{"2024-02-29T12:34:56+00:00", 1709210096 * S},
		{"2024-02-29T12:34:56-00:00", 1709210096 * S},
		{"2024-02-29T14:04:56+01:30", 1709210096 * S},
		{"2024-02-29T04:34:56.25-08:00", 1709210096 * S + 250000000},
		{"2024-03-01T00:34:56+12:00", 1709210096 * S},
		{"2000-01-01T00:00:00Z", 946684800 * S},
		{"2038-01-19T03:14:08Z", 2147483648 * S},
		{"2200-01-01T00:00:00Z", 7258118400 * S},
	};

	setenv("TZ", "America/New_York", 1);
	tzset();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		cr_assert_eq(clock_parse_rfc3339(rows[i].text), rows[i].ns, "%s", rows[i].text);
}

Test(clock, what_is_no_time_is_told)
{
	static const char *const bad[] = {
		"",
		"never",
		"0",
		"2024",
		"2024-02-29",
		"2024-02-29T12:34",
		"2024-02-29T12:34:56",
		"2024-02-29 12:34:56Z",
		"2024-13-01T00:00:00Z",
		"2024-02-29T25:00:00Z",
		"2024-02-29T12:61:00Z",
		"2024-02-29T12:34:56Zz",
		"2024-02-29T12:34:56+1",
		"2024-02-29T12:34:56+ab:cd",
		"2024-02-29T12:34:56.5",
		"2024-02-29T12:34:56+01:00Z",
		"2024-02-29T12:34:56 Z",
		"0001-01-01T00:00:00Z",
		"9999-12-31T23:59:59Z",
		"0000-00-00T00:00:00Z",
		"2024-02-29T12:34:56+01:00x",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		cr_assert_eq(clock_parse_rfc3339(bad[i]), INT64_MIN, "%s", bad[i]);
	cr_assert_eq(clock_parse_rfc3339(NULL), INT64_MIN);
}

Test(clock, a_timespec_has_both_parts)
{
	struct timespec t = clock_timespec(1709210096 * S + 123456789);

	cr_assert_eq(t.tv_sec, 1709210096);
	cr_assert_eq(t.tv_nsec, 123456789);
}

Test(clock, durations_as_people_write_them)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} rows[] = {
		{"0", 0},
		{"0s", 0},
		{"10", 10 * NS_PER_SEC},
		{"250ms", 250 * NS_PER_MS},
		{"10s", 10 * NS_PER_SEC},
		{"5m", 300 * NS_PER_SEC},
		{"1h", 3600 * NS_PER_SEC},
		{"1h30m", 5400 * NS_PER_SEC},
		{"2d", 172800 * NS_PER_SEC},
		{"1d2h3m4s5ms", 93784 * NS_PER_SEC + 5 * NS_PER_MS},
		{"90m", 5400 * NS_PER_SEC},
		{"007s", 7 * NS_PER_SEC},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t ns = 1;

		cr_assert_eq(clock_parse_duration(rows[i].text, &ns), 0, "%s", rows[i].text);
		cr_assert_eq(ns, rows[i].ns, "%s", rows[i].text);
	}
}

Test(clock, what_is_no_duration_is_refused)
{
	static const char *const bad[] = {
		"",	      " ",   "s",    "-1s",	   "+1s",
		"1 s",	      " 1s", "1s ",  "1.5s",	   "1x",
		"1S",	      "1y",  "1w",   "h1",	   "1h30",
		"1m-5s",      "1us", "0x10", "1000000001", "99999999999999999999s",
		"1000000000d"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		uint64_t ns = 77;

		cr_assert_eq(clock_parse_duration(bad[i], &ns), -EINVAL, "%s", bad[i]);
		cr_assert_eq(ns, 77, "%s", bad[i]);
	}
}

Test(clock, durations_are_written_without_loss)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} rows[] = {
		{0, "0s"},
		{1 * NS_PER_MS, "1ms"},
		{250 * NS_PER_MS, "250ms"},
		{1500 * NS_PER_MS, "1500ms"},
		{10 * NS_PER_SEC, "10s"},
		{90 * NS_PER_SEC, "90s"},
		{300 * NS_PER_SEC, "5m"},
		{3600 * NS_PER_SEC, "1h"},
		{5400 * NS_PER_SEC, "90m"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[32];
		uint64_t ns = 1;

		clock_format_duration(rows[i].ns, text, sizeof(text));
		cr_assert_str_eq(text, rows[i].text);
		cr_assert_eq(clock_parse_duration(text, &ns), 0);
		cr_assert_eq(ns, rows[i].ns);
	}
}

Test(clock, monotonic_time_does_not_go_back)
{
	uint64_t last = clock_mono();

	for (int i = 0; i < 10000; i++) {
		uint64_t now = clock_mono();

		cr_assert_geq(now, last);
		last = now;
	}
}

Test(clock, jitter_is_between_once_and_one_and_a_half)
{
	uint64_t low = UINT64_MAX, high = 0;

	for (int i = 0; i < 1000; i++) {
		uint64_t ns = clock_jitter(1000000);

		cr_assert_geq(ns, 1000000);
		cr_assert_leq(ns, 1500000);
		low = ns < low ? ns : low;
		high = ns > high ? ns : high;
	}
	cr_assert_lt(low, high, "it is not random");
	cr_assert_eq(clock_jitter(0), 0);
}
