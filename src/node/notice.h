/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_NOTICE_H
#define NODE_NOTICE_H

#include <stdbool.h>
#include <stddef.h>

struct event;
struct node;
struct tree;

/* What those are told who have asked the kernel to be told of changes (inotify(7)): the kernel tells
 * them only of what is done to a file, so it is done, by a process of ours. */
enum notice_act {
	NOTICE_QUIET,  /* nothing, or the kernel has done so itself */
	NOTICE_TOUCH,  /* it has other content */
	NOTICE_APPEAR, /* the name has come: tree_appear(); until then it is hidden */
	NOTICE_LEAVE,  /* it is going: tree_leave() */
	NOTICE_PROBE,  /* nothing: the kernel is to let go of what it keeps of it for nobody */
};

struct notice_item {
	struct node *node; /* with a use; NULL: the kernel knows the name alone */
	char *name;	   /* in the notice's directory, or below it */
	char *path;	   /* below the mount's root */
	bool gone;	   /* it has no content any more */
	bool kept;	   /* its pages are right: another has the name now */
	enum notice_act act;
};

/* Files in one directory of which the kernel's copy is out of date. It goes to tree_config.changed, whose
 * receiver owns it from then on and frees it when all of it is done. */
struct notice {
	struct notice *next; /* the receiver's */
	struct node *dir;    /* with a use */
	struct event *event; /* what has happened, to be told when all is in place; NULL: nothing */
	size_t count, room;
	struct notice_item items[];
};

/* A notice without items, with room for so many. NULL: no memory. */
struct notice *notice_new_locked(struct node *dir, size_t room);

/* Adds a quiet item, with a use of `node`, which may be NULL. The item can be changed until the notice is
 * sent. NULL: no memory, or no room. */
struct notice_item *notice_add_locked(struct notice *n, struct node *node, const char *name,
				      bool gone);

/* Ends it. Names that were to appear or to leave and have not done so by now do it without a word. The
 * second takes the tree's lock. */
void notice_free_locked(struct tree *t, struct notice *n);
void notice_free(struct tree *t, struct notice *n);

#endif
