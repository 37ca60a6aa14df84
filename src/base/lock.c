// SPDX-License-Identifier: Apache-2.0
/* The table of all locks, and the checks of a build with --enable-debug-locks.
 *
 * Each thread remembers which locks it holds, so that a check looks at its own memory alone. It finds an
 * order that could deadlock the first time that a thread takes two locks in it, and not only when two
 * threads meet. This is the one place below cli/ that ends the program: a mistake in locking would go on
 * with wrong data. */

#include "base/lock.h"

#include "base/clock.h"

#include <errno.h>

#ifdef DEBUG_LOCKS
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From the outermost to the innermost: what each lock guards | which locks are held when it is taken, of
 * those above it, all of which may be. Two locks of one name (two drafts, two quotas, two cancels) are
 * never held at once. No lock is held across the network, and none but its own by a wait. */
/* clang-format off */
static const char *const names[LOCK_NAMES] = {
	[LOCK_HOOKS] = "hooks", /* commands that are due or run | none */
	[LOCK_WATCH] = "watch", /* jobs of the watch, and shares | none */
	[LOCK_CALLS] = "calls", /* requests that are under way | none */
	[LOCK_NOTIFY] = "notify", /* the two steps of notices as a whole | none */
	[LOCK_SERVERS_REPORT] = "servers-report", /* who is told of outages; held while told | none */
	[LOCK_TREE] = "tree", /* nodes, handles and drafts as such | notify, servers-report */
	[LOCK_DRAFT] = "draft", /* one file that is being written | tree */
	[LOCK_CACHE] = "cache", /* entries and flights | tree, draft */
	[LOCK_NOTIFY_STEP] = "notify-step", /* one queue of notices | tree */
	[LOCK_FEED] = "feed", /* events and their readers | tree */
	[LOCK_ACL] = "acl", /* rights that are known | tree */
	[LOCK_ROUTER] = "router", /* engines that were found | tree */
	[LOCK_CURRENT] = "current", /* versions that were read last | tree */
	[LOCK_KV1] = "kv1", /* numbers of versions that have none | none */
	[LOCK_FLOORS] = "floors", /* versions below which no reader falls | none */
	[LOCK_KEPT_TOKEN] = "kept-token", /* the token cache | none */
	[LOCK_SESSION] = "session", /* the token and its renewal | tree, kept-token */
	[LOCK_OFFLINE] = "offline", /* what the copy still has to take | tree, cache */
	[LOCK_SEALED_DB] = "sealed-db", /* who uses the connection | none */
	[LOCK_LEADER] = "leader", /* who leads the cluster | none */
	[LOCK_CANCEL] = "cancel", /* one wait that may be cut short | none */
	[LOCK_SERVERS] = "servers", /* health of the servers | cancel */
	[LOCK_RESTRAINT] = "restraint", /* who may fail how often | none */
	[LOCK_BUDGET] = "budget", /* requests a second | none */
	[LOCK_HTTP] = "http", /* exchanges and who drives them | cancel */
	[LOCK_SRV] = "srv", /* the SRV record that was found | none */
	[LOCK_QUOTA] = "quota", /* what users hold | tree, draft */
	[LOCK_POOL] = "pool", /* jobs and threads | watch, tree, cache, session, servers */
	[LOCK_TIMERS] = "timers", /* appointments | tree, cache, session */
	[LOCK_LOG] = "log", /* lines of this second | any above */
	[LOCK_SECMEM_KEPT] = "secmem-kept", /* wiped blocks | any above */
	[LOCK_SECMEM_SLABS] = "secmem-slabs", /* pages of small blocks | any above */
	[LOCK_TEST] = "test", /* what a unit test counts | any above */
};
/* clang-format on */

/* In the order in which the thread has taken them. */
static _Thread_local struct {
	const struct lock *locks[LOCK_NAMES];
	unsigned count;
} held;

static _Noreturn void fail(const char *function, const char *lock, const char *mistake,
			   const char *other)
{
	fprintf(stderr, "vaultfs: locks: %s%s%s %s %s\n", function, *function ? ": " : "", lock,
		mistake, other);
	abort();
}

/* The name of the innermost lock that the thread holds. */
static const char *last_held(void)
{
	return held.count ? names[held.locks[held.count - 1]->name] : "none";
}

/* The place after it in `held`; 0: the thread does not hold it. */
static unsigned place_of(const struct lock *l)
{
	unsigned i = held.count;

	while (i > 0 && held.locks[i - 1] != l)
		i--;
	return i;
}

static void check_order(const struct lock *l)
{
	for (unsigned i = 0; i < held.count; i++) {
		const struct lock *other = held.locks[i];

		if (other == l)
			fail("", names[l->name], "is taken twice; innermost held:", last_held());
		if (other->name >= l->name)
			fail("", names[l->name],
			     "is taken while this is held:", names[other->name]);
	}
}

static void remember(const struct lock *l)
{
	held.locks[held.count++] = l;
}

static void forget(const struct lock *l)
{
	unsigned i = place_of(l);

	if (i == 0)
		fail("", names[l->name],
		     "is released by a thread without it; innermost held:", last_held());
	memmove(held.locks + i - 1, held.locks + i, (held.count - i) * sizeof(*held.locks));
	held.count--;
}

void lock_assert_held(const struct lock *l, const char *function)
{
	if (place_of(l) == 0)
		fail(function, names[l->name], "is not held; innermost held:", last_held());
}

void lock_assert_named(enum lock_name name, const char *function)
{
	for (unsigned i = 0; i < held.count; i++)
		if (held.locks[i]->name == name)
			return;
	fail(function, names[name], "is not held; innermost held:", last_held());
}

/* A second lock would stay held for as long as the wait takes. */
static void check_wait(const struct lock *l)
{
	lock_assert_held(l, "cond_wait");
	for (unsigned i = 0; i < held.count; i++)
		if (held.locks[i] != l)
			fail("", names[l->name],
			     "is waited with while this is held:", names[held.locks[i]->name]);
}

void lock_init(struct lock *l, enum lock_name name)
{
	pthread_mutex_init(&l->mutex, NULL);
	l->name = name;
}

void lock_acquire(struct lock *l)
{
	check_order(l);
	pthread_mutex_lock(&l->mutex);
	remember(l);
}

void lock_release(struct lock *l)
{
	forget(l);
	pthread_mutex_unlock(&l->mutex);
}
#else
static void check_wait(const struct lock *l)
{
}
#endif

void cond_init(struct cond *c)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->cond, &attr);
	pthread_condattr_destroy(&attr);
}

/* The waiting thread remembers the lock, which nobody else can mistake for its own. */
void cond_wait(struct cond *c, struct lock *l)
{
	check_wait(l);
	pthread_cond_wait(&c->cond, &l->mutex);
}

bool cond_wait_until(struct cond *c, struct lock *l, uint64_t until)
{
	struct timespec at = clock_timespec(until < INT64_MAX ? (int64_t)until : INT64_MAX);

	check_wait(l);
	return pthread_cond_timedwait(&c->cond, &l->mutex, &at) != ETIMEDOUT;
}
