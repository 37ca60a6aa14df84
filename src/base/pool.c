// SPDX-License-Identifier: Apache-2.0
/* A pool of threads over two queues. A thread starts when there is a job and no idle thread, and then
 * stays. One user's jobs, however many and slow, leave room for those of others: the user with the fewest
 * running jobs is served next, and some threads are reserved for users with none. */

#include "base/pool.h"

#include "base/lock.h"
#include "base/secmem.h"

#include <errno.h>
#include <stdint.h>
#include <signal.h>
#include <string.h>

#define STACK_BYTES (512u << 10) /* JSON of 500 levels is the deepest that we recurse */

struct queue {
	struct job *head, **tail;
};

struct pool {
	struct lock lock; /* guards all below */
	struct cond work;
	struct queue urgent, normal;
	size_t idle, started, queued, limit;
	size_t running; /* jobs of the normal queue */
	bool stop;
	struct thread {
		pthread_t id;
		struct pool *pool;
		bool runs; /* a job of the normal queue, of this uid */
		uid_t uid;
	} threads[];
};

static void queue_add(struct queue *q, struct job *job)
{
	job->next = NULL;
	*q->tail = job;
	q->tail = &job->next;
}

static struct job *queue_take(struct queue *q)
{
	struct job *job = q->head;

	if (!job)
		return NULL;
	q->head = job->next;
	if (!q->head)
		q->tail = &q->head;
	return job;
}

static size_t running_of_locked(const struct pool *p, uid_t uid)
{
	LOCK_HELD(&p->lock);
	size_t n = 0;

	for (size_t i = 0; i < p->started; i++)
		n += p->threads[i].runs && p->threads[i].uid == uid;
	return n;
}

/* The slot of the job that is next; NULL if none may run now. */
static struct job **next_locked(struct pool *p)
{
	LOCK_HELD(&p->lock);
	size_t fewest = SIZE_MAX;
	struct job **found = NULL;

	for (struct job **at = &p->normal.head; *at && fewest > 0; at = &(*at)->next) {
		size_t n = running_of_locked(p, (*at)->uid);

		if (n < fewest && (n == 0 || p->running < p->limit)) {
			fewest = n;
			found = at;
		}
	}
	return found;
}

static struct job *take_fair_locked(struct pool *p)
{
	LOCK_HELD(&p->lock);
	struct job **at = next_locked(p), *job;

	if (!at)
		return NULL;
	job = *at;
	*at = job->next;
	if (p->normal.tail == &job->next)
		p->normal.tail = at;
	return job;
}

static void run_locked(struct pool *p, struct thread *t, struct job *job, bool normal)
{
	LOCK_HELD(&p->lock);

	p->queued--;
	p->running += normal;
	t->runs = normal;
	t->uid = job->uid;
	lock_release(&p->lock);
	job->run(job);
	secmem_clear_registers();
	lock_acquire(&p->lock);
	p->running -= normal;
	t->runs = false;
	/* This thread may go on with an urgent job: wake another for a job that could not run before. */
	if (p->queued && p->idle)
		cond_signal(&p->work);
}

static void *pool_main(void *arg)
{
	struct thread *t = arg;
	struct pool *p = t->pool;
	LOCK_SCOPE(&p->lock);

	for (;;) {
		struct job *job = queue_take(&p->urgent);
		bool normal = !job;

		if (!job)
			job = take_fair_locked(p);
		if (job) {
			run_locked(p, t, job, normal);
			continue;
		}
		if (p->stop)
			return NULL;
		p->idle++;
		cond_wait(&p->work, &p->lock);
		p->idle--;
	}
}

static int start_locked(struct pool *p)
{
	LOCK_HELD(&p->lock);
	struct thread *t = &p->threads[p->started];
	pthread_attr_t attr;
	int r;

	t->pool = p;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	r = pthread_create(&t->id, &attr, pool_main, t);
	pthread_attr_destroy(&attr);
	if (r == 0)
		p->started++;
	return -r;
}

struct pool *pool_new(size_t threads, struct err *err)
{
	struct pool *p = calloc(1, sizeof(*p) + (threads + POOL_RESERVE) * sizeof(p->threads[0]));
	int r;

	if (!p) {
		err_set(err, ENOMEM, "no memory for %zu threads", threads);
		return NULL;
	}
	lock_init(&p->lock, LOCK_POOL);
	cond_init(&p->work);
	p->urgent.tail = &p->urgent.head;
	p->normal.tail = &p->normal.head;
	p->limit = threads;
	lock_acquire(&p->lock);
	r = start_locked(p);
	lock_release(&p->lock);
	if (r < 0) {
		err_set(err, -r, "cannot start a thread: %s", strerror(-r));
		free(p);
		return NULL;
	}
	return p;
}

/* How many threads there may be when this job is submitted. */
static size_t threads_locked(const struct pool *p, const struct job *job)
{
	LOCK_HELD(&p->lock);

	return p->limit + (running_of_locked(p, job->uid) == 0 ? POOL_RESERVE : 0);
}

static void submit(struct pool *p, struct queue *q, struct job *job)
{
	lock_acquire(&p->lock);
	queue_add(q, job);
	p->queued++;
	/* If no thread can be started, the existing ones will take the job. */
	if (p->queued > p->idle && p->started < threads_locked(p, job))
		start_locked(p);
	lock_release(&p->lock);
	/* After unlocking: the woken thread would only wait for the lock. */
	cond_signal(&p->work);
}

void pool_submit(struct pool *p, struct job *job)
{
	submit(p, &p->normal, job);
}

void pool_submit_urgent(struct pool *p, struct job *job)
{
	submit(p, &p->urgent, job);
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	lock_acquire(&p->lock);
	p->stop = true;
	cond_broadcast(&p->work);
	lock_release(&p->lock);
	for (size_t i = 0; i < p->started; i++)
		pthread_join(p->threads[i].id, NULL);
	cond_fini(&p->work);
	lock_fini(&p->lock);
	free(p);
}
