// SPDX-License-Identifier: Apache-2.0
/* Keeps the memory of the whole process out of dumps and swap. */

#include "host/memory.h"

#include "base/cleanup.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

void memory_no_dumps(void)
{
	_cleanup_close_ int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);
	struct rlimit none = {0, 0};

	/* No kind of mapping is dumped; gcore obeys this too. */
	if (fd >= 0 && write(fd, "0", 1) < 0)
		log_debug("no coredump_filter", F_STR("errno", err_name(errno)));
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
}

/* Whether the limit does not apply to us. CAP_IPC_LOCK lifts it only in the first user namespace,
 * so our capabilities do not tell. Instead we ask the kernel to lock more than the limit, in pages
 * that do not exist yet. */
static bool is_unbounded(size_t limit)
{
	size_t len = limit + (size_t)sysconf(_SC_PAGESIZE);
	void *p;
	bool locks;

	if (len < limit)
		return true;
	p = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return false;
	locks = mlock2(p, len, MLOCK_ONFAULT) == 0;
	munmap(p, len);
	return locks;
}

size_t memory_raise_lock_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		return 0;
	if (limit.rlim_cur != limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_MEMLOCK, &limit);
	}
	if (limit.rlim_max == RLIM_INFINITY || is_unbounded(limit.rlim_max))
		return SIZE_MAX;
	return limit.rlim_max;
}

void memory_lock(void)
{
	/* Under a limit, locking future memory would make allocations fail. */
	if (memory_raise_lock_limit() != SIZE_MAX)
		return;
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
		log_debug("not all memory is locked", F_STR("errno", err_name(errno)));
}
