/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define NS_PER_SEC UINT64_C(1000000000)
#define NS_PER_MS  UINT64_C(1000000)

/* Monotonic time in nanoseconds since an unspecified point: for deadlines and ages. */
uint64_t clock_mono(void);

/* Wall clock time in nanoseconds since 1970: for times that a server states. */
int64_t clock_wall(void);

/* RFC 3339 with or without a fraction, in UTC or with an offset; nanoseconds since 1970, or
 * INT64_MIN if `s` is not a time (Vault writes "" for none). */
int64_t clock_parse_rfc3339(const char *s);

struct timespec clock_timespec(int64_t ns);

/* "250ms", "10s", "5m", "1h30m", "2d", or a plain number of seconds; in nanoseconds.
 * 0 or -EINVAL. */
int clock_parse_duration(const char *s, uint64_t *ns);

/* Writes a duration as clock_parse_duration() reads it, in the largest unit that loses nothing. */
void clock_format_duration(uint64_t ns, char *to, size_t room);

/* A random duration from `ns` to 1.5 times `ns`: waiters for one event must not all come back at the same
 * moment. */
uint64_t clock_jitter(uint64_t ns);

#endif
