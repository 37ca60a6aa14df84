// SPDX-License-Identifier: Apache-2.0
/* Locks: a condition lets go of its lock and has it again, a wait ends in time, and in a build with
 * --enable-debug-locks a mistake ends the process with the names of both locks. */

#include "unit_support.h"

#include "base/clock.h"
#include "base/lock.h"

#include <signal.h>
#include <sys/wait.h>

TestSuite(lock, .fini = support_fini, .timeout = 120);

static struct lock tree = LOCK_INITIALIZER(LOCK_TREE), cache = LOCK_INITIALIZER(LOCK_CACHE);
static struct cond changed;
static bool ready;

static void *change(void *arg)
{
	LOCK_SCOPE(&tree);

	LOCK_HELD(&tree);
	ready = true;
	cond_broadcast(&changed);
	return arg;
}

Test(lock, a_wait_lets_others_have_it, .init = support_init)
{
	pthread_t thread;
	LOCK_SCOPE(&tree);

	cond_init(&changed);
	cr_assert_eq(pthread_create(&thread, NULL, change, NULL), 0);
	while (!ready)
		cond_wait(&changed, &tree);
	LOCK_HELD(&tree);
	lock_release(&tree);
	pthread_join(thread, NULL);
	lock_acquire(&tree);
	cond_fini(&changed);
}

Test(lock, a_wait_ends_in_time, .init = support_init)
{
	uint64_t until = clock_mono() + 10 * NS_PER_MS;
	LOCK_SCOPE(&tree);

	cond_init(&changed);
	while (cond_wait_until(&changed, &tree, until))
		;
	cr_assert_geq(clock_mono(), until);
	LOCK_HELD(&tree);
	cond_fini(&changed);
}

Test(lock, they_are_taken_in_order_and_released_in_any, .init = support_init)
{
	lock_acquire(&tree);
	lock_acquire(&cache);
	LOCK_HELD(&tree);
	LOCK_HELD(&cache);
	LOCK_HELD_NAMED(LOCK_TREE);
	lock_release(&tree);
	LOCK_HELD(&cache);
	lock_release(&cache);
	lock_acquire(&tree);
	lock_release(&tree);
}

#ifdef DEBUG_LOCKS
/* The message of a process that breaks the rule, before it aborts. */
static void assert_fatal(void (*mistake)(void), const char *says)
{
	char text[200] = "";
	size_t len = 0;
	ssize_t n;
	int fds[2], status;
	pid_t child;

	cr_assert_eq(pipe(fds), 0);
	child = fork();
	if (child == 0) {
		dup2(fds[1], STDERR_FILENO);
		mistake();
		_exit(0);
	}
	close(fds[1]);
	while ((n = read(fds[0], text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	close(fds[0]);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "%d", status);
	cr_assert_str_eq(text, says);
}

static void break_order(void)
{
	lock_acquire(&cache);
	lock_acquire(&tree);
}

static void take_twice(void)
{
	lock_acquire(&tree);
	lock_acquire(&tree);
}

static void take_two_of_a_name(void)
{
	struct lock other = LOCK_INITIALIZER(LOCK_TREE);

	lock_acquire(&tree);
	lock_acquire(&other);
}

static void lack_locked(void)
{
	LOCK_HELD(&tree);
}

static void lack_it(void)
{
	lock_acquire(&cache);
	lack_locked();
}

static void lack_name_locked(void)
{
	LOCK_HELD_NAMED(LOCK_TREE);
}

static void release_what_is_not_held(void)
{
	lock_acquire(&cache);
	lock_release(&tree);
}

static void wait_with_two(void)
{
	cond_init(&changed);
	lock_acquire(&tree);
	lock_acquire(&cache);
	cond_wait(&changed, &cache);
}

Test(lock, a_mistake_is_fatal_and_both_names_are_told, .init = support_init)
{
	assert_fatal(break_order, "vaultfs: locks: tree is taken while this is held: cache\n");
	assert_fatal(take_twice, "vaultfs: locks: tree is taken twice; innermost held: tree\n");
	assert_fatal(take_two_of_a_name,
		     "vaultfs: locks: tree is taken while this is held: tree\n");
	assert_fatal(lack_it,
		     "vaultfs: locks: lack_locked: tree is not held; innermost held: cache\n");
	assert_fatal(lack_name_locked,
		     "vaultfs: locks: lack_name_locked: tree is not held; innermost held: none\n");
	assert_fatal(release_what_is_not_held,
		     "vaultfs: locks: tree is released by a thread without "
		     "it; innermost held: cache\n");
	assert_fatal(wait_with_two,
		     "vaultfs: locks: cache is waited with while this is held: tree\n");
}
#else
Test(lock, a_mistake_is_fatal_and_both_names_are_told)
{
	cr_skip_test("only with --enable-debug-locks");
}
#endif
