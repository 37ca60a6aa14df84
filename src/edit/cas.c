// SPDX-License-Identifier: Apache-2.0
/* Check-and-set by hand: a number is armed on a secret or a descriptor, the next change uses it up. */

#include "edit/cas.h"

#include "edit/draft.h"

#include <errno.h>
#include <stdlib.h>

int cas_arm_locked(struct dir *d, uid_t uid, int64_t number)
{
	struct armed *a;

	cas_take_locked(d, uid);
	a = malloc(sizeof(*a));
	if (!a)
		return -ENOMEM;
	*a = (struct armed){.next = d->armed, .uid = uid, .number = number};
	d->armed = a;
	return 0;
}

int64_t cas_take_locked(struct dir *d, uid_t uid)
{
	for (struct armed **p = &d->armed; *p; p = &(*p)->next) {
		if ((*p)->uid == uid) {
			struct armed *a = *p;
			int64_t number = a->number;

			*p = a->next;
			free(a);
			return number;
		}
	}
	return NO_CAS;
}
