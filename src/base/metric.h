/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_METRIC_H
#define BASE_METRIC_H

#include "base/buf.h"

#include <stdint.h>

/* What the process has done, in numbers, for Prometheus: a static table of counters, the only state of
 * the program that is global besides the log. Counting is one atomic addition, from any thread, without
 * a lock. No path and no secret is ever a label. */

enum metric {
	METRIC_REQUEST_TIME, /* histogram, by metric_request() */
	METRIC_REQUESTS_FLYING,
	METRIC_RETRIES,
	METRIC_REQUESTS_SPARED, /* that were not sent since too much fails */
	METRIC_WAITS,		/* by METRIC_WAIT_... */
	METRIC_BREAKERS_OPEN,
	METRIC_BREAKER_TRIPS,
	METRIC_CACHE_HITS,
	METRIC_CACHE_MISSES,
	METRIC_CACHE_JOINS, /* that wait for a request that is under way */
	METRIC_CACHE_STALE,
	METRIC_CACHE_BYTES,
	METRIC_CACHE_ENTRIES,
	METRIC_FUSE, /* by metric_fuse() */
	METRIC_HANDLES,
	METRIC_DRAFTS,
	METRIC_COMMITS,	       /* by METRIC_COMMIT_... */
	METRIC_COMMIT_RETRIES, /* made on top of what others have written meanwhile */
	METRIC_LOGINS,	       /* 0: failed, 1: done */
	METRIC_RENEWALS,       /* the same */
	METRIC_TOKEN_EXPIRES,  /* clock_mono(); 0: never, or there is no token */
	METRIC_COUNT
};

enum { METRIC_WAIT_RATE, METRIC_WAIT_FAILURES };
enum { METRIC_COMMIT_WRITTEN, METRIC_COMMIT_DELETED, METRIC_COMMIT_CONFLICT, METRIC_COMMIT_FAILED };

/* Counts one; `row` is 0 where the counter has no labels. */
void metric_count(enum metric m, unsigned row);

/* Of a gauge. */
void metric_move(enum metric m, int64_t by);
void metric_set(enum metric m, uint64_t value);

/* A request to the server that took `ns`: by its HTTP method, and by the status of its answer, 0 where
 * there was none. */
void metric_request(const char *method, long status, uint64_t ns);

/* A request of the kernel that was answered, by `code`: an errno, or 0. `operation` is a constant. */
void metric_fuse(const char *operation, int code);

/* All of it in the text format of Prometheus, version 0.0.4, appended. 0 or -ENOMEM. */
int metric_print(struct buf *to);

#endif
