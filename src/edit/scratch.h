/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EDIT_SCRATCH_H
#define EDIT_SCRATCH_H

#include "edit/draft.h"

/* Files that live in memory and never reach the server, until they are renamed over one that does:
 * editors' swap files and backups, what mkstemp(3) makes, and writes that met a conflict. */
struct scratch {
	struct node node;
	struct draft *draft; /* all who have it open share it */
	struct field
		*hides; /* a field that was moved to this name: used, and still at the server */
	struct node *became; /* the file that it was renamed over: used */
};

extern const struct node_type scratch_type;

static inline bool node_is_scratch(const struct node *n)
{
	return n->type == &scratch_type;
}

static inline struct scratch *scratch_of(struct node *n)
{
	return container_of(n, struct scratch, node);
}

/* Whether a name that the server does not hold is one of a scratch file; and whether a file that is
 * made with these flags and mode is one whatever its name. */
bool scratch_has_name_locked(struct tree *t, struct node *parent, const char *name);
bool scratch_is_made_by(int flags, mode_t mode);

/* A new one, that stays until scratch_drop_locked(); the caller has a use of it. NULL: no memory. */
struct scratch *scratch_new_locked(struct tree *t, struct node *parent, const char *name,
				   const struct caller *caller);
void scratch_drop_locked(struct tree *t, struct scratch *s);

/* A handle on it. 0 or -ENOMEM. */
int scratch_open_locked(struct tree *t, struct scratch *s, int flags, struct handle **out);

/* A field that is moved to the scratch file's name, and under its own name again. */
void scratch_hide_locked(struct scratch *s, struct field *f);
void scratch_unhide_locked(struct tree *t, struct field *f);

/* Keeps what could not be committed in .vault/conflicts of the directory, as NAME.N. Adds to the
 * sentence where it is. */
void scratch_keep(struct tree *t, struct dir *d, const char *name, struct draft *from,
		  const struct request *rq);

/* The end of the mount: warns of those that are left, by name. */
void scratch_end_locked(struct tree *t, struct node *below);

#endif
