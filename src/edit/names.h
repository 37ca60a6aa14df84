/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EDIT_NAMES_H
#define EDIT_NAMES_H

#include "edit/edit.h"
#include "node/name.h"
#include "tree/dir.h"

/* The child of that name, with a use for the caller. The kernel has looked it up before, so that it
 * mostly is in memory. 0, PARKED or -errno. */
int names_find(struct tree *t, struct node *dir, const char *name, const struct request *rq,
	       struct node **child);

/* The file that a change is for: of a removed field that which has its name now; with a use for the
 * caller. 0, PARKED or -errno. */
int names_find_again(struct tree *t, struct node *node, const struct request *rq,
		     struct node **out);

/* Gives the use back. NULL is fine. */
void names_drop(struct tree *t, struct node *n);

/* Whether a field of that name can be made; what it is named at the server then. */
struct names_new {
	char raw[NAME_BYTES_MAX + 1];
	size_t len;
};
int names_check_new(const char *name, struct names_new *out, struct err *err);

/* Whether names in that directory may be changed by the caller: 0, -EACCES or -EROFS. */
int names_check_dir(struct tree *t, struct node *dir, const struct request *rq);

/* A name in that directory has come or gone, by a call that has just succeeded. */
void names_moved(struct tree *t, struct node *dir);

/* data.json is out of the process's sight for a moment, unless it is written. */
void document_hide_locked(struct dir *d, const struct caller *caller);

/* The sentence for -ENOSPC or -ENOMEM of what makes something local; and `r`. */
int names_no_room(struct err *err, int r);

#endif
