// SPDX-License-Identifier: Apache-2.0
/* A pool of threads over two queues. Threads start when there is work that no idle one can take, and
 * stay. */

#include "base/pool.h"

#include "base/secmem.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#define STACK_BYTES (512u << 10) /* JSON of 500 levels is the deepest that we recurse */

struct queue {
	struct job *head, **tail;
};

struct pool {
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t work;
	struct queue urgent, normal;
	size_t idle, started, queued, limit;
	bool stop;
	pthread_t threads[];
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

static void *pool_main(void *arg)
{
	struct pool *p = arg;
	LOCK_SCOPE(&p->lock);

	for (;;) {
		struct job *job = queue_take(&p->urgent);

		if (!job)
			job = queue_take(&p->normal);
		if (job) {
			p->queued--;
			pthread_mutex_unlock(&p->lock);
			job->run(job);
			secmem_clear_registers();
			pthread_mutex_lock(&p->lock);
			continue;
		}
		if (p->stop)
			return NULL;
		p->idle++;
		pthread_cond_wait(&p->work, &p->lock);
		p->idle--;
	}
}

static int start_locked(struct pool *p)
{
	pthread_attr_t attr;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	r = pthread_create(&p->threads[p->started], &attr, pool_main, p);
	pthread_attr_destroy(&attr);
	if (r == 0)
		p->started++;
	return -r;
}

struct pool *pool_new(size_t threads, struct err *err)
{
	struct pool *p = calloc(1, sizeof(*p) + threads * sizeof(p->threads[0]));
	int r;

	if (!p) {
		err_set(err, ENOMEM, "no memory for %zu threads", threads);
		return NULL;
	}
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	p->urgent.tail = &p->urgent.head;
	p->normal.tail = &p->normal.head;
	p->limit = threads;
	pthread_mutex_lock(&p->lock);
	r = start_locked(p);
	pthread_mutex_unlock(&p->lock);
	if (r < 0) {
		err_set(err, -r, "cannot start a thread: %s", strerror(-r));
		free(p);
		return NULL;
	}
	return p;
}

static void submit(struct pool *p, struct queue *q, struct job *job)
{
	pthread_mutex_lock(&p->lock);
	queue_add(q, job);
	p->queued++;
	/* Where a thread cannot be started the ones that are there will come to it. */
	if (p->queued > p->idle && p->started < p->limit)
		start_locked(p);
	pthread_mutex_unlock(&p->lock);
	/* After the lock: who wakes would only wait for it. */
	pthread_cond_signal(&p->work);
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
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (size_t i = 0; i < p->started; i++)
		pthread_join(p->threads[i], NULL);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
