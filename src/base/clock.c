// SPDX-License-Identifier: Apache-2.0
/* Points in time, durations, and the ways in which servers and people write both. */

#include "base/clock.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

uint64_t clock_mono(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

int64_t clock_wall(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * (int64_t)NS_PER_SEC + t.tv_nsec;
}

/* Parses ".123" as nanoseconds and moves *s past it. */
static int64_t parse_fraction(const char **s)
{
	int64_t ns = 0, unit = NS_PER_SEC / 10;

	if (**s != '.')
		return 0;
	for ((*s)++; isdigit((unsigned char)**s); (*s)++) {
		ns += (**s - '0') * unit;
		unit /= 10;
	}
	return ns;
}

int64_t clock_parse_rfc3339(const char *s)
{
	struct tm tm = {0};
	int64_t fraction, offset = 0;
	int hours, minutes, n = 0;

	s = s ? strptime(s, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	if (!s)
		return INT64_MIN;
	fraction = parse_fraction(&s);
	if (*s == '+' || *s == '-') {
		if (sscanf(s + 1, "%2d:%2d%n", &hours, &minutes, &n) < 2 || s[1 + n])
			return INT64_MIN;
		offset = (hours * 60 + minutes) * 60 * (*s == '-' ? -1 : 1);
	} else if (strcmp(s, "Z") != 0 && strcmp(s, "z") != 0) {
		return INT64_MIN;
	}
	/* 64 bits of nanoseconds cannot hold these years. */
	if (tm.tm_year < 70 || tm.tm_year > 350)
		return INT64_MIN;
	return ((int64_t)timegm(&tm) - offset) * (int64_t)NS_PER_SEC + fraction;
}

struct timespec clock_timespec(int64_t ns)
{
	return (struct timespec){.tv_sec = ns / (int64_t)NS_PER_SEC,
				 .tv_nsec = ns % (int64_t)NS_PER_SEC};
}

static const struct {
	const char *name;
	uint64_t ns;
} units[] = {
	{"d", 86400 * NS_PER_SEC}, {"h", 3600 * NS_PER_SEC}, {"ms", NS_PER_MS},
	{"m", 60 * NS_PER_SEC},	   {"s", NS_PER_SEC},
};

static uint64_t take_unit(const char **s)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t n = strlen(units[i].name);

		if (!strncmp(*s, units[i].name, n)) {
			*s += n;
			return units[i].ns;
		}
	}
	return 0;
}

int clock_parse_duration(const char *s, uint64_t *ns)
{
	uint64_t total = 0;
	bool first = true;

	if (!*s)
		return -EINVAL;
	while (*s) {
		uint64_t n = 0, unit;

		if (!isdigit((unsigned char)*s))
			return -EINVAL;
		for (; isdigit((unsigned char)*s); s++) {
			n = n * 10 + (uint64_t)(*s - '0');
			if (n > 1000000000)
				return -EINVAL;
		}
		unit = *s ? take_unit(&s) : first ? NS_PER_SEC : 0;
		if (!unit || n > (UINT64_MAX - total) / unit)
			return -EINVAL;
		total += n * unit;
		first = false;
	}
	*ns = total;
	return 0;
}

void clock_format_duration(uint64_t ns, char *to, size_t room)
{
	static const char *const names[] = {"h", "m", "s"};
	static const uint64_t sizes[] = {3600 * NS_PER_SEC, 60 * NS_PER_SEC, NS_PER_SEC};

	for (size_t i = 0; ns && i < 3; i++) {
		if (ns % sizes[i] == 0) {
			snprintf(to, room, "%" PRIu64 "%s", ns / sizes[i], names[i]);
			return;
		}
	}
	snprintf(to, room, ns ? "%" PRIu64 "ms" : "%" PRIu64 "s", ns / NS_PER_MS);
}

uint64_t clock_jitter(uint64_t ns)
{
	uint32_t r = 0;

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != sizeof(r))
		r = (uint32_t)clock_mono();
	return ns + (uint64_t)((double)ns / 2 * ((double)r / UINT32_MAX));
}
