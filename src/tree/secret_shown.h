/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TREE_SECRET_SHOWN_H
#define TREE_SECRET_SHOWN_H

#include "node/node.h"

struct dir;
struct field;

/* How we came to know of a version. */
enum secret_origin {
	SECRET_SEEN,	/* somebody asked: who, has the new names before they can be told of */
	SECRET_WATCHED, /* nobody asked */
	SECRET_FOREIGN, /* seen by who changes the secret, and is not the change */
	SECRET_LOCAL,	/* we have made it: the kernel tells of what it did for that by itself */
};

enum secret_phase {
	SECRET_STEADY,
	SECRET_DRAINING, /* a newer version waits for the handles that are open */
	SECRET_SETTLING, /* the newer version is out, the kernel's pages are being dropped */
};

/* What the kernel and the open handles have been shown of a directory's secret. */
struct secret_shown {
	bool told;	/* anything at all */
	int64_t number; /* of the version that was told, with its state and time */
	int64_t created;
	enum kv_state state;
	int64_t mtime; /* ns since 1970: grows with each version, whatever the server's clock does */
	struct kv_version *version; /* that very version, while handles are open; else NULL */
	unsigned handles;	    /* open for reading, on any of its fields */
	enum secret_phase phase;
	struct kv_version *next; /* while DRAINING */
	enum secret_origin next_origin;
	struct outline *outline; /* of what others were told of last; NULL: of nothing */
	bool unannounced;	 /* others were not told of what is shown: it may be our own */
	struct timer timer;	 /* ends the draining; armed, it has a use of the directory */
	uint64_t drained_by;	 /* clock_mono() */
	unsigned notices;	 /* that are under way */
	struct waitq opens;	 /* parked until it is STEADY */
	int refused;		 /* errno: the server takes the values back */
	struct tree *tree;
};

/* The version that may be shown now: the latest, or while readers are waited for the one before.
 * Notices where the server's answer has changed. As cache_get(); *ttl is 0 for what will change. */
int secret_get_locked(struct tree *t, struct dir *d, const struct ask *ask, struct kv_version **out,
		      uint64_t *ttl, struct err *err);

/* Shows `v`, which is the latest as far as anybody knows: soon, when handles are open. */
void secret_show_locked(struct tree *t, struct dir *d, struct kv_version *v,
			enum secret_origin origin);

/* What was read past the cache since cache_mark() was `mark`, or (UINT64_MAX) what we have made: keeps it
 * and shows the latest that is known then. An answer that another has overtaken is neither. */
void secret_learn_locked(struct tree *t, struct dir *d, struct kv_version *v,
			 enum secret_origin origin, uint64_t mark);

/* A change of ours has come to its end: what was shown meanwhile and is not ours is told. */
void secret_changed_locked(struct tree *t, struct dir *d);

/* Takes back what was shown, since the server refuses it (`code`), or (0) it is to be asked again. */
void secret_withdraw_locked(struct tree *t, struct dir *d, int code);

/* A handle on a field was opened for reading from `v`, or closed. */
void secret_opened_locked(struct field *f, struct kv_version *v);
void secret_closed_locked(struct tree *t, struct field *f);

/* The field was in another secret until now: those who have it open are counted where it is. */
void secret_moved_locked(struct field *f, struct dir *from);

/* The kernel is to ask anew what a name in the directory stands for. */
void secret_forget_name_locked(struct tree *t, struct dir *d, const char *name);

/* The kernel was told of the file with this time: tells it again where that is not the one shown. */
void secret_tell_again_locked(struct tree *t, struct field *f, const struct timespec *mtime);

/* The kernel's pages are put right. */
struct waitq secret_settled_locked(struct tree *t, struct dir *d);

/* Waits until nobody is left to wait for: at most the time that handles are waited for. Releases the
 * tree's lock meanwhile; not in a thread that serves the kernel. */
void secret_wait_drained_locked(struct tree *t, struct dir *d);

#endif
