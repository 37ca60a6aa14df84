// SPDX-License-Identifier: Apache-2.0
/* The process as a whole: no core of it is made, and the limit on locked memory is raised as far as it
 * goes, and said. */

#include "unit_support.h"

#include "host/memory.h"

#include <linux/capability.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

TestSuite(memory, .fini = support_fini, .timeout = 120);

/* Checks that no kind of mapping is dumped. */
static unsigned long dumped_kinds(void)
{
	unsigned long kinds = 0;
	FILE *f = fopen("/proc/self/coredump_filter", "r");

	cr_assert_not_null(f);
	cr_assert_eq(fscanf(f, "%lx", &kinds), 1);
	fclose(f);
	return kinds;
}

Test(memory, no_core_is_made_of_it)
{
	struct rlimit limit = {1, 1};

	memory_no_dumps();
	cr_assert_eq(getrlimit(RLIMIT_CORE, &limit), 0);
	cr_assert_eq(limit.rlim_cur, 0);
	cr_assert_eq(limit.rlim_max, 0);
	cr_assert_eq(prctl(PR_GET_DUMPABLE), 0);
	prctl(PR_SET_DUMPABLE, 1); /* so that we may look */
	cr_assert_eq(dumped_kinds(), 0);
}

static void set_limit(void)
{
	struct rlimit limit = {.rlim_cur = 65536, .rlim_max = 1 << 20};

	if (setrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		cr_skip("the limit cannot be set here");
}

/* Whether this process had a capability; it has it no more. */
static bool drop_capability(int number)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	bool had;

	cr_assert_eq(syscall(SYS_capget, &header, data), 0);
	had = data[number / 32].effective & (1u << number % 32);
	data[number / 32].effective &= ~(1u << number % 32);
	cr_assert_eq(syscall(SYS_capset, &header, data), 0);
	return had;
}

Test(memory, the_soft_limit_on_locks_becomes_the_hard_one)
{
	struct rlimit limit;

	set_limit();
	memory_raise_lock_limit();
	cr_assert_eq(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
	cr_assert_eq(limit.rlim_cur, 1 << 20);
	cr_assert_eq(limit.rlim_max, 1 << 20);
}

Test(memory, who_may_lock_everything_is_told_so)
{
	size_t bytes;

	set_limit();
	bytes = memory_raise_lock_limit();
	if (!drop_capability(CAP_IPC_LOCK))
		cr_skip("we may not lock everything here");
	cr_assert_eq(bytes, SIZE_MAX);
}

/* Such as root in a container: it is the capability that counts. */
Test(memory, who_may_not_is_told_the_limit)
{
	set_limit();
	drop_capability(CAP_IPC_LOCK);
	cr_assert_eq(memory_raise_lock_limit(), 1 << 20);
}
