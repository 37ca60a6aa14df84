// SPDX-License-Identifier: Apache-2.0
/* Which processes have a file open for writing, by /proc: a process, its descendants, and the
 * generations between them. */

#include "unit_support.h"

#include "host/holder.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

TestSuite(holder, .fini = support_fini, .timeout = 120);

struct file {
	char path[32];
	int fd;
	uint64_t ino;
};

static struct file make_file(void)
{
	struct file f = {.path = "/tmp/holder.XXXXXX"};
	struct stat st;

	f.fd = mkstemp(f.path);
	cr_assert_geq(f.fd, 0);
	cr_assert_eq(fstat(f.fd, &st), 0);
	f.ino = st.st_ino;
	return f;
}

static pid_t start_child(void)
{
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		pause();
		_exit(0);
	}
	return pid;
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
}

Test(holder, a_descriptor_for_writing_holds_a_file)
{
	struct file f = make_file();
	int reader, copy;

	cr_assert_eq(holder_process(getpid(), f.ino), HOLDING_YES);
	cr_assert_eq(holder_process(getpid(), f.ino + 1), HOLDING_NO);
	copy = dup(f.fd);
	close(f.fd);
	cr_assert_eq(holder_process(getpid(), f.ino), HOLDING_YES);
	close(copy);
	cr_assert_eq(holder_process(getpid(), f.ino), HOLDING_NO);
	reader = open(f.path, O_RDONLY);
	cr_assert_geq(reader, 0);
	cr_assert_eq(holder_process(getpid(), f.ino), HOLDING_NO);
	close(reader);
	unlink(f.path);
}

Test(holder, what_was_handed_to_a_child_is_held_by_the_family)
{
	struct file f = make_file();
	pid_t child = start_child();

	close(f.fd);
	cr_assert_eq(holder_process(getpid(), f.ino), HOLDING_NO);
	cr_assert_eq(holder_family(getpid(), f.ino), HOLDING_YES);
	cr_assert_eq(holder_family(child, f.ino), HOLDING_YES);
	cr_assert_eq(holder_generations(child, getpid()), 1);
	cr_assert_eq(holder_generations(getpid(), getpid()), 0);
	cr_assert_eq(holder_generations(getpid(), child), -1);
	end_child(child);
	cr_assert_eq(holder_family(getpid(), f.ino), HOLDING_NO);
	cr_assert_eq(holder_process(child, f.ino), HOLDING_NO);
	unlink(f.path);
}

Test(holder, nobody_is_known_to_be_nobody)
{
	cr_assert_eq(holder_process(0, 1), HOLDING_UNKNOWN);
	cr_assert_eq(holder_family(0, 1), HOLDING_UNKNOWN);
	cr_assert_eq(holder_generations(0, 1), -1);
}

/* More than are looked at. */
Test(holder, a_large_family_is_not_known)
{
	pid_t children[80];

	for (size_t i = 0; i < ARRAY_SIZE(children); i++)
		children[i] = start_child();
	cr_assert_eq(holder_family(getpid(), UINT64_MAX), HOLDING_UNKNOWN);
	for (size_t i = 0; i < ARRAY_SIZE(children); i++)
		end_child(children[i]);
}
