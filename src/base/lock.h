/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

/* Named locks, and conditions that wait with one. Nothing else calls pthread_mutex_*() or
 * pthread_cond_*(). A plain build pays nothing for it: a lock is a mutex. */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* In their order: while one is held, only later ones may be taken. */
/* clang-format off */
enum lock_name {
	LOCK_HOOKS, LOCK_SEALED_DB, LOCK_SESSION, LOCK_KEPT_TOKEN, LOCK_TREE, LOCK_WATCH,
	LOCK_CALLS, LOCK_NOTIFY, LOCK_NOTIFY_STEP, LOCK_CACHE, LOCK_OFFLINE, LOCK_ROUTER,
	LOCK_FLOORS, LOCK_CURRENT, LOCK_KV1, LOCK_LEADER, LOCK_SERVERS_REPORT, LOCK_SERVERS,
	LOCK_RESTRAINT, LOCK_BUDGET, LOCK_CANCEL, LOCK_HTTP, LOCK_SRV, LOCK_FEED, LOCK_ACL,
	LOCK_DRAFT, LOCK_QUOTA, LOCK_POOL, LOCK_TIMERS, LOCK_LOG, LOCK_SECMEM_KEPT,
	LOCK_SECMEM_SLABS, LOCK_TEST,
	LOCK_NAMES
};
/* clang-format on */

struct lock {
	pthread_mutex_t mutex;
};

struct cond {
	pthread_cond_t cond; /* by the monotonic clock */
};

/* For a lock with static storage. */
#define LOCK_INITIALIZER(name)                                                                     \
	{                                                                                          \
		PTHREAD_MUTEX_INITIALIZER                                                          \
	}

/* Holds a lock until the end of the enclosing block. */
#define LOCK_SCOPE(which)                                                                          \
	__attribute__((cleanup(lock_scope_end), unused)) struct lock *lock_scope_ =                \
		lock_scope_begin(which)

static inline void lock_init(struct lock *l, enum lock_name name)
{
	(void)name;
	pthread_mutex_init(&l->mutex, NULL);
}

static inline void lock_fini(struct lock *l)
{
	pthread_mutex_destroy(&l->mutex);
}

static inline void lock_acquire(struct lock *l)
{
	pthread_mutex_lock(&l->mutex);
}

static inline void lock_release(struct lock *l)
{
	pthread_mutex_unlock(&l->mutex);
}

static inline struct lock *lock_scope_begin(struct lock *l)
{
	lock_acquire(l);
	return l;
}

static inline void lock_scope_end(struct lock **l)
{
	lock_release(*l);
}

void cond_init(struct cond *c);

static inline void cond_fini(struct cond *c)
{
	pthread_cond_destroy(&c->cond);
}

/* The lock is held when these are called and when they return, and not in between. A wait may end for no
 * reason: look again at what is waited for. */
void cond_wait(struct cond *c, struct lock *l);

/* False if clock_mono() has reached `until`. */
bool cond_wait_until(struct cond *c, struct lock *l, uint64_t until);

static inline void cond_signal(struct cond *c)
{
	pthread_cond_signal(&c->cond);
}

static inline void cond_broadcast(struct cond *c)
{
	pthread_cond_broadcast(&c->cond);
}

#endif
