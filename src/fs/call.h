/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FS_CALL_H
#define FS_CALL_H

#define FUSE_USE_VERSION 314

#include "base/lock.h"
#include "edit/edit.h"
#include "fs/fs.h"
#include "node/quota.h"
#include "tree/listing.h"
#include "tree/open.h"
#include "control/xattr.h"

#include <fuse_lowlevel.h>
#include <stdatomic.h>

/* A request of the kernel on its way through us. It is run from memory in the thread that read it;
 * where it has to wait it is parked, and run anew when what it waits for has come; calls that change
 * something run in the pool. */
struct call;

struct op {
	const char *name;
	bool pool;  /* may wait for the network: runs in the pool */
	bool names; /* success without a node means that there is none */
	bool stale; /* ESTALE is an answer: the kernel looks the name up anew, once */
	/* 0 with the results in the call, -errno, or PARKED. May run several times. */
	int (*run)(struct call *c);
	/* Answers what run() has found. */
	void (*reply)(struct call *c);
	/* Whether a signal may end it: false has it go on to its end. NULL: it may. */
	bool (*interrupted)(struct call *c);
};

struct call {
	struct fs *fs;
	fuse_req_t req; /* NULL: nobody waits for the answer */
	const struct op *op;
	struct caller caller;
	struct ask ask;
	struct err err;
	uint64_t begun;
	/* arguments */
	struct node *node, *node2;
	struct node *held;	  /* a reference: without a request it may be forgotten */
	const char *name, *name2; /* copied when the call is parked */
	int flags;
	mode_t mode;
	size_t size, offset;
	struct timespec times[2]; /* as utimensat(2) has them */
	struct handle *handle;
	struct fuse_file_info fi;
	struct view view; /* results, from here on */
	struct listing *listing;
	char *text;
	size_t text_len;
	struct content content;		 /* what was read, with a reference */
	bool direct, unchanged, changed; /* changed: what is left is to describe it */
	struct waiter waiter;		 /* private, from here on */
	struct job job;
	struct cancel cancel;
	enum { CALL_RUNNING, CALL_QUEUED, CALL_PARKED, CALL_DONE } state;
	bool woken, interrupted, listed, charged;
	unsigned refs;
	struct call *prev, *next;
};

/* Of the fs: the calls that are not answered yet. */
struct calls {
	struct lock lock; /* guards all below, and the private part of every call */
	struct cond none; /* no call is left */
	struct call *list;
	size_t running;	      /* calls on the heap that are not freed */
	struct quota waiting; /* the same by uid; a lock of its own */
	bool stopping;
	atomic_bool sweeping; /* the timer is armed */
	struct timer timer;
};

void calls_init(struct fs *fs);
void calls_fini(struct fs *fs);

/* Answers all that are parked with ECONNABORTED, and from now on those that would park. */
void calls_stop(struct fs *fs);
/* Waits until all that are running have been answered. */
void calls_wait(struct fs *fs);

/* A call of that request, with caller and clock filled in. */
struct call call_init(struct fs *fs, fuse_req_t req, const struct op *op);

/* Runs it, to its end or until it parks. The strings in it need not outlive this. */
void call_start(const struct call *c);

/* What the edit layer needs of it. */
struct request call_request(struct call *c);

struct fuse_entry_param call_entry(const struct call *c);
fuse_ino_t call_ino(const struct fs *fs, const struct node *n);
struct node *call_node(struct fs *fs, fuse_ino_t ino);
double call_seconds(uint64_t ns);

#endif
