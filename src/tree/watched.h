/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TREE_WATCHED_H
#define TREE_WATCHED_H

#include "kv/kv.h"

struct dir;
struct tree;

/* What is looked for at the server, and what the answers mean. Nothing here waits for the network; each
 * call takes the tree's lock, so that whoever looks has none. */

/* A folder or a secret that is to be looked at. */
struct watched {
	struct dir *dir;  /* with a use: watched_drop() gives it back */
	const char *path; /* in the engine; the directory's */
	bool folder;
	uint64_t due; /* clock_mono() */
	uid_t user;   /* for whom alone it is looked at; 0: the mount's owner, root, or a hook */
};

struct watched_round {
	struct watched *targets; /* the longest due first */
	size_t count, room;
	size_t secrets, folders; /* that count, due or not */
};

/* Paths of the engine of which something is to be done when they change: these count as long as they are
 * known, whoever uses them. `want` NULL: there are none. */
struct watched_hooks {
	bool (*want)(const void *arg, const char *path);
	const void *arg;
};

/* The interval in ns, as configured and for now; and as it has turned out to be. */
void watched_start(struct tree *t, uint64_t interval);
void watched_set_pace(struct tree *t, uint64_t every);

/* What is asked of the server; and, to be taken before, what tells when the answer was asked for. */
struct kv *watched_kv(const struct tree *t);
uint64_t watched_mark(const struct tree *t);

/* Has that directory, or the first `len` bytes of `path`, count for the life of the mount. It need not
 * be at the server, and may be outside of the mount. */
void watched_hold(struct tree *t, const char *path, size_t len);

/* What is due until `until`, into `r`, in the place of what it has: not freed, and without uses. */
void watched_gather(struct tree *t, const struct watched_hooks *hooks, uint64_t until,
		    struct watched_round *r);
void watched_drop(struct tree *t, const struct watched *targets, size_t count);

/* It is being looked at: sets when it is due next. False where it is not due any more, since its folder
 * has told of it. */
bool watched_begin(struct tree *t, const struct watched *target);

/* The same of a folder's listing: false while it is refused. And: it is, for a while. */
bool watched_begin_list(struct tree *t, struct dir *d);
void watched_refuse_list(struct tree *t, struct dir *d);

/* Whether metadata of the secret is refused, so that the secret itself is to be read; and: it is. */
bool watched_is_by_data(struct tree *t, struct dir *d);
void watched_set_by_data(struct tree *t, struct dir *d);

/* Whether that is the version of the secret that is shown, so that nothing has changed. */
bool watched_is_shown(struct tree *t, struct dir *d, int64_t number, enum kv_state state,
		      int64_t created);

/* The secret was read since watched_mark() was `mark`; or the server refuses it with EACCES. */
void watched_learn(struct tree *t, struct dir *d, struct kv_version *v, uint64_t mark);
void watched_refuse(struct tree *t, struct dir *d);

/* The folder was listed since `mark`: names come and go. False where a later listing is known by now. */
bool watched_learn_list(struct tree *t, struct dir *d, const struct watched_hooks *hooks,
			struct kv_list *now, uint64_t mark);

/* A secret that something is shown of and that the listing has no more, once each for one listing: it is
 * to be looked at by itself, since what a policy hides is not gone. False: there is none left. */
bool watched_next_gone(struct tree *t, struct dir *d, const struct kv_list *now,
		       struct watched *out);

/* Of how many secrets in the folder something is shown; and the current versions of them: what these
 * tell to be unchanged is not due. */
size_t watched_count_shown(struct tree *t, struct dir *d);
void watched_learn_children(struct tree *t, struct dir *d, const struct kv_children *all);

#endif
