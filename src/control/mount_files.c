// SPDX-License-Identifier: Apache-2.0
/* The files in the root's ".vault", which are about the mount: what it tells, and orders to it, which
 * anything gives that is written. */

#include "control/files.h"

#include "base/metric.h"
#include "control/content.h"
#include "control/mount_status.h"
#include "tree/rights.h"

#include <errno.h>

int empty_locked(struct tree *t, struct dir *d, const struct ask *ask, struct content *out,
		 struct err *err)
{
	LOCK_HELD(&t->lock);

	return text_content(text_new(), out, err);
}

int status_locked(struct tree *t, struct dir *d, const struct ask *ask, struct content *out,
		  struct err *err)
{
	LOCK_HELD(&t->lock);
	_cleanup_object_ struct object *o = NULL;
	_cleanup_json_ cJSON *json = NULL;
	int r = cache_get(t->config.cache, TREE_STATUS, "", ask, &o, NULL, err);

	if (r != 0)
		return r;
	json = cJSON_Duplicate(container_of(o, struct tree_json, object)->json, true);
	if (!json || mount_status_add(json, t) < 0)
		return err_set(err, ENOMEM, "no memory");
	return json_content(json, out, err);
}

int errors_locked(struct tree *t, struct dir *d, const struct ask *ask, struct content *out,
		  struct err *err)
{
	LOCK_HELD(&t->lock);
	struct text *x = text_new();

	if (x)
		rights_print_failures_locked(t, ask, &x->buf);
	return text_content(x, out, err);
}

int metrics_locked(struct tree *t, struct dir *d, const struct ask *ask, struct content *out,
		   struct err *err)
{
	LOCK_HELD(&t->lock);
	struct text *x = text_new();

	cache_measure(t->config.cache);
	if (x)
		metric_print(&x->buf);
	return text_content(x, out, err);
}

/* For orders to the mount: its owner's alone. */
void order_access_locked(const struct tree *t, const struct node *n, struct access *a)
{
	LOCK_HELD(&t->lock);

	*a = (struct access){t->config.uid, t->config.gid, t->config.mode & 0700,
			     t->config.dir_mode};
}

static int refresh(struct tree *t, const struct request *rq)
{
	tree_forget_all(t, 0);
	return 0;
}

static int renew(struct tree *t, const struct request *rq)
{
	return t->config.session
		       ? session_renew(t->config.session, rq->ask->asked, rq->limit, rq->err)
		       : err_set(rq->err, EOPNOTSUPP, "there is no token to renew");
}

const struct written refresh_written = {.obey = refresh};
const struct written renew_written = {.obey = renew};
