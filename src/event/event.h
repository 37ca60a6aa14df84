/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EVENT_EVENT_H
#define EVENT_EVENT_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One change of a secret, as it is told: who, what, when, and no values. */

enum event_kind { EVENT_CREATED, EVENT_CHANGED, EVENT_DELETED };

struct event {
	enum event_kind kind;
	int64_t at;	 /* clock_wall() */
	int64_t version; /* 0: not known */
	bool local;	 /* made through this mount */
	char *path;	 /* below the mount's root, with a slash before it */
	size_t count, room;
	char **fields; /* that have come, gone or changed, as they are named in the directory */
};

/* With a copy of the path. NULL: no memory. */
struct event *event_new(enum event_kind kind, const char *path, int64_t version, bool local);

/* Takes a copy. 0 or -ENOMEM. */
int event_add_field(struct event *e, const char *name);
void event_free(struct event *e);

/* "created", "changed", "deleted". */
const char *event_kind_name(enum event_kind kind);

/* Appends it as a line of JSON, a newline at its end. */
void event_print(const struct event *e, struct buf *to);

#endif
