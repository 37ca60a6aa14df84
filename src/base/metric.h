/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_METRIC_H
#define BASE_METRIC_H

#include "base/buf.h"

#include <stdint.h>

/* The process's counters, for Prometheus: a static table, the only global state of the program
 * besides the log. Counting is one atomic addition, from any thread, without a lock. No path and no
 * secret is ever a label. */

enum metric {
	METRIC_REQUEST_TIME, /* histogram, by metric_request() */
	METRIC_REQUESTS_FLYING,
	METRIC_RETRIES,
	METRIC_REQUESTS_SPARED, /* not sent, because too many fail */
	METRIC_WAITS,		/* by METRIC_WAIT_... */
	METRIC_BREAKERS_OPEN,
	METRIC_BREAKER_TRIPS,
	METRIC_CACHE_HITS,
	METRIC_CACHE_MISSES,
	METRIC_CACHE_JOINS, /* waited for a request under way */
	METRIC_CACHE_STALE,
	METRIC_CACHE_BYTES,
	METRIC_CACHE_ENTRIES,
	METRIC_FUSE, /* by metric_fuse() */
	METRIC_HANDLES,
	METRIC_DRAFTS,
	METRIC_COMMITS,	       /* by METRIC_COMMIT_... */
	METRIC_COMMIT_RETRIES, /* made again on top of another's version */
	METRIC_LOGINS,	       /* 0: failed, 1: done */
	METRIC_RENEWALS,       /* 0: failed, 1: done */
	METRIC_TOKEN_EXPIRES,  /* clock_mono(); 0: never, or there is no token */
	METRIC_COUNT
};

enum { METRIC_WAIT_RATE, METRIC_WAIT_FAILURES };
enum { METRIC_COMMIT_WRITTEN, METRIC_COMMIT_DELETED, METRIC_COMMIT_CONFLICT, METRIC_COMMIT_FAILED };

/* Counts one; `row` is 0 where the counter has no labels. */
void metric_count(enum metric m, unsigned row);

/* For gauges. */
void metric_move(enum metric m, int64_t by);
void metric_set(enum metric m, uint64_t value);

/* Counts a request to the server that took `ns`, by its HTTP method and the status of its answer; 0: no
 * answer. */
void metric_request(const char *method, long status, uint64_t ns);

/* Counts an answered request of the kernel; `code` is an errno or 0, `operation` a constant. */
void metric_fuse(const char *operation, int code);

/* Appends all metrics in the text format of Prometheus, version 0.0.4. 0 or -ENOMEM. */
int metric_print(struct buf *to);

#endif
