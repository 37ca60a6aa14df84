// SPDX-License-Identifier: Apache-2.0
/* The metric registry: one table of families, each with cells of its own, printed in the table's
 * order.
 *
 * Cells are counted with relaxed atomics: each is right, but two that are printed together may be a
 * moment apart. A family with labels omits the rows that never counted anything. */

#include "base/metric.h"

#include "config.h"
#include "base/clock.h"
#include "base/err.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

typedef atomic_uint_fast64_t cell;

enum { METHODS = 6, RESULTS = 6, OPERATIONS = 40, ERRNOS = 134, LABELLED = 4 };

static const char *const methods[METHODS] = {"read", "list", "write", "patch", "delete", "other"};
static const char *const results[RESULTS] = {"no answer", "1xx", "2xx", "3xx", "4xx", "5xx"};

/* Upper bounds, in milliseconds. */
static const unsigned bounds[] = {1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000};

struct histogram {
	cell buckets[ARRAY_SIZE(bounds) + 1]; /* the last: over all bounds */
	cell ns;
};

static struct histogram requests[METHODS][RESULTS];
static cell fuse[OPERATIONS][ERRNOS];
static _Atomic(const char *) operations[OPERATIONS]; /* in the order of their first use */

static cell cells[METRIC_COUNT][LABELLED];

static const struct family {
	const char *name, *type, *help;
	const char *label;
	const char *rows[LABELLED];
} families[METRIC_COUNT] = {
	[METRIC_REQUEST_TIME] = {"request_duration_seconds", "histogram",
				 "Requests to the server, by operation and by class of the answer"},
	[METRIC_REQUESTS_FLYING] = {"requests_in_flight", "gauge",
				    "Requests to the server that wait for their answer"},
	[METRIC_RETRIES] = {"request_retries_total", "counter",
			    "Requests that were made again, after a pause or at another server"},
	[METRIC_REQUESTS_SPARED] = {"requests_spared_total", "counter",
				    "Requests that were not sent, since too much fails"},
	[METRIC_WAITS] = {"budget_waits_total",
			  "counter",
			  "Requests that had to wait for their turn, by what they waited for",
			  "budget",
			  {"rate", "failures"}},
	[METRIC_BREAKERS_OPEN] = {"breakers_open", "gauge",
				  "Servers that are spared at present, reading and writing apart"},
	[METRIC_BREAKER_TRIPS] = {"breaker_trips_total", "counter",
				  "How often a server began to be spared"},
	[METRIC_CACHE_HITS] = {"cache_hits_total", "counter", "Questions answered from memory"},
	[METRIC_CACHE_MISSES] = {"cache_misses_total", "counter",
				 "Questions for which the server was asked"},
	[METRIC_CACHE_JOINS] = {"cache_joins_total", "counter",
				"Questions that waited for a request under way"},
	[METRIC_CACHE_STALE] = {"cache_stale_total", "counter",
				"Questions answered from memory past its time, in an outage"},
	[METRIC_CACHE_BYTES] = {"cache_bytes", "gauge", "Memory of what was read"},
	[METRIC_CACHE_ENTRIES] = {"cache_entries", "gauge", "Things known of the server"},
	[METRIC_FUSE] = {"fuse_operations_total", "counter",
			 "Requests of the kernel, by operation and errno"},
	[METRIC_HANDLES] = {"open_files", "gauge", "Files that are open"},
	[METRIC_DRAFTS] = {"drafts", "gauge", "Files that are being written"},
	[METRIC_COMMITS] = {"commits_total",
			    "counter",
			    "Changes of secrets, by what became of them",
			    "result",
			    {"written", "deleted", "conflict", "failed"}},
	[METRIC_COMMIT_RETRIES] = {"commit_retries_total", "counter",
				   "Changes made again on top of what others have written"},
	[METRIC_LOGINS] = {"logins_total", "counter", "Logins", "result", {"failed", "done"}},
	[METRIC_RENEWALS] = {"token_renewals_total",
			     "counter",
			     "Renewals of the token",
			     "result",
			     {"failed", "done"}},
	[METRIC_TOKEN_EXPIRES] = {"token_ttl_seconds", "gauge",
				  "What is left of the token's life, where it has an end"},
};

void metric_count(enum metric m, unsigned row)
{
	atomic_fetch_add_explicit(&cells[m][row], 1, memory_order_relaxed);
}

void metric_move(enum metric m, int64_t by)
{
	atomic_fetch_add_explicit(&cells[m][0], (uint64_t)by, memory_order_relaxed);
}

void metric_set(enum metric m, uint64_t value)
{
	atomic_store_explicit(&cells[m][0], value, memory_order_relaxed);
}

static unsigned row_of_method(const char *method)
{
	static const char *const http[] = {"GET", "LIST", "POST", "PATCH", "DELETE", NULL};
	unsigned i = 0;

	if (!strcmp(method, "PUT"))
		return 2;
	while (http[i] && strcmp(http[i], method) != 0)
		i++;
	return i;
}

void metric_request(const char *method, long status, uint64_t ns)
{
	unsigned class = status >= 100 && status < 600 ? (unsigned)(status / 100) : 0;
	struct histogram *h = &requests[row_of_method(method)][class];
	size_t i = 0;

	while (i < ARRAY_SIZE(bounds) && ns > bounds[i] * NS_PER_MS)
		i++;
	atomic_fetch_add_explicit(&h->buckets[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->ns, ns, memory_order_relaxed);
}

/* The row of an operation; a new operation takes the first free row. */
static size_t row_of_operation(const char *name)
{
	for (size_t i = 0; i < OPERATIONS - 1; i++) {
		const char *known = atomic_load_explicit(&operations[i], memory_order_acquire);

		if (!known && atomic_compare_exchange_strong(&operations[i], &known, name))
			return i;
		if (known == name || !strcmp(known, name))
			return i;
	}
	atomic_store(&operations[OPERATIONS - 1], "other");
	return OPERATIONS - 1;
}

void metric_fuse(const char *operation, int code)
{
	if (code < 0 || code >= ERRNOS)
		code = EIO;
	atomic_fetch_add_explicit(&fuse[row_of_operation(operation)][code], 1,
				  memory_order_relaxed);
}

static uint64_t get(const cell *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

static void print_fuse(const char *name, struct buf *to)
{
	for (size_t i = 0; i < OPERATIONS; i++) {
		const char *operation = atomic_load(&operations[i]);

		for (int code = 0; operation && code < ERRNOS; code++)
			if (get(&fuse[i][code]))
				buf_printf(to,
					   "vaultfs_%s{operation=\"%s\",errno=\"%s\"} %" PRIu64
					   "\n",
					   name, operation, code ? err_name(code) : "OK",
					   get(&fuse[i][code]));
	}
}

/* Nanoseconds as seconds, with a point in every locale. */
static void print_seconds(uint64_t ns, struct buf *to)
{
	buf_printf(to, "%" PRIu64 ".%09" PRIu64 "\n", ns / NS_PER_SEC, ns % NS_PER_SEC);
}

static void print_histogram(const char *name, const char *labels, const struct histogram *h,
			    struct buf *to)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < ARRAY_SIZE(bounds); i++) {
		sum += get(&h->buckets[i]);
		buf_printf(to, "vaultfs_%s_bucket{%s,le=\"%u.%03u\"} %" PRIu64 "\n", name, labels,
			   bounds[i] / 1000, bounds[i] % 1000, sum);
	}
	sum += get(&h->buckets[ARRAY_SIZE(bounds)]);
	buf_printf(to, "vaultfs_%s_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n", name, labels, sum);
	buf_printf(to, "vaultfs_%s_count{%s} %" PRIu64 "\n", name, labels, sum);
	buf_printf(to, "vaultfs_%s_sum{%s} ", name, labels);
	print_seconds(get(&h->ns), to);
}

static void print_requests(const char *name, struct buf *to)
{
	for (size_t i = 0; i < METHODS; i++) {
		for (size_t k = 0; k < RESULTS; k++) {
			const struct histogram *h = &requests[i][k];
			char labels[80];

			snprintf(labels, sizeof(labels), "operation=\"%s\",result=\"%s\"",
				 methods[i], results[k]);
			for (size_t b = 0; b <= ARRAY_SIZE(bounds); b++) {
				if (get(&h->buckets[b])) {
					print_histogram(name, labels, h, to);
					break;
				}
			}
		}
	}
}

static void print_expiry(const char *name, uint64_t at, struct buf *to)
{
	uint64_t now = clock_mono();

	if (!at)
		return;
	buf_printf(to, "vaultfs_%s ", name);
	print_seconds(at > now ? at - now : 0, to);
}

static void print_family(enum metric m, struct buf *to)
{
	const struct family *f = &families[m];

	buf_printf(to, "# HELP vaultfs_%s %s.\n# TYPE vaultfs_%s %s\n", f->name, f->help, f->name,
		   f->type);
	if (m == METRIC_REQUEST_TIME)
		print_requests(f->name, to);
	else if (m == METRIC_FUSE)
		print_fuse(f->name, to);
	else if (m == METRIC_TOKEN_EXPIRES)
		print_expiry(f->name, get(&cells[m][0]), to);
	else if (!f->label)
		buf_printf(to, "vaultfs_%s %" PRIu64 "\n", f->name, get(&cells[m][0]));
	for (size_t i = 0; f->label && i < LABELLED && f->rows[i]; i++)
		buf_printf(to, "vaultfs_%s{%s=\"%s\"} %" PRIu64 "\n", f->name, f->label, f->rows[i],
			   get(&cells[m][i]));
}

int metric_print(struct buf *to)
{
	buf_printf(to,
		   "# HELP vaultfs_build_info The version of the program.\n"
		   "# TYPE vaultfs_build_info gauge\n"
		   "vaultfs_build_info{version=\"%s\"} 1\n",
		   PACKAGE_VERSION);
	for (enum metric m = 0; m < METRIC_COUNT; m++)
		print_family(m, to);
	return buf_status(to);
}
