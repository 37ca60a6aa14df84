/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EDIT_EDIT_H
#define EDIT_EDIT_H

#include "base/cancel.h"
#include "tree/tree.h"

struct handle;

/* What it means to change something in the tree. Calls that take a `struct limit` may wait for the
 * server, and belong in a thread of the pool; they may also return PARKED, before anything was done.
 * Once a change was sent to the server its outcome is waited for, whatever limit.cancel says. */

/* Everything that such a call needs to know of its request. */
struct request {
	const struct caller *caller;
	const struct ask *ask;
	struct limit limit;
	struct err *err;
};

/* Opens for writing (and reading, with O_RDWR): asks the server for the version that the change will
 * be based on, and whether we may. */
int edit_open(struct tree *t, struct node *node, int flags, const struct request *rq,
	      struct handle **out);

/* Makes a file and opens it, or opens the one that came to be meanwhile. As tree_lookup(). */
int edit_create(struct tree *t, struct node *dir, const char *name, int flags, mode_t mode,
		const struct request *rq, struct view *view, struct handle **out);

/* On handles with a draft, from memory: 0 or -errno; the error of a commit that failed stays. */
bool edit_is_draft(const struct handle *h);
int edit_write(struct handle *h, const char *bytes, size_t len, size_t offset);
struct buf;
int edit_read(struct tree *t, struct handle *h, size_t offset, size_t size, struct buf *out);
int edit_truncate(struct handle *h, size_t size);
/* At least so long, with zeros at the end. */
int edit_allocate(struct handle *h, size_t size);

/* A file of this mount alone: reading it is edit_open()'s business too. */
bool edit_is_scratch(const struct node *n);

/* The size that a file has for a process that is writing it, by a descriptor (`through`, else NULL) that
 * it has opened or was handed. False where it has no draft of it. */
bool edit_size_for(struct tree *t, struct node *node, struct handle *through, pid_t pid,
		   size_t *size);

/* close(2): commits where the process that opened the file closes it, or nobody is left who has it
 * open. What a process was writing when a signal ended it is thrown away. edit_flush_pending() tells
 * from memory whether there is anything to do, and if not what to answer. */
bool edit_flush_pending(struct handle *h, int *answer);
int edit_flush(struct tree *t, struct handle *h, const struct request *rq);
/* Throws the draft away if a signal is ending the process that opened it, and with it a file that is
 * new; whether it is. From memory. */
bool edit_abandon(struct tree *t, struct handle *h, pid_t pid);

/* Whether the last close has anything to commit; then edit_release_begin() has those wait who come after
 * it, until edit_release(). */
bool edit_release_pending(struct handle *h);
void edit_release_begin(struct tree *t, struct handle *h);
int edit_fsync(struct tree *t, struct handle *h, const struct request *rq);

/* The last close. Commits what is left, and frees the handle unless it returns PARKED. From memory
 * where nothing is pending. */
int edit_release(struct tree *t, struct handle *h, const struct request *rq);

/* The end of the mount: removes at the server what was removed here, and waits for that. Before
 * edit_end(), while the pool works. */
void edit_settle(struct tree *t);

/* The end of the mount: drafts that are still open are thrown away, with a warning. */
void edit_end(struct tree *t);

/* truncate(2) of a path, committed when it returns. A process that writes the file has its own draft
 * cut, and committed as it is then. */
int edit_resize(struct tree *t, struct node *node, size_t size, const struct request *rq);

/* utimensat(2), with `times` as there. A directory's are kept in memory; those of a file are its
 * version's, and what is set is forgotten. From memory. */
void edit_set_times(struct tree *t, struct node *node, const struct timespec times[2]);

int edit_mkdir(struct tree *t, struct node *dir, const char *name, const struct request *rq,
	       struct view *view);
int edit_rmdir(struct tree *t, struct node *dir, const char *name, const struct request *rq);
int edit_unlink(struct tree *t, struct node *dir, const char *name, const struct request *rq);
/* `flags` as of renameat2(2). */
int edit_rename(struct tree *t, struct node *from, const char *name, struct node *to,
		const char *new_name, unsigned flags, const struct request *rq);

int edit_removexattr(struct tree *t, struct node *node, const char *name, const struct request *rq);
/* `flags` as of setxattr(2). */
int edit_setxattr(struct tree *t, struct node *node, const char *name, const char *value,
		  size_t len, int flags, const struct request *rq);

#endif
