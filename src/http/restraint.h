/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_RESTRAINT_H
#define HTTP_RESTRAINT_H

#include "base/cancel.h"
#include "base/lock.h"

#include <stdint.h>

/* The budget of failures: whatever the callers do, the server has to refuse only so many requests a
 * second, and requests that it accepts are not held up. Each uid has a share. */

#define RESTRAINT_GOOD	 4096
#define RESTRAINT_BAD	 1024
#define RESTRAINT_WAYS	 4 /* slots of a set */
#define RESTRAINT_HOLDS	 16
#define RESTRAINT_PURSES 32

/* Why a request waits. Unknown requests do not queue behind suspect ones. */
enum restraint_class {
	RESTRAINT_UNKNOWN, /* its path and folder were not seen lately */
	RESTRAINT_SUSPECT, /* it or its folder has failed */
	RESTRAINT_CLASSES
};

/* One uid's use of the budget. */
struct restraint_purse {
	uid_t uid;
	uint64_t owed;	  /* clock_mono() at which all its failures so far are paid for */
	uint64_t turned;  /* clock_mono() at which failures of formerly good paths are paid for */
	uint64_t turning; /* clock_mono() of the first of these in a row */
	unsigned flying;  /* let through on credit */
	unsigned waiting[RESTRAINT_CLASSES];
};

/* The last outcome of a path or folder. A key determines its set of slots; a new key replaces the
 * oldest slot of the set. */
struct restraint_slot {
	uint64_t key, at;
	int code; /* an errno; 0: success */
};

struct restraint {
	struct lock lock;  /* guards all below */
	uint64_t interval; /* ns that a failure costs */
	uint64_t owed;	   /* clock_mono() at which everybody's failures are paid for */
	unsigned flying;   /* of all */
	struct restraint_purse
		purses[RESTRAINT_PURSES + 1]; /* the last: shared by uids without one */
	/* Two tables, so that no number of failures displaces a good path. A key is in at most one
	 * of them. */
	struct restraint_slot good[RESTRAINT_GOOD], bad[RESTRAINT_BAD];
	struct {
		uint64_t key, until;
	} holds[RESTRAINT_HOLDS];
};

/* A request's state here: the keys of its path, of that path's folder, and of the engine of both. */
struct restraint_pass {
	uint64_t self, folder, engine;
	uid_t uid;    /* charged for it */
	size_t purse; /* while it flies or waits */
	enum restraint_class class;
	bool flying;
};

/* `rate` failures a second, and a second's worth at once. */
void restraint_init(struct restraint *r, unsigned rate);
void restraint_fini(struct restraint *r);

/* The kind of request. A policy may grant one kind and refuse the others, so outcomes are kept by
 * kind. */
enum restraint_kind { RESTRAINT_READ, RESTRAINT_LIST, RESTRAINT_CHANGE };

/* `path`: of the API, "secret/data/app/db". */
struct restraint_pass restraint_pass(const char *path, enum restraint_kind kind);

/* Lets a request through if it has no reason to fail, and others while the budget lasts. Beyond it,
 * a path that failed lately gets its old -errno again; of the others a few wait until the deadline.
 * 0; -EAGAIN if it must not be sent; -EINTR. After 0, call exactly one of the three functions
 * below. */
int restraint_enter(struct restraint *r, struct restraint_pass *pass, struct limit limit);

/* It succeeded. */
void restraint_good(struct restraint *r, struct restraint_pass *pass);

/* It failed. `code`: a positive errno if the failure is specific to the path, else 0. `hold`: for
 * so many ns the server wants no requests for this engine; 0: it did not say. */
void restraint_bad(struct restraint *r, struct restraint_pass *pass, int code, uint64_t hold);

/* It had no result. */
void restraint_spare(struct restraint *r, struct restraint_pass *pass);

#endif
