// SPDX-License-Identifier: Apache-2.0
/* Metrics: what is counted is printed, in the format that Prometheus reads. Each test is a process of
 * its own, and so has a registry of its own. */

#include "unit_support.h"

#include "base/clock.h"
#include "base/metric.h"

#include <errno.h>
#include <stdio.h>

TestSuite(metric, .timeout = 60);

static bool prints(const char *line)
{
	_cleanup_buf_ struct buf b = {0};
	_cleanup_free_ char *whole = NULL;

	cr_assert_eq(metric_print(&b), 0);
	cr_assert_gt(asprintf(&whole, "\n%s\n", line), 0);
	return strstr(b.data, whole) != NULL;
}

Test(metric, a_counter_counts)
{
	cr_assert(prints("vaultfs_cache_hits_total 0"));
	for (unsigned i = 0; i < 3; i++)
		metric_count(METRIC_CACHE_HITS, 0);
	cr_assert(prints("vaultfs_cache_hits_total 3"));
	cr_assert(prints("# TYPE vaultfs_cache_hits_total counter"));
}

Test(metric, a_row_has_its_label)
{
	metric_count(METRIC_COMMITS, METRIC_COMMIT_CONFLICT);
	cr_assert(prints("vaultfs_commits_total{result=\"conflict\"} 1"));
	cr_assert(prints("vaultfs_commits_total{result=\"written\"} 0"));
}

Test(metric, a_gauge_goes_up_and_down)
{
	metric_move(METRIC_HANDLES, 1);
	metric_move(METRIC_HANDLES, 1);
	metric_move(METRIC_HANDLES, -1);
	cr_assert(prints("vaultfs_open_files 1"));
}

Test(metric, requests_fall_into_buckets)
{
	metric_request("GET", 200, 3 * NS_PER_MS);
	metric_request("GET", 404, NS_PER_SEC / 2);
	metric_request("PUT", 0, 20 * NS_PER_SEC);
	metric_request("BREW", 418, 1);
	cr_assert(prints("vaultfs_request_duration_seconds_bucket{operation=\"read\","
			 "result=\"2xx\",le=\"0.002\"} 0"));
	cr_assert(prints("vaultfs_request_duration_seconds_bucket{operation=\"read\","
			 "result=\"2xx\",le=\"0.005\"} 1"));
	cr_assert(prints("vaultfs_request_duration_seconds_bucket{operation=\"read\","
			 "result=\"4xx\",le=\"0.500\"} 1"));
	cr_assert(prints("vaultfs_request_duration_seconds_sum{operation=\"read\",result=\"2xx\"} "
			 "0.003000000"));
	cr_assert(prints("vaultfs_request_duration_seconds_bucket{operation=\"write\","
			 "result=\"no answer\",le=\"10.000\"} 0"));
	cr_assert(prints("vaultfs_request_duration_seconds_count{operation=\"write\","
			 "result=\"no answer\"} 1"));
	cr_assert(prints("vaultfs_request_duration_seconds_count{operation=\"other\","
			 "result=\"4xx\"} 1"));
}

Test(metric, operations_of_one_name_are_one_row)
{
	static const char here[] = "open", there[] = "open";

	metric_fuse(here, 0);
	metric_fuse(there, 0);
	metric_fuse(there, ENOENT);
	metric_fuse("close", 100000);
	cr_assert(prints("vaultfs_fuse_operations_total{operation=\"open\",errno=\"OK\"} 2"));
	cr_assert(prints("vaultfs_fuse_operations_total{operation=\"open\",errno=\"ENOENT\"} 1"));
	cr_assert(prints("vaultfs_fuse_operations_total{operation=\"close\",errno=\"EIO\"} 1"));
}

Test(metric, more_operations_than_there_is_room_for_are_counted_together)
{
	static char names[50][8];

	for (unsigned i = 0; i < 50; i++) {
		snprintf(names[i], sizeof(names[i]), "op%u", i);
		metric_fuse(names[i], 0);
	}
	cr_assert(prints("vaultfs_fuse_operations_total{operation=\"op38\",errno=\"OK\"} 1"));
	cr_assert(prints("vaultfs_fuse_operations_total{operation=\"other\",errno=\"OK\"} 11"));
}

Test(metric, a_token_without_an_end_has_no_time_left)
{
	cr_assert(prints("# TYPE vaultfs_token_ttl_seconds gauge"));
	metric_set(METRIC_TOKEN_EXPIRES, 1);
	cr_assert(prints("vaultfs_token_ttl_seconds 0.000000000"));
	metric_set(METRIC_TOKEN_EXPIRES, 0);
	cr_assert_not(prints("vaultfs_token_ttl_seconds 0.000000000"));
}
