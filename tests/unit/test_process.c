// SPDX-License-Identifier: Apache-2.0
/* /proc's account of our callers: the process of a thread, whether it lives, whether a signal ends
 * it, and its groups, however many. */

#include "unit_support.h"

#include "host/process.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

TestSuite(process, .fini = support_fini, .timeout = 120);

static void *thread_main(void *arg)
{
	pid_t tid = (pid_t)syscall(SYS_gettid);

	*(bool *)arg = tid != getpid();
	return (void *)(intptr_t)process_of(tid);
}

Test(process, a_thread_is_its_process)
{
	bool differs = false;
	pthread_t thread;
	void *pid;

	cr_assert_eq(pthread_create(&thread, NULL, thread_main, &differs), 0);
	cr_assert_eq(pthread_join(thread, &pid), 0);
	cr_assert(differs);
	cr_assert_eq((pid_t)(intptr_t)pid, getpid());
	cr_assert_eq(process_of(getpid()), getpid());
}

/* A name of a thread can hold what looks like a line of the file. */
Test(process, a_name_cannot_pass_for_another_process)
{
	prctl(PR_SET_NAME, "x\nTgid:\t1\n)");
	cr_assert_eq(process_of(getpid()), getpid());
	cr_assert_not(process_killed(getpid()));
}

/* A child that has been waited for: its number is of nobody. */
static pid_t gone(void)
{
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0)
		_exit(0);
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
	return pid;
}

Test(process, what_cannot_be_found_is_itself)
{
	pid_t pid = gone();

	cr_assert_eq(process_of(pid), pid);
	cr_assert_eq(process_of(0), 0);
	cr_assert_eq(process_of(-1), -1);
}

Test(process, the_living_are_alive)
{
	cr_assert(process_alive(getpid()));
	cr_assert(process_alive(1), "it is another user's, perhaps, and alive");
	cr_assert_not(process_alive(gone()));
	cr_assert_not(process_alive(0));
	cr_assert_not(process_alive(-1));
}

/* A child that ends as told and is not waited for, so that /proc still has it. */
static pid_t zombie(int signal, int status)
{
	siginfo_t info;
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		if (!signal)
			_exit(status);
		for (;;)
			pause();
	}
	if (signal)
		kill(pid, signal);
	cr_assert_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	return pid;
}

Test(process, who_ends_by_a_signal_is_killed)
{
	static const int signals[] = {SIGKILL, SIGTERM};

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		pid_t pid;

		signal(signals[i], SIG_DFL);
		pid = zombie(signals[i], 0);
		cr_assert(process_killed(pid), "signal %d", signals[i]);
		waitpid(pid, NULL, 0);
	}
}

Test(process, who_exits_is_not_killed)
{
	static const int statuses[] = {0, 1, 9, 127, 255};

	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		pid_t pid = zombie(0, statuses[i]);

		cr_assert_not(process_killed(pid), "status %d", statuses[i]);
		waitpid(pid, NULL, 0);
	}
	cr_assert_not(process_killed(getpid()));
	cr_assert_not(process_killed(gone()));
	cr_assert_not(process_killed(0));
}

enum takes { TAKES, BLOCKS, CATCHES, IGNORES };

static void on_signal(int signal)
{
}

/* A child that is stopped, so that a SIGTERM stays pending. */
static pid_t stopped(enum takes how, size_t groups)
{
	siginfo_t info;
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		gid_t many[3000];
		sigset_t set;

		for (size_t i = 0; i < groups; i++)
			many[i] = (gid_t)(1000000000 + i);
		if (groups && setgroups(groups, many) < 0)
			_exit(1);
		signal(SIGTERM, how == CATCHES ? on_signal : how == IGNORES ? SIG_IGN : SIG_DFL);
		sigemptyset(&set);
		sigaddset(&set, SIGTERM);
		sigprocmask(how == BLOCKS ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
		raise(SIGSTOP);
		_exit(0);
	}
	cr_assert_eq(waitid(P_PID, (id_t)pid, &info, WSTOPPED | WEXITED), 0);
	if (info.si_code == CLD_EXITED)
		cr_skip("groups cannot be set here");
	return pid;
}

static void assert_doomed(enum takes how, size_t groups, bool expected)
{
	pid_t pid = stopped(how, groups);

	cr_assert_not(process_killed(pid));
	kill(pid, SIGTERM);
	cr_assert_eq(process_killed(pid), expected, "%d, with %zu groups", how, groups);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

Test(process, who_will_end_by_a_signal_is_killed)
{
	assert_doomed(TAKES, 0, true);
}

Test(process, a_signal_that_does_not_end_it_kills_nobody)
{
	assert_doomed(BLOCKS, 0, false);
	assert_doomed(CATCHES, 0, false);
	assert_doomed(IGNORES, 0, false);
}

/* In /proc/PID/status the groups stand before the signals. */
Test(process, who_will_end_by_a_signal_is_killed_with_many_groups_too)
{
	assert_doomed(TAKES, 3000, true);
}

Test(process, supplementary_groups_are_found)
{
	static gid_t groups[65536];
	int n = getgroups(ARRAY_SIZE(groups), groups);

	for (int i = 0; i < n; i++)
		cr_assert(process_in_group(getpid(), groups[i]), "%u", groups[i]);
	cr_assert_not(process_in_group(getpid(), 4000000000u));
	cr_assert_not(process_in_group(0, 0));
	cr_assert_not(process_in_group(gone(), 0));
}

Test(process, it_is_told_who_cannot_be_seen)
{
	cr_assert(process_is_seen(getpid()));
	cr_assert_not(process_is_seen(0));
	cr_assert_not(process_is_seen(gone()));
}

Test(process, capabilities_are_those_in_effect)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	cr_assert_eq(syscall(SYS_capget, &head, data), 0);
	cr_assert_eq(process_capabilities(getpid()),
		     (uint64_t)data[1].effective << 32 | data[0].effective);
	cr_assert_eq(process_capabilities(0), 0);
	cr_assert_eq(process_capabilities(gone()), 0);
}

static void with_groups(const gid_t *groups, size_t n)
{
	if (setgroups(n, groups) < 0)
		cr_skip("groups cannot be set here: %s", strerror(errno));
}

Test(process, a_group_is_found_by_its_whole_number)
{
	static const gid_t groups[] = {12345, 70, 4294967294};

	with_groups(groups, ARRAY_SIZE(groups));
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		cr_assert(process_in_group(getpid(), groups[i]), "%u", groups[i]);
	cr_assert_not(process_in_group(getpid(), 1234));
	cr_assert_not(process_in_group(getpid(), 2345));
	cr_assert_not(process_in_group(getpid(), 7));
	cr_assert_not(process_in_group(getpid(), 0));
	with_groups(NULL, 0);
	cr_assert_not(process_in_group(getpid(), 70));
}

/* Directories of large companies put people in a thousand of them. */
Test(process, many_groups_are_all_found)
{
	gid_t groups[3000];

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		groups[i] = (gid_t)(1000000000 + i * 1001);
	with_groups(groups, ARRAY_SIZE(groups));
	for (size_t i = 0; i < ARRAY_SIZE(groups); i += 37)
		cr_assert(process_in_group(getpid(), groups[i]), "number %zu", i);
	cr_assert(process_in_group(getpid(), groups[ARRAY_SIZE(groups) - 1]));
}

/* Were the list cut, the first digits of a number would be another group's. */
Test(process, with_many_groups_no_part_of_a_number_is_one)
{
	gid_t groups[3000];

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		groups[i] = (gid_t)(1000000000 + i);
	with_groups(groups, ARRAY_SIZE(groups));
	for (uint64_t ten = 10; ten <= groups[0]; ten *= 10)
		for (uint64_t part = groups[0] / ten; part <= groups[2999] / ten; part++)
			cr_assert_not(process_in_group(getpid(), (gid_t)part), "%u", (gid_t)part);
}
