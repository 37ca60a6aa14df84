/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

/* Named locks, and conditions that wait with one. A plain build pays nothing: a lock is a mutex. */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* In their order: while a lock is held, only later ones may be taken. lock.c says what each guards. */
/* clang-format off */
enum lock_name {
	LOCK_HOOKS, LOCK_WATCH, LOCK_CALLS, LOCK_NOTIFY, LOCK_SERVERS_REPORT, LOCK_TREE,
	LOCK_DRAFT, LOCK_CACHE, LOCK_NOTIFY_STEP, LOCK_FEED, LOCK_ACL, LOCK_ROUTER,
	LOCK_CURRENT, LOCK_KV1, LOCK_FLOORS, LOCK_KEPT_TOKEN, LOCK_SESSION, LOCK_OFFLINE,
	LOCK_SEALED_DB, LOCK_LEADER, LOCK_CANCEL, LOCK_SERVERS, LOCK_RESTRAINT, LOCK_BUDGET,
	LOCK_HTTP, LOCK_SRV, LOCK_QUOTA, LOCK_POOL, LOCK_TIMERS, LOCK_LOG, LOCK_SECMEM_KEPT,
	LOCK_SECMEM_SLABS, LOCK_TEST,
	LOCK_NAMES
};
/* clang-format on */

struct lock {
	pthread_mutex_t mutex;
#ifdef DEBUG_LOCKS
	enum lock_name name;
#endif
};

struct cond {
	pthread_cond_t cond; /* by the monotonic clock */
};

/* With --enable-debug-locks a mistake ends the program, with the names of the locks on stderr: a broken
 * order, a lock that its holder takes again, a wait with a second lock held, or a LOCK_HELD() without it.
 * LOCK_HELD_NAMED() is for functions whose arguments do not lead to the lock. */
#ifdef DEBUG_LOCKS
#define LOCK_INITIALIZER(name)                                                                     \
	{                                                                                          \
		PTHREAD_MUTEX_INITIALIZER, name                                                    \
	}
#define LOCK_HELD(which)      lock_assert_held(which, __func__)
#define LOCK_HELD_NAMED(name) lock_assert_named(name, __func__)

void lock_assert_held(const struct lock *l, const char *function);
void lock_assert_named(enum lock_name name, const char *function);
void lock_init(struct lock *l, enum lock_name name);
void lock_acquire(struct lock *l);
void lock_release(struct lock *l);
#else
#define LOCK_INITIALIZER(name)                                                                     \
	{                                                                                          \
		PTHREAD_MUTEX_INITIALIZER                                                          \
	}
#define LOCK_HELD(which)      ((void)0)
#define LOCK_HELD_NAMED(name) ((void)0)

static inline void lock_init(struct lock *l, enum lock_name name)
{
	(void)name;
	pthread_mutex_init(&l->mutex, NULL);
}

static inline void lock_acquire(struct lock *l)
{
	pthread_mutex_lock(&l->mutex);
}

static inline void lock_release(struct lock *l)
{
	pthread_mutex_unlock(&l->mutex);
}
#endif

static inline void lock_fini(struct lock *l)
{
	pthread_mutex_destroy(&l->mutex);
}

/* Holds a lock until the end of the enclosing block. */
#define LOCK_SCOPE(which)                                                                          \
	__attribute__((cleanup(lock_scope_end), unused)) struct lock *lock_scope_ =                \
		lock_scope_begin(which)

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

/* Called with the lock held, which is free during the wait. A wait may end for no reason. */
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
