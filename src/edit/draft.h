/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EDIT_DRAFT_H
#define EDIT_DRAFT_H

#include "base/buf.h"
#include "base/lock.h"
#include "edit/edit.h"
#include "node/quota.h"
#include "tree/handle.h"

#define NO_CAS KV_ANY

/* A file that is being written: nobody else sees it until it is committed. A scratch file's is shared
 * by all who have that open. */
struct draft {
	unsigned refs;	  /* the tree's lock */
	struct lock lock; /* guards all below but what says otherwise */
	struct buf text;
	size_t max;	     /* bytes */
	bool is_value;	     /* of one field: `max` is for what the server would store */
	struct quota *quota; /* NULL: none */
	bool patient;	     /* where the quota has no room only that write fails, and not all */
	bool dirty;	     /* differs from what was committed last */
	bool emptied;  /* by O_TRUNC, and nothing was written since: commits at the last close */
	bool replaces; /* the whole content is new: it does not matter what was there */
	bool depends;  /* but it does: that was read through it, or there was no such file */
	bool taken;    /* what was written is on its way to the server */
	bool owes_removal;	 /* takes the place of a removal that was acknowledged */
	size_t read_to;		 /* where the last read ended */
	int failed;		 /* errno that every later call answers */
	pid_t opener;		 /* the process; constant */
	uid_t uid;		 /* constant */
	gid_t gid;		 /* constant */
	int64_t touched;	 /* clock_wall() of the last change */
	int64_t cas;		 /* NO_CAS, or what the latest version must be */
	struct kv_version *base; /* what the change is based on; the tree's lock */
	struct object *seen;	 /* of metadata.json: what it was; the tree's lock */
};

/* NULL: no memory. `base` is borrowed. The caller has a reference. */
struct draft *draft_new(struct kv_version *base, const struct caller *caller, size_t max);
void draft_put_locked(struct draft *d);

/* 0; or -EFBIG, -ENOMEM, or what went wrong before. What turns out too large for the server fails for
 * good, since half of it is not to be committed. */
int draft_write(struct draft *d, const char *bytes, size_t len, size_t offset, bool append);
int draft_truncate(struct draft *d, size_t size);
int draft_read(struct draft *d, size_t offset, size_t size, struct buf *out);

/* What is to be committed, as a copy: writes may go on meanwhile. False: nothing. */
bool draft_take(struct draft *d, bool also_emptied, struct buf *text);
void draft_fail(struct draft *d, int code);
/* Whether nobody has read or changed what was there: it may be replaced by what is there now. */
bool draft_is_untouched_locked(const struct draft *d);
/* Whether a read at that offset begins anew with what was there, which nobody has changed. */
bool draft_is_read_again_locked(const struct draft *d, size_t offset);
/* The file that it makes is there by now, and empty. */
void draft_found(struct draft *d);
/* What it is based on from now on; borrowed. Under the tree's lock. */
void draft_set_base_locked(struct draft *d, struct kv_version *base);
/* What it holds is committed, as what was there. */
void draft_settle(struct draft *d);
/* Whether something was written that is not committed, and can be. */
bool draft_is_dirty(struct draft *d);
/* The errno that it failed with; 0: none. */
int draft_failure(struct draft *d);
size_t draft_size(struct draft *d);

/* Enters a quota with what it holds: 0, or -ENOMEM where there is no room. */
int draft_charge(struct draft *d, struct quota *quota);

/* What it holds from now on; `text` is empty then. It leaves the quota where that has no room. */
void draft_take_text(struct draft *d, struct buf *text);

/* Leaves the quota; with `empty` what was written is dropped, since nobody can read it any more. */
void draft_discharge(struct draft *d, bool empty);

#endif
