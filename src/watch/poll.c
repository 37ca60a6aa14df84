// SPDX-License-Identifier: Apache-2.0
/* Looking at the server for changes that nobody has asked for yet.
 *
 * Metadata is small, has no values, and is audited as what it is; the secret itself is read only where it
 * has changed. What is found takes the same way as what a reader finds: tree/watched.c has it. */

#include "watch/poll.h"

#include "base/clock.h"
#include "base/json.h"

#include <errno.h>

#define REFUSALS_MAX 4 /* of metadata, before nobody's is asked for any more */

static struct limit limit_of(const struct poll *p)
{
	return (struct limit){.deadline = clock_mono() + p->timeout};
}

static int read_secret(struct poll *p, const struct watched *w)
{
	_cleanup_object_ struct kv_version *v = NULL;
	uint64_t mark = watched_mark(p->tree);
	int r = p->kv->ops->read(p->kv, w->path, limit_of(p), &v, NULL);

	if (r == 0) {
		watched_learn(p->tree, w->dir, v, mark);
		return 0;
	}
	if (r == -EACCES) {
		watched_refuse(p->tree, w->dir);
		return 0;
	}
	return r;
}

/* Whether metadata says that nothing has changed: 1; 0: something has, or it does not tell. */
static int look_at_metadata(struct poll *p, const struct watched *w)
{
	_cleanup_object_ struct kv_version *v = NULL;
	_cleanup_json_ cJSON *metadata = NULL;
	int r = p->kv->ops->metadata(p->kv, w->path, limit_of(p), &metadata, NULL);

	if (r == -EACCES || r == -EOPNOTSUPP) {
		if (atomic_load(&p->metadata_no) != POLL_ALLOWED)
			atomic_fetch_add(&p->metadata_no, 1);
		watched_set_by_data(p->tree, w->dir);
		return 0;
	}
	if (r == -ENOENT)
		return watched_is_shown(p->tree, w->dir, 0, KV_ABSENT, 0);
	if (r < 0)
		return r;
	atomic_store(&p->metadata_no, POLL_ALLOWED);
	if (kv_version_from_metadata(metadata, json_get_int(metadata, "current_version", 0), &v) <
	    0)
		return 0;
	return watched_is_shown(p->tree, w->dir, v->number, v->state, v->created);
}

static int look_at_secret(struct poll *p, const struct watched *w)
{
	int r = 0;

	if (!(kv_traits(p->kv, w->path) & KV_FLAT) && !watched_is_by_data(p->tree, w->dir) &&
	    atomic_load(&p->metadata_no) < REFUSALS_MAX)
		r = look_at_metadata(p, w);
	if (r != 0)
		return r < 0 ? r : 0;
	return read_secret(p, w);
}

/* Secrets that the listing has no more, and of which something is shown, are looked at by themselves:
 * what a policy hides is not gone. */
static int settle_gone(struct poll *p, const struct watched *folder, const struct kv_list *now)
{
	struct watched gone;
	int r, failed = 0;

	while (watched_next_gone(p->tree, folder->dir, now, &gone)) {
		r = look_at_secret(p, &gone);
		watched_drop(p->tree, &gone, 1);
		if (r < 0)
			failed = r;
	}
	return failed;
}

/* OpenBao tells the versions of all secrets in a folder at once: those that are the ones that are shown
 * need not be asked for. */
static void ask_children(struct poll *p, const struct watched *folder)
{
	_cleanup_object_ struct kv_children *all = NULL;
	int r;

	if (!p->kv->ops->children || atomic_load(&p->plain) ||
	    watched_count_shown(p->tree, folder->dir) < 2)
		return;
	r = p->kv->ops->children(p->kv, folder->path, limit_of(p), &all, NULL);
	if (r == -EOPNOTSUPP)
		atomic_store(&p->plain, true);
	if (r == 0)
		watched_learn_children(p->tree, folder->dir, all);
}

static int look_at_folder(struct poll *p, const struct watched *w)
{
	_cleanup_object_ struct kv_list *now = NULL;
	uint64_t mark = watched_mark(p->tree);
	int r;

	if (!watched_begin_list(p->tree, w->dir))
		return 0;
	r = p->kv->ops->list(p->kv, w->path, limit_of(p), &now, NULL);
	if (r == -EACCES) {
		watched_refuse_list(p->tree, w->dir);
		return 0;
	}
	if (r < 0)
		return r;
	/* One of those that are gone may fail by itself: the others are told of all the same. */
	r = settle_gone(p, w, now);
	if (watched_learn_list(p->tree, w->dir, p->hooks, now, mark))
		ask_children(p, w);
	return r;
}

int poll_look(struct poll *p, const struct watched *w)
{
	return w->folder ? look_at_folder(p, w) : look_at_secret(p, w);
}
