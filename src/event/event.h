/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EVENT_EVENT_H
#define EVENT_EVENT_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One change of a secret, as readers see it: the path, the kind and the time, but no values. */

enum event_kind { EVENT_CREATED, EVENT_CHANGED, EVENT_DELETED };

struct event {
	enum event_kind kind;
	int64_t at;	 /* clock_wall() */
	int64_t version; /* 0: not known */
	bool local;	 /* made through this mount */
	char *path;	 /* below the mount's root, with a leading slash */
	char *secret;	 /* its path in the engine */
	size_t count, room;
	char **fields; /* added, removed or changed, by their names in the directory */
};

/* Copies the paths. NULL: no memory. */
struct event *event_new(enum event_kind kind, const char *path, const char *secret, int64_t version,
			bool local);

/* Takes a copy. 0 or -ENOMEM. */
int event_add_field(struct event *e, const char *name);
void event_free(struct event *e);

/* "created", "changed", "deleted". */
const char *event_kind_name(enum event_kind kind);

/* Appends the event, or a count of lost ones, as a line of JSON. */
void event_print(const struct event *e, struct buf *to);
void event_print_lost(uint64_t count, struct buf *to);

#endif
