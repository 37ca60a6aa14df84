// SPDX-License-Identifier: Apache-2.0
/* Queues of parked requests. A waiter never leaves a queue early: who loses interest marks itself and
 * ignores the call, so that no two locks are ever needed at once. */

#include "base/wait.h"

#include <stddef.h>

int waitq_park_locked(struct waitq *q, const struct ask *ask)
{
	if (ask->waiter) {
		ask->waiter->next = q->head;
		q->head = ask->waiter;
	}
	return PARKED;
}

struct waitq waitq_take_locked(struct waitq *q)
{
	struct waitq taken = {NULL};

	/* They were pushed in front: turn them round, so that the first is woken first. */
	while (q->head) {
		struct waiter *w = q->head;

		q->head = w->next;
		w->next = taken.head;
		taken.head = w;
	}
	return taken;
}

void waitq_wake(struct waitq taken)
{
	while (taken.head) {
		struct waiter *w = taken.head;

		taken.head = w->next; /* ready() may queue it again, or free it */
		w->ready(w);
	}
}
