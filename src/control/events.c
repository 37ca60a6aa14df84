// SPDX-License-Identifier: Apache-2.0
/* "events": who reads it is told of changes as they come, as far as it could see them by itself. */

#include "control/events.h"

#include "event/feed.h"
#include "node/node.h"
#include "tree/rights.h"

#include <errno.h>
#include <stdlib.h>

/* A reader of .vault/events gets only the changes that it could see by walking the tree. */
struct reading {
	const struct tree *t;
	struct viewer viewer;
};

static enum feed_view view_of(void *arg, const char *secret)
{
	static const enum feed_view views[] = {
		[SIGHT_NONE] = FEED_NOTHING, [SIGHT_NAME] = FEED_BARE, [SIGHT_INSIDE] = FEED_ALL};
	const struct reading *r = arg;

	return views[rights_sight(r->t, secret, &r->viewer)];
}

static void reading_free(void *arg)
{
	struct reading *r = arg;

	viewer_fini(&r->viewer);
	free(r);
}

int events_open(struct tree *t, const struct caller *caller, struct feed_reader **out,
		struct err *err)
{
	struct reading *r = calloc(1, sizeof(*r));

	if (r) {
		r->t = t;
		viewer_init(&r->viewer, caller);
		*out = feed_open(t->config.feed, &(struct feed_filter){view_of, reading_free, r});
	}
	return *out ? 0 : err_set(err, ENOMEM, "no memory for a reader");
}
